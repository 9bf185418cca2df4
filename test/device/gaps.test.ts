import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GAPS_MAX, parseDecimal } from '../../src/codec/index.ts';
import { createGaps, encodeGapSums } from '../../src/device/gaps.ts';
import type { Gap } from '../../src/store/index.ts';

const STREAMS = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)] as const;
const gap = (first: number, stream: Uint8Array = STREAMS[0], sums: Uint8Array = new Uint8Array()): Gap => ({
  first,
  last: first + 1,
  stream,
  reason: sums.length === 0 ? 'damage' : 'quota',
  sums,
});

test('a gap is due until it is settled; one declaration is under way at a time', () => {
  const gaps = createGaps();
  assert.deepEqual([gaps.due, gaps.idle], [false, true]);
  gaps.add(gap(1));
  assert.deepEqual([gaps.due, gaps.idle], [true, false]);
  assert.deepEqual(
    gaps.take().map(({ declared }) => declared),
    [{ first: 1, last: 2, reason: 'damage', sums: null }],
  );
  gaps.add(gap(5));
  assert.deepEqual([gaps.due, gaps.idle], [false, false]);
  gaps.settled();
  assert.deepEqual([gaps.due, gaps.idle], [true, false]);
  assert.equal(gaps.take()[0]!.declared.first, 5);
  gaps.settled();
  assert.deepEqual([gaps.due, gaps.idle], [false, true]);
});

test('a gap that the gateway refuses is not declared again', () => {
  const gaps = createGaps();
  gaps.add(gap(1));
  gaps.take();
  gaps.refused();
  assert.deepEqual([gaps.due, gaps.idle], [false, true]);
  gaps.add(gap(5));
  assert.deepEqual(
    gaps.take().map(({ declared }) => declared.first),
    [5],
  );
});

test('one declaration holds gaps of one stream, and no more than a batch may', () => {
  const gaps = createGaps();
  for (let i = 0; i < GAPS_MAX + 3; i++) gaps.add(gap(1 + 10 * i));
  gaps.add(gap(1_001, STREAMS[1]));
  const sizes = [];
  while (gaps.due) {
    const taken = gaps.take();
    assert.equal(new Set(taken.map(({ stream }) => stream)).size, 1);
    sizes.push(taken.length);
    gaps.settled();
  }
  assert.deepEqual(sizes, [GAPS_MAX, 3, 1]);
});

test('sums come back as they were stored; of damage only the events are known', () => {
  const gaps = createGaps();
  const sums = encodeGapSums({ events: 2, sums: new Map([['volume', parseDecimal('1.25')!]]) });
  const { declared, tally } = gaps.add(gap(1, STREAMS[0], sums));
  assert.deepEqual(declared, { first: 1, last: 2, reason: 'quota', sums: { volume: '1.25' } });
  assert.equal(tally.events, 2);
  assert.deepEqual(gaps.add(gap(7)).tally, { events: 2, sums: new Map() });
});
