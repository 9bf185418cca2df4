/** vectors/decimals.json: what doubles mean, and exact sums of them. */
import { exactSum } from '../../test/codec/exact.ts';
import { bitsOf } from './example.ts';

const DOUBLES: readonly number[] = [
  0,
  -0,
  1,
  -1,
  0.1,
  -0.1,
  1.25,
  0.1 + 0.2,
  1 / 3,
  74.93588199999998,
  113.991325301205,
  123456789012345680000,
  1e21,
  1e22,
  1e23,
  2 ** 53,
  2 ** 53 + 2,
  5e-324,
  -5e-324,
  2.2250738585072014e-308,
  2.225073858507201e-308,
  1.7976931348623157e308,
  1.5e-7,
  1e-7,
  4.35,
  0.000001,
  2 ** -1074 * 3,
  9.5367431640625e-7,
  5e-5,
  8.41e21,
  2.0919495182368195e19,
];

const SUMS: readonly (readonly [name: string, values: readonly number[]])[] = [
  ['nothing', []],
  ['ten tenths', Array.from({ length: 10 }, () => 0.1)],
  ['what doubles would lose', [1e16, 1, -1e16]],
  ['out and back', [0.1, 0.2, -0.3]],
  ['zeros of either sign', [0, -0, -0]],
  ['the greatest and the smallest', [Number.MAX_VALUE, Number.MIN_VALUE]],
  ['the greatest twice', [Number.MAX_VALUE, Number.MAX_VALUE]],
  ['what cancels at the ends', [Number.MAX_VALUE, Number.MIN_VALUE, -Number.MAX_VALUE]],
  ['digits of 9 and 17', [73.96732207, 74.93588199999998, 76.12416182, 21.400000000000002]],
  ['a thousand meter readings', Array.from({ length: 1_000 }, (_, i) => (100_000 + 37 * i) / 1_000)],
  ['to a whole number', [0.25, 0.75]],
  ['below zero', [-0.5, 0.25]],
];

export function decimalVectors() {
  return {
    about:
      'Decimals (batch.md, "Measures are decimals"). `bits` are the 8 bytes of a double, most significant first; ' +
      '`text` is the decimal that it means, `sum` the exact sum of those.',
    doubles: DOUBLES.map((value) => ({ bits: bitsOf(value), text: exactSum([value]) })),
    sums: SUMS.map(([name, values]) => ({ name, bits: values.map(bitsOf), sum: exactSum(values) })),
    texts: {
      valid: ['0', '-0', '007.50', '-0.0', '0.000000000000000000000001', '1'.repeat(400)],
      invalid: ['', '-', '.5', '5.', '+5', '1e3', ' 1', '1 ', '1\n', '1,5', 'NaN', '--1', '٣', '1'.repeat(401)],
    },
  };
}
