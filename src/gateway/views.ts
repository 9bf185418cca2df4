/**
 * Views: what the read routes say, as JSON.
 *
 * Owns the shapes: sums are decimal texts, times are ISO 8601 in UTC, or null where there is none. Promises that no sum
 * is rounded on its way out, and that what may be large comes in parts. Never reads the store.
 */
import { formatDecimal } from '../codec/index.ts';
import type { LedgerView } from '../store/index.ts';
import type { Aggregate } from './aggregate.ts';
import type { SeriesBucket } from './bucket-series.ts';
import type { ToldTotals } from './device-totals.ts';
import type { DeviceSummary, FleetTotals } from './fleet.ts';

export interface MeasureView {
  readonly count: number;
  readonly sum: string;
  readonly min: number;
  readonly max: number;
  readonly last: number;
  readonly lastAt: string | null;
}

export type MeasuresView = Readonly<Record<string, MeasureView>>;

export function totalsView({ devices, account, measures, isCut }: FleetTotals, duplicates: number) {
  const views = Object.fromEntries(Array.from(measures, ([name, aggregate]) => [name, measureView(aggregate)]));
  return { ...countsView(devices, account, duplicates), measures: views as MeasuresView, measuresCut: isCut };
}

/** As `totalsView`, as parts of JSON. */
export function* totalsParts(
  { devices, account, measures, isCut }: FleetTotals,
  duplicates: number,
): Generator<string, void, void> {
  yield `${opened(countsView(devices, account, duplicates))},"measures":`;
  yield* objectParts(measures, measureView);
  yield `,"measuresCut":${isCut}}`;
}

function countsView(devices: number, { delivered, ...rest }: FleetTotals['account'], duplicates: number) {
  return { devices, events: delivered, duplicates, ...rest };
}

function measureView({ count, sum, min, max, last, lastTs }: Aggregate): MeasureView {
  return { count, sum: formatDecimal(sum), min, max, last, lastAt: isoTime(lastTs) };
}

export type TotalsView = ReturnType<typeof totalsView>;

/** What a device comes to, as parts of a JSON object that is still open; of its measures those that are told. */
export function* deviceParts(
  { deviceId, page, account, sensors, streams }: DeviceSummary,
  { measures, isCut }: ToldTotals,
  duplicates: number,
): Generator<string, void, void> {
  const { report } = page;
  yield opened({
    id: deviceId,
    ...account,
    duplicates,
    batches: page.batches,
    bodyBytes: page.bodyBytes,
    sensorCount: sensors,
    streamCount: streams,
    firstReceivedAt: isoTime(page.firstReceivedAt),
    lastReceivedAt: isoTime(Math.max(page.lastReceivedAt, report?.receivedAt ?? -Infinity)),
    firstEventAt: isoTime(page.tsMin),
    lastEventAt: isoTime(page.tsMax),
    clockOffsetMs: report?.clockOffsetMs ?? null,
    reported: report === undefined ? null : { at: isoTime(report.sentAt), ...report.queue },
  });
  yield `,"declaredGaps":${opened({ ...page.gaps, unsummed: page.gapsUnsummed })},"sums":`;
  yield* objectParts(page.gapSums, formatDecimal);
  yield `},"measuresCut":${isCut},"measures":`;
  yield* objectParts(measures, measureView);
}

/** One sensor of a device. */
export function* sensorParts(
  sensor: string,
  events: number,
  measures: ReadonlyMap<string, Aggregate>,
  measure: string | undefined,
): Generator<string, void, void> {
  yield `${opened({ sensor, events })},"measures":`;
  yield* measuresParts(measures, measure);
  yield '}';
}

export function* bucketParts(
  { number, events, measures }: SeriesBucket,
  bucketMs: number,
): Generator<string, void, void> {
  yield `${opened({ start: isoTime(number * bucketMs), events })},"measures":`;
  yield* objectParts(measures, measureView);
  yield '}';
}

function* measuresParts(
  measures: ReadonlyMap<string, Aggregate>,
  measure: string | undefined,
): Generator<string, void, void> {
  const only = measure === undefined ? undefined : measures.get(measure);
  if (measure === undefined) yield* objectParts(measures, measureView);
  else yield* objectParts(only === undefined ? [] : [[measure, only]], measureView);
}

/** A member at a time: a sum may have hundreds of digits, and an object hundreds of members. */
function* objectParts<T>(
  members: Iterable<readonly [name: string, value: T]>,
  viewOf: (value: T) => unknown,
): Generator<string, void, void> {
  let before = '{';
  for (const [name, value] of members) {
    yield `${before}${JSON.stringify(name)}:${JSON.stringify(viewOf(value))}`;
    before = ',';
  }
  yield before === '{' ? '{}' : '}';
}

/** A JSON object to which members are to be added. */
function opened(members: object): string {
  return JSON.stringify(members).slice(0, -1);
}

/** A stream with its intervals behind `after`, at most so many; `nextIntervals` says where more of them begin. */
export function streamView(stream: string, ledger: LedgerView, intervalsMax: number, after = 0) {
  const intervals = ledger.intervals(intervalsMax + 1, after).map(({ first, last }) => [first, last] as const);
  const isCut = intervals.length > intervalsMax;
  if (isCut) intervals.pop();
  return {
    stream,
    events: ledger.count,
    gaps: ledger.gapCount,
    intervalCount: ledger.intervalCount,
    intervals,
    nextIntervals: isCut ? intervals.at(-1)![1] : null,
  };
}

/** Null for what no calendar has: nothing happened yet. */
export function isoTime(ms: number): string | null {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : null;
}
