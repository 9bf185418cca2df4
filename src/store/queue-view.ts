/**
 * A queue's disk for who only looks.
 *
 * Owns a read-only opening of the newest database. Promises to change no file and to need no lock. What opening the
 * queue would mend, and what a damaged block would become, is in the state that it shows, and in memory only.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { QueueOptions, QueueView } from './device-queue.ts';
import { StoreError, toStoreError } from './errors.ts';
import { generationPath } from './generations.ts';
import { lookAt } from './look.ts';
import { RocksQueue } from './queue.ts';
import type { Change } from './queue-changes.ts';
import type { QueueDisk } from './queue-disk.ts';
import { queueFiles } from './queue-files.ts';
import type { Gap } from './queue-records.ts';
import { loadState, type QueueState } from './queue-state.ts';
import { lostSince, witnessedBy } from './queue-witness.ts';
import { openRocks } from './rocks.ts';
import { createRocksHandle, type RocksHandle } from './rocks-handle.ts';

/**
 * What a queue holds, beside the device that runs on it or none: changes no file, needs no lock. Where a running device
 * upset the look, `look` is called again. Rejects with `not-found`, `corrupt` where it is no queue that we can read,
 * and with what `look` rejects with.
 */
export async function lookAtQueue<T>(path: string, look: (queue: QueueView) => Promise<T>): Promise<T> {
  const open = async () => {
    const lost: Gap[] = [];
    const onLost = (gap: Gap) => void lost.push(gap);
    const disk = await openViewedDisk(path, onLost);
    return new ViewedQueue(disk, { path, onDamage: onLost }, lost);
  };
  return await lookAt(path, open, look);
}

/** `onLost` is called for what the database turns out to have lost without a trace. */
async function openViewedDisk(path: string, onLost: (gap: Gap) => void): Promise<QueueDisk> {
  try {
    await queueFiles.access(path);
    const generation = await queueFiles.newestGeneration(path);
    if (generation === 0) throw new StoreError('not-found', 'there is no queue');
    // Before the database, so that it is not ahead of what is seen of that.
    const statement = await queueFiles.readStatement?.(join(path, 'witness'));
    const rocks = await openRocks(generationPath(path, generation), { readOnly: true, broken: 'leave-out' }).catch(
      (error) => {
        if (!(error instanceof StoreError) || error.code !== 'corrupt') throw error;
        throw new StoreError('corrupt', `${error.message}; the next start goes on with what is whole`, error);
      },
    );
    try {
      const logged = (await queueFiles.readRuns?.(join(path, 'streams'))) ?? [];
      const witnessed = witnessedBy(statement, logged);
      const looking = { deviceId: undefined, randomBytes, write: async () => {}, onLost };
      const { state: found } = await loadState(rocks, { ...looking, witnessed });
      const lost = lostSince(statement, found, logged);
      for (const gap of lost?.gaps ?? []) onLost(gap);
      return new ViewedDisk(
        createRocksHandle(async () => rocks),
        lost?.state ?? found,
        witnessed?.totals,
      );
    } catch (error) {
      await rocks.close();
      throw error;
    }
  } catch (error) {
    throw toStoreError(error, `cannot look at the queue in ${path}`);
  }
}

class ViewedDisk implements QueueDisk {
  readonly handle: RocksHandle;
  readonly witnessedTotals: Uint8Array | undefined;
  state: QueueState;
  #last: Promise<unknown> = Promise.resolve();

  constructor(handle: RocksHandle, state: QueueState, witnessedTotals: Uint8Array | undefined) {
    this.handle = handle;
    this.state = state;
    this.witnessedTotals = witnessedTotals;
  }

  exclusive<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#last.then(task);
    this.#last = run.catch(() => {});
    return run;
  }

  async commit(plan: (state: QueueState) => Change): Promise<void> {
    this.state = plan(this.state).state;
  }

  async assertRoom(): Promise<void> {}

  async renewIfFailing(): Promise<void> {}

  async close(): Promise<void> {
    await this.#last;
    // A handle that nobody has used has nothing open yet.
    await this.handle.use(async () => {});
    await this.handle.close();
  }
}

/** With gaps for what is damaged, as there would be had it been met by a device. */
class ViewedQueue extends RocksQueue {
  readonly #lost: readonly Gap[];

  constructor(disk: QueueDisk, options: QueueOptions, lost: readonly Gap[]) {
    super(disk, options);
    this.#lost = lost;
  }

  override async gaps(): Promise<Gap[]> {
    return [...(await super.gaps()), ...this.#lost].sort((a, b) => a.first - b.first);
  }
}
