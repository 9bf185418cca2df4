/**
 * The ledgers in use, as they will be once everything decided so far is committed.
 *
 * Owns which ledgers are in memory. Promises that all callers of one stream share one ledger and get it in the order in
 * which they asked, that a ledger with uncommitted changes is never forgotten, and that ledgers wanted together are read
 * together. Never writes.
 */
import { ledgerKey } from './gateway-keys.ts';
import type { StreamKey } from './gateway-store.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { decodeLedger } from './ledger-bytes.ts';
import { createLru, type Lru } from './lru.ts';
import { unsealOrThrow } from './seal.ts';

export interface LiveLedger {
  readonly key: Buffer;
  readonly ledger: Ledger;
  /** The group that holds its latest change; 0 before any. */
  changedIn: number;
}

/** Takes the ledger, at once or when it has been read; or the error of reading it. */
export interface LedgerTaker {
  take(live: LiveLedger): void;
  fail(error: unknown): void;
}

export interface LiveLedgers {
  /** Hands over the stream's ledger: at once where it is in memory, else behind those who asked before. */
  give(key: StreamKey, taker: LedgerTaker): void;
  /** Forgets everything; those who wait for a read still get what it reads. */
  clear(): void;
  /** Resolves once nobody waits for a read. */
  idle(): Promise<void>;
}

export interface LiveLedgersOptions {
  readonly ledgersMax: number;
  readonly read: (keys: readonly Buffer[]) => Promise<(Buffer | undefined)[]>;
  readonly isCommitted: (group: number) => boolean;
}

export function createLiveLedgers(options: LiveLedgersOptions): LiveLedgers {
  return new LedgerDesk(options);
}

interface Wanted {
  readonly id: string;
  readonly key: Buffer;
  readonly takers: LedgerTaker[];
}

class LedgerDesk implements LiveLedgers {
  readonly #options: LiveLedgersOptions;
  readonly #live: Lru<LiveLedger>;
  /** Streams that are being read or are to be read next. */
  readonly #wanted = new Map<string, Wanted>();
  /** Those of them that the next read takes along. */
  #next: Wanted[] = [];
  #reading: Promise<void> | undefined;

  constructor(options: LiveLedgersOptions) {
    this.#options = options;
    this.#live = createLru(options.ledgersMax);
  }

  give(key: StreamKey, taker: LedgerTaker): void {
    const id = `${key.deviceId}/${key.stream}`;
    const live = this.#live.get(id);
    if (live !== undefined) {
      taker.take(live);
      return;
    }
    const wanted = this.#wanted.get(id);
    if (wanted !== undefined) {
      wanted.takers.push(taker);
      return;
    }
    const first = { id, key: ledgerKey(key), takers: [taker] };
    this.#wanted.set(id, first);
    this.#next.push(first);
    this.#reading ??= this.#readAll();
  }

  clear(): void {
    this.#live.clear();
  }

  async idle(): Promise<void> {
    await this.#reading;
  }

  async #readAll(): Promise<void> {
    // Whoever asks in the same turn of the event loop is read together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#next.length > 0) {
      const batch = this.#next;
      this.#next = [];
      try {
        const values = await this.#options.read(batch.map(({ key }) => key));
        batch.forEach((wanted, i) => {
          this.#hand(wanted, values[i]);
        });
        this.#live.trim((live) => !this.#options.isCommitted(live.changedIn));
      } catch (error) {
        for (const wanted of batch) this.#refuse(wanted, error);
      }
    }
    this.#reading = undefined;
  }

  #hand(wanted: Wanted, value: Buffer | undefined): void {
    let ledger: Ledger;
    try {
      ledger = value === undefined ? createLedger() : decodeLedger(unsealOrThrow(wanted.key, value));
    } catch (error) {
      this.#refuse(wanted, error);
      return;
    }
    this.#wanted.delete(wanted.id);
    const live = { key: wanted.key, ledger, changedIn: 0 };
    this.#live.set(wanted.id, live);
    for (const taker of wanted.takers) taker.take(live);
  }

  #refuse(wanted: Wanted, error: unknown): void {
    this.#wanted.delete(wanted.id);
    for (const taker of wanted.takers) taker.fail(error);
  }
}
