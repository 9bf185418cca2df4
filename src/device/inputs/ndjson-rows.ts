/**
 * NdjsonRows: one JSON object a line.
 *
 * Owns how time, sensor and fields are found in an object: beside each other, or in an object `fields`; other objects
 * within it give names such as `tags.host`. Promises that a name which is there twice is seen, although JSON.parse
 * hides it.
 */
import { CodecError } from '../../codec/index.ts';
import type { Columns } from './columns.ts';
import { EventDraft } from './event-draft.ts';
import { NumberTokens } from './number-tokens.ts';
import { RowError } from './refusal.ts';
import { checkDigits } from './row-numbers.ts';
import { outlineOfJson } from './row-outline.ts';
import { type ReadRow, type RowOptions, type RowReader, WITHOUT_VALUE } from './row-reader.ts';
import { createTimeReader, type TimeReader } from './row-times.ts';

/** Only numbers this long, or with exponents this large, can be other than the double nearest to them. */
const LONG_NUMBER_PATTERN = /-?(?:\d[\d.]{15,}(?:[eE][+-]?\d+)?|\d[\d.]*[eE][+-]?\d{3,})/g;

/** Of objects in one another. */
const DEPTH_MAX = 8;

const QUOTE = '"';
const COLON = 0x3a;
const BACKSLASH = 0x5c;

export class NdjsonRows implements RowReader {
  /** Whatever is one whole object cannot be a part of another: braces say where it ends. */
  readonly isWholeByItself = true;
  readonly outlineOf = outlineOfJson;
  readonly #columns: Columns;
  readonly #readTime: TimeReader;
  readonly #sensor: string;
  /** Names that flags mention and that no row had yet. */
  readonly #unseen: Set<string>;
  readonly #seen = new Set<string>();
  readonly #timeColumns: readonly string[];
  /** Of this row, by name. */
  readonly #timeParts = new Map<string, string>();
  /** Where a value would be, something stands for none. */
  #hasMissing = false;
  #line = '';
  #tokens: NumberTokens | undefined;
  /** A number of the row as it is written. */
  readonly #tokenOf = (name: string): string => {
    this.#tokens ??= new NumberTokens(this.#line);
    return this.#tokens.of(name)!;
  };

  /** @param seen names that an earlier run has met */
  constructor(options: RowOptions, columns: Columns, seen: readonly string[] = []) {
    this.#columns = columns;
    this.#readTime = createTimeReader(options);
    this.#sensor = options.sensor;
    this.#timeColumns = [...(options.timeColumns ?? [])];
    this.#unseen = new Set(columns.mentioned.filter((name) => !seen.includes(name)));
  }

  open(texts: readonly string[]): (at: number, line: number) => ReadRow {
    return (at) => this.read(texts[at]!);
  }

  mayBeRow(): boolean {
    return false;
  }

  get seen(): string[] {
    return this.#columns.mentioned.filter((name) => !this.#unseen.has(name));
  }

  /** Names that flags mention and no row had, and some that rows had. */
  unknown(): { readonly names: readonly string[]; readonly known: readonly string[] } {
    return { names: [...this.#unseen], known: [...this.#seen] };
  }

  read(line: string): ReadRow {
    const row = parseObject(line);
    const draft = new EventDraft();
    this.#line = line;
    this.#tokens = undefined;
    this.#hasMissing = false;
    if (this.#timeColumns.length > 0) this.#timeParts.clear();
    const names = this.#addAll(draft, row, '', 0);
    const { keys, isLong } = outlineOf(line);
    if (keys !== names)
      throw new RowError('row-name-twice', 'a name is there twice in one object: only one value would be kept');
    if (isLong) checkLongNumbers(line, draft);
    if (this.#timeParts.size > 0) draft.setTime(this.#timeText(), this.#readTime);
    const event = draft.event(this.#sensor);
    return this.#hasMissing && draft.isEmpty ? WITHOUT_VALUE : event;
  }

  #timeText(): string {
    const parts = this.#timeColumns.map((name) => this.#timeParts.get(name));
    if (parts.includes(undefined))
      throw new CodecError('event-time', 'a part of the time is missing: --time-columns names all of them');
    return parts.join(' ');
  }

  /** Gives how many names there are, at any depth. */
  #addAll(draft: EventDraft, values: Readonly<Record<string, unknown>>, prefix: string, depth: number): number {
    const keys = Object.keys(values);
    let count = keys.length;
    for (const key of keys) {
      const value = values[key];
      const name = prefix === '' ? key : `${prefix}.${key}`;
      if (this.#unseen.size > 0) this.#see(name);
      const column = this.#columns.of(name);
      if (value === null && column.role === 'field') this.#hasMissing = true;
      if (column.role === 'skip' || value === null) count += isObjectOrArray(value) ? namesIn(value) : 0;
      else if (column.role === 'ts') {
        if (isObjectOrArray(value)) throw new CodecError('event-time', 'a time is a number or a text');
        // A double cannot tell nanoseconds apart; nor does it show that it was rounded up from many nines.
        const isInexact = typeof value === 'number' && (!Number.isSafeInteger(value) || this.#line.includes('99999'));
        const time = isInexact ? this.#tokenOf(name) : value;
        if (this.#timeColumns.includes(name)) this.#timeParts.set(name, String(time));
        else draft.setTime(time, this.#readTime);
      } else if (column.role === 'sensor') draft.setSensor(typeof value === 'number' ? this.#tokenOf(name) : value);
      else if (isObject(value) && key !== '__proto__') {
        if (depth >= DEPTH_MAX)
          throw new CodecError('event-field', `objects within one another more than ${DEPTH_MAX} times`);
        count += this.#addAll(draft, value, name === 'fields' ? '' : name, depth + 1);
      } else {
        if (Array.isArray(value))
          throw new CodecError('event-field', 'a field is a number, a text or a flag, and no list');
        const found = this.#columns.valueOfJson(column, value, this.#tokenOf);
        if (found !== undefined) draft.setField(column, found);
        else this.#hasMissing = true;
      }
    }
    return count;
  }

  #see(name: string): void {
    this.#unseen.delete(name);
    this.#unseen.delete(this.#columns.nameOf(name));
    if (this.#seen.size < 64) this.#seen.add(name);
  }
}

/** Tells whether a text without a line end can be known to be a whole row, or none. */
export function isWhole(text: string | undefined): boolean {
  if (text === undefined || text.endsWith('\0')) return false;
  try {
    return isObjectOrArray(JSON.parse(text));
  } catch {
    return text.trim() === '';
  }
}

function parseObject(line: string): Record<string, unknown> {
  try {
    const row: unknown = JSON.parse(line);
    if (isObject(row)) return row;
  } catch {
    // Not JSON at all: the same answer as for JSON of another shape.
  }
  const hint = /^\s*\{/.test(line) ? '' : '; --format says what the rows are if not NDJSON';
  throw new RowError('row-malformed', `not one JSON object${hint}`);
}

/** Of valid JSON: how many names it has, and whether a number outside of texts may be long. */
function outlineOf(line: string): { keys: number; isLong: boolean } {
  let keys = 0;
  let isLong = false;
  let from = 0;
  for (;;) {
    const open = line.indexOf(QUOTE, from);
    if (!isLong) isLong = mayHoldLongNumber(line, from, open < 0 ? line.length : open);
    if (open < 0) return { keys, isLong };
    let close = line.indexOf(QUOTE, open + 1);
    while (isEscaped(line, close)) close = line.indexOf(QUOTE, close + 1);
    from = close + 1;
    while (line.charCodeAt(from) <= 0x20) from++;
    if (line.charCodeAt(from) === COLON) keys++;
  }
}

/** What is between texts: names of values, short numbers, and rarely a number that is long or has an exponent. */
function mayHoldLongNumber(line: string, from: number, to: number): boolean {
  if (to - from > 15) return true;
  for (let at = from; at < to; at++) {
    if ((line.charCodeAt(at) | 0x20) === 0x65 && line.charCodeAt(at + 1) <= 0x39) return true;
  }
  return false;
}

function isEscaped(line: string, quote: number): boolean {
  let before = quote;
  while (line.charCodeAt(before - 1) === BACKSLASH) before--;
  return (quote - before) % 2 === 1;
}

function checkLongNumbers(line: string, draft: EventDraft): void {
  const isTaken = draft.taken();
  for (const [number] of withoutTexts(line).matchAll(LONG_NUMBER_PATTERN)) {
    if (isTaken(Number(number))) checkDigits(number);
  }
}

/** The line with its texts emptied, so that digits inside them are not taken for numbers. */
function withoutTexts(line: string): string {
  return line.length > 16 && line.includes('"') ? line.replace(/"(?:[^"\\]|\\.)*"/g, '""') : line;
}

/** Without recursion: a line may be as deep as it is long. */
function namesIn(value: unknown): number {
  let count = 0;
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (Array.isArray(next)) for (const item of next) waiting.push(item);
    else if (isObject(next)) {
      const values = Object.values(next);
      count += values.length;
      for (const item of values) waiting.push(item);
    }
  }
  return count;
}

function isObjectOrArray(value: unknown): boolean {
  return value !== null && typeof value === 'object';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
