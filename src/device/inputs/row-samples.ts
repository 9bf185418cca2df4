/**
 * RowSamples: rows of a file that were recorded, some of them, by which the file is known however it is written.
 *
 * Owns which rows are kept, and how another file is compared with them: by the outlines of its rows; and a row whose
 * value was edited is known by its time and sensor.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { TelemetryEvent } from '../../codec/index.ts';
import type { OutlineOf } from './row-outline.ts';

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

/** One of the last rows; written over by the next ones, so that a row costs no object. */
interface LastRow {
  at: number;
  text: string;
  event: TelemetryEvent;
  outlineOf: OutlineOf;
}

const NO_SAMPLES: SamplesState = { rows: 0, stride: 1, first: [], others: [], last: [] };

export class RowSamples {
  #rows: number;
  #stride: number;
  #first: RowSample[];
  #others: RowSample[];
  #lastBefore: readonly RowSample[];
  /** Rows since then, the last ones; each takes the place of one before it. */
  readonly #last: LastRow[] = [];
  #nextLast = 0;
  #names: string[] = [];

  constructor({ rows, stride, first, others, last }: SamplesState = NO_SAMPLES) {
    this.#rows = rows;
    this.#stride = stride;
    this.#first = [...first];
    this.#others = [...others];
    this.#lastBefore = last;
  }

  get state(): SamplesState {
    const since = this.#last
      .toSorted((a, b) => a.at - b.at)
      .map(({ at, text, event, outlineOf }) => sampleOf(at, outlineOf(text), event));
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
  add(text: string, event: TelemetryEvent, outlineOf: OutlineOf): void {
    const at = this.#rows++;
    this.#keepLast(at, text, event, outlineOf);
    const isFirst = this.#first.length < FIRST_ROWS;
    if (!isFirst && at % this.#stride !== 0) return;
    const outline = outlineOf(text);
    const sample = sampleOf(at, outline, event);
    if (isFirst) {
      this.#first.push(sample);
      this.#names.push(firstRowName(outline, event));
      return;
    }
    this.#others.push(sample);
    if (this.#others.length < SAMPLES_MAX) return;
    this.#stride *= 2;
    this.#others = this.#others.filter((other) => other.at % this.#stride === 0);
  }

  #keepLast(at: number, text: string, event: TelemetryEvent, outlineOf: OutlineOf): void {
    const row = this.#last[this.#nextLast];
    if (row === undefined) this.#last.push({ at, text, event, outlineOf });
    else {
      row.at = at;
      row.text = text;
      row.event = event;
      row.outlineOf = outlineOf;
    }
    this.#nextLast = (this.#nextLast + 1) % LAST_ROWS;
  }
}

/** Of a first row, to find a file by: another sensor's is another one. */
export function firstRowName(outline: string, { sensor }: TelemetryEvent): string {
  return `input row ${digestOf(`${sensor}\n${outline}`)}`;
}

/** True if the row is of a time, and of a sensor, of which rows were recorded. */
export function isWithin({ ts, sensor }: TelemetryEvent, { first, others, last }: SamplesState): boolean {
  const own = keyOf({ ts, sensor, fields: {} });
  const sensorOf = (key: string): string => key.slice(key.indexOf(' '));
  const times = [...first, ...others, ...last]
    .filter(({ key }) => sensorOf(key) === sensorOf(own))
    .map(({ key }) => tsOf(key));
  return times.some((time) => time <= ts) && times.some((time) => time > ts);
}

export interface Likeness {
  /** Samples that the rows should hold if they were those of the same file, or of a part of it. */
  readonly samples: number;
  /** Of them, those that are there. */
  readonly rows: number;
  /** How many different times they have. */
  readonly times: number;
  /** Of the samples, those of which a row is there with the same time and sensor. */
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
  #firstTs = Number.POSITIVE_INFINITY;

  constructor({ first, others, last }: SamplesState) {
    this.#first = first;
    this.#samples = [...new Map([...first, ...others, ...last].map((sample) => [sample.at, sample])).values()];
    this.#checksums = new Set(this.#samples.map(({ row }) => row.slice(0, row.indexOf(' '))));
    this.#wanted = new Set(this.#samples.map(({ row }) => row));
    this.#wantedKeys = new Set(this.#samples.map(({ key }) => key));
  }

  add(outline: string, event: TelemetryEvent): void {
    this.#rows++;
    this.#firstTs = Math.min(this.#firstTs, event.ts);
    const key = keyOf(event);
    if (this.#wantedKeys.has(key)) this.#foundKeys.add(key);
    // Rows of which nobody has asked, nearly all of them, cost no SHA-256.
    if (!this.#checksums.has(checksumOf(outline))) return;
    const row = rowOf(outline);
    if (this.#wanted.has(row)) this.#found.add(row);
  }

  get likeness(): Likeness {
    return this.#likeness(this.#samples.filter(({ at }) => at < this.#rows));
  }

  /** Of a file that begins somewhere within the other one: only samples from its first time on could be there. */
  get likenessOfWindow(): Likeness {
    return this.#likeness(this.#samples.filter(({ key }) => tsOf(key) >= this.#firstTs));
  }

  #likeness(within: readonly RowSample[]): Likeness {
    const found = this.#samples.filter(({ row }) => this.#found.has(row));
    return {
      samples: within.length,
      rows: found.length,
      times: new Set(found.map(({ key }) => tsOf(key))).size,
      keys: within.filter(({ key }) => this.#foundKeys.has(key)).length,
      isBeginning: this.#first.length >= FIRST_ROWS && this.#first.every(({ row }) => this.#found.has(row)),
    };
  }
}

function sampleOf(at: number, outline: string, event: TelemetryEvent): RowSample {
  return { at, row: rowOf(outline), key: keyOf(event) };
}

function rowOf(outline: string): string {
  return `${checksumOf(outline)} ${digestOf(outline)}`;
}

function checksumOf(outline: string): string {
  return crc32(outline).toString(36);
}

function keyOf({ ts, sensor }: TelemetryEvent): string {
  return `${ts} ${sensor.length > SENSOR_CHARS ? digestOf(sensor) : sensor}`;
}

function tsOf(key: string): number {
  return Number(key.slice(0, key.indexOf(' ')));
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64').slice(0, 16);
}
