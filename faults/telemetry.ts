/**
 * Telemetry: events that a seed decides, with the text that each number is made from.
 *
 * Owns the variety: several sensors, measures that come and go, decimals of every length up to 17 digits, texts and
 * flags, times that jump. Promises a measure `serial` that names the event. Never reads a clock.
 */
import type { AttemptLine } from './oracle/journal.ts';

export interface TelemetryOptions {
  readonly random: () => number;
  /** Serial of the first event. */
  readonly serial: number;
  /** Epoch milliseconds around which event times lie. */
  readonly around: number;
  /** How often an event comes from a sensor of its own, from 0 to 1: a gateway may be told to have few. Default 0. */
  readonly strays?: number;
  /** How often the time jumps within months, from 0 to 1, so that a batch touches hundreds of pages. Default 0. */
  readonly scatter?: number;
}

/** An attempt that has a time of its own. */
export type Reading = AttemptLine & { readonly ts: number };

const SENSORS = ['inlet', 'outlet', 'tank-3', 'ünïcode ✓'] as const;
const STATES = ['open', 'closed', '', 'fault: E17'] as const;

/** Few enough for the gateway to list them all. */
const STRAYS = 900;

/** Event times lie within this of `around`, milliseconds: enough for several pages of minutes. */
const SPREAD_MS = 12 * 3_600_000;
const SCATTER_MS = 150 * 86_400_000;

/** Gives one attempt after the other, without end. */
export function* telemetry({
  random,
  serial,
  around,
  strays = 0,
  scatter = 0,
}: TelemetryOptions): Generator<Reading, never, void> {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  let ts = around;
  for (let next = serial; ; next++) {
    const jumpMs = scatter > 0 && random() < scatter ? SCATTER_MS : random() < 0.02 ? SPREAD_MS : 0;
    ts = jumpMs > 0 ? around + Math.floor((random() - 0.5) * jumpMs) : ts + Math.floor(random() * 2_000);
    const measures: Record<string, string> = { serial: String(next), volume: numberText(random) };
    if (random() < 0.5) measures['temperature'] = numberText(random);
    const notes: Record<string, string | boolean> = {};
    if (random() < 0.2) notes['state'] = pick(STATES);
    if (random() < 0.1) notes['pumping'] = random() < 0.5;
    const isStray = strays > 0 && random() < strays;
    const sensor = isStray ? `stray-${Math.floor(random() * STRAYS)}` : pick(SENSORS);
    yield { kind: 'attempt', serial: next, ts, sensor, measures, notes };
  }
}

/** Mostly what meters say; now and then what arithmetic leaves behind, or the ends of what a double holds. */
function numberText(random: () => number): string {
  const kind = random();
  if (kind < 0.6) return shortest(Math.round(random() * 100_000) / 1_000);
  if (kind < 0.8) return shortest(Math.floor(random() * 1_000));
  if (kind < 0.95) return shortest((random() - 0.5) * 1_000);
  return shortest((random() - 0.5) * 10 ** Math.floor(random() * 40 - 20));
}

/** The text of a double that every reader agrees on. */
function shortest(value: number): string {
  return String(Object.is(value, -0) ? 0 : value);
}
