/**
 * Decimal: exact decimal numbers and sums (proto-spec/batch.md, "Measures are decimals").
 *
 * Owns the reading of a double as the shortest decimal that gives it back, as ECMAScript and Python print it. Promises
 * that sums are exact in any order and grouping. Never rounds.
 */
import assert from 'node:assert';

/** The number `digits` / 10^`scale`; `scale` is never negative. Not normalised: compare by `formatDecimal`. */
export interface Decimal {
  readonly digits: bigint;
  readonly scale: number;
}

export const ZERO: Decimal = { digits: 0n, scale: 0 };

const POWERS: bigint[] = [1n];

function power(exponent: number): bigint {
  for (let i = POWERS.length; i <= exponent; i++) POWERS.push(POWERS[i - 1]! * 10n);
  return POWERS[exponent]!;
}

/** The shortest decimal that round-trips a finite double; of several, the nearest to it. Minus zero is zero. */
export function decimalOf(value: number): Decimal {
  assert(Number.isFinite(value), 'a decimal is finite');
  const text = String(value);
  const exponentAt = text.indexOf('e');
  const mantissa = exponentAt < 0 ? text : text.slice(0, exponentAt);
  const exponent = exponentAt < 0 ? 0 : Number(text.slice(exponentAt + 1));
  const pointAt = mantissa.indexOf('.');
  const digits = BigInt(pointAt < 0 ? mantissa : mantissa.slice(0, pointAt) + mantissa.slice(pointAt + 1));
  const scale = (pointAt < 0 ? 0 : mantissa.length - pointAt - 1) - exponent;
  return scale >= 0 ? { digits, scale } : { digits: digits * power(-scale), scale: 0 };
}

export function addDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.scale === b.scale) return { digits: a.digits + b.digits, scale: a.scale };
  if (a.scale < b.scale) return { digits: a.digits * power(b.scale - a.scale) + b.digits, scale: b.scale };
  return { digits: a.digits + b.digits * power(a.scale - b.scale), scale: a.scale };
}

export function negateDecimal(a: Decimal): Decimal {
  return { digits: -a.digits, scale: a.scale };
}

/** Plain notation: no exponent, no trailing zeros after the point, `0` for zero. */
export function formatDecimal(value: Decimal): string {
  const negative = value.digits < 0n;
  const digits = (negative ? -value.digits : value.digits).toString().padStart(value.scale + 1, '0');
  const whole = digits.slice(0, digits.length - value.scale);
  let end = digits.length;
  while (end > whole.length && digits.charCodeAt(end - 1) === 0x30) end--;
  const text = end > whole.length ? `${whole}.${digits.slice(whole.length, end)}` : whole;
  return negative ? `-${text}` : text;
}

const DECIMAL_PATTERN = /^(-?)(\d{1,400})(?:\.(\d{1,400}))?$/;

/** Reads plain notation, also with zeros at either end; `undefined` for anything else. */
export function parseDecimal(text: string): Decimal | undefined {
  const match = DECIMAL_PATTERN.exec(text);
  if (!match) return undefined;
  const [, sign, whole = '', fraction = ''] = match;
  const digits = BigInt(whole + fraction);
  return { digits: sign ? -digits : digits, scale: fraction.length };
}
