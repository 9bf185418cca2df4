/**
 * TimeFormat: patterns such as `dd.MM.yyyy HH:mm`, for times that only their maker can read.
 *
 * Owns the letters (those of Unicode's date patterns). Promises that a text fits in one way or not at all. Never looks
 * at a calendar: it takes texts apart.
 */

/** Decimal digits; a zone as `Z`, `UTC` or an offset. */
export interface TimeParts {
  readonly year: string | undefined;
  readonly month: string | undefined;
  readonly day: string | undefined;
  readonly hour?: string | undefined;
  readonly minute?: string | undefined;
  readonly second?: string | undefined;
  /** Of a second. */
  readonly fraction?: string | undefined;
  readonly zone?: string | undefined;
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

type Part = keyof TimeParts | 'year2' | 'monthName' | 'hour12' | 'half';

/** One letter: with or without a zero in front. Two letters: always two digits. */
const LETTERS: Readonly<Record<string, readonly [part: Part, pattern: string]>> = {
  yyyy: ['year', '\\d{4}'],
  yy: ['year2', '\\d{2}'],
  MMM: ['monthName', '[A-Za-z]{3}'],
  MM: ['month', '\\d{2}'],
  M: ['month', '\\d{1,2}'],
  dd: ['day', '\\d{2}'],
  d: ['day', '\\d{1,2}'],
  HH: ['hour', '\\d{2}'],
  H: ['hour', '\\d{1,2}'],
  hh: ['hour12', '\\d{2}'],
  h: ['hour12', '\\d{1,2}'],
  mm: ['minute', '\\d{2}'],
  m: ['minute', '\\d{1,2}'],
  ss: ['second', '\\d{2}'],
  s: ['second', '\\d{1,2}'],
  a: ['half', '[AaPp][Mm]'],
  XXX: ['zone', 'Z|[+-]\\d{2}:\\d{2}'],
  XX: ['zone', 'Z|[+-]\\d{4}'],
};

const TOKENS = /'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']/g;

/** @throws Error that says what is wrong with the pattern */
export function compileTimeFormat(format: string): (text: string) => TimeParts | undefined {
  const parts: Part[] = [];
  let pattern = '';
  let before: string | undefined;
  for (const [token, quoted, letter] of format.matchAll(TOKENS)) {
    const known =
      LETTERS[token] ?? (/^S{1,9}$/.test(token) ? (['fraction', `\\d{${token.length}}`] as const) : undefined);
    if (known) {
      const [part, digits] = known;
      // `dM` could take 111 apart in two ways.
      if (before !== undefined && (before.length === 1 || token.length === 1) && part !== 'half') {
        throw new Error(
          `${before}${token} can be read in two ways: put something between them, or write two letters each`,
        );
      }
      if (parts.includes(part)) throw new Error(`${token} is there twice`);
      parts.push(part);
      pattern += `(${digits})`;
    } else if (letter !== undefined) {
      throw new Error(`${token} is unknown; known are ${Object.keys(LETTERS).join(' ')} S; other letters go in '…'`);
    } else pattern += literal(quoted === undefined ? token : quoted === '' ? "'" : quoted.replaceAll("''", "'"));
    before = known && known[0] !== 'half' ? token : undefined;
  }
  checkParts(parts);
  const whole = new RegExp(`^${pattern}$`);
  return (text) => {
    const match = whole.exec(text);
    return match ? partsOf(Object.fromEntries(parts.map((part, i) => [part, match[i + 1]!]))) : undefined;
  };
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

function checkParts(parts: readonly Part[]): void {
  const has = (...some: Part[]): boolean => some.some((part) => parts.includes(part));
  if (!has('year', 'year2') || !has('month', 'monthName') || !has('day'))
    throw new Error('it needs year, month and day');
  if ((has('year') && has('year2')) || (has('month') && has('monthName'))) throw new Error('it says one thing twice');
  if (has('hour12') !== has('half')) throw new Error('h goes with a (AM or PM); H is the hour of 24');
  if (has('hour') && has('hour12')) throw new Error('it says the hour twice');
  if (has('minute') && !has('hour', 'hour12')) throw new Error('it has minutes without hours');
  if (has('second') && !has('minute')) throw new Error('it has seconds without minutes');
  if (has('fraction') && !has('second')) throw new Error('it has fractions without seconds');
}

type Found = Readonly<Partial<Record<Part, string>>>;

function partsOf(found: Found): TimeParts | undefined {
  const month = found.monthName === undefined ? found.month : monthOf(found.monthName);
  const hour = found.hour12 === undefined ? found.hour : hourOf(found.hour12, found.half!);
  if (month === undefined || (found.hour12 !== undefined && hour === undefined)) return undefined;
  // As POSIX has it: a logger of the last century is the exception.
  const year = found.year2 === undefined ? found.year : `${Number(found.year2) < 69 ? 20 : 19}${found.year2}`;
  const { day, minute, second, fraction, zone } = found;
  return { year, month, day, hour, minute, second, fraction, zone };
}

function monthOf(name: string): string | undefined {
  const at = MONTHS.indexOf(name.toLowerCase());
  return at < 0 ? undefined : String(at + 1);
}

function hourOf(hour: string, half: string): string | undefined {
  const value = Number(hour);
  if (value < 1 || value > 12) return undefined;
  return String((value % 12) + (half.toLowerCase() === 'pm' ? 12 : 0));
}
