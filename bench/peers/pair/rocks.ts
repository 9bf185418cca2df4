/**
 * Rocks: RocksDB as people use it by hand: keys and values are text, and what matters is written with `sync`.
 *
 * Owns the promises around the binding's callbacks. Loads the binding the way the store does, by its file and not by
 * the store's front door, since nobody else should want it; and because it is the same one, the database is not what
 * differs.
 */
import { mkdir } from 'node:fs/promises';
import type { LevelOperation, LevelUp } from 'level-rocksdb';
import { levelRocks } from '../../../src/store/rocksdb-addon.ts';

export interface Rocks {
  /** At once or not at all, and synced. */
  write(operations: readonly LevelOperation[]): Promise<void>;
  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]>;
  /** From the first key on, in their order. */
  entries(limit: number, after?: Buffer): Promise<[key: Buffer, value: Buffer][]>;
  close(): Promise<void>;
}

export async function openRocks(folder: string): Promise<Rocks> {
  await mkdir(folder, { recursive: true });
  const encodings = { keyEncoding: 'binary', valueEncoding: 'binary' } as const;
  const database = await new Promise<LevelUp>((opened, failed) => {
    levelRocks(folder, encodings, (error, level) => (error ? failed(error) : opened(level)));
  });
  return {
    write: (operations) => settled((done) => database.batch(operations, { sync: true }, done)),
    getMany: (keys) => settled((done) => database.getMany(keys, done)),
    async entries(limit, after) {
      const iterator = database.iterator({ limit, ...(after === undefined ? {} : { gt: after }) });
      const found: [Buffer, Buffer][] = [];
      await new Promise<void>((done, failed) => {
        const take = (error: Error | null | undefined, key?: Buffer, value?: Buffer) => {
          if (error) return failed(error);
          if (key === undefined || value === undefined) return done();
          found.push([key, value]);
          iterator.next(take);
        };
        iterator.next(take);
      });
      await settled((done) => iterator.end(done));
      return found;
    },
    close: () => settled((done) => database.close(done)),
  };
}

function settled<T = void>(call: (done: (error?: Error | null, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value as T))));
}
