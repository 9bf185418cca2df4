/** Exact sums by other means: BigInt arithmetic over the text of numbers. Shares nothing with `src`. */

/** Digits after the point that cover every double. */
const PLACES = 1_100;

/** The sum of the numbers as JavaScript prints them, in plain notation. */
export function exactSum(values: Iterable<number>): string {
  let total = 0n;
  for (const value of values) total += scaled(String(value));
  const sign = total < 0n ? '-' : '';
  const digits = (total < 0n ? -total : total).toString().padStart(PLACES + 1, '0');
  const whole = digits.slice(0, -PLACES);
  const fraction = digits.slice(-PLACES).replace(/0+$/, '');
  return fraction === '' ? sign + whole : `${sign}${whole}.${fraction}`;
}

function scaled(text: string): bigint {
  const [, sign, whole = '', fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(text) ?? [];
  const places = PLACES - fraction.length + Number(exponent);
  const digits = BigInt(whole + fraction) * 10n ** BigInt(places);
  return sign === '-' ? -digits : digits;
}
