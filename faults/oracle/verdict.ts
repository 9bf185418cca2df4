/**
 * Verdict: a journal held against the evidence.
 *
 * Owns what "exactly once" means: every resolved event is counted once, or in quarantine, or in a declared gap; nothing
 * is counted that was never attempted, or that was refused; content, totals and buckets agree to the last digit. Shares
 * no code with what it judges.
 */
import { accountProblems } from './account.ts';
import { exactOf, textOf } from './decimal.ts';
import type { AccountSays, BucketSays, DeviceSays, Granularity, StoredEvent } from './evidence.ts';
import { judgeGaps } from './gaps.ts';
import type { AttemptLine, Journal } from './journal.ts';
import { bucketProblems, readingsOf, totalProblems } from './sums.ts';

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
  const readings = readingsOf(events);
  problems.push(...totalProblems(device, readings));
  if (account !== undefined) problems.push(...accountProblems({ account, device, events, quarantine }));
  for (const granularity of Object.keys(buckets) as Granularity[]) {
    problems.push(...bucketProblems(granularity, buckets[granularity], readings));
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
  const recorded = { ...attempt.measures, ...attempt.notes };
  const isSame =
    isTime(journal, attempt, event.ts) &&
    event.sensor === attempt.sensor &&
    Object.keys(event.fields).length === Object.keys(recorded).length &&
    Object.entries(event.fields).every(([name, value]) =>
      typeof value === 'number' ? isNumber(attempt.measures[name], value) : attempt.notes[name] === value,
    );
  if (isSame) return [];
  const { from, to } = journal.clocked.get(serial) ?? {};
  const [was, is] = [{ ...attempt, ts: attempt.ts ?? [from, to], fields: recorded }, event].map(
    ({ ts, sensor, fields }) => JSON.stringify([ts, sensor, fields]),
  );
  return [`event ${serial} has changed: recorded ${was}, stored ${is}`];
}

/** Its own, or what the clock said when it was recorded. Of an attempt that was cut short nobody knows. */
function isTime({ clocked }: Journal, { serial, ts }: AttemptLine, is: number): boolean {
  if (ts !== null) return is === ts;
  const said = clocked.get(serial);
  return said === undefined || (said.from <= is && is <= said.to);
}

/** Only the value counts: how it is written is nobody's promise. */
function isNumber(recorded: string | undefined, stored: number): boolean {
  const text = String(stored);
  return text === recorded || (recorded !== undefined && textOf(exactOf(text)) === textOf(exactOf(recorded)));
}
