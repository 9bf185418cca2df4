/**
 * Rebuilding: what is good of a queue, in a new database.
 *
 * Owns the copy. RocksDB never gets past a sorted file that has rotted: it tries to merge it again and again, its files
 * pile up, and in the end it holds every write back for ever. Promises that the queue is the old database until the new
 * one is whole and on disk. Never runs beside another write: the queue sees to that.
 */
import { familyRange, numberKey, QUEUE } from './keys.ts';
import { type Block, blockPut } from './queue-blocks.ts';
import type { QueueFiles } from './queue-files.ts';
import type { Put } from './queue-records.ts';
import type { Operation, openRocks, Rocks } from './rocks.ts';
import type { Entry, RocksHandle } from './rocks-handle.ts';

const COMMIT_BYTES = 1 << 20;
/** Up to and with the fence. */
const BEFORE_BLOCKS = { gte: Buffer.from([QUEUE.meta]), lt: numberKey(QUEUE.block, 0) };

export interface RebuildOptions {
  /** The queue's directory. */
  readonly path: string;
  /** The number of the new database. */
  readonly generation: number;
  readonly open: typeof openRocks;
  readonly files: Pick<QueueFiles, 'clearUnfinished' | 'publishUnfinished'>;
  readonly handle: RocksHandle;
  /** The blocks that are queued; what is damaged among them has been set aside when this ends. */
  readonly blocks: AsyncIterable<Block>;
}

export async function rebuildQueue(options: RebuildOptions): Promise<void> {
  const { path, generation, open, files, handle, blocks } = options;
  const unfinished = await files.clearUnfinished(path);
  const rocks = await open(unfinished);
  try {
    await copy(rocks, blockPuts(blocks));
    // Only now: reading the blocks may have added gaps and moved the position.
    await copy(rocks, entryPuts(handle.walk(BEFORE_BLOCKS)));
    await copy(rocks, entryPuts(handle.walk(familyRange(QUEUE.mark))));
    await rocks.close();
  } catch (error) {
    await rocks.close().catch(() => {});
    await files.clearUnfinished(path);
    throw error;
  }
  await files.publishUnfinished(path, generation);
}

async function copy(into: Rocks, operations: AsyncIterable<Put>): Promise<void> {
  let commit: Operation[] = [];
  let bytes = 0;
  for await (const operation of operations) {
    commit.push(operation);
    bytes += operation.value.length;
    if (bytes < COMMIT_BYTES) continue;
    await into.write(commit);
    commit = [];
    bytes = 0;
  }
  await into.write(commit);
}

async function* blockPuts(blocks: AsyncIterable<Block>) {
  for await (const block of blocks) yield blockPut(block);
}

async function* entryPuts(entries: AsyncIterable<Entry>) {
  for await (const [key, value] of entries) yield { type: 'put', key, value } as const;
}
