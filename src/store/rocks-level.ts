/**
 * RocksDB's binding, opened.
 *
 * Owns the only use of `level-rocksdb`, and the settings that a database is opened with. Promises nothing about what it
 * opens: `rocks.ts` does.
 */
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import type { LevelUp } from 'level-rocksdb';
import { levelRocks } from './rocksdb-addon.ts';

export interface LevelOptions {
  readonly create: boolean;
  /** Changes no file and takes no lock; what is written afterwards is not seen. */
  readonly readOnly?: boolean | undefined;
  readonly cacheBytes?: number | undefined;
  readonly writeBufferBytes?: number | undefined;
  readonly compression?: boolean | undefined;
}

export async function openLevel(path: string, options: LevelOptions): Promise<LevelUp> {
  const readOnly = options.readOnly ?? false;
  if (!readOnly) await assertLockable(path);
  const settings = {
    keyEncoding: 'binary',
    valueEncoding: 'binary',
    createIfMissing: options.create,
    readOnly,
    compression: options.compression ?? false,
    cacheSize: options.cacheBytes ?? 2 << 20,
    writeBufferSize: options.writeBufferBytes ?? 4 << 20,
  } as const;
  return await new Promise((resolve, reject) => {
    levelRocks(path, settings, (error, database) => (error ? reject(error) : resolve(database)));
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
