/**
 * Totals: how many events, and the exact sum of each measure, found by other means than the program's own.
 *
 * Owns BigInt arithmetic over integers and over the text of numbers, and the comparison that every bench ends with.
 * Shares nothing with `src`: a mistake there must not hide here. Never rounds.
 */
import assert from 'node:assert';

export interface Totals {
  readonly events: number;
  /** Plain decimal text by measure: no exponent, no zeros at the end. */
  readonly sums: Readonly<Record<string, string>>;
}

export const NO_EVENTS: Totals = { events: 0, sums: {} };

/** Digits behind the point that are kept: more than any number here has. */
const PLACES = 40;

/** The number `digits` / 10^`scale` as plain decimal text. */
export function decimalText(digits: bigint, scale: number): string {
  const text = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, '0');
  const whole = text.slice(0, text.length - scale);
  const fraction = text.slice(text.length - scale).replace(/0+$/, '');
  return `${digits < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

/** The sum of decimals as they stand in a file. */
export function sumOfTexts(texts: Iterable<string>): string {
  let sum = 0n;
  for (const text of texts) sum += scaled(text);
  return decimalText(sum, PLACES);
}

export function addTotals(...parts: readonly Totals[]): Totals {
  const measures = new Set(parts.flatMap(({ sums }) => Object.keys(sums)));
  return {
    events: parts.reduce((events, part) => events + part.events, 0),
    sums: Object.fromEntries(
      [...measures].map((measure) => [measure, sumOfTexts(parts.map(({ sums }) => sums[measure] ?? '0'))]),
    ),
  };
}

/** Throws where they are not the same to the last digit. */
export function assertSameTotals(actual: Totals, expected: Totals, whose: string): void {
  assert.deepStrictEqual(
    { events: actual.events, sums: { ...actual.sums } },
    { events: expected.events, sums: { ...expected.sums } },
    `${whose}: counted ${JSON.stringify(actual)}, generated ${JSON.stringify(expected)}`,
  );
}

function scaled(text: string): bigint {
  const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  assert(whole !== undefined, `${text} is no number`);
  const places = PLACES - fraction.length + Number(exponent);
  assert(places >= 0, `${text} has more than ${PLACES} places`);
  const digits = BigInt(whole + fraction) * 10n ** BigInt(places);
  return sign === '-' ? -digits : digits;
}
