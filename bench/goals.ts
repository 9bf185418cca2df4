/**
 * Goals: what each figure has to reach, all of them with fsynced acknowledgements, dedupe and exact sums.
 *
 * Owns the numbers, and the judgement of a reading. Promises that a goal belongs to exactly one reading, by its figure
 * and its name. Never bends: what is missed is said to be missed.
 */
import { numberText, type Reading, type Unit } from './harness.ts';

export interface Goal {
  readonly unit: Unit;
  /** At least, or at most, so much. */
  readonly bound: '≥' | '≤';
  readonly value: number;
}

export interface Judgement {
  readonly goal: Goal;
  /** The figure over its goal. */
  readonly ratio: number;
  readonly met: boolean;
}

const atLeast = (value: number, unit: Unit): Goal => ({ bound: '≥', value, unit });
const atMost = (value: number, unit: Unit): Goal => ({ bound: '≤', value, unit });

/** By figure, then by the name of the reading. */
export const GOALS: Readonly<Record<string, Readonly<Record<string, Goal>>>> = {
  ingest: {
    'batches of 4,096': atLeast(5_000_000, 'events/s'),
    'batches of 4,096: share of that': atLeast(0.7, '×'),
    'batches of 100': atLeast(500_000, 'events/s'),
    'batches of 10': atLeast(60_000, 'events/s'),
  },
  record: {
    'not awaited each': atLeast(1_000_000, 'events/s'),
    '1,000 callers, each awaiting': atLeast(200_000, 'events/s'),
  },
  drain: {
    'backlog on disk → acknowledged': atLeast(2_000_000, 'events/s'),
    'peak memory of the device': atMost(130, 'MB'),
    'peak memory of the gateway': atMost(250, 'MB'),
  },
  jitter: {
    'while draining: lateness, p99.9': atMost(5, 'ms'),
    'lateness, p99.9: draining / no backlog': atMost(2, '×'),
  },
  wire: {
    'synthetic: Tidegate': atMost(1.7, 'B/event'),
    // What xz -9e needs for the same columns as text, of the whole files.
    'heat-meter.csv: Tidegate': atMost(14, 'B/event'),
    'machine-temperature.ndjson: Tidegate': atMost(5.4, 'B/event'),
    'road-sensors.csv: Tidegate': atMost(2.1, 'B/event'),
    'synthetic: packed': atLeast(1_000_000, 'events/s'),
    'heat-meter.csv: packed': atLeast(1_000_000, 'events/s'),
    'machine-temperature.ndjson: packed': atLeast(1_000_000, 'events/s'),
    'road-sensors.csv: packed': atLeast(1_000_000, 'events/s'),
  },
  disk: { 'full speed: written / bytes of the blocks': atMost(3, '×') },
  latency: { 'record → acknowledged, p50': atMost(5, 'ms'), 'record → acknowledged, p99': atMost(20, 'ms') },
  restart: { 'process started → first batch on the wire': atMost(300, 'ms') },
  growth: {
    'ingest, grown / young': atLeast(0.8, '×'),
    'largest ledger without holes': atMost(100, 'B/stream'),
    'peak memory of the gateway with these streams': atMost(500, 'MB'),
  },
  cellular: { 'goodput / what the link carries': atLeast(0.9, '×') },
};

/** Undefined where nobody has set one. */
export function judge(
  figure: string,
  { name, value, unit }: Pick<Reading, 'name' | 'value' | 'unit'>,
): Judgement | undefined {
  const goal = GOALS[figure]?.[name];
  if (goal === undefined) return undefined;
  if (goal.unit !== unit) throw new Error(`${figure}: ${name} is in ${unit}, its goal in ${goal.unit}`);
  const met = goal.bound === '≥' ? value >= goal.value : value <= goal.value;
  return { goal, ratio: value / goal.value, met };
}

/** Every reading with its judgement, where there is one. */
export function judged(figure: string, readings: readonly Reading[]): readonly (Reading & Partial<Judgement>)[] {
  return readings.map((reading) => ({ ...reading, ...judge(figure, reading) }));
}

/** `≥ 5 M`, `0.87 missed`; dashes where there is no goal. */
export function judgementTexts(judgement: Judgement | undefined): readonly [goal: string, ratio: string] {
  if (judgement === undefined) return ['–', '–'];
  const { goal, ratio, met } = judgement;
  return [`${goal.bound} ${numberText(goal.value)}`, `${numberText(ratio)} ${met ? 'met' : 'missed'}`];
}
