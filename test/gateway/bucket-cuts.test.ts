/** Large pages are cut: nothing is lost, what comes next writes little, and a batch is bounded by what it touches. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { allAtOnce, createTableBuilder, formatDecimal, type TelemetryEvent } from '../../src/codec/index.ts';
import { GRANULARITIES, type Granularity } from '../../src/gateway/bucket.ts';
import { bucketsOf } from '../../src/gateway/bucket-page.ts';
import { readSeries } from '../../src/gateway/bucket-series.ts';
import { bucketPageOf, createPageOperator, type Page, pageStart } from '../../src/gateway/pages.ts';
import { tally } from '../../src/gateway/tally.ts';
import { type GatewayStore, openRocksGatewayStore, SHARED_TURNS } from '../../src/store/index.ts';
import { familyRange, GATEWAY } from '../../src/store/keys.ts';
import { openRocks } from '../../src/store/rocks.ts';
import { createRandom, seedOf } from '../store/random.ts';
import { exactSum } from './exact-sum.ts';
import { DEVICE, EPOCH_MS, post, read, STREAM_HEX, temporaryFolder, testGateway } from './gateway-fixture.ts';

const MINUTE_MS = 60_000;
const HUGE = 1.797e308;
const TINY = 5e-324;
const TIME_KINDS = ['minute', 'hour', 'day'] as const;

type Options = Partial<Parameters<typeof openRocksGatewayStore<Page>>[0]>;

/** A store whose pages are cut very soon, and how many bytes its writes come to. */
async function cuttingStore(t: TestContext, options: Options = {}) {
  const path = join(await temporaryFolder(t), 'store');
  const opened: GatewayStore<Page>[] = [];
  t.after(async () => {
    for (const store of opened) await store.close();
  });
  const written = { bytes: 0 };
  const counting: typeof openRocks = async (...args) => {
    const rocks = await openRocks(...args);
    const write = rocks.write.bind(rocks);
    rocks.write = (operations) => {
      for (const one of operations) written.bytes += one.type === 'put' ? one.key.length + one.value.length : 0;
      return write(operations);
    };
    return rocks;
  };
  const open = async () => {
    const store = await openRocksGatewayStore({ path, operator: createPageOperator(), ...options }, counting);
    opened.push(store);
    return store;
  };
  return { open, written, path };
}

/** Counts events as if they had come in one batch from a sequence on. */
async function count(store: GatewayStore<Page>, first: number, events: readonly TelemetryEvent[]): Promise<void> {
  const builder = createTableBuilder();
  for (const event of events) assert(builder.add(event));
  const range = { first, last: first + events.length - 1 };
  const pages = allAtOnce(tally(DEVICE, builder.build(), first, [range]));
  await store.ingest({ deviceId: DEVICE, stream: STREAM_HEX }, () => ({
    segments: [{ ...range, digest: 1n }],
    gaps: [],
    pages,
  }));
}

/** Every bucket of a kind as text, by sensor and number; each is in one page, and every page in its place. */
async function bucketsIn(store: GatewayStore<Page>, kind: Granularity): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { key, page } of store.pages(DEVICE, kind)) {
    const { names } = bucketPageOf(page);
    for (const { number, events, aggregates } of bucketsOf(bucketPageOf(page))) {
      const name = `${key.sensor} ${number}`;
      assert(!found.has(name), `${kind} ${name} is in two pages`);
      const area = pageStart(kind, number);
      assert(key.start >= area && key.start < area + GRANULARITIES[kind].pageBuckets * GRANULARITIES[kind].bucketMs);
      const measures = names.flatMap((measure, place) => {
        const aggregate = aggregates[place];
        return aggregate === undefined ? [] : [[measure, { ...aggregate, sum: formatDecimal(aggregate.sum) }]];
      });
      found.set(name, JSON.stringify({ events, measures }));
    }
  }
  return new Map([...found].sort());
}

test('however pages are cut, every bucket is there once, exact, and holdings are what is stored', async (t) => {
  const below = createRandom(seedOf(t));
  for (const options of [
    { operator: createPageOperator(64), cachedPagesMax: 1 },
    { operator: createPageOperator(64) },
    { operator: createPageOperator(600), cachedPagesMax: 8 },
  ]) {
    const { open, path } = await cuttingStore(t, options);
    const whole = await (await cuttingStore(t, { operator: createPageOperator(1 << 30) })).open();
    let store = await open();
    let first = 1;
    let parts = 0;
    for (let batch = 0; batch < 60; batch++) {
      const early = EPOCH_MS + below(3) * 86_400_000 + below(480) * MINUTE_MS;
      const events = Array.from({ length: 1 + below(40) }, (_, i) => ({
        ts: early + i * (1 + below(3)) * 20_000 - (below(10) === 0 ? below(200) * MINUTE_MS : 0),
        sensor: below(5) > 0 ? 'a' : 'b',
        fields: { [`m${below(4)}`]: below(10) === 0 ? HUGE : below(1_000) / 8, [`n${below(40)}`]: below(9) },
      }));
      await Promise.all([count(store, first, events), count(whole, first, events)]);
      first += events.length;
      if (batch % 20 !== 19) continue;
      await store.close();
      store = await open();
    }
    for (const kind of TIME_KINDS) assert.deepEqual(await bucketsIn(store, kind), await bucketsIn(whole, kind), kind);
    for await (const { key } of store.pages(DEVICE, 'minute')) if (key.start % MINUTE_MS === 1) parts += 1;
    assert(parts > 20, `${parts} parts`);
    // A range that begins and ends within what was cut.
    const [begin, end] = [EPOCH_MS / MINUTE_MS + 100, EPOCH_MS / MINUTE_MS + 333];
    const series = async (of: GatewayStore<Page>) => {
      const buckets = [];
      const query = { granularity: 'minute' as const };
      for await (const { number, events } of readSeries(of, DEVICE, query, { begin, end }, SHARED_TURNS)) {
        buckets.push([number, events]);
      }
      return buckets;
    };
    assert.deepEqual(await series(store), await series(whole));
    const held = await store.holdings(DEVICE);
    await store.close();
    const rocks = await openRocks(path);
    let pages = 0;
    let pageBytes = 0;
    let largest = 0;
    for await (const [key, value] of rocks.entries(familyRange(GATEWAY.page))) {
      pages += 1;
      pageBytes += key.length + value.length;
      largest = Math.max(largest, key.length + value.length);
    }
    await rocks.close();
    assert.deepEqual([held.pages, held.pageBytes], [pages, pageBytes]);
    assert(held.largestPage >= largest, 'no page is larger than the largest');
  }
});

test('a page of before pages were cut is read as it is, and cut when something comes into it', async (t) => {
  const path = join(await temporaryFolder(t), 'store');
  const open = (cutBytes: number) => openRocksGatewayStore({ path, operator: createPageOperator(cutBytes) });
  const eventAt = (minute: number) => ({ ts: EPOCH_MS + minute * MINUTE_MS, sensor: 's', fields: { volume: minute } });
  let store = await open(1 << 30);
  const minutes = Array.from({ length: 200 }, (_, minute) => minute);
  await count(store, 1, minutes.map(eventAt));
  const before = await bucketsIn(store, 'minute');
  await store.close();
  store = await open(64);
  t.after(() => store.close());
  assert.deepEqual(await bucketsIn(store, 'minute'), before);
  assert.equal((await store.holdings(DEVICE)).pages, 4);
  await count(store, 201, [eventAt(200)]);
  const after = await bucketsIn(store, 'minute');
  assert.equal(after.size, 201);
  for (const [name, bucket] of before) assert.equal(after.get(name), bucket);
  assert((await store.holdings(DEVICE)).pages > 20);
});

test('an event that comes into minutes of 512 measures of 633 digits writes what one of them takes', async (t) => {
  const { open, written } = await cuttingStore(t);
  const store = await open();
  let first = 1;
  for (let set = 0; set < 4; set++) {
    const events = Array.from({ length: 120 }, (_, i) => ({
      ts: EPOCH_MS + (i >> 1) * MINUTE_MS,
      sensor: 's',
      fields: Object.fromEntries(Array.from({ length: 128 }, (_, m) => [`m${set}_${m}`, i % 2 === 0 ? HUGE : TINY])),
    }));
    await count(store, first, events);
    first += events.length;
  }
  const { pageBytes, largestPage } = await store.holdings(DEVICE);
  t.diagnostic(`${pageBytes} bytes in all, ${largestPage} the largest`);
  assert(pageBytes > 8 << 20, 'all of it is there');
  assert(largestPage < 256 << 10, 'no page is large');
  for (const minute of [59, 30, 0, 239, 100]) {
    written.bytes = 0;
    await count(store, first++, [{ ts: EPOCH_MS + minute * MINUTE_MS, sensor: 's', fields: { m0_0: 1 } }]);
    t.diagnostic(`${written.bytes} bytes for an event in minute ${minute}`);
    assert(written.bytes < 1 << 20, `${written.bytes} bytes for an event in minute ${minute}`);
  }
});

test('a batch over very many fat pages is to be split, and its halves count, each event once', async (t) => {
  let weighed = 0;
  const wrap = (store: GatewayStore<Page>) =>
    new Proxy(store, {
      get(target, name) {
        const value = target[name as keyof typeof target] as unknown;
        if (typeof value !== 'function') return value;
        if (name !== 'weigh') return value.bind(target);
        return (...args: unknown[]) => {
          weighed += 1;
          return value.apply(target, args);
        };
      },
    });
  const gateway = await testGateway(t, { wrap });
  await post(gateway, { batch: { count: 500 } });
  assert.equal(weighed, 0, 'what is surely light is not weighed');
  const sensors = 44;
  const sent: TelemetryEvent[] = [];
  let first = 501;
  for (let part = 0; part < 16; part++) {
    // A quarter of the measures of a quarter of the sensors.
    const events = Array.from({ length: sensors / 2 }, (_, i) => ({
      ts: EPOCH_MS + i,
      sensor: `s${(part >> 2) * (sensors / 4) + (i >> 1)}`,
      fields: Object.fromEntries(
        Array.from({ length: 128 }, (_, m) => [`m${part % 4}_${m}`, i % 2 === 0 ? HUGE : TINY]),
      ),
    }));
    const { acknowledgement } = await post(gateway, { batch: { first, events } });
    assert.equal(acknowledgement?.inserted, events.length);
    first += events.length;
    sent.push(...events);
  }
  weighed = 0;
  const one = (i: number) => ({ ts: EPOCH_MS + i, sensor: `s${i}`, fields: { m0_0: 0.5 } });
  const events = Array.from({ length: sensors }, (_, i) => one(i));
  const refused = await post(gateway, { batch: { first, events } });
  assert.deepEqual([refused.status, refused.problem?.code], [413, 'batch-limit']);
  assert.equal(weighed, 1);
  for (const half of [events.slice(0, sensors / 2), events.slice(sensors / 2)]) {
    for (const inserted of [half.length, 0]) {
      const { acknowledgement } = await post(gateway, { batch: { first, events: half } });
      assert.equal(acknowledgement?.inserted, inserted);
    }
    first += half.length;
    sent.push(...half);
  }
  const totals = await read(gateway, '/v1/totals');
  assert.equal(totals.events, first - 1);
  const { count: values, sum } = totals.measures.m0_0;
  assert.equal(values, 3 * sensors);
  assert.equal(sum, exactSum(sent, 'm0_0'));
});

test('minutes of very many bytes that come into one page are weighed part by part', async (t) => {
  const gateway = await testGateway(t);
  const minutes = 200;
  const eventsOf = (set: number, from: number, to: number) =>
    Array.from({ length: 2 * (to - from) }, (_, i) => ({
      ts: EPOCH_MS + (from + (i >> 1)) * MINUTE_MS,
      sensor: 's',
      fields: Object.fromEntries(Array.from({ length: 128 }, (_, m) => [`m${set}_${m}`, i % 2 === 0 ? HUGE : TINY])),
    }));
  let first = 1;
  const codes: string[] = [];
  for (let set = 0; set < 4; set++) {
    const whole = await post(gateway, { batch: { first, events: eventsOf(set, 0, minutes) } });
    codes.push(whole.problem?.code ?? 'taken');
    first += whole.acknowledgement?.inserted ?? 0;
    for (const from of whole.problem === undefined ? [] : [0, minutes / 2]) {
      const events = eventsOf(set, from, from + minutes / 2);
      const { acknowledgement } = await post(gateway, { batch: { first, events } });
      assert.equal(acknowledgement?.inserted, events.length);
      first += events.length;
    }
  }
  assert.deepEqual(codes, ['taken', 'taken', 'batch-limit', 'batch-limit']);
  const totals = await read(gateway, '/v1/totals');
  assert.deepEqual([totals.events, totals.measures.m3_127.count], [first - 1, 2 * minutes]);
});
