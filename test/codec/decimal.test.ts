import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addDecimals, decimalOf, formatDecimal, negateDecimal, parseDecimal, ZERO } from '../../src/codec/index.ts';
import { anyMeasure } from './events.ts';
import { exactSum } from './exact.ts';
import { holds } from './property.ts';

const text = (value: number): string => formatDecimal(decimalOf(value));

test('a double is the shortest decimal that gives it back, in plain notation', () => {
  for (const [value, expected] of [
    [0, '0'],
    [-0, '0'],
    [1, '1'],
    [-1.25, '-1.25'],
    [0.1, '0.1'],
    [0.1 + 0.2, '0.30000000000000004'],
    [74.93588199999998, '74.93588199999998'],
    [1e21, '1000000000000000000000'],
    [-1e21, '-1000000000000000000000'],
    [1.5e-7, '0.00000015'],
    [123456789012345680000, '123456789012345680000'],
    [5e-324, `0.${'0'.repeat(323)}5`],
    [Number.MAX_VALUE, `17976931348623157${'0'.repeat(292)}`],
  ] as const) {
    assert.equal(text(value), expected);
  }
});

test('the decimal of any double reads back as that double, and as that decimal', (t) => {
  holds(t, 2_000, anyMeasure, (value) => {
    const decimal = decimalOf(value);
    const plain = formatDecimal(decimal);
    assert.equal(Number(plain), value + 0);
    assert.match(plain, /^-?(0|[1-9]\d*)(\.\d*[1-9])?$/);
    assert.equal(formatDecimal(parseDecimal(plain)!), plain);
  });
});

test('sums are exact in any order and grouping', (t) => {
  holds(t, 500, fc.tuple(fc.array(anyMeasure, { maxLength: 30 }), fc.nat(30)), ([values, cut]) => {
    const sum = (numbers: readonly number[]) => numbers.map(decimalOf).reduce(addDecimals, ZERO);
    const expected = exactSum(values);
    assert.equal(formatDecimal(sum(values)), expected);
    assert.equal(formatDecimal(sum([...values].reverse())), expected);
    assert.equal(formatDecimal(addDecimals(sum(values.slice(0, cut)), sum(values.slice(cut)))), expected);
  });
});

test('what is added and taken away again leaves zero', () => {
  const tenth = decimalOf(0.1);
  assert.equal(formatDecimal(negateDecimal(tenth)), '-0.1');
  assert.equal(formatDecimal(addDecimals(tenth, negateDecimal(tenth))), '0');
  assert.equal(formatDecimal(negateDecimal(ZERO)), '0');
});

test('plain notation is read, also with zeros at either end', () => {
  for (const [given, expected] of [
    ['0', '0'],
    ['-0', '0'],
    ['007.50', '7.5'],
    ['-0.0', '0'],
    ['1'.repeat(400), '1'.repeat(400)],
  ] as const) {
    assert.equal(formatDecimal(parseDecimal(given)!), expected);
  }
});

test('anything else is no decimal', () => {
  for (const given of [
    '',
    '-',
    '.5',
    '5.',
    '+5',
    '1e3',
    ' 1',
    '1 ',
    '1\n',
    '1,5',
    'NaN',
    '--1',
    '٣',
    '1'.repeat(401),
  ]) {
    assert.equal(parseDecimal(given), undefined, JSON.stringify(given));
  }
});

test('no double that is not finite has a decimal', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => decimalOf(value), { code: 'ERR_ASSERTION' });
});

test('text is a decimal that comes back without needless zeros, or is none', (t) => {
  const anyText = fc.oneof(
    fc.stringMatching(/^-?[0-9.]{0,12}$/),
    fc.string({ maxLength: 8 }),
    fc.tuple(fc.nat(500), fc.nat(500)).map(([whole, part]) => `${'9'.repeat(whole)}.${'0'.repeat(part)}1`),
  );
  holds(t, 3_000, anyText, (text) => {
    const isDecimal = /^-?\d{1,400}(\.\d{1,400})?$/.test(text);
    const decimal = parseDecimal(text);
    assert.equal(decimal !== undefined, isDecimal, text);
    if (decimal === undefined) return;
    const plain = formatDecimal(decimal);
    assert.match(plain, /^-?(0|[1-9]\d*)(\.\d*[1-9])?$/);
    assert.equal(formatDecimal(parseDecimal(plain)!), plain);
    assert.equal(formatDecimal(addDecimals(decimal, negateDecimal(decimal))), '0');
  });
});
