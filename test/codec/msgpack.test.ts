/** Values are what the library makes of them, also where there are so many that they are read in steps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode } from '@msgpack/msgpack';
import { decodeBatchInSteps } from '../../src/codec/batch.ts';
import { digestInSteps, encodeBatch, encodeColumns, type Steps } from '../../src/codec/index.ts';
import { BATCH_EVENTS_MAX, COLUMNS_MAX, TEXT_BYTES_MAX } from '../../src/codec/limits.ts';
import { decodeMsgpack, msgpackInSteps } from '../../src/codec/msgpack.ts';
import { coded, headerOf, tableOf } from './events.ts';

/** Weights of all steps; in the last place what was done since the last one, which nobody knows. */
function stepsOf<T>(steps: Steps<T>): { readonly weights: number[]; readonly result: T } {
  const weights: number[] = [];
  for (;;) {
    const step = steps.next();
    if (step.done) return { weights, result: step.value };
    weights.push(step.value);
  }
}

test('what is read in steps is what is read in one go', () => {
  const leaves = [0, -1, 1.5, 2 ** 40, null, true, 'text', '', Buffer.of(1, 2, 3)];
  const many = Array.from({ length: 3_000 }, (_, i) => leaves[i % leaves.length]);
  const values = [
    many,
    Array.from({ length: 1_000 }, (_, i) => [i, [], {}, [[`${i}`]], { a: i, b: [i] }]),
    { first: many, second: { third: many, empty: [] }, last: 1 },
    Object.fromEntries(Array.from({ length: COLUMNS_MAX }, (_, i) => [`k${i}`, i % 2 === 0 ? i : [i]])),
  ];
  for (const value of values) {
    const bytes = encode(value);
    assert.deepEqual(decodeMsgpack(bytes), decode(bytes));
  }
});

test('binaries are parts of what was given, also among many', () => {
  const bytes = encode([Buffer.of(7), Array.from({ length: 2_000 }, () => 0), Buffer.of(8)]);
  const [first, , last] = decodeMsgpack(bytes) as [Uint8Array, unknown, Uint8Array];
  assert.deepEqual([first.buffer, last.buffer], [bytes.buffer, bytes.buffer]);
  assert.deepEqual([first[0], last[0]], [7, 8]);
});

test('keys that the library refuses are refused among many, too', () => {
  const filler = encode(Array.from({ length: 2_000 }, () => 0));
  // A map of one key, behind it a list.
  const keyed = (key: unknown) => Buffer.concat([Buffer.of(0x81), encode(key), filler]);
  assert.deepEqual(Object.keys(decodeMsgpack(keyed('toString')) as object), ['toString']);
  for (const key of ['__proto__', 1, null]) assert.throws(() => decodeMsgpack(keyed(key)), coded('batch-malformed'));
});

test('65,536 texts are read, looked at and digested a few at a time', () => {
  const count = BATCH_EVENTS_MAX;
  const events = Array.from({ length: count }, (_, i) => ({
    ts: i,
    sensor: 's',
    fields: { t: `${i}`.padStart(20, '.') },
  }));
  const bytes = encodeBatch(headerOf(count), encodeColumns(tableOf(events)));
  const read = stepsOf(msgpackInSteps(bytes));
  assert(read.weights.length > count / 1_024);
  const decoded = stepsOf(decodeBatchInSteps(bytes));
  // Each text is a step of its own beside those of reading.
  assert(decoded.weights.length > read.weights.length + count);
  assert(stepsOf(digestInSteps(decoded.result.table, 1)).weights.length > count);
});

test('a text or a map that is too large is refused before it is looked at', () => {
  assert.throws(() => decodeMsgpack(encode('x'.repeat(TEXT_BYTES_MAX + 1))), coded('batch-malformed'));
  const keys = Object.fromEntries(Array.from({ length: COLUMNS_MAX + 1 }, (_, i) => [`k${i}`, 0]));
  assert.throws(() => decodeMsgpack(encode(keys)), coded('batch-malformed'));
});
