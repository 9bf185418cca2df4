/**
 * Facts: the events of a simulation, as the one who recorded them knows them.
 *
 * Owns the model's arithmetic: exact sums as whole numbers of 10^-80. Promises to share none of it with what it judges.
 */
import type { TelemetryEvent } from '../../src/codec/index.ts';
import { exactOf } from '../oracle/decimal.ts';
import type { Reading } from '../telemetry.ts';

/** `attempted`: nobody has said yet. `refused`: it must never be seen again. */
export type Standing = 'attempted' | 'resolved' | 'refused';

export interface Fact {
  /** Names it: unique in a simulation, and recorded as the measure `serial`. */
  readonly serial: number;
  readonly deviceId: string;
  readonly ts: number;
  readonly sensor: string;
  /** What an event must be, to the last character. */
  readonly content: string;
  /** Whole numbers of 10^-80. */
  readonly measures: ReadonlyMap<string, bigint>;
  /** The values as doubles, of which the shortest text is what was recorded. */
  readonly values: ReadonlyMap<string, number>;
  standing: Standing;
}

const PLACES = 80;

export type Sums = ReadonlyMap<string, bigint>;

export function factOf(deviceId: string, { serial, ts, sensor, measures, notes }: Reading): Fact {
  const units = Object.entries(measures).map(([name, text]) => [name, unitsOf(text)] as const);
  const values = Object.entries(measures).map(([name, text]) => [name, Number(text)] as const);
  const content = textOf(ts, sensor, { ...Object.fromEntries(values), ...notes });
  return {
    ...{ serial, deviceId, ts, sensor, content },
    measures: new Map(units),
    values: new Map(values),
    standing: 'attempted',
  };
}

/** In the same form as a fact's `content`. */
export function contentOf({ ts, sensor, fields }: TelemetryEvent): string {
  return textOf(ts, sensor, fields);
}

export function serialOf({ fields }: TelemetryEvent): number {
  return Number(fields['serial']);
}

function textOf(ts: number, sensor: string, fields: TelemetryEvent['fields']): string {
  const sorted = Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${ts} ${sensor} ${sorted.map(([name, value]) => `${name}=${typeof value}:${value}`).join(' ')}`;
}

/** Of a decimal number's text. */
export function unitsOf(text: string): bigint {
  const { units, scale } = exactOf(text);
  return scaled(units, scale);
}

/** Of `digits` / 10^`scale`. */
export function scaled(digits: bigint, scale: number): bigint {
  if (scale > PLACES) throw new Error(`a number with ${scale} places, more than a simulation makes`);
  return digits * 10n ** BigInt(PLACES - scale);
}

export function sumsOf(facts: Iterable<Fact>): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const { measures } of facts) {
    for (const [name, units] of measures) sums.set(name, (sums.get(name) ?? 0n) + units);
  }
  return sums;
}

/** Undefined where the two agree; a measure that comes to nothing may be missing. */
export function difference(said: Sums, should: Sums): string | undefined {
  for (const name of new Set([...said.keys(), ...should.keys()])) {
    const [is, expected] = [said.get(name) ?? 0n, should.get(name) ?? 0n];
    if (is !== expected) return `${name} is off by ${is - expected}e-${PLACES}`;
  }
  return undefined;
}
