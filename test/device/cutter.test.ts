import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COLUMNS_MAX, eventsOf } from '../../src/codec/index.ts';
import { type Cut, createCutter } from '../../src/device/cutter.ts';
import { reportOf } from '../../src/device/tally.ts';
import type { Queue } from '../../src/store/index.ts';
import { blockOf, blocksOf, garbage } from './blocks.ts';
import { queueOf, readings, temporaryDirectory, volumeOf } from './device-fixture.ts';

const LIMITS = { batchEventsMax: 4_096, batchBytesMax: 1 << 20 };

async function allCuts(queue: Queue, limits: Partial<typeof LIMITS> = {}): Promise<Cut[]> {
  const cutter = createCutter({ queue, ...LIMITS, ...limits });
  const cuts: Cut[] = [];
  for (let from = queue.head; ; from = cuts.at(-1)!.last + 1) {
    const cut = await cutter.cut(from);
    if (!cut) return cuts;
    cuts.push(cut);
  }
}

const spans = (cuts: readonly Cut[]): string[] =>
  cuts.map(({ first, last, blocks }) => `${first}-${last} of ${blocks.length}`);

const eventsIn = (cuts: readonly Cut[]) => cuts.flatMap(({ table }) => [...eventsOf(table)]);

test('a block that fills a batch is passed on as the very bytes that are on disk', async (t) => {
  const queue = await queueOf(t, await temporaryDirectory(t));
  const [block] = blocksOf(4_096);
  await queue.append([block!, block!]);
  const [first, second] = await allCuts(queue);
  assert.deepEqual(spans([first!, second!]), ['1-4096 of 1', '4097-8192 of 1']);
  assert.deepEqual(Buffer.from(second!.columns), Buffer.from(block!.bytes));
  assert.deepEqual(reportOf(first!.tally), { events: 4_096, sums: { volume: volumeOf(4_096) } });
});

test('small blocks are joined up to the most events', async (t) => {
  const queue = await queueOf(t, await temporaryDirectory(t));
  for (const block of blocksOf(...Array(30).fill(7))) await queue.append([block]);
  const cuts = await allCuts(queue, { batchEventsMax: 50 });
  assert.deepEqual(spans(cuts), ['1-49 of 7', '50-98 of 7', '99-147 of 7', '148-196 of 7', '197-210 of 2']);
  assert.deepEqual(eventsIn(cuts), readings(210));
  assert.equal(reportOf(cuts[1]!.tally).sums['volume'], volumeOf(49, 50));
});

test('a batch may have exactly the most events', async (t) => {
  const queue = await queueOf(t, await temporaryDirectory(t));
  for (const block of blocksOf(...Array(11).fill(10))) await queue.append([block]);
  assert.deepEqual(spans(await allCuts(queue, { batchEventsMax: 50 })), ['1-50 of 5', '51-100 of 5', '101-110 of 1']);
  assert.deepEqual(spans(await allCuts(queue, { batchEventsMax: 49 })), ['1-40 of 4', '41-80 of 4', '81-110 of 3']);
});

test('up to as many as are worth it, however large a batch may be; a block of more goes alone', async (t) => {
  const queue = await queueOf(t, await temporaryDirectory(t));
  await queue.append(blocksOf(2_000, 2_000, 500, 4_096, 5_000, 10));
  const cuts = await allCuts(queue, { batchEventsMax: 16_384 });
  assert.deepEqual(spans(cuts), [
    '1-4000 of 2',
    '4001-4500 of 1',
    '4501-8596 of 1',
    '8597-13596 of 1',
    '13597-13606 of 1',
  ]);
});

test('and up to the most bytes; a larger block goes alone', async (t) => {
  const queue = await queueOf(t, await temporaryDirectory(t));
  const blocks = blocksOf(10, 10, 10, 1_000, 10);
  await queue.append(blocks);
  const batchBytesMax = 2 * blocks[0]!.bytes.length + 8;
  assert(blocks[3]!.bytes.length > batchBytesMax);
  const cuts = await allCuts(queue, { batchBytesMax });
  assert.deepEqual(spans(cuts), ['1-20 of 2', '21-30 of 1', '31-1030 of 1', '1031-1040 of 1']);
  assert.deepEqual(eventsIn(cuts), readings(1_040));
});

test('a batch is of one stream', async (t) => {
  const data = await temporaryDirectory(t);
  const before = await queueOf(t, data);
  await before.append(blocksOf(3, 3));
  await before.close();
  const queue = await queueOf(t, data);
  await queue.append([blockOf(readings(3, 7))]);
  assert.deepEqual(spans(await allCuts(queue)), ['1-6 of 2', '7-9 of 1']);
});

test('blocks that do not fit one table go one after the other', async (t) => {
  const queue = await queueOf(t, await temporaryDirectory(t));
  const wide = (prefix: string) => ({
    ts: 1,
    sensor: 's',
    fields: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${prefix}${i}`, i])),
  });
  const events = Array.from({ length: Math.ceil(COLUMNS_MAX / 100) + 1 }, (_, i) => wide(String.fromCharCode(97 + i)));
  for (const event of events) await queue.append([blockOf([event])]);
  const cuts = await allCuts(queue);
  assert.deepEqual(spans(cuts), ['1-5 of 5', '6-7 of 2']);
  assert.deepEqual(eventsIn(cuts), events);
});

for (const [where, place] of [
  ['first', 0],
  ['between others', 2],
  ['last', 4],
] as const) {
  test(`a block that does not decode is set aside, and all others are cut: ${where}`, async (t) => {
    const gaps: string[] = [];
    const queue = await queueOf(t, await temporaryDirectory(t), {
      onDamage: ({ first, last, reason }) => gaps.push(`${first}-${last} ${reason}`),
    });
    const blocks = [10, 10, 10, 10, 10].map((count, i) =>
      i === place ? garbage(count) : blockOf(readings(count, 10 * i + 1)),
    );
    await queue.append(blocks);
    const cuts = await allCuts(queue);
    assert.deepEqual(gaps, [`${10 * place + 1}-${10 * place + 10} damage`]);
    const expected = readings(50).filter((_, i) => Math.floor(i / 10) !== place);
    assert.deepEqual(eventsIn(cuts), expected);
  });
}

test('a broken block that fills all that is read at once does not hide what is behind it', async (t) => {
  const queue = await queueOf(t, await temporaryDirectory(t));
  await queue.append([garbage(10, 2 << 20)]);
  await queue.append([garbage(10, 2 << 20)]);
  await queue.append(blocksOf(5));
  assert.deepEqual(spans(await allCuts(queue)), ['21-25 of 1']);
});

test('what is read ahead is bounded by what a batch may hold', async (t) => {
  const queue = await queueOf(t, await temporaryDirectory(t));
  const noise = (seed: number) => Math.sin(seed * 12.9898) * 43_758.5453;
  for (let i = 0; i < 40; i++) {
    const events = readings(4_000, 1).map((event, k) => ({ ...event, fields: { volume: noise(4_000 * i + k) } }));
    await queue.append([blockOf(events)]);
  }
  assert(queue.blockBytes > 1 << 20, `${queue.blockBytes} bytes`);
  let bytesRead = 0;
  const counted = new Proxy(queue, {
    get(target, name) {
      if (name !== 'read') {
        const member = Reflect.get(target, name, target) as unknown;
        return typeof member === 'function' ? member.bind(target) : member;
      }
      return async (...query: Parameters<Queue['read']>) => {
        const blocks = await target.read(...query);
        bytesRead += blocks.reduce((sum, { bytes }) => sum + bytes.length, 0);
        return blocks;
      };
    },
  });
  const cutter = createCutter({ queue: counted, ...LIMITS });
  const first = await cutter.cut(1);
  const readAtFirst = bytesRead;
  assert(readAtFirst <= 1 << 20);
  const second = await cutter.cut(first!.last + 1);
  await cutter.cut(second!.last + 1);
  assert.equal(bytesRead, readAtFirst, 'the first read serves several cuts');
});

test('what was dropped under it is forgotten', async (t) => {
  const queue = await queueOf(t, await temporaryDirectory(t));
  await queue.append(blocksOf(10, 10, 10));
  const cutter = createCutter({ queue, ...LIMITS, batchEventsMax: 10 });
  assert.equal((await cutter.cut(1))!.last, 10);
  await queue.drop({ blocks: [{ first: 11 }], gaps: [{ first: 11, last: 20, sums: new Uint8Array() }] });
  cutter.forget();
  assert.equal((await cutter.cut(11))!.first, 21);
  assert.equal(await cutter.cut(31), undefined);
  await queue.append([blockOf(readings(3, 31))]);
  assert.equal((await cutter.cut(31))!.last, 33);
});
