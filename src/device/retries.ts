/**
 * Retries: events in quarantine that are to be sent again.
 *
 * Owns which they are, which of them are sent together, and what follows from the answer. Promises that each is sent
 * under its own id, so that a copy of the refused batch that is still on its way counts nothing twice; that it stays in
 * quarantine until the gateway has acknowledged it; and that what was asked for outlasts a restart. Never decides when
 * to send: the sync loop does.
 */
import assert from 'node:assert';
import { createTableBuilder, type EventTable, encodeColumns, STREAM_BYTES } from '../codec/index.ts';
import type { QuarantineEntry, Queue, Range } from '../store/index.ts';
import type { Account } from './account.ts';
import type { Parcel } from './cutter.ts';
import type { Delivery, Source } from './delivery.ts';
import { type PersistOptions, persist } from './persistence.ts';
import { isRetried, retried, tableOf, tallyOfEntries } from './quarantine.ts';
import { tallyOf } from './tally.ts';

/** Entries that are marked in one commit. */
const MARK_STEP = 1_024;

export interface RetriesOptions extends PersistOptions {
  readonly queue: Pick<Queue, 'quarantine' | 'release'>;
  readonly delivery: Pick<Delivery, 'deliver'>;
  readonly account: Account;
  /** Runs work while nothing leaves the queue (`Sync.standing`). */
  readonly standing: <T>(work: () => Promise<T>) => Promise<T>;
  readonly batchEventsMax: number;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Some have been sent and what became of them is on disk: these were refused again. `stream` is one of theirs. */
  readonly onSettled: (refused: readonly QuarantineEntry[], stream: Uint8Array) => void;
  /** Nothing is left to send. */
  readonly onIdle: () => void;
}

export interface Retries {
  /** There may be more to send. */
  readonly due: boolean;
  readonly inFlight: number;
  /** As `askForRetry`, and has them sent. */
  request(): Promise<number>;
  /** The disk has some that were asked for. */
  resume(): void;
  /** Begins to send the next ones; false where there are none now. One call at a time. */
  send(): Promise<boolean>;
}

/**
 * Has everything in quarantine sent again by whoever sends; resolves with how many events had not been asked for
 * before, once that is on disk. Nothing may leave quarantine meanwhile.
 */
export async function askForRetry(queue: Pick<Queue, 'quarantine' | 'release'>): Promise<number> {
  let events = 0;
  let marked: QuarantineEntry[] = [];
  const commit = async (): Promise<void> => {
    if (marked.length > 0) await queue.release({ quarantine: marked });
    marked = [];
  };
  for await (const entry of queue.quarantine()) {
    if (isRetried(entry)) continue;
    events += entry.last - entry.first + 1;
    marked.push(retried(entry));
    if (marked.length === MARK_STEP) await commit();
  }
  await commit();
  return events;
}

export function createRetries(options: RetriesOptions): Retries {
  return new QuarantineRetries(options);
}

class QuarantineRetries implements Retries {
  readonly #options: RetriesOptions;
  readonly #flying = new Set<Lot>();
  /** Over the quarantine, and what it has given that belongs into the next lot. */
  #walk: AsyncGenerator<QuarantineEntry, void, void> | undefined;
  #held: QuarantineEntry | undefined;
  #resumed = false;

  constructor(options: RetriesOptions) {
    this.#options = options;
  }

  get due(): boolean {
    return this.#walk !== undefined || this.#resumed;
  }

  get inFlight(): number {
    return this.#flying.size;
  }

  request(): Promise<number> {
    const { queue, standing } = this.#options;
    return standing(async () => {
      const events = await askForRetry(queue);
      this.resume();
      return events;
    });
  }

  resume(): void {
    this.#resumed = true;
  }

  async send(): Promise<boolean> {
    if (this.#walk === undefined) {
      // What is under way still is in quarantine, and would be sent once more.
      if (!this.#resumed || this.#flying.size > 0) return false;
      this.#resumed = false;
      this.#walk = this.#options.queue.quarantine();
    }
    try {
      const lot = await this.#gather();
      if (lot !== undefined) {
        this.#flying.add(lot);
        void this.#fly(lot);
        return true;
      }
    } catch (error) {
      [this.#walk, this.#held, this.#resumed] = [undefined, undefined, true];
      throw error;
    }
    this.#walk = undefined;
    if (!this.due) this.#options.onIdle();
    return false;
  }

  async #gather(): Promise<Lot | undefined> {
    const builder = createTableBuilder();
    const entries: QuarantineEntry[] = [];
    for (this.#held ??= await this.#next(); this.#held !== undefined; this.#held = await this.#next()) {
      const before = entries.at(-1);
      if (before !== undefined && this.#held.first !== before.last + 1) break;
      if (entries.length === this.#options.batchEventsMax || !builder.addTable(tableOf(this.#held))) break;
      entries.push(this.#held);
    }
    return entries.length > 0 ? new Lot(this.#options, entries, builder.build()) : undefined;
  }

  async #next(): Promise<QuarantineEntry | undefined> {
    for (;;) {
      const { value } = await this.#walk!.next();
      if (!value || isRetried(value)) return value ?? undefined;
    }
  }

  async #fly(lot: Lot): Promise<void> {
    const { queue, delivery, account, standing, signal, onSettled } = this.#options;
    const delivered = await persist(this.#options, () => delivery.deliver(lot, lot));
    if (!delivered || signal.aborted) return;
    const { quarantine } = delivered;
    const refused = new Set(quarantine.map(({ first }) => first));
    const removeQuarantine = lot.entries.map(({ first }) => first).filter((first) => !refused.has(first));
    await standing(async () => {
      account.move('quarantined', 'delivered', tallyOf(lot.table));
      account.move('delivered', 'quarantined', tallyOfEntries(quarantine));
      await persist(this.#options, () => queue.release({ totals: account.settled(), quarantine, removeQuarantine }));
    });
    if (signal.aborted) return;
    this.#flying.delete(lot);
    onSettled(quarantine, lot.entries.at(-1)!.stream);
  }
}

type LotOptions = Pick<RetriesOptions, 'queue' | 'randomBytes'>;

/** Entries next to each other, to be sent as one parcel; it is its own source. */
class Lot implements Parcel, Source {
  readonly #options: LotOptions;
  readonly first: number;
  readonly count: number;
  readonly table: EventTable;
  readonly columns: Uint8Array;
  entries: readonly QuarantineEntry[];

  constructor(options: LotOptions, entries: readonly QuarantineEntry[], table: EventTable) {
    this.#options = options;
    this.entries = entries;
    this.first = entries[0]!.first;
    this.count = table.count;
    this.table = table;
    this.columns = encodeColumns(table);
  }

  streamAt(sequence: number): { stream: Uint8Array; last: number } {
    const at = this.entries.findIndex(({ last }) => last >= sequence);
    assert(at >= 0, 'the sequence is of this lot');
    const { stream } = this.entries[at]!;
    const behind = this.entries.slice(at).findIndex((entry) => Buffer.compare(entry.stream, stream) !== 0);
    return { stream, last: this.entries.at(behind < 0 ? -1 : at + behind - 1)!.last };
  }

  async restream(ranges: readonly Range[]): Promise<Uint8Array> {
    const { queue, randomBytes } = this.#options;
    const stream = randomBytes(STREAM_BYTES);
    const isMoved = ({ first, last }: Range) => ranges.some((range) => range.first <= last && range.last >= first);
    const entries = this.entries.map((entry) => (isMoved(entry) ? { ...entry, stream } : entry));
    // Before anything is sent under it.
    await queue.release({ quarantine: entries.filter(isMoved) });
    this.entries = entries;
    return stream;
  }
}
