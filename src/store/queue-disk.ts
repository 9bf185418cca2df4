/**
 * The queue's hold on its disk: one database, its state, and the reserve beside it.
 *
 * Owns the order of commits and what happens when one fails. Promises that changes run one at a time, each on a state
 * that is the disk's; that after a failed write the database is opened again and its state read from it; and that
 * whatever frees space gets through on a full disk. Never decides what a change is.
 */
import { join } from 'node:path';
import { isDiskFull, StoreError, toStoreError } from './errors.ts';
import type { FileLock } from './folder-lock.ts';
import { numberKey, QUEUE } from './keys.ts';
import type { Block } from './queue-blocks.ts';
import type { Change } from './queue-changes.ts';
import type { QueueFiles } from './queue-files.ts';
import type { Position } from './queue-position.ts';
import { openWhole, rebuildQueue } from './queue-rebuild.ts';
import type { Gap } from './queue-records.ts';
import { createSidecar, type Sidecar } from './queue-sidecar.ts';
import { EMPTY, type QueueState, stateOperations, type Witnessed } from './queue-state.ts';
import type { Reserve } from './reserve.ts';
import type { openRocks, Rocks } from './rocks.ts';
import { CALM_MAX_MS } from './rocks-calm.ts';
import { createRocksHandle, type RocksHandle } from './rocks-handle.ts';
import { createRotWatch, type RotWatch, rotError } from './rot-watch.ts';

export interface QueueDiskOptions {
  readonly path: string;
  readonly deviceId: string | undefined;
  readonly create: boolean;
  readonly reserveBytes: number;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly now: () => number;
  readonly onLate: () => void;
  readonly onRot: (error: StoreError) => void;
  readonly open: typeof openRocks;
  readonly files: QueueFiles;
  /** Called for what the database turns out to have lost without a trace. */
  readonly onLost: (gap: Gap) => void;
}

export interface QueueDisk {
  /** As of the last commit. */
  readonly state: QueueState;
  /** As the witness had them at the opening. */
  readonly witnessedTotals: Uint8Array | undefined;
  readonly handle: RocksHandle;
  /** Runs one task at a time, with the database open. */
  exclusive<T>(task: () => Promise<T>): Promise<T>;
  /** Commits what `plan` makes of the state; an urgent one is tried again where the disk was full. Exclusive. */
  commit(plan: (state: QueueState) => Change, isUrgent: boolean): Promise<void>;
  /** `disk-full` where `bytes` more would leave too little to drain with. Exclusive. */
  assertRoom(bytes: number): Promise<void>;
  /** Puts a new database in the place of one that RocksDB keeps failing at. Exclusive. */
  renewIfFailing(blocks: () => AsyncIterable<Block>): Promise<void>;
  /** Waits for every task. */
  close(): Promise<void>;
}

export async function openQueueDisk(options: QueueDiskOptions): Promise<QueueDisk> {
  try {
    const { path, reserveBytes: bytes, randomBytes, now, files } = options;
    if (options.create) await files.makeDirectory(path);
    // Before the lock, which is a file, too.
    else if ((await files.newestGeneration(path)) === 0) throw new StoreError('not-found', 'there is no queue');
    const lock = await files.lock(path);
    // failpoint: queue-locked
    try {
      const reserve = await files.openReserve({ path: join(path, 'reserve'), bytes, randomBytes, now });
      const disk = new Disk(options, reserve, lock);
      await disk.start().catch(async (error) => {
        await disk.close();
        throw error;
      });
      // failpoint: queue-opened
      return disk;
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    throw toStoreError(error, `cannot open the queue in ${options.path}`);
  }
}

class Disk implements QueueDisk {
  readonly handle: RocksHandle;
  readonly #options: QueueDiskOptions;
  readonly #reserve: Reserve;
  readonly #lock: FileLock;
  readonly #watch: RotWatch;
  readonly #sidecar: Sidecar;
  #state: QueueState = EMPTY;
  #generation = 0;
  #failuresSeen = 0;
  /** The position before a change of which nobody knows whether it came to disk; the next opening tells. */
  #doubted: Position | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(options: QueueDiskOptions, reserve: Reserve, lock: FileLock) {
    this.#options = options;
    this.#reserve = reserve;
    this.#lock = lock;
    this.#sidecar = createSidecar({ ...options, onTrouble: options.onRot });
    this.handle = createRocksHandle(() => this.#open());
    this.#watch = createRotWatch(this.handle, (report) => options.onRot(rotError(options.path, report)));
  }

  get witnessedTotals(): Uint8Array | undefined {
    return this.#sidecar.witnessedTotals;
  }

  get state(): QueueState {
    return this.#state;
  }

  async start(): Promise<void> {
    await this.#ready();
    await this.#reserve.isLow(0);
  }

  exclusive<T>(task: () => Promise<T>): Promise<T> {
    if (this.#closing) return Promise.reject(new StoreError('closed', 'the queue is closed'));
    const run = this.#last.then(() => this.#ready()).then(task);
    this.#last = run.catch(() => {});
    return run;
  }

  async commit(plan: (state: QueueState) => Change, isUrgent: boolean): Promise<void> {
    for (let isFirstTry = true; ; isFirstTry = false) {
      const before = this.#state;
      const { state: after, operations } = plan(before);
      try {
        await this.handle.use((rocks) => rocks.write([...operations, ...stateOperations(before, after)]));
        this.#state = after;
        await this.#sidecar.committed(before, after, operations);
        return;
      } catch (error) {
        // Opening again writes, and so does closing.
        if (isDiskFull(error)) await this.#reserve.spend();
        this.handle.doubt();
        await this.#ready(CALM_MAX_MS).catch((failure) => {
          this.#doubted ??= before.position;
          throw failure;
        });
        // What failed may be on disk after all, and then it is durable: opening has written it anew.
        // Of what was appended the next sequence tells; what was lost meanwhile has moved the revision.
        const { revision, next } = this.#state.position;
        const isAppended = next > before.position.next;
        if (next === after.position.next && (isAppended || revision === after.position.revision)) {
          return await this.#sidecar.committed(before, this.#state, operations);
        }
        if (!(isFirstTry && isUrgent && isDiskFull(error))) throw error;
      }
    }
  }

  async assertRoom(bytes: number): Promise<void> {
    const pendingBytes = await this.handle.use(async (rocks) => rocks.unsortedBytes);
    if (!(await this.#reserve.isLow(bytes, pendingBytes))) return;
    await this.#reclaim();
    if (await this.#reserve.isLow(bytes, pendingBytes))
      throw new StoreError('disk-full', 'too little space to drain the queue with');
  }

  async renewIfFailing(blocks: () => AsyncIterable<Block>): Promise<void> {
    const { failures, bytes } = await this.handle.use(async (rocks) => {
      this.#watch.observe(rocks);
      const { failures } = rocks;
      // Measured only where it matters.
      const bytes = failures > 2 * this.#failuresSeen ? await rocks.bytesIn(EVERYTHING) : 0;
      return { failures, bytes };
    });
    if (failures <= 2 * this.#failuresSeen) return;
    this.#failuresSeen = failures;
    if (await this.#reserve.isLow(bytes)) return;
    const { path, open, files } = this.#options;
    try {
      const generation = this.#generation + 1;
      await rebuildQueue({ path, generation, open, files, handle: this.handle, blocks: blocks() });
    } catch (error) {
      // The old one goes on as long as it can. The next try comes when it has failed as often again.
      if (error instanceof StoreError) return;
      throw error;
    }
    this.handle.giveUp();
    await this.#ready();
  }

  close(): Promise<void> {
    this.#closing ??= this.#last.then(async () => {
      await this.handle.close();
      await this.#watch.idle();
      await this.#reserve.close();
      await this.#sidecar.close();
      // failpoint: queue-closed
      await this.#lock.release();
    });
    return this.#closing;
  }

  /** Opens the database again where it is not trusted; until that can be done, only reading goes on. */
  async #ready(withinMs = 0): Promise<void> {
    const { path, files } = this.#options;
    await this.handle.trusted(withinMs, () => files.assertWritable(path));
  }

  /** Deleted blocks keep their space until RocksDB rewrites the files that they are in, which it may never do. */
  async #reclaim(): Promise<void> {
    const released = { gte: numberKey(QUEUE.block, 0), lt: numberKey(QUEUE.block, this.#state.position.head) };
    await this.handle.use(async (rocks) => {
      if ((await rocks.bytesIn(released)) < this.#options.reserveBytes / 2) return;
      await rocks.compact(released);
      this.#reserve.remeasure();
    });
  }

  #endDoubt(): void {
    const before = this.#doubted;
    this.#doubted = undefined;
    const { revision, next } = this.#state.position;
    if (before && (revision !== before.revision || next !== before.next)) this.#options.onLate();
  }

  async #open(): Promise<Rocks> {
    try {
      return await this.#openNewest();
    } catch (error) {
      // Even opening writes.
      if (!isDiskFull(error) || !(await this.#reserve.spend())) throw error;
      return await this.#openNewest();
    }
  }

  async #openNewest(): Promise<Rocks> {
    const { path, files, onRot } = this.#options;
    let statement: Promise<Witnessed | undefined> | undefined;
    // Once for each opening, and not before the database is there.
    const witnessed = () => (statement ??= this.#sidecar.witnessed());
    const { rocks, generation, trouble, ...loaded } = await openWhole({ ...this.#options, witnessed });
    try {
      await files.removeOlder(path, generation);
      await witnessed();
      this.#state = await this.#sidecar.opened(rocks, loaded, trouble.length > 0);
      if (trouble.length > 0) onRot(rotError(path, { trouble: trouble.join(', ') }));
      this.#generation = generation;
      this.#failuresSeen = 0;
      this.#endDoubt();
      return rocks;
    } catch (error) {
      await rocks.close().catch(() => {});
      throw toStoreError(error, `cannot open the queue in ${path}`);
    }
  }
}

const EVERYTHING = { gte: Buffer.from([QUEUE.meta]), lt: Buffer.from([QUEUE.mark + 1]) };
