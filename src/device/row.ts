/**
 * Row: one line of a file or pipe as an event.
 *
 * Owns how times, sensors and fields are found in JSON objects and CSV records. Promises that a number keeps every digit
 * that is in the file, or is refused. Never reads anything.
 */
import {
  CodecError,
  checkFieldCount,
  decimalOf,
  type FieldValue,
  formatDecimal,
  parseDecimal,
  type TelemetryEvent,
} from '../codec/index.ts';

export const TIME_UNITS = ['s', 'ms', 'us', 'ns'] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

export interface RowOptions {
  /** Name in the file → our name. `ts` and `sensor` are among ours. */
  readonly names: ReadonlyMap<string, string>;
  /** Names in the file to leave out. */
  readonly skip: ReadonlySet<string>;
  /** What a number stands for where a time is one. */
  readonly timeUnit: TimeUnit;
  /** Where the row names none. */
  readonly sensor: string;
}

const MS_PER_UNIT: Record<TimeUnit, number> = { s: 1_000, ms: 1, us: 1e-3, ns: 1e-6 };

/** In one way only for each text: `\d+\.?\d*` would try every way of cutting a long run of digits in two. */
const NUMBER_PATTERN = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;

/**
 * A time without a zone is UTC, and in no other form than this: a file must not mean something else on another machine.
 */
const ZONELESS_PATTERN = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?$/;
const ZONED_PATTERN = /\d:\d\d(:\d\d(\.\d+)?)?\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)$/i;

/** Only numbers this long, or with exponents this large, can be other than the double nearest to them. */
const LONG_NUMBER_PATTERN = /-?(?:\d[\d.]{15,}(?:[eE][+-]?\d+)?|\d[\d.]*[eE][+-]?\d{3,})/g;

/** @throws CodecError with an `event-…` code */
export function eventOfJson(line: string, options: RowOptions): TelemetryEvent {
  const row = parseJson(line);
  const draft = new Draft(options);
  for (const column of Object.keys(row)) {
    const value = row[column];
    if (column === 'fields' && isObject(value)) draft.addAll(value);
    else if (value !== null) draft.add(column, value, asIs);
  }
  const isTaken = draft.taken();
  for (const [number] of withoutTexts(line).matchAll(LONG_NUMBER_PATTERN)) {
    if (isTaken(Number(number))) checkDigits(number);
  }
  return draft.event();
}

/** @throws CodecError with an `event-…` code */
export function eventOfRecord(
  columns: readonly string[],
  cells: readonly string[],
  options: RowOptions,
): TelemetryEvent {
  const draft = new Draft(options);
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i]!;
    if (cell.trim() === '') continue;
    const column = columns[i];
    if (column === undefined) throw new CodecError('event-field', 'the row has more cells than there are columns');
    draft.add(column, cell, valueOfCell);
  }
  return draft.event();
}

/** An event whose fields come one after another. */
class Draft {
  readonly #options: RowOptions;
  readonly #fields: Record<string, FieldValue> = {};
  #fieldCount = 0;
  #ts: number | undefined;
  #sensor: string | undefined;

  constructor(options: RowOptions) {
    this.#options = options;
  }

  addAll(values: Readonly<Record<string, unknown>>): void {
    for (const column of Object.keys(values)) if (values[column] !== null) this.add(column, values[column], asIs);
  }

  add<Value>(column: string, value: Value, read: (value: Value) => FieldValue): void {
    const { names, skip, timeUnit } = this.#options;
    if (skip.has(column)) return;
    const name = names.get(column) ?? column;
    if (name === 'ts') {
      if (this.#ts !== undefined) throw twice(name);
      this.#ts = timeOf(value, timeUnit);
    } else if (name === 'sensor') {
      if (this.#sensor !== undefined) throw twice(name);
      this.#sensor = sensorOf(value);
    } else {
      // As a plain property it would be something else than a field.
      if (name === '__proto__') throw new CodecError('event-field', 'a field cannot be called __proto__');
      if (Object.hasOwn(this.#fields, name)) throw twice(name);
      // Here, and not once the row is read: a line of 4 MiB may hold half a million of them.
      checkFieldCount(++this.#fieldCount);
      this.#fields[name] = read(value);
    }
  }

  /** Tells whether a number was taken as it is: one that was left out, or is a time, may have any digits. */
  taken(): (number: number) => boolean {
    const values = new Set<FieldValue>(Object.values(this.#fields));
    return (number) => values.has(number) || this.#sensor === String(number);
  }

  event(): TelemetryEvent {
    const ts = this.#ts;
    if (ts === undefined)
      throw new CodecError('event-time', 'no time: the row has no ts, or no column is mapped to it');
    return { ts, sensor: this.#sensor ?? this.#options.sensor, fields: this.#fields };
  }
}

function twice(name: string): CodecError {
  return new CodecError('event-field', `two values for ${name}; leave one column out, or map it to another name`);
}

function sensorOf(value: unknown): string {
  if (typeof value === 'object') throw new CodecError('event-sensor', 'a sensor is a name');
  return String(value).trim();
}

function timeOf(value: unknown, unit: TimeUnit): number {
  if (typeof value === 'number') return Math.round(value * MS_PER_UNIT[unit]);
  const text = typeof value === 'string' ? value.trim() : '';
  if (NUMBER_PATTERN.test(text)) return Math.round(Number(text) * MS_PER_UNIT[unit]);
  const ts = dateOf(text);
  if (Number.isNaN(ts))
    throw new CodecError('event-time', `no time that means the same everywhere: ${text.slice(0, 40) || typeof value}`);
  return ts;
}

function dateOf(text: string): number {
  if (ZONELESS_PATTERN.test(text)) return Date.parse(text.length === 10 ? text : `${text.replace(' ', 'T')}Z`);
  return ZONED_PATTERN.test(text) ? Date.parse(text) : Number.NaN;
}

/** What is no field is refused where the event is recorded. */
const asIs = (value: unknown): FieldValue => value as FieldValue;

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function parseJson(line: string): Record<string, unknown> {
  try {
    const row: unknown = JSON.parse(line);
    if (isObject(row)) return row;
  } catch {
    // Not JSON at all: the same answer as for JSON of another shape.
  }
  throw new CodecError('event-field', 'not a JSON object');
}

function valueOfCell(cell: string): FieldValue {
  const text = cell.trim();
  if (!NUMBER_PATTERN.test(text)) return cell;
  checkDigits(text);
  return Number(text);
}

/** @throws CodecError `event-number` where the nearest double is another decimal than the text. */
function checkDigits(text: string): void {
  const [mantissa = '', exponent = ''] = text.toLowerCase().split('e');
  const digits = mantissa.replace(/\D/g, '').replace(/^0+/, '');
  if (digits.length <= 15 && exponent.length < 3) return;
  const value = Number(text);
  const exact = plainDecimal(mantissa, Number(exponent));
  if (!Number.isFinite(value) || formatDecimal(decimalOf(value)) !== exact) {
    throw new CodecError('event-number', `${text.slice(0, 40)} has more digits than a double can hold`);
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

/** The line with its texts emptied, so that digits inside them are not taken for numbers. */
function withoutTexts(line: string): string {
  return line.length > 16 && line.includes('"') ? line.replace(/"(?:[^"\\]|\\.)*"/g, '""') : line;
}
