/** The part of `level-rocksdb` (levelup over RocksDB) that this folder uses; the package ships no types. */
declare module 'level-rocksdb' {
  import type { EventEmitter } from 'node:events';

  type Callback<T> = (error: Error | null | undefined, value: T) => void;

  interface LevelIterator {
    next(callback: (error: Error | null | undefined, key?: Buffer, value?: Buffer) => void): void;
    seek(target: Buffer): void;
    end(callback: (error?: Error | null) => void): void;
  }

  interface LevelRange {
    readonly gte?: Buffer;
    readonly gt?: Buffer;
    readonly lt?: Buffer;
    readonly lte?: Buffer;
    readonly reverse?: boolean;
    readonly limit?: number;
    readonly values?: boolean;
    readonly fillCache?: boolean;
    readonly highWaterMark?: number;
  }

  type LevelOperation =
    | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
    | { readonly type: 'del'; readonly key: Buffer };

  interface LevelBatch {
    put(key: Buffer, value: Buffer): void;
    del(key: Buffer): void;
    write(options: { sync: boolean }, callback: (error?: Error | null) => void): void;
  }

  interface LevelUp extends EventEmitter {
    open(callback: (error?: Error | null) => void): void;
    close(callback: (error?: Error | null) => void): void;
    get(key: Buffer, callback: Callback<Buffer>): void;
    getMany(keys: readonly Buffer[], callback: Callback<(Buffer | undefined)[]>): void;
    approximateSize(start: Buffer, end: Buffer, callback: Callback<number>): void;
    compactRange(start: Buffer, end: Buffer, callback: (error?: Error | null) => void): void;
    batch(
      operations: readonly LevelOperation[],
      options: { sync: boolean },
      callback: (error?: Error | null) => void,
    ): void;
    batch(): LevelBatch;
    iterator(range: LevelRange): LevelIterator;
    /** The encoding layer, and under it the binding: the only way to RocksDB's properties. */
    readonly _db: { readonly db: { getProperty(name: string): string } };
  }

  interface LevelRocksOptions {
    readonly keyEncoding: 'binary';
    readonly valueEncoding: 'binary';
    readonly createIfMissing?: boolean;
    readonly errorIfExists?: boolean;
    readonly compression?: boolean;
    readonly cacheSize?: number;
    readonly writeBufferSize?: number;
    readonly blockSize?: number;
    readonly maxOpenFiles?: number;
    readonly maxFileSize?: number;
    readonly readOnly?: boolean;
  }

  /** Without a callback the database opens itself on the next tick and emits `error` where that fails. */
  export default function levelRocks(
    location: string,
    options: LevelRocksOptions,
    callback: (error: Error | undefined, database: LevelUp) => void,
  ): LevelUp;
  export type { LevelIterator, LevelOperation, LevelRange, LevelRocksOptions, LevelUp };
}
