/**
 * Quarantine: events that the gateway has refused for good, with its reason.
 *
 * Owns the form in which they are kept. Promises that nothing of the event is lost: it can be looked at, exported, and
 * sent again. Never dropped silently.
 */
import { decodeColumns, type EventTable, eventsOf, type Problem, type TelemetryEvent } from '../codec/index.ts';
import type { QuarantineEntry } from '../store/index.ts';
import type { Parcel } from './cutter.ts';
import { NOTHING, plus, type Tally, tallyOf } from './tally.ts';

export interface QuarantinedEvent {
  /** 32 hex digits. */
  readonly stream: string;
  readonly sequence: number;
  readonly event: TelemetryEvent;
  readonly code: string;
  readonly detail: string;
  /** Device clock, epoch milliseconds. */
  readonly refusedAt: number;
  /** It is to be sent again. */
  readonly retry: boolean;
}

interface Record {
  readonly code: string;
  readonly detail: string;
  readonly refusedAt: number;
  /** The event as a block of one, base64: JSON would lose the sign of minus zero. */
  readonly columns: string;
  readonly retry?: true;
}

export function quarantineEntry(
  parcel: Parcel,
  stream: Uint8Array,
  problem: Problem,
  refusedAt: number,
): QuarantineEntry {
  const record: Record = {
    code: problem.code,
    detail: problem.detail ?? '',
    refusedAt,
    columns: Buffer.from(parcel.columns).toString('base64'),
  };
  return {
    first: parcel.first,
    last: parcel.first + parcel.count - 1,
    stream,
    bytes: Buffer.from(JSON.stringify(record)),
  };
}

/** The refused events of an entry. */
export function tableOf(entry: QuarantineEntry): EventTable {
  return decodeColumns(Buffer.from(recordOf(entry).columns, 'base64'));
}

export function tallyOfEntries(entries: readonly QuarantineEntry[]): Tally {
  return entries.reduce((sum, entry) => plus(sum, tallyOf(tableOf(entry))), NOTHING);
}

/** Whether it is to be sent again. */
export function isRetried(entry: QuarantineEntry): boolean {
  return recordOf(entry).retry === true;
}

/** The entry as one that is to be sent again. */
export function retried(entry: QuarantineEntry): QuarantineEntry {
  return { ...entry, bytes: Buffer.from(JSON.stringify({ ...recordOf(entry), retry: true })) };
}

export function* quarantinedEvents(...entries: readonly QuarantineEntry[]): Generator<QuarantinedEvent, void, void> {
  for (const entry of entries) {
    const { code, detail, refusedAt, retry = false } = recordOf(entry);
    const stream = Buffer.from(entry.stream).toString('hex');
    let sequence = entry.first;
    for (const event of eventsOf(tableOf(entry))) {
      yield { stream, sequence: sequence++, event, code, detail, refusedAt, retry };
    }
  }
}

function recordOf(entry: QuarantineEntry): Record {
  return JSON.parse(Buffer.from(entry.bytes).toString()) as Record;
}
