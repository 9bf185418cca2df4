import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDecimal, SCALE_MAX } from '../../src/codec/index.ts';
import { encodeIntegers } from '../../src/codec/integers.ts';
import { measuresOf, packMeasures, sumMeasures, unpackMeasures } from '../../src/codec/measures.ts';
import { anyMeasure, coded, isTaken } from './events.ts';
import { exactSum } from './exact.ts';
import { changed, holds } from './property.ts';

const anyColumn = fc.oneof(
  fc.array(anyMeasure, { maxLength: 50 }),
  fc
    .tuple(fc.nat(12), fc.array(fc.integer({ min: -1e6, max: 1e6 }), { maxLength: 50 }))
    .map(([scale, mantissas]) => mantissas.map((mantissa) => Number(`${mantissa}e-${scale}`))),
  fc
    .array(fc.tuple(fc.integer({ min: 1, max: 1e8 }), fc.integer({ min: -15, max: 15 })), { maxLength: 50 })
    .map((pairs) => pairs.map(([mantissa, ulps]) => mantissa / 1e4 + ulps * 2 ** -40)),
);

const integers = (...values: number[]): Uint8Array => encodeIntegers(Float64Array.from(values));

function columnOf(values: readonly number[]) {
  return measuresOf(Float64Array.from(values));
}

function bits(value: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0).toString(16);
}

test('every double comes back bit for bit', (t) => {
  holds(t, 2_000, anyColumn, (values) => {
    const { values: back } = unpackMeasures(packMeasures(columnOf(values)), values.length);
    assert.deepEqual([...back].map(bits), values.map(bits));
  });
});

test('sums over any part are exact, before and after packing', (t) => {
  holds(t, 1_000, fc.tuple(anyColumn, fc.nat(50), fc.nat(50)), ([values, a, b]) => {
    const from = Math.min(a, b, values.length);
    const to = Math.min(Math.max(a, b), values.length);
    const measures = columnOf(values);
    const expected = exactSum(values.slice(from, to));
    for (const column of [measures, unpackMeasures(packMeasures(measures), values.length)]) {
      assert.equal(formatDecimal(sumMeasures(column, from, to)), expected);
    }
  });
});

test('large sums of small parts stay exact beyond 2^53', () => {
  const values = Array.from({ length: 20_000 }, (_, i) => (i % 2 === 0 ? 999_999_999_999.999 : -1 / 8));
  const measures = columnOf(values);
  assert.equal(measures.odd.length, 0);
  assert.equal(formatDecimal(sumMeasures(measures)), exactSum(values));
});

test('what meters print is held as integers at one power of ten', () => {
  for (const [values, scale, odd] of [
    [[1.25, 1.5, 2], 2, 0],
    [[0, 0, 0], 0, 0],
    [[1e21, 1e21], 0, 2],
    [[1e14, 3e14], 0, 0],
    [[1e-22, 3e-22], 22, 0],
    [[1e-23, 3e-23], 0, 2],
    [[-0, 1, 2], 0, 1],
    // Crossing a power of ten, values of 15 digits change their scale: the one that suits more of them is taken.
    [[9999.99999999999, 10000.0000000001, 10000.0000000003, 10000.0000000007], 10, 1],
  ] as const) {
    const measures = columnOf(values);
    assert.deepEqual([measures.scale, measures.odd.length], [scale, odd], String(values));
  }
});

test('a value a few units in the last place off a decimal is nudged', () => {
  const values = [74.935882, 74.93588199999998, 76.12416182];
  const packed = packMeasures(columnOf(values));
  assert.equal(packed.length, 5);
  assert.equal(packed[0], 8);
  assert.deepEqual(packed[2], integers(0, -2, 0));
  assert.deepEqual(packed.slice(3), [null, null]);
});

test('what no nudge reaches stands beside', () => {
  const values = [1.5, 2.5, Math.PI * 1e8, 3.5, -0, 4.5, 5e-324, 6.5, 7.5, 8.5];
  const packed = packMeasures(columnOf(values));
  assert.equal(packed.length, 5);
  assert.deepEqual(packed[3], integers(2, 4, 6));
  assert.equal(packed[4]?.length, 24);
});

test('doubles without decimals take eight bytes each, and no more', (t) => {
  holds(t, 200, fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 60 }), (values) => {
    const parts: readonly unknown[] = packMeasures(columnOf(values));
    const bytes = parts.reduce<number>((sum, part) => sum + (part instanceof Uint8Array ? part.length : 1), 0);
    assert(bytes <= 8 * values.length + 1, `${bytes} bytes for ${values.length} doubles`);
  });
});

test('long mantissas are read, and summed by their values', () => {
  // Sixteen digits: the quotient's shortest decimal may be another one.
  const measures = unpackMeasures([3, integers(4_503_599_627_370_495, 5), null, null, null], 2);
  assert.deepEqual([...measures.values], [4503599627370.495, 0.005]);
  assert.deepEqual([...measures.odd], [0]);
  assert.equal(formatDecimal(sumMeasures(measures)), exactSum(measures.values));
});

test('an odd value goes before a nudge', () => {
  const half = new Uint8Array(8);
  new DataView(half.buffer).setFloat64(0, 0.5, true);
  const measures = unpackMeasures([0, integers(1, 2), integers(0, 3), integers(1), half], 2);
  assert.deepEqual([...measures.values], [1, 0.5]);
  assert.deepEqual([...measures.odd], [1]);
});

test('a nudge of zero leads to the smallest double', () => {
  const { values } = unpackMeasures([0, integers(0), integers(3), null, null], 1);
  assert.deepEqual([...values], [3 * 5e-324]);
});

test('nudges carry from one word of the double to the other', () => {
  for (const [nudge, expected] of [
    [-1, '3fefffffffffffff'],
    [-15, '3feffffffffffff1'],
    [15, '3ff000000000000f'],
  ] as const) {
    const { values } = unpackMeasures([0, integers(1), integers(nudge), null, null], 1);
    assert.equal(bits(values[0]!), expected);
  }
  const below = 1.9999990463256836 - 2 ** -52;
  const { values } = unpackMeasures(packMeasures(columnOf([below, below, 1.5])), 3);
  assert.deepEqual([...values].map(bits), [below, below, 1.5].map(bits));
});

test('what is not a measure column is refused', () => {
  const one = integers(1);
  const double = (value: number): Uint8Array => new Uint8Array(new Float64Array([value]).buffer);
  for (const [name, parts] of [
    ['no parts', []],
    ['two parts', [0, one]],
    ['six parts', [0, one, null, null, null, null]],
    ['a scale of text', ['0', one, null, null, null]],
    ['a broken scale', [0.5, one, null, null, null]],
    ['a negative scale', [-1, one, null, null, null]],
    ['too large a scale', [SCALE_MAX + 1, one, null, null, null]],
    ['mantissas of nil', [0, null, null, null, null]],
    ['nudges of text', [0, one, '', null, null]],
    ['positions without values', [0, one, null, one, null]],
    ['values without positions', [0, one, null, null, double(1)]],
    ['doubles of nil', [null]],
  ] as const) {
    assert.throws(() => unpackMeasures(parts, 1), coded('batch-malformed'), name);
  }
  for (const [name, parts] of [
    ['too few mantissas', [0, Uint8Array.of(0x0f), null, null, null]],
    ['too few nudges', [0, one, Uint8Array.of(0x0f), null, null]],
    ['a nudge too far', [0, one, integers(1_024), null, null]],
    ['a nudge too far back', [0, one, integers(-1_024), null, null]],
    ['a nudge below zero', [0, integers(0), integers(-1), null, null]],
    ['a position too far', [0, one, null, integers(1), double(1)]],
    ['a negative position', [0, one, null, integers(-1), double(1)]],
    ['fewer positions than values', [0, one, null, Uint8Array.of(0x0f), double(1)]],
    ['more odd values than values', [0, one, null, integers(0, 0), new Uint8Array(16)]],
    ['half a double', [0, one, null, Uint8Array.of(0), new Uint8Array(4)]],
    ['a double and a half', [0, one, null, integers(0), new Uint8Array(12)]],
    ['an odd value of NaN', [0, one, null, integers(0), double(Number.NaN)]],
    ['an infinity', [double(Number.NEGATIVE_INFINITY)]],
    ['doubles cut short', [new Uint8Array(7)]],
    ['doubles overlong', [new Uint8Array(16)]],
  ] as const) {
    assert.throws(() => unpackMeasures(parts, 1), coded('batch-column'), name);
  }
  const two = [0, integers(1, 1), null, integers(1, 0), new Uint8Array(16)];
  assert.throws(() => unpackMeasures(two, 2), coded('batch-column'), 'positions that descend');
  const twice = [0, integers(1, 1), null, integers(1, 1), new Uint8Array(16)];
  assert.throws(() => unpackMeasures(twice, 2), coded('batch-column'), 'a position twice');
});

test('parts that are changed unpack to doubles whose sum is exact, or are refused', (t) => {
  const anyChanged = anyColumn.chain((values) => {
    const packed = packMeasures(columnOf(values));
    return fc.nat(packed.length - 1).chain((at) => {
      const part = packed[at];
      const instead: fc.Arbitrary<unknown> =
        part instanceof Uint8Array
          ? fc.oneof({ weight: 5, arbitrary: changed(part) }, { weight: 1, arbitrary: fc.constant(null) })
          : fc.constantFrom<unknown>(null, -1, 0, 22, 23, 1.5, 'x', Uint8Array.of(0x10, 2));
      return fc.tuple(fc.constant(packed.with(at, 0 as never)), fc.constant(at), instead, fc.constant(values.length));
    });
  });
  let taken = 0;
  holds(t, 3_000, anyChanged, ([packed, at, instead, count]) => {
    const parts = (packed as readonly unknown[]).with(at, instead);
    let measures = columnOf([]);
    if (!isTaken(() => (measures = unpackMeasures(parts, count)), 'batch-column', 'batch-malformed')) return;
    taken++;
    assert(measures.values.length === count && measures.values.every(Number.isFinite));
    assert.equal(formatDecimal(sumMeasures(measures)), exactSum(measures.values));
  });
  assert(taken > 100, `${taken} were taken`);
});
