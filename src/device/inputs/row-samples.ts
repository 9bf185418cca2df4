/**
 * RowSamples: rows of a file that were recorded, some of them, by which the file is known however it is written.
 *
 * Owns what of a row is compared: what stands between quotes, delimiters and spaces, as text; of JSON its names and
 * values. So a copy of another encoding, with other line ends, or saved by a spreadsheet, is a copy; and a row whose
 * value was edited is known by its time and sensor.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { TelemetryEvent } from '../../codec/index.ts';

/** Rows at the beginning that are all samples, and as many at the end: a file that was cut at its head has those. */
const FIRST_ROWS = 8;
const LAST_ROWS = 8;
const SAMPLES_MAX = 32;
const SENSOR_CHARS = 64;

export interface RowSample {
  /** How many rows were recorded before it. */
  readonly at: number;
  readonly row: string;
  /** Time and sensor. */
  readonly key: string;
}

/** As JSON. */
export interface SamplesState {
  /** Rows that were recorded. */
  readonly rows: number;
  /** Each row so many is a sample. */
  readonly stride: number;
  readonly first: readonly RowSample[];
  /** The first rows apart, each that is a stride further. */
  readonly others: readonly RowSample[];
  readonly last: readonly RowSample[];
}

interface RecordedRow {
  readonly at: number;
  readonly text: string;
  readonly event: TelemetryEvent;
}

const NO_SAMPLES: SamplesState = { rows: 0, stride: 1, first: [], others: [], last: [] };

export class RowSamples {
  #rows: number;
  #stride: number;
  #first: RowSample[];
  #others: RowSample[];
  #lastBefore: readonly RowSample[];
  /** Rows since then, the last ones; each takes the place of one before it. */
  readonly #last: RecordedRow[] = [];
  #added = 0;
  #names: string[] = [];

  constructor({ rows, stride, first, others, last }: SamplesState = NO_SAMPLES) {
    this.#rows = rows;
    this.#stride = stride;
    this.#first = [...first];
    this.#others = [...others];
    this.#lastBefore = last;
  }

  get state(): SamplesState {
    const since = this.#last.toSorted((a, b) => a.at - b.at).map((row) => sampleOfRow(row));
    const last = [...this.#lastBefore, ...since].slice(-LAST_ROWS);
    return { rows: this.#rows, stride: this.#stride, first: this.#first, others: this.#others, last };
  }

  /** Names of first rows that were added since this was asked for last. */
  takeNames(): readonly string[] {
    const names = this.#names;
    this.#names = [];
    return names;
  }

  /** A row that is recorded. */
  add(text: string, event: TelemetryEvent): void {
    const at = this.#rows++;
    this.#last[this.#added++ % LAST_ROWS] = { at, text, event };
    const isFirst = this.#first.length < FIRST_ROWS;
    if (!isFirst && at % this.#stride !== 0) return;
    const sample = sampleOfRow({ at, text, event });
    if (isFirst) {
      this.#first.push(sample);
      this.#names.push(firstRowName(text, event));
      return;
    }
    this.#others.push(sample);
    if (this.#others.length < SAMPLES_MAX) return;
    this.#stride *= 2;
    this.#others = this.#others.filter((other) => other.at % this.#stride === 0);
  }
}

/** Of a first row, to find a file by: another sensor's is another one. */
export function firstRowName(text: string, { sensor }: TelemetryEvent): string {
  return `input row ${digestOf(`${sensor}\n${outlineOf(text)}`)}`;
}

export interface Likeness {
  /** Samples that the rows should hold if they were those of the same file, or of a part of it. */
  readonly samples: number;
  /** Of them, those that are there. */
  readonly rows: number;
  /** And those of which a row is there with the same time and sensor. */
  readonly keys: number;
  /** All of the first rows are there, as many as are kept of a file that is not shorter. */
  readonly isBeginning: boolean;
}

/** Compares the rows of a file with samples. */
export class SampleSearch {
  readonly #first: readonly RowSample[];
  readonly #samples: readonly RowSample[];
  readonly #checksums: ReadonlySet<string>;
  readonly #wanted: ReadonlySet<string>;
  readonly #wantedKeys: ReadonlySet<string>;
  readonly #found = new Set<string>();
  readonly #foundKeys = new Set<string>();
  #rows = 0;

  constructor({ first, others, last }: SamplesState) {
    this.#first = first;
    this.#samples = [...new Map([...first, ...others, ...last].map((sample) => [sample.at, sample])).values()];
    this.#checksums = new Set(this.#samples.map(({ row }) => row.slice(0, row.indexOf(' '))));
    this.#wanted = new Set(this.#samples.map(({ row }) => row));
    this.#wantedKeys = new Set(this.#samples.map(({ key }) => key));
  }

  add(text: string, event: TelemetryEvent): void {
    this.#rows++;
    const key = keyOf(event);
    if (this.#wantedKeys.has(key)) this.#foundKeys.add(key);
    const outline = outlineOf(text);
    // Rows of which nobody has asked, nearly all of them, cost no SHA-256.
    if (!this.#checksums.has(checksumOf(outline))) return;
    const sample = sampleOf(outline);
    if (this.#wanted.has(sample)) this.#found.add(sample);
  }

  get likeness(): Likeness {
    const within = this.#samples.filter(({ at }) => at < this.#rows);
    return {
      samples: within.length,
      rows: this.#samples.filter(({ row }) => this.#found.has(row)).length,
      keys: within.filter(({ key }) => this.#foundKeys.has(key)).length,
      isBeginning: this.#first.length >= FIRST_ROWS && this.#first.every(({ row }) => this.#found.has(row)),
    };
  }
}

function outlineOf(text: string): string {
  return outlineOfJson(text) ?? outlineOfCells(text);
}

/** In whatever order and with whatever spaces: the names and values of an object, sorted. */
function outlineOfJson(text: string): string | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  const found: string[] = [];
  try {
    // Without recursion: a line may be as deep as it is long.
    const waiting: unknown[] = [JSON.parse(text)];
    while (waiting.length > 0) {
      const next = waiting.pop();
      if (typeof next !== 'object' || next === null) found.push(String(next));
      else {
        if (!Array.isArray(next)) found.push(...Object.keys(next));
        for (const value of Object.values(next)) waiting.push(value);
      }
    }
  } catch {
    return undefined;
  }
  return JSON.stringify(found.sort());
}

function outlineOfCells(text: string): string {
  return text.replace(/[\s",;|]+/g, ',').replace(/^,|,$/g, '');
}

function sampleOfRow({ at, text, event }: RecordedRow): RowSample {
  return { at, row: sampleOf(outlineOf(text)), key: keyOf(event) };
}

function sampleOf(outline: string): string {
  return `${checksumOf(outline)} ${digestOf(outline)}`;
}

function checksumOf(outline: string): string {
  return crc32(outline).toString(36);
}

function keyOf({ ts, sensor }: TelemetryEvent): string {
  return `${ts} ${sensor.length > SENSOR_CHARS ? digestOf(sensor) : sensor}`;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64').slice(0, 16);
}
