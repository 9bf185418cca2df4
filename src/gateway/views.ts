/**
 * Views: what the read routes say, as JSON.
 *
 * Owns the shapes: sums are decimal texts, times are ISO 8601 in UTC, or null where there is none. Promises that no sum is
 * rounded on its way out. Never reads the store.
 */
import { type Decimal, formatDecimal } from '../codec/index.ts';
import type { LedgerView } from '../store/index.ts';
import type { Aggregate } from './aggregate.ts';
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

/** Intervals of one stream that are named; a stream that has more had a very bad link. */
const INTERVALS_MAX = 100;

export function measuresView(measures: ReadonlyMap<string, Aggregate>): MeasuresView {
  return Object.fromEntries(
    Array.from(measures, ([name, { count, sum, min, max, last, lastTs }]) => [
      name,
      { count, sum: formatDecimal(sum), min, max, last, lastAt: isoTime(lastTs) },
    ]),
  );
}

export function totalsView({ devices, account, measures }: FleetTotals, duplicates: number) {
  const { delivered, ...rest } = account;
  return { devices, events: delivered, duplicates, ...rest, measures: measuresView(measures) };
}

export type TotalsView = ReturnType<typeof totalsView>;

export function deviceView({ deviceId, page, account, sensors, streams, measures }: DeviceSummary, duplicates: number) {
  const { report } = page;
  return {
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
    declaredGaps: { ...page.gaps, unsummed: page.gapsUnsummed, sums: sumsView(page.gapSums) },
    measures: measuresView(measures),
  };
}

export function streamView(stream: string, ledger: LedgerView) {
  const intervals = ledger.intervals();
  return {
    stream,
    events: ledger.count,
    gaps: ledger.gapCount,
    intervalCount: intervals.length,
    intervals: intervals.slice(0, INTERVALS_MAX).map(({ first, last }) => [first, last] as const),
  };
}

/** Null for what no calendar has: nothing happened yet. */
export function isoTime(ms: number): string | null {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : null;
}

function sumsView(sums: ReadonlyMap<string, Decimal>): Record<string, string> {
  return Object.fromEntries(Array.from(sums, ([name, sum]) => [name, formatDecimal(sum)]));
}
