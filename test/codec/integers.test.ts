import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeIntegers, encodeIntegers } from '../../src/codec/integers.ts';
import { INTEGER_MAX } from '../../src/codec/limits.ts';
import { coded, isTaken } from './events.ts';
import { changed, holds } from './property.ts';

const anyInteger = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.integer({ min: -INTEGER_MAX, max: INTEGER_MAX }),
  fc.constantFrom(INTEGER_MAX, -INTEGER_MAX, 0, -1, 127, 128, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 48),
);

/** Runs with a slope, with steps, and without any sense. */
const anyRun = fc.oneof(
  fc.array(anyInteger, { maxLength: 60 }),
  fc
    .tuple(fc.integer(), fc.integer(), fc.nat(60))
    .map(([start, step, n]) => Array.from({ length: n }, (_, i) => start + i * step)),
  fc.tuple(anyInteger, fc.nat(60)).map(([value, n]) => Array.from({ length: n }, () => value)),
  fc.array(fc.nat(255), { maxLength: 60 }),
);

function hexOf(values: readonly number[]): string {
  return Buffer.from(encodeIntegers(Float64Array.from(values))).toString('hex');
}

function decoded(hex: string, count: number): number[] {
  return [...decodeIntegers(Buffer.from(hex, 'hex'), count).values];
}

test('every run of integers comes back, with its bounds', (t) => {
  holds(t, 2_000, anyRun, (run) => {
    const { values, low, high } = decodeIntegers(encodeIntegers(Float64Array.from(run)), run.length);
    assert.deepEqual([...values], run);
    assert.equal(low, Math.min(0, ...run));
    assert.equal(high, Math.max(0, ...run));
  });
});

test('the smallest form is chosen, planes on a tie', () => {
  for (const [name, run, hex] of [
    ['none', [], '00'],
    ['zeros', [0, 0, 0], '00'],
    ['a constant: one seed', [7, 7, 7], '100e'],
    ['a slope: two seeds', [10, 15, 20, 25], '20140a'],
    ['one value', [-3], '0105'],
    ['small values without order: one plane', [1, 0, 1, 1, 0], '010200020200'],
    ['two-byte values: two planes, low bytes first', [300, -300, 300, -300], '025857585702020202'],
    ['one large among small: varints', [0, 0, 0, 0, 0, 0, 1_000_000], '0f00000000000080897a'],
  ] as const) {
    assert.equal(hexOf(run), hex, name);
    assert.deepEqual(decoded(hex, run.length), run, name);
  }
});

/** Bytes of one order in one layout, by the text of the spec; Infinity where it cannot be written so. */
function bytesOf(values: readonly number[], order: number, layout: number): number {
  let rest = values.map(BigInt);
  const seeds: bigint[] = [];
  for (let round = 0; round < order && rest.length > 0; round++) {
    seeds.push(rest[0]!);
    rest = rest.slice(1).map((value, i) => value - rest[i]!);
  }
  const codeOf = (value: bigint) => (value >= 0n ? 2n * value : -2n * value - 1n);
  const varintOf = (code: bigint) => Math.max(1, Math.ceil(code.toString(2).length / 7));
  const codes = rest.map(codeOf);
  if ([...codes, ...seeds.map(codeOf)].some((code) => code > 2n ** 53n - 1n)) return Infinity;
  const head = seeds.reduce((bytes, seed) => bytes + varintOf(codeOf(seed)), 1);
  if (layout === 15) return head + codes.reduce((bytes, code) => bytes + varintOf(code), 0);
  return codes.every((code) => code < 256n ** BigInt(layout)) ? head + layout * codes.length : Infinity;
}

test('no order and no layout would take fewer bytes, on either side of what 32 bits hold', (t) => {
  const border = fc.integer({ min: -4, max: 4 }).map((off) => 2 ** 28 + off);
  const value = fc.oneof(
    fc.integer({ min: -300, max: 300 }),
    border,
    border.map((at) => -at),
    anyInteger,
  );
  holds(t, 2_000, fc.oneof(anyRun, fc.array(value, { maxLength: 12 })), (run) => {
    const least = Math.min(
      ...[0, 1, 2].flatMap((order) => [15, 0, 1, 2, 3, 4, 5, 6, 7].map((layout) => bytesOf(run, order, layout))),
    );
    assert.equal(encodeIntegers(Float64Array.from(run)).length, least);
  });
});

test('what is no integer in range is a mistake of the caller', () => {
  for (const value of [INTEGER_MAX + 1, -INTEGER_MAX - 1, Number.NaN, Infinity]) {
    assert.throws(() => encodeIntegers(Float64Array.of(1, value, 2)), /integer out of range/);
  }
});

test('seeds are as many as there are values', () => {
  assert.deepEqual(decoded('2014', 1), [10]);
  assert.deepEqual(decoded('20', 0), []);
  assert.deepEqual(decoded('20140a', 2), [10, 15]);
});

test('the ends of the range go through every order and layout', () => {
  const ends = [INTEGER_MAX, -INTEGER_MAX, INTEGER_MAX, INTEGER_MAX, -INTEGER_MAX, 0, -INTEGER_MAX];
  assert.deepEqual(decoded(hexOf(ends), ends.length), ends);
  const near = [INTEGER_MAX, INTEGER_MAX - 1, INTEGER_MAX - 3];
  assert.deepEqual(decoded(hexOf(near), 3), near);
  // Order 2 would leave next to nothing, were its second seed not too large for a code.
  const steep = [INTEGER_MAX, -2, -INTEGER_MAX];
  assert.deepEqual(decoded(hexOf(steep), 3), steep);
  // Seven planes: the code of -(2^52 - 1) is 2^53 - 3.
  assert.deepEqual(decoded('07fdffffffffff1f', 1), [-INTEGER_MAX]);
});

test('varints may be longer than they need be', () => {
  assert.deepEqual(decoded('0f8000', 1), [0]);
  assert.deepEqual(decoded('0f8280808080808000', 1), [1]);
});

test('an integer out of range is a bug of the caller', () => {
  assert.throws(() => encodeIntegers(Float64Array.of(INTEGER_MAX + 1)), { code: 'ERR_ASSERTION' });
  assert.throws(() => encodeIntegers(Float64Array.of(Number.NaN)), { code: 'ERR_ASSERTION' });
});

test('what is not a column is refused', () => {
  for (const [name, hex, count] of [
    ['empty', '', 0],
    ['order 3', '3000', 1],
    ['layout 8', '0800', 1],
    ['layout 14', '0e00', 1],
    ['no seed', '10', 1],
    ['seed cut off', '1080', 1],
    ['second seed missing', '2002', 2],
    ['a plane cut short', '010000', 3],
    ['a plane behind long seeds cut short', '11808080010000', 4],
    ['varints cut short', '0f0000', 3],
    ['a varint cut off', '0f000080', 3],
    ['bytes after zeros', '0000', 3],
    ['bytes after planes', '01000000ff', 3],
    ['bytes after varints', '0f00000000', 3],
    ['bytes after nothing', '00ff', 0],
    ['a varint of nine bytes', '0f808080808080808001', 1],
    ['a zero in nine bytes', '0f808080808080808000', 1],
    ['a varint of 2^53', '0f8080808080808010', 1],
    ['a varint of 2^56 - 1', '0fffffffffffffff7f', 1],
    ['planes of 2^53', '0700000000000020', 1],
    ['planes of 2^56 - 1', '07ffffffffffffff', 1],
    ['planes of 2^53 that lead back into the range', '17fdffffffffffff0f00000000000020', 2],
    ['a varint of 2^53 that leads back into the range', '1ffdffffffffffff0f8080808080808010', 2],
    ['-2^52', '0fffffffffffffff0f', 1],
    ['-2^52 as a seed', '10ffffffffffffff0f', 1],
    ['a step out of the range', '1ffeffffffffffff0f02', 2],
    ['a step out of the range and one back', '1ffeffffffffffff0f0201', 3],
    ['a slope out of the range', '20feffffffffffff0f02', 9],
  ] as const) {
    assert.throws(() => decoded(hex, count), coded('batch-column'), name);
  }
});

test('a column that is all seeds and zeros costs no more than its values', () => {
  const { values } = decodeIntegers(Buffer.from('20feffffffffffff0f01', 'hex'), 65_536);
  assert.equal(values[65_535], INTEGER_MAX - 65_535);
});

test('bytes that are changed unpack to integers that pack again, or are refused', (t) => {
  const anyPacked = anyRun.chain((run) =>
    fc.tuple(changed(encodeIntegers(Float64Array.from(run))), fc.constantFrom(run.length, run.length + 1, 0, 65_536)),
  );
  let taken = 0;
  holds(t, 3_000, anyPacked, ([bytes, count]) => {
    let integers = decodeIntegers(Uint8Array.of(0), 0);
    if (!isTaken(() => (integers = decodeIntegers(bytes, count)), 'batch-column')) return;
    taken++;
    const { values, low, high } = integers;
    assert.equal(values.length, count);
    assert(values.every((value) => Number.isInteger(value) && value >= low && value <= high));
    assert.deepEqual(decodeIntegers(encodeIntegers(values), count).values, values);
  });
  assert(taken > 100, `${taken} were taken`);
});
