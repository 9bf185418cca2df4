/**
 * The hold on a database, a queue's or a gateway's: open, given up after a failure, opened again.
 *
 * Owns the only open `Rocks` of its store. Promises that after `giveUp()` the database is closed and opened again
 * before anything else touches it, so that what is read next is what is on disk; that nothing is closed under a reader;
 * and that a long walk holds no iterator between its pieces. Never decides what counts as a failure.
 */
import { StoreError } from './errors.ts';
import type { KeySpan, Rocks } from './rocks.ts';

export type Entry = readonly [key: Buffer, value: Buffer];

/** What a walk takes in at once, in memory, and holds while somebody is slow to take what comes of it. */
const PIECE_ENTRIES_MAX = 512;
const PIECE_BYTES_MAX = 256 << 10;

export interface RocksHandle {
  /** Runs with the open database, after opening it again if need be. */
  use<T>(task: (rocks: Rocks) => Promise<T>): Promise<T>;
  /**
   * The entries of a range, ascending, piece by piece: what is written meanwhile may or may not be seen, but for what
   * one write takes from an entry that was given and puts behind it: that is. Where `jump` gives a later key, the entry
   * is left out and the walk goes on there.
   */
  walk(bounds: KeySpan, jump?: (key: Buffer) => Buffer | undefined): AsyncGenerator<Entry, void, void>;
  /** Lets go of the database as soon as nobody uses it; the next use opens it again. */
  giveUp(): void;
  /** A write has failed: nobody can say what it left on disk, so what is in memory is not to be believed any more. */
  doubt(): void;
  /**
   * Resolves once the database is open and to be believed; after a doubt, once it was opened again. Until RocksDB can
   * close the old one, waited for so long if need be, and `assertWritable` resolves, it rejects and the database stays
   * open for those who read; `disk-full` where RocksDB waits for space. Calls made meanwhile share one reopening.
   */
  trusted(withinMs: number, assertWritable: () => Promise<void>): Promise<void>;
  /** Waits for every use, then closes. Further uses are `closed`. */
  close(): Promise<void>;
}

/** `open` runs before the first use, and again before the first one after each `giveUp()`. */
export function createRocksHandle(open: () => Promise<Rocks>): RocksHandle {
  return new ReopeningHandle(open);
}

class ReopeningHandle implements RocksHandle {
  readonly #open: () => Promise<Rocks>;
  #session: Session | undefined;
  /** Settles when the session before has let go of the lock. */
  #released: Promise<void> = Promise.resolve();
  #isDoubted = false;
  #renewing: Promise<void> | undefined;
  #closed = false;

  constructor(open: () => Promise<Rocks>) {
    this.#open = open;
  }

  async use<T>(task: (rocks: Rocks) => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreError('closed', 'the store is closed');
    this.#session ??= new Session(this.#released.then(this.#open));
    const session = this.#session;
    return await session.use(task, () => {
      if (this.#session === session) this.#session = undefined;
    });
  }

  async *walk(bounds: KeySpan, jump?: (key: Buffer) => Buffer | undefined): AsyncGenerator<Entry, void, void> {
    for (let from = bounds.gte; ; ) {
      const { entries, behind } = await this.use((rocks) => readPiece(rocks, { gte: from, lt: bounds.lt }));
      for (const entry of entries) {
        const next = jump?.(entry[0]);
        if (next === undefined) yield entry;
        else from = next;
      }
      if (behind === undefined) return;
      if (Buffer.compare(from, behind) < 0) from = behind;
    }
  }

  giveUp(): void {
    if (this.#session === undefined) return;
    this.#released = this.#session.release();
    this.#session = undefined;
  }

  doubt(): void {
    this.#isDoubted = true;
  }

  trusted(withinMs: number, assertWritable: () => Promise<void>): Promise<void> {
    this.#renewing ??= this.#trusted(withinMs, assertWritable).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #trusted(withinMs: number, assertWritable: () => Promise<void>): Promise<void> {
    if (this.#isDoubted) {
      await this.#renew(withinMs, assertWritable);
      this.#isDoubted = false;
    }
    await this.use(async () => {});
  }

  async #renew(withinMs: number, assertWritable: () => Promise<void>): Promise<void> {
    const isCalm = await this.use((rocks) => rocks.calm(withinMs));
    if (!isCalm) throw new StoreError('disk-full', 'RocksDB waits for space');
    // What is closed now may not open again: not while the disk takes nothing.
    await assertWritable();
    this.giveUp();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.giveUp();
    await this.#released;
  }
}

/** One opening of the database, and how many use it. */
class Session {
  readonly #opening: Promise<Rocks>;
  #users = 0;
  #unused: (() => void) | undefined;

  constructor(opening: Promise<Rocks>) {
    this.#opening = opening;
  }

  async use<T>(task: (rocks: Rocks) => Promise<T>, failedToOpen: () => void): Promise<T> {
    this.#users += 1;
    try {
      const rocks = await this.#opening.catch((error) => {
        failedToOpen();
        throw error;
      });
      return await task(rocks);
    } finally {
      this.#users -= 1;
      if (this.#users === 0) this.#unused?.();
    }
  }

  async release(): Promise<void> {
    if (this.#users > 0) await new Promise<void>((resolve) => (this.#unused = resolve));
    // A database that did not open, or that cannot close cleanly on a broken disk, is let go of all the same.
    await this.#opening.then((rocks) => rocks.close()).catch(() => {});
  }
}

/** Entries from the beginning of a range, and where to read on if there may be more. */
interface Piece {
  readonly entries: readonly Entry[];
  readonly behind: Buffer | undefined;
}

async function readPiece(rocks: Rocks, bounds: KeySpan): Promise<Piece> {
  const listed: Entry[] = [];
  let bytes = 0;
  for await (const [key, value] of rocks.entries({ ...bounds, limit: PIECE_ENTRIES_MAX })) {
    listed.push([key, value]);
    bytes += key.length + value.length;
    if (bytes >= PIECE_BYTES_MAX) break;
  }
  const isWhole = listed.length < PIECE_ENTRIES_MAX && bytes < PIECE_BYTES_MAX;
  // Once more by key, since only that verifies checksums.
  const values = await rocks.getMany(listed.map(([key]) => key));
  const entries: Entry[] = [];
  for (let at = 0; at < listed.length; at++) {
    const [key, before] = listed[at]!;
    const value = values[at];
    if (value === undefined) continue;
    entries.push([key, value]);
    // What it has lost by now may be behind it, where nothing was when the keys were listed.
    if (!value.equals(before)) return { entries, behind: keyBehind(key) };
  }
  return { entries, behind: isWhole ? undefined : keyBehind(listed.at(-1)![0]) };
}

function keyBehind(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([0])]);
}
