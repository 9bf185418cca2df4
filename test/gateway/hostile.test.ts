/** Authentic batches made to cost as much as they can: they are bounded, and hold nobody else up (promise 9). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, constants as zlib } from 'node:zlib';
import { encode } from '@msgpack/msgpack';
import { BATCH_EVENTS_MAX, BATCH_TEXTS_MAX, decodeBatch, digestOf, GAPS_MAX, HEAP } from '../../src/codec/index.ts';
import { encodeIntegers } from '../../src/codec/integers.ts';
import { withBatch } from '../../src/gateway/inflation.ts';
import { BATCH_AGGREGATES_MAX, BATCH_RANGES_MAX } from '../../src/gateway/limits.ts';
import { SHARED_TURNS } from '../../src/store/index.ts';
import { cpuMsUntil, yardstickMs } from '../processor-time.ts';
import { DEVICE, freshStream, post, read, STREAM, say, type TestAnswer, testGateway } from './gateway-fixture.ts';

const CONSTANT = Uint8Array.of(0x10, 2);

interface Shape {
  readonly count: number;
  readonly times: Uint8Array;
  readonly fields: readonly (readonly unknown[])[];
}

function batchOf({ count, times, fields }: Shape): Uint8Array {
  const columns = [count, ['s'], null, times, fields];
  return encode({ v: 1, stream: freshStream(), first: 1, count, sent: 0, queue: [0, 0, 0, 0], gaps: [], columns });
}

const constants = (columns: number) =>
  Array.from({ length: columns }, (_, i) => [`f${i}`, 0, null, 0, CONSTANT, null, null, null]);

const everyMinute = (count: number) => encodeIntegers(Float64Array.from({ length: count }, (_, i) => i * 60_000));

/** Doubles of 17 digits, of the greatest and least exponents in turn. */
function oddDoubles(count: number): Uint8Array {
  const planes = Buffer.alloc(8 * count, 0x5b);
  for (let i = 0; i < count; i++) {
    for (let plane = 0; plane < 6; plane++) planes[plane * count + i] = i * (2 * plane + 37);
    planes[6 * count + i] = i & 0x6f;
    planes[7 * count + i] = i % 2 === 0 ? 0x7f : 0x01;
  }
  return planes;
}

const sent = (gateway: { readonly url: string }, bytes: Uint8Array): Promise<TestAnswer> =>
  post(gateway, { body: brotliCompressSync(bytes, { params: { [zlib.BROTLI_PARAM_QUALITY]: 3 } }), encoding: 'br' });

test('a few bytes that come to millions of sums are refused, and the most allowed are counted', async (t) => {
  const gateway = await testGateway(t);
  const many = { count: BATCH_EVENTS_MAX, times: everyMinute(BATCH_EVENTS_MAX), fields: constants(32) };
  const refused = await sent(gateway, batchOf(many));
  assert.deepEqual([refused.status, refused.problem?.code, refused.signed], [413, 'batch-limit', true]);
  assert.equal((await read(gateway, '/v1/totals')).events, 0);
  const count = BATCH_AGGREGATES_MAX / 32;
  const counted = await sent(gateway, batchOf({ count, times: everyMinute(count), fields: constants(32) }));
  assert.equal(counted.acknowledgement?.inserted, count);
});

test('while a costly batch is counted others have their turn', async (t) => {
  const gateway = await testGateway(t);
  const odd = oddDoubles(BATCH_EVENTS_MAX);
  const fields = Array.from({ length: 31 }, (_, i) => [`f${i}`, 0, null, odd]);
  const bytes = batchOf({ count: BATCH_EVENTS_MAX, times: CONSTANT, fields });
  let isAnswered = false;
  const answer = sent(gateway, bytes).finally(() => {
    isAnswered = true;
  });
  let others = 0;
  while (!isAnswered) {
    assert.equal((await say(`${gateway.url}/healthz`)).status, 200);
    others++;
  }
  assert.equal((await answer).acknowledgement?.inserted, BATCH_EVENTS_MAX);
  assert(others >= 20, `${others} others were answered meanwhile`);
});

test('a batch with holes costs what it holds, not that times the holes; with too many it is refused', async (t) => {
  const gateway = await testGateway(t);
  const bytes = batchOf({ count: BATCH_EVENTS_MAX, times: CONSTANT, fields: constants(4) });
  const { stream, table } = decodeBatch(bytes);
  const digest = digestOf(table, 1);
  const count = async (holes: number): Promise<void> => {
    const key = { deviceId: DEVICE, stream: Buffer.from(stream).toString('hex') };
    const segments = Array.from({ length: holes }, (_, i) => {
      const first = 2 * i + 2;
      return { first, last: first, digest: digest(first - 1, first) };
    });
    await gateway.store.ingest(key, (ledger) => ({
      segments: segments.filter(({ first }) => ledger.missing(first, first).length > 0),
      gaps: [],
      pages: [],
    }));
  };
  // What it costs without holes, in another stream; the first one is for the compiler.
  const plain = [0, 1].map(() => batchOf({ count: BATCH_EVENTS_MAX, times: CONSTANT, fields: constants(4) }));
  await sent(gateway, plain[0]!);
  const plainMs = await cpuMsUntil(() => sent(gateway, plain[1]!));
  await count(BATCH_RANGES_MAX - 1);
  let answer: TestAnswer | undefined;
  const cost = await cpuMsUntil(async () => {
    answer = await sent(gateway, bytes);
  });
  assert.equal(answer?.acknowledgement?.inserted, BATCH_EVENTS_MAX - BATCH_RANGES_MAX + 1);
  assert(cost < 8 * plainMs, `${cost} ms against ${plainMs} without holes`);
  const other = Buffer.from(bytes);
  const at = other.indexOf(stream);
  freshStream().copy(stream);
  other.set(stream, at);
  await count(BATCH_RANGES_MAX + 1);
  const refused = await sent(gateway, other);
  assert.deepEqual([refused.status, refused.problem?.code, refused.signed], [413, 'batch-limit', true]);
});

test('a gap costs what is new in it, however many there were', async (t) => {
  const gateway = await testGateway(t);
  const key = { deviceId: DEVICE, stream: STREAM.toString('hex') };
  const gaps = Array.from({ length: 100_000 }, (_, i) => ({ first: 2 * i + 1, last: 2 * i + 1 }));
  await gateway.store.ingest(key, () => ({ segments: [], gaps, pages: [] }));
  await post(gateway, { batch: { first: 500_000, events: [] } });
  const declared = (first: number, last: number) => ({ first, last, reason: 'quota' as const, sums: null });
  // As many as a batch may touch, of which half the sequences are known.
  const reach = 2 * Math.floor(BATCH_RANGES_MAX / 16);
  const wide = Array.from({ length: 16 }, (_, i) => declared(reach * i + 1, reach * (i + 1)));
  const narrow = Array.from({ length: 16 }, (_, i) => declared(2 * i + 2, 2 * i + 2));
  for (const [what, list, events] of [
    ['narrow', narrow, 16],
    ['wide', wide, 8 * reach - 16],
  ] as const) {
    const before = (await read(gateway, '/v1/totals')).gaps;
    const cost = await cpuMsUntil(() => post(gateway, { batch: { first: 500_000, events: [], gaps: list } }));
    assert.equal((await read(gateway, '/v1/totals')).gaps - before, events, what);
    assert(cost < 20 * yardstickMs(), `${what}: ${cost} ms`);
  }
});

test('texts in their tens of thousands are taken in bounded time', async (t) => {
  const gateway = await testGateway(t);
  const texts = Array.from({ length: BATCH_TEXTS_MAX }, (_, i) => `${i}`.padStart(60, '.'));
  const places = encodeIntegers(Float64Array.from(texts, (_, i) => i));
  const bytes = batchOf({ count: BATCH_TEXTS_MAX, times: CONSTANT, fields: [['t', 1, null, texts, places]] });
  const cost = await cpuMsUntil(async () => assert.equal((await sent(gateway, bytes)).status, 200));
  assert(cost < 30 * yardstickMs(), `${cost} ms`);
});

test('a batch waits for as much memory as it comes to unpacked, not inflated', async () => {
  const many = batchOf({ count: BATCH_EVENTS_MAX, times: CONSTANT, fields: constants(32) });
  const turns: number[] = [];
  const flow = {
    inTurn<T>(bytes: number, work: () => Promise<T>): Promise<T> {
      turns.push(bytes);
      return work();
    },
  };
  const inflate = (body: Uint8Array) =>
    withBatch(flow, { contentEncoding: 'br', body }, HEAP, SHARED_TURNS, async () => {});
  await inflate(brotliCompressSync(many));
  assert(turns.at(-1)! > 32 * 8 * BATCH_EVENTS_MAX, `${turns}`);
  turns.length = 0;
  const usual = batchOf({ count: 4_096, times: everyMinute(4_096), fields: constants(8) });
  await inflate(brotliCompressSync(usual));
  assert.equal(turns.length, 1);
});

test('a gap over very many declared ones is refused before these are looked at', async (t) => {
  const gateway = await testGateway(t);
  const stream = freshStream();
  const declare = (gaps: readonly (readonly [number, number])[]) =>
    sent(
      gateway,
      encode({
        ...{ v: 1, stream, first: 1, count: 0, sent: 0, queue: [0, 0, 0, 0], columns: [0, [], null, Buffer.of(0), []] },
        gaps: gaps.map(([first, last]) => [first, last, 'quota', null]),
      }),
    );
  for (let i = 0; i <= BATCH_RANGES_MAX; i += GAPS_MAX) {
    const gaps = Array.from({ length: GAPS_MAX }, (_, j) => [3 * (i + j) + 1, 3 * (i + j) + 1] as const);
    assert.equal((await declare(gaps)).status, 200);
  }
  const refused = await declare([[1, 4 * BATCH_RANGES_MAX]]);
  assert.deepEqual([refused.status, refused.problem?.code], [413, 'batch-limit']);
  assert.equal((await declare([[1, BATCH_RANGES_MAX]])).status, 200);
});
