/** vectors/integers.json: integer columns alone, in every order and layout. */
import { encodeIntegers } from '../../src/codec/integers.ts';
import { fits, packIntegers } from './plain.ts';

const MAX = 2n ** 52n - 1n;

/** Values whose differences of some order fill so many bytes. */
function run(order: number, planes: number): bigint[] {
  const top = 1n << BigInt(Math.min(8 * planes - 1, 52));
  let values = [top - 1n, -(top - 1n), 3n, -top / 2n, top / 3n];
  for (let round = 0; round < order; round++) {
    let sum = 0n;
    values = values.map((value) => {
      sum += value / 3n;
      return sum;
    });
  }
  return values.map((value) => (value > MAX ? MAX : value < -MAX ? -MAX : value));
}

const RUNS: readonly (readonly [name: string, values: readonly bigint[]])[] = [
  ['nothing', []],
  ['one value', [-3n]],
  ['one large value', [1_700_000_000_000n]],
  ['two values', [10n, 15n]],
  ['zeros', [0n, 0n, 0n, 0n]],
  ['a constant', [7n, 7n, 7n, 7n]],
  ['a slope', [10n, 15n, 20n, 25n, 30n]],
  ['a falling slope', [5n, 3n, 1n, -1n, -3n]],
  ['places of two sensors', [0n, 1n, 0n, 1n, 1n, 0n]],
  ['one large among small', [0n, 0n, 0n, 0n, 0n, 0n, 1_000_000n]],
  [
    'times with jitter',
    [1_700_000_000_000n, 1_700_000_000_251n, 1_700_000_000_499n, 1_700_000_000_750n, 1_700_000_001_002n],
  ],
  ['a slope too steep for a seed', [MAX, -2n, -MAX]],
  ['the ends of the range', [MAX, -MAX, 0n, MAX, MAX, -MAX]],
  ...[0, 1, 2].flatMap((order) =>
    [1, 2, 3, 4, 5, 6, 7].map((planes) => [`order ${order} and ${planes} bytes`, run(order, planes)] as const),
  ),
];

export function integerVectors() {
  const valid = RUNS.flatMap(([name, values]) => {
    const own = Buffer.from(encodeIntegers(Float64Array.from(values, Number))).toString('hex');
    const forms = [0, 1, 2].flatMap((order) =>
      [0, 1, 2, 3, 4, 5, 6, 7, 15]
        .filter((layout) => fits(values, order, layout))
        .map((layout) => packIntegers(values, order, layout).toString('hex')),
    );
    return [...new Set([own, ...forms])].map((bytes) => ({
      name,
      values: values.map(Number),
      hex: bytes,
      smallest: bytes === own,
    }));
  });
  return {
    about:
      'Integer columns (batch.md, "Integer columns"). `smallest`: the form that the encoder of this project picks.',
    valid: [
      ...valid,
      { name: 'varints longer than they need be', values: [0, 1], hex: '0f80008280808080808000', smallest: false },
    ],
    invalid: [
      ['no first byte', 0, ''],
      ['order 3', 1, '3000'],
      ['layout 8', 1, '0800'],
      ['layout 14', 1, '0e00'],
      ['a seed missing', 1, '10'],
      ['a seed cut off', 1, '1080'],
      ['the second seed missing', 2, '2002'],
      ['a plane cut short', 3, '010000'],
      ['varints cut short', 3, '0f0000'],
      ['a varint cut off', 3, '0f000080'],
      ['a byte behind zeros', 3, '0000'],
      ['a byte behind planes', 3, '01000000ff'],
      ['a byte behind varints', 3, '0f00000000'],
      ['a byte behind nothing', 0, '00ff'],
      ['a varint of nine bytes', 1, '0f808080808080808001'],
      ['a zero in nine bytes', 1, '0f808080808080808000'],
      ['a varint of 2^53', 1, '0f8080808080808010'],
      ['planes of 2^53', 1, '0700000000000020'],
      ['planes of 2^56 - 1', 1, '07ffffffffffffff'],
      ['a code of 2^53 in planes that leads back into the range', 2, '17fdffffffffffff0f00000000000020'],
      ['a code of 2^53 in a varint that leads back into the range', 2, '1ffdffffffffffff0f8080808080808010'],
      ['-2^52', 1, '0fffffffffffffff0f'],
      ['-2^52 as a seed', 1, '10ffffffffffffff0f'],
      ['a step out of the range', 2, '1ffeffffffffffff0f02'],
      ['a step out of the range and one back', 3, '1ffeffffffffffff0f0201'],
      ['a slope out of the range', 9, '20feffffffffffff0f02'],
    ].map(([name, count, bytes]) => ({ name, count, hex: bytes, code: 'batch-column' })),
  };
}
