/**
 * The RocksDB port: one open database of ordered byte keys and byte values.
 *
 * Owns the only import of `level-rocksdb`. Promises that every write is fsynced before it resolves, that a write is all
 * or nothing, and that every failure is a `StoreError`. Never looks into a key or a value.
 */
import { mkdir } from 'node:fs/promises';
import levelRocks, { type LevelIterator, type LevelOperation, type LevelRange, type LevelUp } from 'level-rocksdb';
import { StoreError, toStoreError } from './errors.ts';

export interface RocksOptions {
  /** Make the database where there is none; otherwise a missing one is `not-found`. Default true. */
  readonly create?: boolean;
  /** RocksDB's block cache. Default 8 MiB. */
  readonly cacheBytes?: number;
  /** The memtable: how much is held before a sorted file is written. Default 4 MiB. */
  readonly writeBufferBytes?: number;
  /** Snappy inside sorted files. Off where values are packed already. Default false. */
  readonly compression?: boolean;
}

export type Operation = LevelOperation;

/** Keys from `gte` (or above `gt`) to below `lt` (or to `lte`), ascending unless `reverse`. */
export type KeyRange = Pick<LevelRange, 'gte' | 'gt' | 'lt' | 'lte' | 'reverse' | 'limit'>;

export interface Rocks {
  /** One atomic, fsynced write. */
  write(operations: readonly Operation[]): Promise<void>;
  get(key: Buffer): Promise<Buffer | undefined>;
  /** In the order of the keys; `undefined` where there is none. */
  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]>;
  /** A snapshot of the range as of this call; writes made meanwhile are not seen. */
  entries(range: KeyRange): AsyncGenerator<readonly [key: Buffer, value: Buffer], void, void>;
  /** Waits for what is under way. Further calls are `closed`. Calling it again is harmless. */
  close(): Promise<void>;
}

/** Read-ahead of one iterator. Large enough for a few blocks a hop, small enough to hold in memory many times. */
const READ_AHEAD_BYTES = 256 * 1024;

export async function openRocks(path: string, options: RocksOptions = {}): Promise<Rocks> {
  const create = options.create ?? true;
  try {
    if (create) await mkdir(path, { recursive: true, mode: 0o700 });
    return new RocksDatabase(await openLevel(path, create, options));
  } catch (error) {
    throw toStoreError(error, `cannot open the database in ${path}`);
  }
}

function openLevel(path: string, create: boolean, options: RocksOptions): Promise<LevelUp> {
  return new Promise((resolve, reject) => {
    const settings = {
      keyEncoding: 'binary',
      valueEncoding: 'binary',
      createIfMissing: create,
      compression: options.compression ?? false,
      cacheSize: options.cacheBytes ?? 8 << 20,
      writeBufferSize: options.writeBufferBytes ?? 4 << 20,
    } as const;
    levelRocks(path, settings, (error, database) => (error ? reject(error) : resolve(database)));
  });
}

class RocksDatabase implements Rocks {
  readonly #level: LevelUp;
  #closing: Promise<void> | undefined;

  constructor(level: LevelUp) {
    this.#level = level;
  }

  write(operations: readonly Operation[]): Promise<void> {
    return this.#call('write', (done) => this.#level.batch(operations, { sync: true }, (error) => done(error, undefined)));
  }

  async get(key: Buffer): Promise<Buffer | undefined> {
    // `get` of a missing key is an error in levelup; `getMany` answers undefined.
    const [value] = await this.getMany([key]);
    return value;
  }

  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    if (keys.length === 0) return Promise.resolve([]);
    return this.#call('read', (done) => this.#level.getMany(keys, done));
  }

  async *entries(range: KeyRange): AsyncGenerator<readonly [Buffer, Buffer], void, void> {
    this.#assertOpen();
    const iterator = this.#level.iterator({ ...range, fillCache: false, highWaterMark: READ_AHEAD_BYTES });
    try {
      for (;;) {
        const entry = await nextOf(iterator);
        if (entry === undefined) return;
        yield entry;
      }
    } finally {
      await new Promise<void>((resolve) => iterator.end(() => resolve()));
    }
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve, reject) =>
      this.#level.close((error) => (error ? reject(toStoreError(error, 'close')) : resolve())),
    );
    return this.#closing;
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

function nextOf(iterator: LevelIterator): Promise<readonly [Buffer, Buffer] | undefined> {
  return new Promise((resolve, reject) => {
    iterator.next((error, key, value) => {
      if (error) reject(toStoreError(error, 'read'));
      else resolve(key === undefined || value === undefined ? undefined : [key, value]);
    });
  });
}
