import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventsOf } from '../../src/codec/index.ts';
import { readTables } from '../../src/device/block.ts';
import type { Block } from '../../src/store/index.ts';
import { blocksOf, garbage } from './blocks.ts';
import { readings } from './device-fixture.ts';

function stored(blocks: readonly { count: number; bytes: Uint8Array }[]): Block[] {
  let first = 1;
  return blocks.map(({ count, bytes }) => {
    const block = { first, last: first + count - 1, count, bytes, storedBytes: bytes.length, offset: 0 };
    first += count;
    return block;
  });
}

test('tables come in the order of their blocks; what does not decode is set aside', async () => {
  const [a, b] = blocksOf(5, 7);
  const blocks = stored([a!, garbage(4), b!]);
  const aside: number[] = [];
  const queue = { setAside: async ({ first }: { first: number }) => void aside.push(first) };
  const found: unknown[] = [];
  for await (const { block, table } of readTables(queue, blocks)) {
    found.push([block.first, table && [...eventsOf(table)]]);
  }
  assert.deepEqual(found, [
    [1, readings(5)],
    [6, undefined],
    [10, readings(7, 6)],
  ]);
  assert.deepEqual(aside, [6]);
});

test('others get a turn after every few milliseconds of work', async () => {
  const queue = { setAside: () => Promise.reject(new Error('nothing is damaged')) };
  for (const [size, perTurnMax] of [
    [4_096, 2],
    [1, 33],
  ] as const) {
    let sinceTurn = 0;
    let most = 0;
    const turn = (): void => {
      sinceTurn = 0;
      ticking = setImmediate(turn);
    };
    let ticking = setImmediate(turn);
    const [block] = blocksOf(size);
    for await (const _ of readTables(queue, stored(Array(200).fill(block)))) most = Math.max(most, ++sinceTurn);
    clearImmediate(ticking);
    assert(most <= perTurnMax, `${most} blocks of ${size} in one turn`);
  }
});

test('an error that is not the block’s is nobody’s damage', async () => {
  const queue = { setAside: () => Promise.reject(new Error('nothing is damaged')) };
  const broken = { ...stored(blocksOf(1))[0]!, bytes: undefined as unknown as Uint8Array };
  await assert.rejects(async () => {
    for await (const _ of readTables(queue, [broken])) assert.fail();
  }, TypeError);
});
