/** Whatever a device has sent, and whoever asks for it: answers in bounded parts, of bounded memory, and exact. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { addDecimals, allAtOnce, decimalOf, formatDecimal } from '../../src/codec/index.ts';
import type { Aggregate } from '../../src/gateway/aggregate.ts';
import { createBucketPage } from '../../src/gateway/bucket-page.ts';
import { readSeries } from '../../src/gateway/bucket-series.ts';
import { exportEvents } from '../../src/gateway/event-export.ts';
import { createFirstNames } from '../../src/gateway/first-names.ts';
import { createTurnstile } from '../../src/gateway/flow.ts';
import { tallyGaps } from '../../src/gateway/gap-tally.ts';
import { ARENA_BYTES, EXPORTS_OPEN_MAX, READS_OPEN_MAX, WINDOW_BYTES_MIN } from '../../src/gateway/limits.ts';
import { createWindowMemory } from '../../src/gateway/window-memory.ts';
import { SHARED_TURNS } from '../../src/store/index.ts';
import { until } from '../until.ts';
import {
  DEVICE,
  EPOCH_MS,
  eventOf,
  post,
  read,
  STREAM_HEX,
  say,
  type TestGateway,
  testGateway,
} from './gateway-fixture.ts';

const MINUTE_MS = 60_000;
const YEAR_10000_MS = 253_402_300_800_000;

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

test('a series is exact over sensors, though its buckets hold more than is added up at a time', async () => {
  const minutes = 60;
  const namesOf = (sensor: number) =>
    Array.from({ length: 200 }, (_, i) => `m${String(100 * sensor + i).padStart(4, '0')}`);
  const readingOf = (sensor: number, minute: number, place: number) => sensor + minute / 8 + place;
  const pages = [0, 1, 2, 3].map((sensor) => {
    const buckets = Array.from({ length: minutes }, (_, minute) => ({
      number: minute,
      events: 1,
      aggregates: namesOf(sensor).map((_name, place): Aggregate => {
        const value = readingOf(sensor, minute, place);
        const [min, max, last] = [value, value, value];
        return { count: 1, sum: decimalOf(value), min, max, last, lastTs: minute * MINUTE_MS, lastSequence: 1 };
      }),
    }));
    const key = { deviceId: DEVICE, kind: 'minute' as const, sensor: `s${sensor}`, start: 0 };
    return { key, page: createBucketPage(MINUTE_MS, namesOf(sensor), buckets) };
  });
  let walks = 0;
  const store = {
    async *pages() {
      walks += 1;
      yield* pages;
    },
  };
  const range = { begin: 0, end: minutes };
  const buckets = await all(readSeries(store, DEVICE, { granularity: 'minute' }, range, SHARED_TURNS));
  assert(walks > 1, 'it was added up in windows');
  assert.deepEqual(
    buckets.map(({ number, events }) => [number, events]),
    Array.from({ length: minutes }, (_, minute) => [minute, 4]),
  );
  for (const { number, measures } of buckets) {
    assert.equal(measures.length, 500);
    for (const [name, { sum, count }] of measures) {
      const id = Number(name.slice(1));
      const parts = [0, 1, 2, 3].filter((sensor) => id >= 100 * sensor && id < 100 * sensor + 200);
      const due = parts.reduce((total, sensor) => total + readingOf(sensor, number, id - 100 * sensor), 0);
      assert.deepEqual([formatDecimal(sum), count], [String(due), parts.length], name);
    }
  }
  const one = await all(
    readSeries(store, DEVICE, { granularity: 'minute', measure: 'm0150' }, { begin: 10, end: 12 }, SHARED_TURNS),
  );
  assert.deepEqual(
    one.map(({ number, events, measures }) => [number, events, measures.map(([name]) => name)]),
    [10, 11].map((minute) => [minute, 4, ['m0150']]),
  );
});

test('of more names than are told the first are, whatever the order in which they come', () => {
  const names = Array.from({ length: 40 }, (_, i) => `n${String(i).padStart(2, '0')}`);
  for (const order of [
    [...names, 'volume'],
    ['volume', ...names.toReversed()],
    [...names.toReversed(), 'volume'],
  ]) {
    const dropped: string[] = [];
    const first = createFirstNames((name) => dropped.push(name), 5);
    const taken = order.filter((name) => first.take(name));
    assert.deepEqual(first.inOrder(), ['volume', 'n00', 'n01', 'n02', 'n03']);
    assert.deepEqual(taken.filter((name) => !dropped.includes(name)).sort(), ['n00', 'n01', 'n02', 'n03', 'volume']);
  }
});

test('an export gives each event as it was, in parts of bounded length, however long its line is', async (t) => {
  const gateway = await testGateway(t);
  const long = '\u0001'.repeat(4_096);
  const texts = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`t${i}`, long]));
  const events = [
    { ts: EPOCH_MS, sensor: 's', fields: texts },
    { ts: EPOCH_MS + 1, sensor: 's', fields: { zero: -0, one: 0, volume: -1.5 } },
  ];
  assert.equal((await post(gateway, { batch: { events } })).acknowledgement?.inserted, 2);
  const parts = await all(exportEvents(gateway.store, DEVICE, {}, SHARED_TURNS));
  assert(Math.max(...parts.map(({ length }) => length)) < 64 * 1024);
  const said = (await say(`${gateway.url}/v1/devices/${DEVICE}/events`)).body.toString();
  assert.equal(said, parts.join(''));
  const [first, second] = said
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).fields);
  assert.deepEqual(first, texts);
  assert.deepEqual([Object.is(second.zero, -0), Object.is(second.one, 0), second.volume], [true, true, -1.5]);
});

test('an event in year 10000 counts, and does not become the only thing that one sees', async (t) => {
  const gateway = await testGateway(t);
  const events = [...Array.from({ length: 5 }, (_, i) => eventOf(i + 1)), eventOf(6, { ts: YEAR_10000_MS })];
  await post(gateway, { batch: { events } });
  const { buckets, from, to, next } = await read(gateway, `/v1/devices/${DEVICE}/buckets`);
  assert.deepEqual(
    buckets.map(({ events: count }: { events: number }) => count),
    [5],
  );
  assert.equal(Date.parse(to) - Date.parse(from), 120 * MINUTE_MS);
  assert(Date.parse(to) > EPOCH_MS && Date.parse(to) <= EPOCH_MS + 2 * MINUTE_MS);
  assert.equal(next, null);
  assert.equal((await read(gateway, '/v1/totals')).events, 6);
  assert.equal((await read(gateway, `/v1/devices/${DEVICE}`)).lastEventAt, new Date(YEAR_10000_MS).toISOString());
});

test('a device whose every event is to come is shown by the last of them', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway, { batch: { events: [eventOf(1, { ts: YEAR_10000_MS })] } });
  assert.equal((await read(gateway, `/v1/devices/${DEVICE}/buckets`)).buckets.length, 1);
});

test('devices and sensors are told one after another, and of their measures only those asked for', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway, { batch: { events: ['a', 'b', 'c'].map((sensor, i) => eventOf(i + 1, { sensor })) } });
  const device = `/v1/devices/${DEVICE}`;
  const all = await read(gateway, device);
  assert.deepEqual([Object.keys(all.measures), all.nextSensors], [['volume', 'temperature'], null]);
  const some = await read(gateway, `${device}?measure=temperature&sensorsAfter=a`);
  assert.deepEqual(Object.keys(some.measures), ['temperature']);
  assert.deepEqual(
    some.sensors.map(({ sensor, measures }: { sensor: string; measures: object }) => [sensor, Object.keys(measures)]),
    [
      ['b', ['temperature']],
      ['c', ['temperature']],
    ],
  );
  const { devices, next } = await read(gateway, '/v1/devices?measure=nothing&limit=1');
  assert.deepEqual([devices[0].id, devices[0].measures, next], [DEVICE, {}, null]);
});

/** An answer that nobody reads on. */
async function open(gateway: TestGateway, path: string): Promise<{ status: number; leave(): Promise<void> }> {
  const request = http.get(`${gateway.url}${path}`, { agent: false });
  const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
  answer.on('error', () => {});
  return {
    status: answer.statusCode!,
    async leave() {
      answer.destroy();
      request.destroy();
    },
  };
}

test('so many answers are open at once and no more; one whose client goes away makes room', async (t) => {
  const gateway = await testGateway(t);
  const fields = Object.fromEntries(Array.from({ length: 128 }, (_, i) => [`t${i}`, '\u0001'.repeat(4_096)]));
  for (let first = 1; first <= 4; first++) {
    // Many times what sockets and streams on the way hold.
    await post(gateway, { batch: { first, events: [{ ts: EPOCH_MS + first, sensor: 's', fields }] } });
  }
  const path = `/v1/devices/${DEVICE}/events`;
  // At once, so that none has waited so long for its client that it gives way.
  const answers = await Promise.all(Array.from({ length: EXPORTS_OPEN_MAX + 1 }, () => open(gateway, path)));
  assert.equal(answers.filter(({ status }) => status === 503).length, 1);
  for (const answer of answers) await answer.leave();
  await until(async () => {
    const { status, body } = await say(`${gateway.url}${path}`);
    if (status === 503) return false;
    assert.equal(body.toString().trimEnd().split('\n').length, 4);
    return true;
  }, 'there is room again');
});

test('sums of gaps are added in steps', () => {
  const digits = `${'9'.repeat(400)}.${'9'.repeat(400)}`;
  const sums = Object.fromEntries(Array.from({ length: 512 }, (_, i) => [`m${i}`, digits]));
  const gap = (first: number) => ({ gap: { first, last: first, reason: 'quota' as const, sums }, events: 1 });
  const declared = [gap(1), gap(3)];
  let steps = 0;
  const work = tallyGaps(declared);
  for (let step = work.next(); !step.done; step = work.next()) steps += 1;
  assert(steps >= 1_024);
  assert.equal(allAtOnce(tallyGaps(declared)).gapSums.size, 512);
});

test('what exports hold together is bounded, and each goes on when it is its turn', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway, { batch: { count: 100 } });
  const flow = createTurnstile(ARENA_BYTES);
  const held = exportEvents(gateway.store, DEVICE, {}, SHARED_TURNS, flow);
  const first = await held.next();
  assert(!first.done);
  const other = exportEvents(gateway.store, DEVICE, {}, SHARED_TURNS, flow);
  let isGiven = false;
  const waiting = other.next().finally(() => {
    isGiven = true;
  });
  const rest = await all(held);
  assert.equal(isGiven, false);
  await waiting;
  await other.return();
  assert.equal([first.value, ...rest].join('').trimEnd().split('\n').length, 100);
});

test('streams and their intervals are told a part at a time, and each once', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway, { batch: { count: 1 } });
  const streamOf = (i: number) => i.toString(16).padStart(32, '0');
  const ingest = (stream: string, sequences: readonly number[]) =>
    gateway.store.ingest({ deviceId: DEVICE, stream }, () => ({
      segments: sequences.map((first) => ({ first, last: first, digest: 1n })),
      gaps: [],
      pages: [],
    }));
  const many = 1_100;
  // One in chunks, too: what lies between two ledgers is no ledger.
  const sequences = Array.from({ length: 2_300 }, (_, i) => 1 + 2 * i);
  await Promise.all(Array.from({ length: many }, (_, i) => ingest(streamOf(i), i === 500 ? sequences : [7])));
  const path = `/v1/devices/${DEVICE}`;
  const told: string[] = [];
  for (let after = ''; ; ) {
    const { streams, nextStreams } = await read(gateway, `${path}${after}`);
    assert(streams.length <= 1_000);
    for (const { stream } of streams) told.push(stream);
    if (nextStreams === null) break;
    after = `?streamsAfter=${nextStreams}`;
  }
  assert.deepEqual(told, [...Array.from({ length: many }, (_, i) => streamOf(i)), STREAM_HEX]);
  const { streams } = await read(gateway, path);
  const [{ intervals, intervalCount, nextIntervals }] = streams.slice(500);
  assert.deepEqual([intervals.length, intervalCount, nextIntervals], [100, sequences.length, intervals[99][1]]);
  const found: number[] = intervals.map(([first]: number[]) => first);
  for (let after: number | null = nextIntervals; after !== null; ) {
    const one = (await read(gateway, `${path}?stream=${streamOf(500)}&intervalsAfter=${after}`)).streams;
    assert.equal(one.length, 1);
    for (const [first] of one[0].intervals) found.push(first);
    after = one[0].nextIntervals;
  }
  assert.deepEqual(found, sequences);
  assert.deepEqual((await read(gateway, `${path}?stream=${'f'.repeat(32)}`)).streams, []);
  for (const wrong of ['stream=x', 'intervalsAfter=1', `stream=${STREAM_HEX}&streamsAfter=${STREAM_HEX}`]) {
    assert.equal((await say(`${gateway.url}${path}?${wrong}`)).status, 400, wrong);
  }
});

test('what a series holds at a time goes by bytes: sums of many digits make it less wide', async () => {
  const names = Array.from({ length: 100 }, (_, i) => `m${i}`);
  const sum = addDecimals(decimalOf(Number.MAX_VALUE), decimalOf(Number.MIN_VALUE));
  const aggregate = {
    count: 2,
    sum,
    min: Number.MIN_VALUE,
    max: Number.MAX_VALUE,
    last: 1,
    lastTs: 0,
    lastSequence: 2,
  };
  const buckets = Array.from({ length: 60 }, (_, number) => ({
    number,
    events: 2,
    aggregates: names.map(() => aggregate),
  }));
  const key = { deviceId: DEVICE, kind: 'minute' as const, sensor: 's', start: 0 };
  let told = 0;
  const widths: number[] = [];
  const store = {
    async *pages() {
      widths.push(told);
      told = 0;
      yield { key, page: createBucketPage(MINUTE_MS, names, buckets) };
    },
  };
  const range = { begin: 0, end: 60 };
  const memory = createWindowMemory(0);
  for await (const bucket of readSeries(store, DEVICE, { granularity: 'minute' }, range, SHARED_TURNS, memory)) {
    assert.equal(bucket.measures.length, 100);
    told += 1;
  }
  widths.push(told);
  assert.equal(
    widths.reduce((all, width) => all + width),
    60,
  );
  // A sum of 633 digits takes 263 bytes by itself.
  assert(Math.max(...widths) * 100 * (263 + 300) <= WINDOW_BYTES_MIN, `${widths}`);
});

test('all open series together hold 48 MiB at most, and none waits for another', () => {
  const memory = createWindowMemory();
  const shares = Array.from({ length: READS_OPEN_MAX }, () => memory.take());
  assert(shares.every(({ bytes }) => bytes >= WINDOW_BYTES_MIN));
  assert(shares.reduce((sum, { bytes }) => sum + bytes, 0) <= 48 * 1024 * 1024);
  const first = shares[0]!.bytes;
  for (const share of shares) {
    share.release();
    share.release();
  }
  assert.equal(memory.take().bytes, first);
});
