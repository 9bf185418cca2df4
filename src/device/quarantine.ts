/**
 * Quarantine: events that the gateway has refused for good, with its reason.
 *
 * Owns the form in which they are kept. Promises that nothing of the event is lost: it can be looked at, exported, and
 * queued again. Never dropped silently.
 */
import {
  decodeColumns,
  type EventTable,
  encodeColumns,
  eventsOf,
  type Problem,
  type TelemetryEvent,
} from '../codec/index.ts';
import type { Appended, QuarantineEntry, Queue } from '../store/index.ts';
import type { Parcel } from './cutter.ts';

export interface QuarantinedEvent {
  /** 32 hex digits. */
  readonly stream: string;
  readonly sequence: number;
  readonly event: TelemetryEvent;
  readonly code: string;
  readonly detail: string;
  /** Device clock, epoch milliseconds. */
  readonly refusedAt: number;
}

interface Record {
  readonly code: string;
  readonly detail: string;
  readonly refusedAt: number;
  /** The event as a block of one, base64: JSON would lose the sign of minus zero. */
  readonly columns: string;
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
    last: parcel.first + parcel.table.count - 1,
    stream,
    bytes: Buffer.from(JSON.stringify(record)),
  };
}

/** The refused events of an entry. */
export function tableOf(entry: QuarantineEntry): EventTable {
  return decodeColumns(Buffer.from(recordOf(entry).columns, 'base64'));
}

/** An entry that is queued again. */
export interface Requeued {
  readonly appended: Appended;
  readonly table: EventTable;
}

export interface RetriesOptions {
  readonly queue: Pick<Queue, 'next' | 'quarantine' | 'append'>;
  /** Runs work while nothing leaves the queue and nobody counts it (`Sync.standing`). */
  readonly standing: <T>(work: () => Promise<T>) => Promise<T>;
  readonly onRequeued: (requeued: Requeued) => void;
}

export interface Retries {
  /** Queues everything again; resolves with how many events. */
  run(): Promise<number>;
}

export function createRetries({ queue, standing, onRequeued }: RetriesOptions): Retries {
  let last: Promise<unknown> = Promise.resolve();
  async function retry(): Promise<number> {
    const entries = requeue(queue);
    const next = async (): Promise<number> => {
      const { value } = await entries.next();
      if (value) onRequeued(value);
      return value?.table.count ?? 0;
    };
    let events = 0;
    for (let more = await standing(next); more > 0; more = await standing(next)) events += more;
    return events;
  }
  return {
    run() {
      // One after another: two at a time would queue the same events twice.
      const retried = last.then(retry);
      last = retried.catch(() => {});
      return retried;
    },
  };
}

/** Queues what is in quarantine again, entry by entry, under new ids; what is refused again meanwhile stays. */
export async function* requeue(
  queue: Pick<Queue, 'next' | 'quarantine' | 'append'>,
): AsyncGenerator<Requeued, void, void> {
  const { next } = queue;
  for await (const entry of queue.quarantine()) {
    if (entry.first >= next) return;
    const table = tableOf(entry);
    const block = { count: table.count, bytes: encodeColumns(table) };
    yield { appended: await queue.append([block], { removeQuarantine: [entry.first] }), table };
  }
}

export function* quarantinedEvents(...entries: readonly QuarantineEntry[]): Generator<QuarantinedEvent, void, void> {
  for (const entry of entries) {
    const { code, detail, refusedAt } = recordOf(entry);
    const stream = Buffer.from(entry.stream).toString('hex');
    let sequence = entry.first;
    for (const event of eventsOf(tableOf(entry))) {
      yield { stream, sequence: sequence++, event, code, detail, refusedAt };
    }
  }
}

function recordOf(entry: QuarantineEntry): Record {
  return JSON.parse(Buffer.from(entry.bytes).toString()) as Record;
}
