/**
 * Row: one line of a file or pipe as an event.
 *
 * Owns how times, sensors and fields are found in JSON objects and CSV records. Promises that a number keeps every digit
 * that is in the file, or is refused. Never reads anything.
 */
import {
  CodecError,
  decimalOf,
  type FieldValue,
  formatDecimal,
  parseDecimal,
  type TelemetryEvent,
} from '../codec/index.ts';

export const TIME_UNITS = ['s', 'ms', 'us', 'ns'] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

export interface RowOptions {
  /** Our name → the name in the file. `ts` and `sensor` are among them. */
  readonly names: Readonly<Record<string, string>>;
  /** Names in the file to leave out. */
  readonly skip: ReadonlySet<string>;
  /** What a number stands for where a time is one. */
  readonly timeUnit: TimeUnit;
  /** Where the row names none. */
  readonly sensor: string;
}

const MS_PER_UNIT: Record<TimeUnit, number> = { s: 1_000, ms: 1, us: 1e-3, ns: 1e-6 };

const NUMBER_PATTERN = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** A time without a zone is UTC: a file must not mean something else on another machine. */
const ZONELESS_PATTERN = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?$/;

/** Only numbers this long can have digits that a double cannot hold. */
const LONG_NUMBER_PATTERN = /-?(?:\d[\d.]{15,})(?:[eE][+-]?\d+)?/g;

/** @throws CodecError with an `event-…` code */
export function eventOfJson(line: string, options: RowOptions): TelemetryEvent {
  const row = parseJson(line);
  for (const [number] of withoutTexts(line).matchAll(LONG_NUMBER_PATTERN)) checkDigits(number);
  const nested = row['fields'];
  const flat = nested !== null && typeof nested === 'object' ? { ...row, ...nested, fields: null } : row;
  return eventOf(flat as Record<string, unknown>, options);
}

/** @throws CodecError with an `event-…` code */
export function eventOfRecord(
  columns: readonly string[],
  cells: readonly string[],
  options: RowOptions,
): TelemetryEvent {
  const row: Record<string, unknown> = {};
  for (let i = 0; i < columns.length; i++) row[columns[i]!] = valueOfCell(cells[i] ?? '');
  return eventOf(row, options);
}

function eventOf(row: Readonly<Record<string, unknown>>, options: RowOptions): TelemetryEvent {
  const ours = new Map(Object.entries(options.names).map(([name, column]) => [column, name]));
  const fields: Record<string, FieldValue> = {};
  let ts: number | undefined;
  let { sensor } = options;
  for (const [column, value] of Object.entries(row)) {
    if (value === null || value === undefined || options.skip.has(column)) continue;
    const name = ours.get(column) ?? column;
    if (name === 'ts') ts = timeOf(value, options.timeUnit);
    else if (name === 'sensor') sensor = String(value);
    else fields[name] = value as FieldValue;
  }
  if (ts === undefined) throw new CodecError('event-time', `no time: the row has no ${options.names['ts'] ?? 'ts'}`);
  return { ts, sensor, fields };
}

function timeOf(value: unknown, unit: TimeUnit): number {
  if (typeof value === 'number') return Math.round(value * MS_PER_UNIT[unit]);
  const text = String(value).trim();
  const ts = Date.parse(ZONELESS_PATTERN.test(text) ? `${text.replace(' ', 'T')}Z` : text);
  if (Number.isNaN(ts)) throw new CodecError('event-time', `no time: ${text.slice(0, 40)}`);
  return ts;
}

function parseJson(line: string): Record<string, unknown> {
  try {
    const row: unknown = JSON.parse(line);
    if (row !== null && typeof row === 'object' && !Array.isArray(row)) return row as Record<string, unknown>;
  } catch {
    // Not JSON at all: the same answer as for JSON of another shape.
  }
  throw new CodecError('event-field', 'not a JSON object');
}

function valueOfCell(cell: string): FieldValue | null {
  const text = cell.trim();
  if (text === '') return null;
  if (!NUMBER_PATTERN.test(text)) return cell;
  checkDigits(text);
  return Number(text);
}

/** @throws CodecError `event-number` where the nearest double is another decimal than the text. */
function checkDigits(text: string): void {
  if (
    text
      .replace(/[eE].*$/, '')
      .replace(/\D/g, '')
      .replace(/^0+/, '').length <= 15
  )
    return;
  const value = Number(text);
  const exact = plainDecimal(text);
  if (!Number.isFinite(value) || (exact !== undefined && formatDecimal(decimalOf(value)) !== exact)) {
    throw new CodecError('event-number', `${text.slice(0, 40)} has more digits than a double can hold`);
  }
}

/** The text without exponent and needless zeros; undefined where it is not a decimal of sensible length. */
function plainDecimal(text: string): string | undefined {
  const [mantissa = '', exponent = '0'] = text.replace(/^\+/, '').toLowerCase().split('e');
  const decimal = parseDecimal(mantissa.replace(/^(-?)\./, '$10.').replace(/\.$/, ''));
  const shift = Number(exponent);
  if (!decimal || Math.abs(shift) > 400) return undefined;
  const scale = decimal.scale - shift;
  return formatDecimal(
    scale >= 0 ? { ...decimal, scale } : { digits: decimal.digits * 10n ** BigInt(-scale), scale: 0 },
  );
}

/** The line with its texts emptied, so that digits inside them are not taken for numbers. */
function withoutTexts(line: string): string {
  return line.length > 16 && line.includes('"') ? line.replace(/"(?:[^"\\]|\\.)*"/g, '""') : line;
}
