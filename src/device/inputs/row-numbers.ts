/**
 * RowNumbers: numbers as they are written.
 *
 * Promises that a number keeps every digit that is in the input, or is refused.
 */
import { CodecError, decimalOf, formatDecimal, parseDecimal } from '../../codec/index.ts';
import { shown } from './refusal.ts';

/** In one way only for each text: `\d+\.?\d*` would try every way of cutting a long run of digits in two. */
export const NUMBER_PATTERN = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;
const COMMA_PATTERN = /^[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?$/;

/** Digits in groups, or with the other decimal mark: only a flag can tell what number is meant. */
const NEARLY_NUMBER = /^[+-]?(\d{1,3}([.,'\u00a0\u202f ]\d{3})+([.,]\d*)?|\d+[.,]\d*|[.,]\d+)([eE][+-]?\d+)?$/;

/** A number with its sign behind it, in brackets, or as a share, a price, a bound. */
const DRESSED_NUMBER = /^(?:[<>≤≥~±=]{1,2} ?|[($€£¥−–+] ?)?-?\d[\d.,'\u00a0\u202f]*(?: ?[)%‰$€£¥°*?!-])?$/;

/** What stands where nothing could be measured. */
const NO_VALUE = new RegExp(
  '^[(<[]?(nan|na|n/a|null|none|nil|missing|inf|infinity|err|error|fault|invalid|overflow|ovf|ovr|ol|' +
    '#?(n/a|na|value!|ref!|div/0!|num!|name\\?|null!))[)>\\]]?$',
  'i',
);

export type DecimalMark = '.' | ',';

/** The number that the text is, as plain notation has it; undefined where it is none. */
export function numberText(text: string, decimal: DecimalMark): string | undefined {
  if (decimal === '.') return NUMBER_PATTERN.test(text) ? text : undefined;
  return COMMA_PATTERN.test(text) ? text.replace(',', '.') : undefined;
}

/** Tells whether a text looks like a number, or like what stands where none could be measured. */
export function isNearlyNumber(text: string): boolean {
  return (
    text.length <= 60 &&
    (NEARLY_NUMBER.test(text) ||
      isDressed(text) ||
      NO_VALUE.test(text.replace(/^[+-]/, '')) ||
      /^[-?.*]{1,8}$/.test(text))
  );
}

/** Versions and addresses are none: they have several dots. */
function isDressed(text: string): boolean {
  return /^[^\d-]|[^\d]$/.test(text) && DRESSED_NUMBER.test(text) && text.split('.').length <= 2;
}

/** @throws CodecError `event-number` where the nearest double is another decimal than the text. */
export function exactNumber(text: string): number {
  checkDigits(text);
  return Number(text);
}

/** @throws CodecError `event-number` where the nearest double is another decimal than the text. */
export function checkDigits(text: string): void {
  if (text.length <= 15 && !/[eE]/.test(text)) return;
  const [mantissa = '', exponent = ''] = text.toLowerCase().split('e');
  const digits = mantissa.replace(/\D/g, '').replace(/^0+/, '');
  if (digits.length <= 15 && exponent.length < 3) return;
  const value = Number(text);
  if (!Number.isFinite(value) || (value === 0 && /[1-9]/.test(mantissa))) {
    const size = value === 0 ? 'smaller than the smallest' : 'larger than the largest';
    throw new CodecError('event-number', `${shown(text, 40)} is ${size} number that a double can hold`);
  }
  const exact = plainDecimal(mantissa, Number(exponent));
  if (formatDecimal(decimalOf(value)) !== exact) {
    throw new CodecError('event-number', `${shown(text, 40)} has more digits than a double can hold`);
  }
}

/** Without exponent and needless zeros; undefined where it is not a decimal of sensible length. */
function plainDecimal(mantissa: string, exponent: number): string | undefined {
  const decimal = parseDecimal(
    mantissa
      .replace(/^\+/, '')
      .replace(/^(-?)\./, '$10.')
      .replace(/\.$/, ''),
  );
  if (!decimal || Math.abs(exponent) > 400) return undefined;
  const scale = decimal.scale - exponent;
  return formatDecimal(
    scale >= 0 ? { ...decimal, scale } : { digits: decimal.digits * 10n ** BigInt(-scale), scale: 0 },
  );
}
