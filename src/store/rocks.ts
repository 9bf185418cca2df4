/**
 * The RocksDB port: one open database of ordered byte keys and byte values.
 *
 * Owns every call of RocksDB. Promises that every write is fsynced before it resolves, into files that are still where
 * the database was opened; that a write is all or nothing, that what has rotted on disk is never given out, and that
 * every failure is a `StoreError`. Never looks into a key or a value.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LevelUp } from 'level-rocksdb';
import { makeDirectory } from './directories.ts';
import { StoreError, toStoreError } from './errors.ts';
import { handOver, isInOnePiece } from './rocks-batch.ts';
import { CALM_MAX_MS, isCalm } from './rocks-calm.ts';
import { checkFiles, type FileCheck } from './rocks-files.ts';
import { openLevel } from './rocks-level.ts';
import { type Place, placeAt } from './rocks-place.ts';
import { defined, type KeyRange, type KeySpan, nextOf, type Operation, spanOf } from './rocks-range.ts';
import { openTables, type Tables } from './rocks-tables.ts';

export interface RocksOptions {
  /** Make the database where there is none; otherwise a missing one is `not-found`. Default true. */
  readonly create?: boolean;
  /**
   * Changes no file, and works beside a process that writes: what that writes later is not seen, and once it has
   * removed a file that is still to be read, reading rejects (see `lookAt`). A missing database is `not-found`.
   * Otherwise whoever opens it has the lock of the folder. Default false.
   */
  readonly readOnly?: boolean;
  /** RocksDB's block cache. Default 2 MiB: a queue reads its blocks once or twice, one after another. */
  readonly cacheBytes?: number;
  /** The memtable: how much is held before a sorted file is written. Default 4 MiB. */
  readonly writeBufferBytes?: number;
  /** Snappy inside sorted files. Off where values are packed already. Default false. */
  readonly compression?: boolean;
  /**
   * What becomes of what has rotted by more than the one bit that can be put right, a commit in the log or a whole
   * sorted file: `refuse` the database as `corrupt`, or `leave-out` that. Default `refuse`.
   */
  readonly broken?: FileCheck['broken'];
  /**
   * Asked of a database that is there, opened read-only; what it rejects with refuses it. RocksDB, in opening for
   * writing, removes what it has no use for, and where a damaged file tells it so, that is all the rest.
   */
  readonly assertWhole?: (rocks: Rocks) => Promise<void>;
  /** See `placeAt`. Default false. */
  readonly noticesTouch?: boolean;
}

export type { KeyRange, KeySpan, Operation } from './rocks-range.ts';

export interface Rocks {
  /** One atomic, fsynced write. `io` where the folder is not the one any more that was opened. */
  write(operations: readonly Operation[]): Promise<void>;
  get(key: Buffer): Promise<Buffer | undefined>;
  /** In the order of the keys; `undefined` where there is none. */
  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]>;
  /**
   * The entries of a range, piece by piece, each as of when its first one is asked for. Rejects with `corrupt` where a
   * block has rotted by more than a bit, before it gives anything of the piece that the block is in.
   */
  entries(range: KeyRange): AsyncGenerator<readonly [key: Buffer, value: Buffer], void, void>;
  /** Rejects with `corrupt` where a block in this range, or just behind it, has rotted by more than a bit. */
  check(range: KeySpan): Promise<void>;
  /** About how many bytes of sorted files a range takes; what is in memory only is not counted. */
  bytesIn(range: KeySpan): Promise<number>;
  /** Rewrites the sorted files of a range without what is deleted, which is what gives the space back. */
  compact(range: KeySpan): Promise<void>;
  /** About how many bytes are in memory and in the log, and will be written once more, into a sorted file. */
  readonly unsortedBytes: number;
  /** Bits that had flipped in the files and were put right, since it was opened and when it was. */
  readonly mendedBits: number;
  /** A block of a sorted file that is damaged beyond that, where one has been met since it was opened. */
  readonly damage: string | undefined;
  /** What was broken beyond that when it was opened, and is left out: see `RocksOptions.broken`. */
  readonly leftOut: readonly string[];
  /** Looks through all sorted files, whole, and mends what it can; `mendedBits` and `damage` say what it found. */
  lookThrough(): Promise<void>;
  /** How many sorted files wait to be merged with others. */
  readonly unmergedFiles: number;
  /** How often RocksDB failed at its work behind the scenes since the opening: no space, or a file that has rotted. */
  readonly failures: number;
  /**
   * Whether it can be closed, if need be waiting so long for that. RocksDB that finds the disk full tries by itself to
   * get over it: closed on a disk that is full still, it never comes back. Until then it goes on reading.
   */
  calm(withinMs: number): Promise<boolean>;
  /** Waits for what is under way, within bounds. Further calls are `closed`. Calling it again is harmless. */
  close(): Promise<void>;
}

/** Read-ahead of one iterator. Large enough for a few blocks a hop, small enough to hold in memory many times. */
const READ_AHEAD_BYTES = 256 * 1024;

/** Closing waits for a sorted file or two; what takes this long will not end. */
const CLOSE_MAX_MS = 30_000;

/** Blocks of which one reading puts a bit right; more have rotted for another reason. */
const MENDED_AT_ONCE = 64;

const SYNC = { sync: true };
const FAILURES = 'rocksdb.background-errors';
const UNMERGED = 'rocksdb.num-files-at-level0';

export async function openRocks(path: string, options: RocksOptions = {}): Promise<Rocks> {
  const readOnly = options.readOnly ?? false;
  const create = !readOnly && (options.create ?? true);
  try {
    if (create) await makeDirectory(path);
    const check = { path, broken: options.broken ?? 'refuse', readOnly };
    const findings = await checkFiles(check);
    // RocksDB would leave a directory behind where there was none.
    if (!create) await access(join(path, 'CURRENT'));
    const tables = await openTables(check, findings);
    // failpoint: files-checked
    if (options.assertWhole && findings.exists && !readOnly) await look(path, options.assertWhole, tables);
    const level = await openLevel(path, { ...options, create });
    return new RocksDatabase(level, tables, readOnly ? undefined : placeAt(path, options.noticesTouch ?? false));
  } catch (error) {
    throw toStoreError(error, `cannot open the database in ${path}`);
  }
}

async function look(path: string, assertWhole: (rocks: Rocks) => Promise<void>, tables: Tables): Promise<void> {
  const rocks = new RocksDatabase(await openLevel(path, { create: false, readOnly: true }), tables);
  try {
    await assertWhole(rocks);
  } finally {
    await rocks.close();
  }
}

class RocksDatabase implements Rocks {
  readonly #level: LevelUp;
  readonly #tables: Tables;
  readonly #place: Place | undefined;
  #closing: Promise<void> | undefined;
  #isClosed = false;
  #hasFailed = false;

  constructor(level: LevelUp, tables: Tables, place?: Place) {
    this.#level = level;
    this.#place = place;
    this.#tables = tables;
  }

  async write(operations: readonly Operation[]): Promise<void> {
    try {
      await this.#write(operations);
      this.#place?.assertSame();
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }

  async #write(operations: readonly Operation[]): Promise<void> {
    if (isInOnePiece(operations)) {
      return await this.#call('write', (done) =>
        this.#level.batch(operations, SYNC, (error) => done(error, undefined)),
      );
    }
    this.#assertOpen();
    const batch = this.#level.batch();
    await handOver(operations, batch);
    return await this.#call('write', (done) => batch.write(SYNC, (error) => done(error, undefined)));
  }

  async get(key: Buffer): Promise<Buffer | undefined> {
    // `get` of a missing key is an error in levelup; `getMany` answers undefined.
    return (await this.getMany([key]))[0];
  }

  async getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    if (keys.length === 0) return [];
    for (let mended = 0; ; mended += 1) {
      try {
        return await this.#call<(Buffer | undefined)[]>('read', (done) => this.#level.getMany(keys, done));
      } catch (error) {
        const isRotten = error instanceof StoreError && error.code === 'corrupt' && mended < MENDED_AT_ONCE;
        if (!isRotten || !(await this.#tables.mend(error.message))) throw error;
      }
    }
  }

  async check(range: KeySpan): Promise<void> {
    for await (const _ of this.#tables.pieces({ ...range, reverse: false })) this.#assertOpen();
  }

  bytesIn({ gte, lt }: KeySpan): Promise<number> {
    return this.#call('measure', (done) => this.#level.approximateSize(gte, lt, done));
  }

  compact({ gte, lt }: KeySpan): Promise<void> {
    return this.#call('compact', (done) => this.#level.compactRange(gte, lt, (error) => done(error, undefined)));
  }

  get unsortedBytes(): number {
    this.#assertOpen();
    return this.#property('rocksdb.cur-size-all-mem-tables');
  }

  get failures(): number {
    this.#assertOpen();
    return this.#property(FAILURES);
  }

  get unmergedFiles(): number {
    this.#assertOpen();
    return this.#property(UNMERGED);
  }

  get mendedBits(): number {
    return this.#tables.mendedBits;
  }

  get leftOut(): readonly string[] {
    return this.#tables.leftOut;
  }

  get damage(): string | undefined {
    return this.#tables.damage;
  }

  lookThrough(): Promise<void> {
    return this.#tables.lookThrough(() => this.#closing !== undefined);
  }

  async *entries(range: KeyRange): AsyncGenerator<readonly [Buffer, Buffer], void, void> {
    this.#assertOpen();
    const { reverse = false } = range;
    let left = range.limit ?? Number.POSITIVE_INFINITY;
    for await (const piece of this.#tables.pieces({ ...spanOf(range), reverse })) {
      for await (const entry of this.#iterate({ ...defined(piece), reverse })) {
        yield entry;
        left -= 1;
        if (left === 0) return;
      }
    }
  }

  async *#iterate(range: KeyRange): AsyncGenerator<readonly [Buffer, Buffer], void, void> {
    this.#assertOpen();
    const iterator = this.#level.iterator({ ...range, fillCache: false, highWaterMark: READ_AHEAD_BYTES });
    try {
      for (;;) {
        const entry = await nextOf(iterator).catch((error) => {
          this.#assertOpen();
          throw error;
        });
        if (entry === undefined) return;
        yield entry;
      }
    } finally {
      // Closing ends every iterator, and one that has ended never answers.
      if (!this.#closing) await new Promise<void>((resolve) => iterator.end(() => resolve()));
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async calm(withinMs: number): Promise<boolean> {
    // A property of a closed database would end the process.
    const isWell = () => this.#isClosed || (!this.#hasFailed && this.#property(FAILURES) === 0);
    return await isCalm({ isWell, property: (name) => this.#property(name) }, withinMs);
  }

  async #close(): Promise<void> {
    await this.calm(CALM_MAX_MS);
    this.#isClosed = true;
    const closed = new Promise<void>((resolve, reject) =>
      this.#level.close((error) => (error ? reject(toStoreError(error, 'close')) : resolve())),
    );
    const given = new AbortController();
    const stuck = sleep(CLOSE_MAX_MS, undefined, { signal: given.signal, ref: false }).then(() => {
      throw new StoreError('io', 'RocksDB does not come back from closing; only a new process can open the database');
    });
    stuck.catch(() => {});
    await Promise.race([closed, stuck]).finally(() => given.abort());
  }

  #property(name: string): number {
    return Number(this.#level._db.db.getProperty(name));
  }

  #assertOpen(): void {
    if (this.#closing) throw new StoreError('closed', 'the database is closed');
  }

  #call<T>(doing: string, start: (done: (error: Error | null | undefined, value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#assertOpen();
      start((error, value) => (error ? reject(toStoreError(error, doing)) : resolve(value)));
    });
  }
}
