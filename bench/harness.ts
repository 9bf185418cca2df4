/**
 * Harness: what a figure is, and how it is measured.
 *
 * Owns warm-up, repetition and what becomes of the values. Promises that a result is the median of several runs, with
 * all of them beside it, and that what is not measured is named together with its reason. Never decides what to
 * measure.
 */
import assert from 'node:assert';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Programs } from '../rig/programs.ts';

export type Unit =
  | 'events'
  | 'streams'
  | 'events/s'
  | 'requests/s'
  | 'B/event'
  | 'B/stream'
  | 'ms'
  | 'MB'
  | 'µs/event'
  | '×';

export interface Quantity {
  readonly value: number;
  readonly unit: Unit;
}

/** What one run found, by name. An undefined value is one that this machine does not tell. */
export type Quantities = Readonly<Record<string, Quantity | undefined>>;

/** One line of the table. */
export interface Reading extends Quantity {
  readonly name: string;
  /** Of every run, in order; `value` is their median. */
  readonly values: readonly number[];
}

/** What a plot is drawn from. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Skip {
  readonly name: string;
  readonly reason: string;
}

/** A table of its own. */
export interface Comparison {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Below it. */
  readonly note: string;
}

/** What a file in `figures/` exports as `figure`. Each is measured in a process of its own. */
export interface Figure {
  readonly title: string;
  /** Rejects where anything goes wrong, above all where counts or totals do not agree. */
  measure(stand: Stand): Promise<void>;
}

export interface StandSettings {
  readonly quick: boolean;
  /** Events of the backlog that is drained. */
  readonly backlogEvents: number;
  /** Events that a gateway has stored when its growth is judged. */
  readonly storedEvents: number;
  /** Streams that a gateway knows when its memory is judged. */
  readonly streams: number;
  /** Where the real telemetry is; every `.csv` and `.ndjson` in it is measured. */
  readonly telemetry: string;
}

export interface Repetition {
  readonly warmUps: number;
  readonly runs: number;
}

/** What a figure is measured with. */
export interface Stand {
  readonly settings: StandSettings;
  readonly programs: Programs;
  /** So many events, or a tenth of them where it should be quick. */
  events(full: number): number;
  /** A new empty folder on the disk that is measured. */
  folder(name: string): Promise<string>;
  /** A folder that all figures of this bench have together. */
  readonly shared: string;
  /**
   * Runs it several times; `run` counts from 0, warm-ups included, whose quantities are not kept. Gives the medians of
   * what it kept.
   */
  repeat(repetition: Repetition, run: (run: number) => Promise<Quantities>): Promise<Quantities>;
  /** What is the same in every run. */
  state(name: string, quantity: Quantity): void;
  /** Kept as it is, for a plot. */
  series(name: string, points: Series['points']): void;
  /** What is better read side by side; drawn below the table of all figures. */
  compare(comparison: Comparison): void;
  /** What could not be measured, and why. */
  skip(name: string, reason: string): void;
}

export interface StandReport {
  readonly readings: readonly Reading[];
  readonly series: readonly Series[];
  readonly skips: readonly Skip[];
  readonly comparisons: readonly Comparison[];
}

const QUICK_SHARE = 10;
const QUICK: Repetition = { warmUps: 0, runs: 2 };

export function createStand(
  options: Pick<Stand, 'settings' | 'programs' | 'shared'> & {
    readonly folder: string;
    readonly log: (line: string) => void;
  },
): Stand & { report(): StandReport } {
  const { settings, programs, shared, folder, log } = options;
  const values = new Map<string, { readonly unit: Unit; readonly values: number[] }>();
  const series: Series[] = [];
  const skips: Skip[] = [];
  const comparisons: Comparison[] = [];
  const add = (name: string, { value, unit }: Quantity) => {
    assert(Number.isFinite(value), `${name} is ${value}`);
    const known = values.get(name) ?? { unit, values: [] };
    assert.equal(unit, known.unit, `${name} has one unit`);
    known.values.push(value);
    values.set(name, known);
  };
  const medianReading = (name: string): Reading => {
    const { unit, values: all } = values.get(name)!;
    return { name, unit, value: medianOf(all), values: all };
  };
  const skip = (name: string, reason: string) => {
    if (skips.some((known) => known.name === name)) return;
    log(`SKIPPED: ${name}: ${reason}`);
    skips.push({ name, reason });
  };
  return {
    settings,
    programs,
    shared,
    events: (full) => (settings.quick ? Math.ceil(full / QUICK_SHARE) : full),
    async folder(name) {
      const path = join(folder, name);
      await mkdir(path, { mode: 0o700 });
      return path;
    },
    async repeat(repetition, run) {
      const { warmUps, runs } = settings.quick ? QUICK : repetition;
      const kept = new Set<string>();
      for (let at = 0; at < warmUps + runs; at++) {
        const quantities = Object.entries(await run(at));
        log(
          `${at < warmUps ? 'warm-up' : `run ${at - warmUps + 1} of ${runs}`}: ${quantities.map(inWords).join(', ')}`,
        );
        if (at < warmUps) continue;
        for (const [name, quantity] of quantities) {
          if (quantity === undefined) {
            skip(name, 'this system does not tell');
            continue;
          }
          add(name, quantity);
          kept.add(name);
        }
      }
      return Object.fromEntries(Array.from(kept, (name) => [name, medianReading(name)]));
    },
    state: add,
    series: (name, points) => void series.push({ name, points }),
    compare: (comparison) => void comparisons.push(comparison),
    skip,
    report: () => ({ readings: [...values.keys()].map(medianReading), series, skips, comparisons }),
  };
}

export function eventsPerSecond(events: number, elapsedMs: number): Quantity {
  return { value: events / (elapsedMs / 1_000), unit: 'events/s' };
}

export function bytesPerEvent(bytes: number, events: number): Quantity {
  return { value: bytes / events, unit: 'B/event' };
}

/** How many times the second the first is. */
export function ratio(a: Quantity, b: Quantity): Quantity {
  assert.equal(a.unit, b.unit);
  return { value: a.value / b.value, unit: '×' };
}

export function milliseconds(value: number): Quantity {
  return { value, unit: 'ms' };
}

export function megabytes(bytes: number | undefined): Quantity | undefined {
  return bytes === undefined ? undefined : { value: bytes / 1e6, unit: 'MB' };
}

/** From two looks at the seconds that a process has worked. */
export function microsecondsPerEvent(
  before: number | undefined,
  after: number | undefined,
  events: number,
): Quantity | undefined {
  if (before === undefined || after === undefined) return undefined;
  return { value: ((after - before) / events) * 1e6, unit: 'µs/event' };
}

/** Three significant digits: `1.23 M`, `45.6 k`, `789`, `0.0123`. */
export function numberText(value: number): string {
  const size = Math.abs(value);
  const [divisor, suffix] = size >= 999_500 ? [1e6, ' M'] : size >= 9_995 ? [1e3, ' k'] : [1, ''];
  return `${Number((value / divisor).toPrecision(3))}${suffix}`;
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function inWords([name, quantity]: readonly [string, Quantity | undefined]): string {
  return quantity === undefined ? `${name}: unknown` : `${name} ${numberText(quantity.value)} ${quantity.unit}`;
}
