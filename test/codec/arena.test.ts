import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  allAtOnce,
  createArenas,
  decodeColumns,
  decodeColumnsInSteps,
  encodeColumns,
  HEAP,
} from '../../src/codec/index.ts';
import { tableOf } from './events.ts';

const events = (count: number, from: number) =>
  Array.from({ length: count }, (_, i) => ({
    ts: from + i,
    sensor: `s${i % 3}`,
    fields: { volume: (from + i) / 100 },
  }));

test('what is released is handed out again, and holds zeros', () => {
  const arenas = createArenas(1, 64);
  const first = arenas.lease();
  const old = first.memory.doubles(3).fill(7);
  first.memory.words(1).fill(7);
  first.memory.integers(1).fill(7);
  first.release();
  const { memory } = arenas.lease();
  const words = memory.words(3);
  assert.equal(words.buffer, old.buffer);
  assert.deepEqual([...words, ...memory.doubles(2), ...memory.integers(2)], [0, 0, 0, 0, 0, 0, 0]);
});

test('two leases share nothing, however often the first is released', () => {
  const arenas = createArenas(2, 64);
  const first = arenas.lease();
  first.release();
  first.release();
  const leases = [arenas.lease(), arenas.lease(), arenas.lease()];
  const arrays = leases.map(({ memory }, i) => memory.doubles(2).fill(i));
  assert.deepEqual(
    arrays.map((array) => [...array]),
    [
      [0, 0],
      [1, 1],
      [2, 2],
    ],
  );
  assert.equal(leases[2]!.memory, HEAP, 'with all arenas taken');
});

test('what does not fit comes from the heap, and what does still fits', () => {
  const { memory } = createArenas(1, 64).lease();
  const one = memory.doubles(4).fill(1);
  const large = memory.doubles(5).fill(2);
  const two = memory.words(8).fill(3);
  assert.notEqual(large.buffer, one.buffer);
  assert.equal(two.buffer, one.buffer);
  assert.deepEqual([...one, ...large], [1, 1, 1, 1, 2, 2, 2, 2, 2]);
  assert.notEqual(memory.integers(1).buffer, one.buffer);
});

test('tables are decoded into an arena as into memory of their own, one after another', () => {
  const arenas = createArenas(1, 1 << 16);
  for (const [count, from] of [
    [500, 0],
    [20, 1_000],
    [700, -9],
    [5_000, 3],
  ] as const) {
    const bytes = encodeColumns(tableOf(events(count, from)));
    const lease = arenas.lease();
    assert.deepEqual(allAtOnce(decodeColumnsInSteps(bytes, lease.memory)), decodeColumns(bytes));
    lease.release();
  }
});
