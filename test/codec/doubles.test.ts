import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nudge, nudgeBetween, packDoubles, unpackDoubles, wordsOf } from '../../src/codec/doubles.ts';
import { anyMeasure, coded, isTaken } from './events.ts';
import { holds } from './property.ts';

test('doubles go by planes and come back bit for bit', (t) => {
  const bytes = packDoubles(Float64Array.of(1, -2));
  assert.equal(Buffer.from(bytes).toString('hex'), '000000000000000000000000f0003fc0');
  holds(t, 500, fc.array(anyMeasure), (values) => {
    const back = unpackDoubles(packDoubles(Float64Array.from(values)), values.length);
    assert.deepEqual([...back], values);
  });
});

test('doubles may be part of a longer array', () => {
  const part = Float64Array.of(1, 2, 3).subarray(1, 2);
  assert.deepEqual([...unpackDoubles(packDoubles(part), 1)], [2]);
  assert.deepEqual([...wordsOf(part)], [0, 0x40000000]);
});

test('the distance between patterns leads from one to the other', (t) => {
  holds(t, 1_000, fc.tuple(anyMeasure, fc.integer({ min: -15, max: 15 })), ([quotient, distance]) => {
    const bits = new BigInt64Array(Float64Array.of(quotient).buffer);
    bits[0]! += BigInt(distance);
    const value = new Float64Array(bits.buffer)[0]!;
    if (!Number.isFinite(value)) {
      assert.throws(() => nudge(quotient, distance), coded('batch-column'));
    } else {
      assert.equal(nudge(quotient, distance), value);
      assert.equal(nudgeBetween(quotient, value), quotient === 0 ? 0 : distance);
    }
  });
});

test('what is too far apart has no distance', () => {
  const tooFar = 1 + 1_024 * Number.EPSILON;
  assert.equal(nudgeBetween(1, tooFar), 0);
  assert.equal(nudgeBetween(tooFar, 1), 0);
  assert.equal(nudgeBetween(1, -1), 0);
  assert.equal(nudgeBetween(0, 5e-324), 0);
  assert.equal(nudgeBetween(1, 2 ** 40), 0);
});

test('no nudge leads out of the finite doubles, nor further than 1,023', () => {
  assert.equal(nudge(Number.MAX_VALUE, 0), Number.MAX_VALUE);
  for (const [quotient, distance] of [
    [Number.MAX_VALUE, 1],
    [-Number.MAX_VALUE, 1],
    [0, -1],
    [1, 1_024],
    [1, -1_024],
  ] as const) {
    assert.throws(() => nudge(quotient, distance), coded('batch-column'));
  }
});

test('bytes are finite doubles of one number of them only, or are refused', (t) => {
  holds(t, 1_000, fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(5)), ([bytes, count]) => {
    let values: Float64Array = new Float64Array();
    if (!isTaken(() => (values = unpackDoubles(bytes, count)), 'batch-column')) return;
    assert(values.length === count && values.every(Number.isFinite));
    assert.deepEqual(packDoubles(values), bytes);
  });
});
