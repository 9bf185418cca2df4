/**
 * Decimal: exact decimal arithmetic of the oracle's own, on text and BigInt.
 *
 * Owns the sums that everything else is held against. Promises no rounding, ever. Shares no code with what it judges.
 */

/** `units` times ten to the power of `-scale`; one number may be written in several ways. */
export interface Exact {
  readonly units: bigint;
  readonly scale: number;
}

export const ZERO: Exact = { units: 0n, scale: 0 };

const FORM = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Powers of ten as far as they were needed. */
const POWERS = [1n];

/** Reads `-12.5`, `3e-7` and the like. */
export function exactOf(text: string): Exact {
  const match = FORM.exec(text);
  if (match === null) throw new Error(`no decimal number: ${text}`);
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  const units = BigInt(whole + fraction);
  return { units: sign === '-' ? -units : units, scale: fraction.length - Number(exponent) };
}

export function plus(a: Exact, b: Exact): Exact {
  const scale = Math.max(a.scale, b.scale);
  return { units: at(a, scale) + at(b, scale), scale };
}

export function isLess(a: Exact, b: Exact): boolean {
  const scale = Math.max(a.scale, b.scale);
  return at(a, scale) < at(b, scale);
}

/** The one text of each number: `units` and `scale` without trailing zeros. */
export function textOf({ units, scale }: Exact): string {
  if (units === 0n) return '0e0';
  let [left, places] = [units, scale];
  while (left % 10n === 0n) {
    left /= 10n;
    places -= 1;
  }
  return `${left}e${-places}`;
}

function at({ units, scale }: Exact, wanted: number): bigint {
  if (wanted === scale) return units;
  for (let next = POWERS.length; next <= wanted - scale; next++) POWERS.push(10n ** BigInt(next));
  return units * POWERS[wanted - scale]!;
}
