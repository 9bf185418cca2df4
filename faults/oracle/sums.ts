/**
 * Sums: totals and buckets held against a plain loop over the stored events.
 *
 * Owns that loop. Promises exact sums, counts and extremes by device, sensor and bucket. Shares no code with what it
 * judges.
 */
import { type Exact, exactOf, isLess, plus, textOf, ZERO } from './decimal.ts';
import {
  type BucketSays,
  type DeviceSays,
  floor,
  type Granularity,
  type MeasureSays,
  type StoredEvent,
} from './evidence.ts';

/** An event as far as sums go, its numbers read once. */
export interface Reading {
  readonly ts: number;
  readonly sensor: string;
  readonly numbers: readonly (readonly [measure: string, value: Exact])[];
}

export function readingsOf(events: readonly StoredEvent[]): Reading[] {
  return events.map(({ ts, sensor, fields }) => ({
    ts,
    sensor,
    numbers: Object.entries(fields).flatMap(([name, value]) =>
      typeof value === 'number' ? [[name, exactOf(String(value))] as const] : [],
    ),
  }));
}

/** What a loop over the stored events comes to, by measure. */
interface Loop {
  count: number;
  sum: Exact;
  min: Exact;
  max: Exact;
}

function loop(into: Map<string, Loop>, { numbers }: Reading): void {
  for (const [name, exact] of numbers) {
    const known = into.get(name) ?? { count: 0, sum: ZERO, min: exact, max: exact };
    known.count += 1;
    known.sum = plus(known.sum, exact);
    if (isLess(exact, known.min)) known.min = exact;
    if (isLess(known.max, exact)) known.max = exact;
    into.set(name, known);
  }
}

export function totalProblems(device: DeviceSays | undefined, events: readonly Reading[]): string[] {
  const all = new Map<string, Loop>();
  const bySensor = new Map<string, { events: number; measures: Map<string, Loop> }>();
  for (const event of events) {
    loop(all, event);
    const sensor = bySensor.get(event.sensor) ?? { events: 0, measures: new Map() };
    sensor.events += 1;
    loop(sensor.measures, event);
    bySensor.set(event.sensor, sensor);
  }
  const problems: string[] = [];
  if ((device?.delivered ?? 0) !== events.length) {
    problems.push(`the gateway counts ${device?.delivered ?? 0} events and has ${events.length} stored`);
  }
  problems.push(...measureProblems('totals', device?.measures ?? {}, all));
  const said = new Map((device?.sensors ?? []).map((sensor) => [sensor.sensor, sensor]));
  for (const name of new Set([...said.keys(), ...bySensor.keys()])) {
    const [is, should] = [said.get(name), bySensor.get(name)];
    if (is?.events !== should?.events) problems.push(`sensor ${name}: ${is?.events} events, ${should?.events} stored`);
    problems.push(...measureProblems(`sensor ${name}`, is?.measures ?? {}, should?.measures ?? new Map()));
  }
  return problems;
}

export function bucketProblems(
  granularity: Granularity,
  buckets: readonly BucketSays[],
  events: readonly Reading[],
): string[] {
  const should = new Map<number, { events: number; measures: Map<string, Loop> }>();
  for (const event of events) {
    const start = floor(event.ts, granularity);
    const bucket = should.get(start) ?? { events: 0, measures: new Map() };
    bucket.events += 1;
    loop(bucket.measures, event);
    should.set(start, bucket);
  }
  const problems: string[] = [];
  if (buckets.length !== should.size) problems.push(`${granularity}: ${buckets.length} buckets, not ${should.size}`);
  for (const { start, events: count, measures } of buckets) {
    const expected = should.get(Date.parse(start));
    const where = `${granularity} ${start}`;
    if (expected === undefined) problems.push(`${where}: nothing is stored there`);
    else {
      if (expected.events !== count) problems.push(`${where}: ${count} events, ${expected.events} stored`);
      problems.push(...measureProblems(where, measures, expected.measures));
    }
  }
  return problems;
}

function measureProblems(
  where: string,
  said: Readonly<Record<string, MeasureSays>>,
  loops: ReadonlyMap<string, Loop>,
): string[] {
  return [...new Set([...Object.keys(said), ...loops.keys()])].flatMap((name) => {
    const is = said[name];
    const should = loops.get(name);
    const [isText, shouldText] = [is && saidText(is), should && loopText(should)];
    return isText === shouldText ? [] : [`${where}: ${name} is ${isText}, and comes to ${shouldText}`];
  });
}

function saidText({ count, sum, min, max }: MeasureSays): string {
  return JSON.stringify([count, ...[sum, String(min), String(max)].map((text) => textOf(exactOf(text)))]);
}

function loopText({ count, sum, min, max }: Loop): string {
  return JSON.stringify([count, ...[sum, min, max].map(textOf)]);
}
