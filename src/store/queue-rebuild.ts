/**
 * Rebuilding: what is good of a queue, in a new database.
 *
 * Owns the copy. RocksDB never gets past a sorted file that has rotted: it tries to merge it again and again, its files
 * pile up, and in the end it holds every write back for ever. And it opens nothing once its MANIFEST is lost, however
 * whole all else is. Promises that the queue is the old database until the new one is whole and on disk. Never runs
 * beside another write: the queue sees to that.
 */
import { StoreError } from './errors.ts';
import { generationPath } from './generations.ts';
import { familyRange, numberKey, QUEUE } from './keys.ts';
import { type Block, blockPut } from './queue-blocks.ts';
import type { QueueFiles } from './queue-files.ts';
import type { Gap, Put } from './queue-records.ts';
import { type LoadedQueue, loadState, type Witnessed } from './queue-state.ts';
import type { Operation, openRocks, Rocks } from './rocks.ts';
import type { Entry, RocksHandle } from './rocks-handle.ts';
import { freeBytes } from './room.ts';

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
  const { handle, blocks } = options;
  await publish(options, async (rocks) => {
    await copy(rocks, blockPuts(blocks));
    // Only now: reading the blocks may have added gaps and moved the position.
    await copy(rocks, entryPuts(handle.walk(BEFORE_BLOCKS)));
    await copy(rocks, entryPuts(handle.walk(familyRange(QUEUE.mark))));
  });
}

export interface OpenOptions extends Pick<RebuildOptions, 'path' | 'open'> {
  readonly deviceId: string | undefined;
  readonly create: boolean;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly files: Publication['files'] & Pick<QueueFiles, 'newestGeneration' | 'salvage'>;
  readonly witnessed: () => Promise<Witnessed | undefined>;
  /** Called for what turns out to be lost besides blocks, once it is a gap. */
  readonly onLost: (gap: Gap) => void;
}

export interface Opened extends LoadedQueue {
  readonly rocks: Rocks;
  readonly generation: number;
  /** What is left out, or was wrong with the database before this one. */
  readonly trouble: readonly string[];
}

/**
 * Opens the newest database; where its files are damaged so that it does not open, or its records cannot be read, a new
 * one of what is whole in them. A block of events that is damaged is no reason: it is set aside when it is read.
 */
export async function openWhole(options: OpenOptions): Promise<Opened> {
  const { path, files } = options;
  const newest = Math.max(1, await files.newestGeneration(path));
  try {
    return await openOne(options, newest);
  } catch (error) {
    if (!(error instanceof DamageError) || files.salvage === undefined) throw error;
    const { bytes, damaged, entries } = await files.salvage(generationPath(path, newest));
    // RocksDB must not meet the end of the disk by itself.
    if (bytes > (await freeBytes(path))) {
      const need = `what is whole goes on as a copy, which takes ${bytes} bytes: make room for it`;
      throw new StoreError('disk-full', `${error.message}; ${need}`);
    }
    const generation = newest + 1;
    const gaps: Gap[] = [];
    await publish({ ...options, generation }, async (rocks) => {
      await copy(rocks, entryPuts(entries()));
      const settings = { witnessed: await options.witnessed(), isPartial: true, onLost: (gap: Gap) => gaps.push(gap) };
      // Now: once it is the queue, nobody knows that some of it is missing.
      await loadState(rocks, { ...options, ...settings });
    });
    for (const gap of gaps) options.onLost(gap);
    const others = [...damaged].filter((name) => !error.message.includes(name)).map((name) => `${name} is damaged`);
    // The witness may still be ahead, and then it says so once more.
    const isTold = ({ first }: Gap) => gaps.some((gap) => gap.first === first);
    const onLost = (gap: Gap) => (isTold(gap) ? undefined : options.onLost(gap));
    return { ...(await openOne({ ...options, onLost }, generation)), trouble: [error.message, ...others] };
  }
}

/** The files of a database are damaged; what it is, is not in question. */
class DamageError extends StoreError {}

async function openOne(options: OpenOptions, generation: number): Promise<Opened> {
  const { path, create, open } = options;
  const rocks = await open(generationPath(path, generation), { create, broken: 'leave-out' }).catch((error) => {
    throw error instanceof StoreError && error.code === 'corrupt' ? new DamageError('corrupt', error.message) : error;
  });
  try {
    for (const records of [BEFORE_BLOCKS, familyRange(QUEUE.mark)]) await rocks.check(records);
    const loaded = await loadState(rocks, { ...options, witnessed: await options.witnessed() });
    return { ...loaded, rocks, generation, trouble: rocks.leftOut };
  } catch (error) {
    await rocks.close().catch(() => {});
    throw rocks.damage === undefined ? error : new DamageError('corrupt', rocks.damage);
  }
}

type Publication = Pick<RebuildOptions, 'path' | 'generation' | 'open' | 'files'>;

async function publish({ path, generation, open, files }: Publication, fill: (rocks: Rocks) => Promise<void>) {
  const unfinished = await files.clearUnfinished(path);
  const rocks = await open(unfinished);
  try {
    await fill(rocks);
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
