/**
 * How a gateway's database is opened, for its gateway or for who only looks.
 *
 * Owns what is asked of a database before anything is read from it: that it is a gateway's, and that it holds every
 * commit that its witness knows of. Promises that one which does not is refused before RocksDB may remove any of its
 * files. Never takes the lock.
 */
import type { BatchLog } from './batch-log.ts';
import { assertCommits, type CommitCount } from './commit-count.ts';
import { StoreError } from './errors.ts';
import { gatewayFiles } from './gateway-files.ts';
import { bringForward, hasFormat } from './gateway-format.ts';
import { openRocks, type Rocks } from './rocks.ts';

const CACHE_BYTES = 32 << 20;
const WRITE_BUFFER_BYTES = 16 << 20;

interface DatabaseOptions {
  readonly path: string;
  readonly cacheBytes?: number;
}

/** What reads from a database that was just opened. */
export interface OpenedParts {
  readonly log: Pick<BatchLog, 'resume'>;
  readonly count: Pick<CommitCount, 'assertWhole' | 'resume'>;
}

export function witnessOf({ path }: { readonly path: string }): string {
  return `${path}.witness`;
}

export function openForWriting(
  { path, cacheBytes = CACHE_BYTES }: DatabaseOptions,
  open: typeof openRocks,
): (parts: OpenedParts) => Promise<Rocks> {
  let exists = false;
  return async ({ log, count }) => {
    const assertWhole = async (rocks: Rocks) => {
      await hasFormat(rocks);
      await count.assertWhole(rocks);
    };
    // A database that was there and is gone must not come back empty.
    const memory = { cacheBytes, writeBufferBytes: WRITE_BUFFER_BYTES };
    const settings = { create: !exists, ...memory, assertWhole, noticesTouch: true };
    const rocks = await open(path, settings);
    try {
      await bringForward(rocks);
      await log.resume(rocks);
      await count.resume(rocks);
    } catch (error) {
      await rocks.close();
      throw error;
    }
    exists = true;
    return rocks;
  };
}

export function openForReading({
  path,
  cacheBytes = CACHE_BYTES,
}: DatabaseOptions): (parts: OpenedParts) => Promise<Rocks> {
  return async ({ log }) => {
    // Before the database, so that it is not ahead of what is seen of that.
    const statement = await gatewayFiles.readStatement(witnessOf({ path }));
    const rocks = await openRocks(path, { readOnly: true, cacheBytes });
    try {
      if (!(await hasFormat(rocks))) throw new StoreError('not-found', `there is no gateway's database in ${path}`);
      await assertCommits(rocks, statement, witnessOf({ path }));
      await log.resume(rocks);
    } catch (error) {
      await rocks.close();
      throw error;
    }
    return rocks;
  };
}
