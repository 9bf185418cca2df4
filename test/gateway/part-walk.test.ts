/** A range of a page that was cut is read from the parts that it lies in, exactly, also while others write. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { allAtOnce, createTableBuilder, type TelemetryEvent } from '../../src/codec/index.ts';
import { readSeries } from '../../src/gateway/bucket-series.ts';
import { createPageOperator, type Page } from '../../src/gateway/pages.ts';
import { tally } from '../../src/gateway/tally.ts';
import type { WindowMemory } from '../../src/gateway/window-memory.ts';
import { type GatewayStore, openRocksGatewayStore, type PageOperator, SHARED_TURNS } from '../../src/store/index.ts';
import { openRocks } from '../../src/store/rocks.ts';
import { DEVICE, EPOCH_MS, STREAM_HEX, temporaryFolder } from './gateway-fixture.ts';

const MINUTE_MS = 60_000;
const FIRST = EPOCH_MS / MINUTE_MS;
const CUT_BYTES = 64;

/** A store that cuts pages soon, counts those it reads, and has something done before its next look-up by key. */
async function cuttingStore(t: TestContext) {
  const operator = createPageOperator(CUT_BYTES);
  let decoded = 0;
  let before: (() => Promise<void>) | undefined;
  const counting: PageOperator<Page> = {
    ...operator,
    decode(kind, bytes) {
      decoded += 1;
      return operator.decode(kind, bytes);
    },
  };
  const open: typeof openRocks = async (...args) => {
    const rocks = await openRocks(...args);
    const getMany = rocks.getMany.bind(rocks);
    rocks.getMany = async (keys) => {
      const once = before;
      before = undefined;
      await once?.();
      return await getMany(keys);
    };
    return rocks;
  };
  const path = join(await temporaryFolder(t), 'store');
  const store = await openRocksGatewayStore({ path, operator: counting }, open);
  t.after(() => store.close());
  let first = 1;
  return {
    store,
    async count(events: readonly TelemetryEvent[]): Promise<void> {
      const builder = createTableBuilder();
      for (const event of events) assert(builder.add(event));
      const range = { first, last: first + events.length - 1 };
      first += events.length;
      const pages = allAtOnce(tally(DEVICE, builder.build(), range.first, [range]));
      const admission = { segments: [{ ...range, digest: 1n }], gaps: [], pages };
      await store.ingest({ deviceId: DEVICE, stream: STREAM_HEX }, () => admission);
    },
    async readBy<T>(read: () => Promise<T>): Promise<{ result: T; pages: number }> {
      decoded = 0;
      return { result: await read(), pages: decoded };
    },
    beforeNextGet: (task: () => Promise<void>) => (before = task),
  };
}

const inMinute = (minute: number, sensor = 's', more = {}) => ({
  ts: EPOCH_MS + minute * MINUTE_MS,
  sensor,
  fields: { volume: minute, ...more },
});

const minutes = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

async function eventsOf(
  store: Pick<GatewayStore<Page>, 'pages'>,
  from: number,
  to: number,
  { measure = undefined as string | undefined, memory = undefined as WindowMemory | undefined } = {},
): Promise<[minute: number, events: number][]> {
  const query = { granularity: 'minute' as const, measure };
  const range = { begin: FIRST + from, end: FIRST + to };
  const found: [number, number][] = [];
  for await (const bucket of readSeries(store, DEVICE, query, range, SHARED_TURNS, memory)) {
    found.push([bucket.number - FIRST, bucket.events]);
  }
  return found;
}

test('of a page that was cut, the parts are read that a range lies in', async (t) => {
  const { store, count, readBy } = await cuttingStore(t);
  const sensors = ['a', 'b', 'c'];
  for (const from of [0, 60, 120, 180]) {
    for (const sensor of sensors) await count(minutes(from, from + 60).map((minute) => inMinute(minute, sensor)));
  }
  const { pages } = await readBy(() => eventsOf(store, 0, 240));
  assert(pages > 25 * sensors.length, `${pages} pages, parts among them`);
  for (const minute of [0, 1, 100, 179, 238, 239]) {
    const read = await readBy(() => eventsOf(store, minute, minute + 1, { measure: 'volume' }));
    assert.deepEqual(read.result, [[minute, sensors.length]]);
    assert(read.pages <= 2 * sensors.length, `${read.pages} pages for minute ${minute}`);
  }
  const { result, pages: some } = await readBy(() => eventsOf(store, 95, 115));
  assert.deepEqual(
    result,
    minutes(95, 115).map((minute) => [minute, sensors.length]),
  );
  assert(some <= 6 * sensors.length, `${some} pages for 20 minutes`);
});

test('a range that is added up in many windows reads each part about once', async (t) => {
  const { store, count, readBy } = await cuttingStore(t);
  const wide = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`m${i}`, i]));
  for (const sensor of ['a', 'b']) await count(minutes(0, 240).map((minute) => inMinute(minute, sensor, wide)));
  const whole = await readBy(() => eventsOf(store, 0, 240));
  let windows = 0;
  const memory = {
    take: () => {
      windows += 1;
      return { bytes: 100_000, release() {} };
    },
  };
  const narrow = await readBy(() => eventsOf(store, 0, 240, { memory }));
  assert.deepEqual(narrow.result, whole.result);
  assert(windows > 10, `${windows} windows`);
  assert(narrow.pages <= 3 * whole.pages, `${narrow.pages} pages in windows, ${whole.pages} in one`);
});

test('what a commit moves into a new part between two looks at a page is not missed', async (t) => {
  const { store, count, beforeNextGet } = await cuttingStore(t);
  const there = minutes(0, 9);
  await count(there.map((minute) => inMinute(minute)));
  // The keys are listed by now; the values are not read yet.
  let isCut = false;
  beforeNextGet(async () => {
    await count(minutes(9, 40).map((minute) => inMinute(minute)));
    isCut = true;
  });
  const found = await eventsOf(store, 0, 40);
  assert(isCut);
  assert.deepEqual(
    found.filter(([minute]) => minute < 9),
    there.map((minute) => [minute, 1]),
  );
  for (const [minute, events] of found) assert.equal(events, 1, `minute ${minute}`);
});

test('what moves into a part that is read later is not counted twice', async (t) => {
  const { store, count } = await cuttingStore(t);
  const there = minutes(0, 100).filter((minute) => minute % 2 === 0);
  await count(there.map((minute) => inMinute(minute)));
  let next = 100;
  const wide = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`w${i}`, 1 / (i + 3)]));
  /** Each page as it is when it is asked for, and every time others have written since the one before. */
  const changing: Pick<GatewayStore<Page>, 'pages'> = {
    async *pages(deviceId, kind, range = {}) {
      for (let from = range.from; ; ) {
        const given = await store
          .pages(deviceId, kind, { ...range, sensor: 's', from: from! })
          [Symbol.asyncIterator]()
          .next();
        if (given.done) return;
        yield given.value;
        from = given.value.key.start + 1;
        // Into the latest page, and a minute that was not there into the one that was given, so that both are cut.
        const late = Math.floor((given.value.key.start - EPOCH_MS) / MINUTE_MS) + 1;
        const added = late % 2 === 1 && late < 99 ? [inMinute(late, 's', wide)] : [];
        await count([inMinute(next), inMinute(next + 1), ...added]);
        next += 2;
      }
    },
  };
  for (const from of [0, 31, 60]) {
    const found = new Map(await eventsOf(changing, from, 240));
    for (const minute of there) if (minute >= from) assert.equal(found.get(minute), 1, `minute ${minute}`);
  }
});
