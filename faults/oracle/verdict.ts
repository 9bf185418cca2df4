/**
 * Verdict: a journal held against the evidence.
 *
 * Owns what "exactly once" means: every resolved event is counted once, or in quarantine, or in a declared gap; nothing is
 * counted that was never attempted, or that was refused; content, totals and buckets agree to the last digit. Shares no
 * code with what it judges.
 */
import { accountProblems } from './account.ts';
import { type Exact, exactOf, isLess, plus, textOf, ZERO } from './decimal.ts';
import {
  type AccountSays,
  type BucketSays,
  type DeviceSays,
  floor,
  type Granularity,
  type MeasureSays,
  type StoredEvent,
} from './evidence.ts';
import { judgeGaps } from './gaps.ts';
import type { AttemptLine, Journal } from './journal.ts';

export interface Verdict {
  readonly attempted: number;
  readonly resolved: number;
  readonly counted: number;
  readonly quarantined: number;
  readonly gaps: number;
  /** Serials of resolved events that are nowhere. */
  readonly lost: readonly number[];
  /** Serials that are counted more than once. */
  readonly doubled: readonly number[];
  /** One line for every promise that does not hold; empty where all do. */
  readonly problems: readonly string[];
}

export interface Hearing {
  readonly journal: Journal;
  readonly device: DeviceSays | undefined;
  readonly events: readonly StoredEvent[];
  readonly buckets: Readonly<Record<Granularity, readonly BucketSays[]>>;
  readonly quarantine: readonly { readonly event: Pick<StoredEvent, 'ts' | 'sensor' | 'fields'> }[];
  readonly account?: AccountSays | undefined;
  readonly idsStay?: boolean;
}

/** Problems of one kind that are told one by one. */
const TOLD_MAX = 5;

export function judge(hearing: Hearing): Verdict {
  const { journal, device, events, buckets, quarantine, account, idsStay = false } = hearing;
  const problems: string[] = [];
  const seen = new Map<number, number>();
  for (const event of [...events, ...quarantine.map(({ event }) => event)]) {
    const serial = Number(event.fields['serial']);
    seen.set(serial, (seen.get(serial) ?? 0) + 1);
    problems.push(...contentProblems(journal, serial, event));
  }
  if (idsStay) for (const event of events) problems.push(...idProblems(journal, event));
  const doubled = [...seen].filter(([, times]) => times > 1).map(([serial]) => serial);
  const { lost, problems: ofGaps } = judgeGaps({ journal, device, seen, idsStay });
  problems.push(...ofGaps);
  for (const serial of doubled.slice(0, TOLD_MAX))
    problems.push(`event ${serial} is counted ${seen.get(serial)} times`);
  for (const serial of lost.slice(0, TOLD_MAX))
    problems.push(`event ${serial} is lost: ${whereabouts(journal, serial)}`);
  problems.push(...totalProblems(device, events));
  if (account !== undefined) problems.push(...accountProblems({ account, device, events, quarantine }));
  for (const granularity of Object.keys(buckets) as Granularity[]) {
    problems.push(...bucketProblems(granularity, buckets[granularity], events));
  }
  return {
    attempted: journal.attempts.size,
    resolved: journal.resolved.size,
    counted: events.length,
    quarantined: quarantine.length,
    gaps: device?.gaps ?? 0,
    lost,
    doubled,
    problems: problems.slice(0, 4 * TOLD_MAX),
  };
}

function whereabouts(journal: Journal, serial: number): string {
  const { stream, sequence } = journal.resolved.get(serial)!;
  return `${stream}/${sequence}`;
}

function idProblems({ resolved }: Journal, { stream, sequence, fields }: StoredEvent): string[] {
  const receipt = resolved.get(Number(fields['serial']));
  if (receipt === undefined || (receipt.stream === stream && receipt.sequence === sequence)) return [];
  const was = `${receipt.stream}/${receipt.sequence}`;
  return [`event ${receipt.serial} has the receipt ${was} and is stored as ${stream}/${sequence}`];
}

function contentProblems(
  journal: Journal,
  serial: number,
  event: Pick<StoredEvent, 'ts' | 'sensor' | 'fields'>,
): string[] {
  const attempt = journal.attempts.get(serial);
  if (attempt === undefined) return [`event ${serial} was never recorded: ${JSON.stringify(event)}`];
  const rejected = journal.rejected.get(serial);
  if (rejected !== undefined) return [`event ${serial} was refused (${rejected.code}) and counts all the same`];
  const was = contentOf(attempt.ts, attempt.sensor, { ...exactTexts(attempt), ...attempt.notes });
  const is = contentOf(event.ts, event.sensor, Object.fromEntries(Object.entries(event.fields).map(inWords)));
  return was === is ? [] : [`event ${serial} has changed: recorded ${was}, stored ${is}`];
}

function exactTexts({ measures }: AttemptLine): Record<string, string> {
  return Object.fromEntries(Object.entries(measures).map(([name, text]) => [name, textOf(exactOf(text))]));
}

function inWords([name, value]: [string, number | string | boolean]): [string, string | boolean] {
  return [name, typeof value === 'number' ? textOf(exactOf(String(value))) : value];
}

function contentOf(ts: number, sensor: string, fields: Record<string, string | boolean>): string {
  return JSON.stringify([ts, sensor, Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** What a loop over the stored events comes to, by measure. */
interface Loop {
  count: number;
  sum: Exact;
  min: Exact;
  max: Exact;
}

function loop(into: Map<string, Loop>, { fields }: Pick<StoredEvent, 'fields'>): void {
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== 'number') continue;
    const exact = exactOf(String(value));
    const known = into.get(name) ?? { count: 0, sum: ZERO, min: exact, max: exact };
    known.count += 1;
    known.sum = plus(known.sum, exact);
    if (isLess(exact, known.min)) known.min = exact;
    if (isLess(known.max, exact)) known.max = exact;
    into.set(name, known);
  }
}

function totalProblems(device: DeviceSays | undefined, events: readonly StoredEvent[]): string[] {
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

function bucketProblems(
  granularity: Granularity,
  buckets: readonly BucketSays[],
  events: readonly StoredEvent[],
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
