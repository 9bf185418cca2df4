/** Sums by another way than the gateway's: digits of the text, as one big integer. */
import type { TelemetryEvent } from '../../src/codec/index.ts';

const PLACES = 400;

/** The exact sum of a measure over events, as the gateway writes it. */
export function exactSum(events: Iterable<TelemetryEvent>, measure: string): string {
  let sum = 0n;
  for (const { fields } of events) {
    const value = fields[measure];
    if (typeof value === 'number') sum += scaled(value);
  }
  const digits = (sum < 0n ? -sum : sum).toString().padStart(PLACES + 1, '0');
  const fraction = digits.slice(-PLACES).replace(/0+$/, '');
  return `${sum < 0n ? '-' : ''}${digits.slice(0, -PLACES)}${fraction === '' ? '' : `.${fraction}`}`;
}

function scaled(value: number): bigint {
  const [, sign, whole = '', fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(
    String(value),
  )!;
  const places = PLACES + Number(exponent) - fraction.length;
  return BigInt(`${sign}${whole}${fraction}`) * 10n ** BigInt(places);
}
