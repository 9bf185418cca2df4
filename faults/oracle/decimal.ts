/**
 * Decimal: exact decimal arithmetic of the oracle's own, on text and BigInt.
 *
 * Owns the sums that everything else is held against. Promises no rounding, ever. Shares no code with what it judges.
 */

/** `units` times ten to the power of `-scale`. */
export interface Exact {
  readonly units: bigint;
  readonly scale: number;
}

export const ZERO: Exact = { units: 0n, scale: 0 };

const FORM = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Reads `-12.5`, `3e-7` and the like. */
export function exactOf(text: string): Exact {
  const match = FORM.exec(text);
  if (match === null) throw new Error(`no decimal number: ${text}`);
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  const units = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n);
  return trimmed({ units, scale: fraction.length - Number(exponent) });
}

export function plus(a: Exact, b: Exact): Exact {
  const scale = Math.max(a.scale, b.scale);
  return trimmed({ units: at(a, scale) + at(b, scale), scale });
}

export function isLess(a: Exact, b: Exact): boolean {
  const scale = Math.max(a.scale, b.scale);
  return at(a, scale) < at(b, scale);
}

/** The one text of each number: `units` and `scale` without trailing zeros. */
export function textOf({ units, scale }: Exact): string {
  return `${units}e${-scale}`;
}

function at({ units, scale }: Exact, wanted: number): bigint {
  return units * 10n ** BigInt(wanted - scale);
}

function trimmed({ units, scale }: Exact): Exact {
  if (units === 0n) return ZERO;
  let [left, places] = [units, scale];
  while (left % 10n === 0n) {
    left /= 10n;
    places -= 1;
  }
  return { units: left, scale: places };
}
