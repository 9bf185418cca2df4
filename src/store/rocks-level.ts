/**
 * RocksDB's binding, opened.
 *
 * Owns the only use of `level-rocksdb`, and the settings that a database is opened with. Promises nothing about what it
 * opens: `rocks.ts` does.
 */
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import type { LevelUp } from 'level-rocksdb';
import { StoreError, toStoreError } from './errors.ts';
import { levelRocks } from './rocksdb-addon.ts';

export interface LevelOptions {
  readonly create: boolean;
  readonly cacheBytes?: number | undefined;
  readonly writeBufferBytes?: number | undefined;
  readonly compression?: boolean | undefined;
}

export function openLevel(path: string, options: LevelOptions): Promise<LevelUp> {
  return open(path, {
    createIfMissing: options.create,
    compression: options.compression ?? false,
    cacheSize: options.cacheBytes ?? 2 << 20,
    writeBufferSize: options.writeBufferBytes ?? 4 << 20,
  });
}

/** Rejects with `locked` where a process has the database open; changes nothing. */
export async function assertUnlocked(path: string): Promise<void> {
  try {
    // It takes the lock before it refuses because there is a database.
    await open(path, { createIfMissing: false, errorIfExists: true });
  } catch (cause) {
    const error = toStoreError(cause, 'cannot lock the database');
    if (error.code === 'locked') throw error;
    return;
  }
  throw new StoreError('corrupt', 'a database came about that was not asked for');
}

async function open(path: string, settings: Partial<Parameters<typeof levelRocks>[1]>): Promise<LevelUp> {
  await assertLockable(path);
  return await new Promise((resolve, reject) => {
    const encodings = { keyEncoding: 'binary', valueEncoding: 'binary' } as const;
    levelRocks(path, { ...encodings, ...settings }, (error, database) => (error ? reject(error) : resolve(database)));
  });
}

/**
 * RocksDB that may not open its lock file takes it for locked by this process ever after. Asked without opening it, for
 * closing it again would let go of a lock that this process has.
 */
async function assertLockable(path: string): Promise<void> {
  try {
    await access(join(path, 'LOCK'), constants.W_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await access(path, constants.W_OK);
  }
}
