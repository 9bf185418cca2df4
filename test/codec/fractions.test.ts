import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Kinship, packFractions, unpackFractions } from '../../src/codec/fractions.ts';
import { encodeIntegers } from '../../src/codec/integers.ts';
import { measuresOf, packMeasures, unpackMeasures } from '../../src/codec/measures.ts';
import { coded } from './events.ts';
import { holds } from './property.ts';

const integers = (...values: number[]): Uint8Array => encodeIntegers(Float64Array.from(values));

/** Quotients as a program prints them: 15 digits. */
const quotients = fc
  .tuple(fc.integer({ min: 1, max: 99_999 }), fc.nat(2), fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 40 }))
  .map(([around, own, all]) =>
    all.map((denominator, i) => Number(((around + (i % 7) / denominator) / 10 ** own).toPrecision(15))),
  );

test('mantissas come back whatever is among them', (t) => {
  const mantissa = fc.oneof(
    fc.integer({ min: -1e6, max: 1e6 }).map((count) => Math.round((count / 7) * 1e8)),
    fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }),
    fc.constantFrom(0, 1, -1, 999_999_999_999_999, -999_999_999_999_999, 1e14, 99_999_999_999, 1e11 - 1),
  );
  let packed = 0;
  holds(t, 2_000, fc.tuple(fc.array(mantissa, { maxLength: 80 }), fc.integer({ min: 8, max: 15 })), ([all, scale]) => {
    // Of another column, of as many values: right for some of them, by chance.
    const denominators = Float64Array.from(all, (_, i) => [1, 7, 1_024, 14][i % 4]!);
    const fractions = packFractions(Float64Array.from(all), scale, packed % 2 === 0 ? {} : { denominators });
    if (fractions === undefined) return;
    packed++;
    const { values, low, high } = unpackFractions(fractions, all.length);
    assert.deepEqual(
      [...values],
      all.map((value) => value + 0),
    );
    assert.deepEqual([low, high], [Math.min(0, ...all), Math.max(0, ...all)]);
  });
  assert(packed > 100, `${packed} packed`);
});

test('quotients of 15 digits come back bit for bit, in fewer bytes than their mantissas take', (t) => {
  let smaller = 0;
  holds(t, 300, quotients, (values) => {
    const packed: readonly unknown[] = packMeasures(measuresOf(Float64Array.from(values)));
    if (Array.isArray(packed[1])) smaller++;
    const back = unpackMeasures(packed, values.length);
    assert(back.values.every((value, i) => Object.is(value, values[i])));
  });
  assert(smaller > 100, `${smaller} as fractions`);
});

test('a column takes the denominators of the one before it where they will do', () => {
  const counts = [58, 61, 59, 53, 58];
  const averages = (sums: readonly number[]) =>
    Float64Array.from(sums, (sum, i) => Math.round((sum * 1e10) / counts[i]!));
  const kin: Kinship = {};
  packFractions(averages([7, 11, 5, 1, 13]), 10, kin);
  assert.deepEqual([...kin.denominators!], counts);
  const sums = [58, 1, 29, 7, 30];
  const alike = packFractions(averages(sums), 10, kin);
  assert.deepEqual(alike?.slice(1, 4), [integers(1, 0, 0, 0, 0), integers(0, 1, 29, 7, 30), integers(...counts)]);
  const alone = packFractions(averages(sums), 10);
  assert.deepEqual(alone?.slice(2, 4), [integers(0, 1, 29, 7, 15), integers(1, 61, 59, 53, 29)]);
  const shorter = packFractions(averages([7, 11, 5, 1]), 10, kin);
  assert.deepEqual(shorter?.slice(3, 4), [integers(58, 61, 59, 53)]);
});

test('what an average or an interpolation is made of is found', () => {
  // 113.99 and 11 of 83 parts of a hundredth; the third has no such parts.
  const packed = packFractions(
    Float64Array.of(113_991_325_301_205, 113_990_000_000_000, 113_991_234_567_891, 114_005_000_000_000),
    12,
  );
  assert.deepEqual(packed, [
    10,
    integers(11_399, 11_399, 11_399, 11_400),
    integers(11, 0, 0, 1),
    integers(83, 1, 1, 2),
    integers(0, 0, 1_234_567_891, 0),
  ]);
});

test('noise, and what has few decimals, stay plain', () => {
  const noise = Float64Array.from({ length: 200 }, (_, i) => Math.round(Math.abs(Math.sin(i + 1)) * 1e14));
  assert.equal(packFractions(noise, 12), undefined);
  assert.equal(
    packFractions(
      Float64Array.from({ length: 200 }, (_, i) => 333_333 * i),
      6,
    ),
    undefined,
  );
  const small = packMeasures(measuresOf(Float64Array.from({ length: 200 }, (_, i) => i / 100)));
  assert(small[1] instanceof Uint8Array);
});

test('what rounds up to a whole is that whole', () => {
  const all = [99_999_999_997, 299_999_999_998, 150_000_000_000, 100_000_000_001];
  const packed = packFractions(Float64Array.from(all), 11);
  assert(packed !== undefined);
  assert.deepEqual([...unpackFractions(packed, all.length).values], all);
  assert.deepEqual(packed.slice(1, 4), [integers(1, 3, 1, 1), integers(0, 0, 1, 0), integers(1, 1, 2, 1)]);
});

test('fractions that are none are refused', () => {
  const one = integers(1);
  const zero = integers(0);
  for (const [code, parts] of [
    ['batch-malformed', [1, one, zero, one]],
    ['batch-malformed', [0, one, zero, one, null]],
    ['batch-malformed', [13, one, zero, one, null]],
    ['batch-malformed', ['1', one, zero, one, null]],
    ['batch-malformed', [1, one, null, one, null]],
    ['batch-malformed', [1, one, zero, one, 0]],
    ['batch-column', [1, one, one, one, null]],
    ['batch-column', [1, one, integers(-1), one, null]],
    ['batch-column', [1, one, zero, zero, null]],
    ['batch-column', [1, one, zero, integers(1_025), null]],
    ['batch-column', [12, integers(4_504), zero, one, null]],
    ['batch-column', [12, integers(4_503), zero, one, integers(599_627_370_496)]],
    ['batch-column', [1, one, zero, one, integers(1, 2)]],
  ] as const) {
    assert.throws(() => unpackFractions(parts, 1), coded(code), JSON.stringify(parts));
  }
});
