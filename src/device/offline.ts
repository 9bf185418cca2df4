/**
 * Offline: a device's queue on disk, without asking the device.
 *
 * Owns what `status` and `quarantine` show then. Promises the same figures as a running device, counted from the disk,
 * and that looking changes no file, makes none, and keeps no device from starting. Never sends anything.
 */
import { join } from 'node:path';
import { lookAtQueue, openQueue } from '../store/index.ts';
import { type AccountReport, createAccount } from './account.ts';
import { readTables } from './block.ts';
import { createGaps } from './gaps.ts';
import { type QuarantinedEvent, quarantinedEvents, tableOf } from './quarantine.ts';
import { askForRetry } from './retries.ts';
import { tallyOf } from './tally.ts';

export interface OfflineStatus extends AccountReport {
  readonly id: string;
  /** Nobody says. */
  readonly link: null;
  /** Whether a device runs on the queue that does not answer. */
  readonly silent: boolean;
  readonly queueBytes: number;
}

/** @throws StoreError `not-found` and others */
export function offlineStatus(data: string, silent = false): Promise<OfflineStatus> {
  return lookAtQueue(queueIn(data), async (queue) => {
    const account = createAccount(queue.totals, queue.witnessedTotals);
    for await (const { table } of readTables(queue, queue.blocks())) {
      if (table) account.add('queued', tallyOf(table));
    }
    for await (const entry of queue.quarantine()) account.add('quarantined', tallyOf(tableOf(entry)));
    const gaps = createGaps();
    for (const gap of await queue.gaps()) account.add('gaps', gaps.add(gap).tally);
    return { id: queue.deviceId, link: null, silent, queueBytes: queue.blockBytes, ...account.report() };
  });
}

/** Events kept in memory at a time: a look that is upset begins anew, so none is given away before it ends. */
const LOOK_EVENTS = 20_000;

/** @throws StoreError `not-found` and others */
export async function* offlineQuarantine(data: string): AsyncGenerator<QuarantinedEvent, void, void> {
  for (let given = 0; ; ) {
    const events = await lookAtQueue(queueIn(data), async (queue) => {
      const found: QuarantinedEvent[] = [];
      for await (const entry of queue.quarantine()) {
        if (entry.first > given) found.push(...quarantinedEvents(entry));
        if (found.length >= LOOK_EVENTS) break;
      }
      return found;
    });
    const last = events.at(-1);
    if (last === undefined) return;
    yield* events;
    given = last.sequence;
  }
}

/**
 * Has the next run send what is in quarantine again; resolves with how many events had not been asked for before.
 * @throws StoreError `not-found`, `locked` and others
 */
export async function retryOffline(data: string): Promise<number> {
  const queue = await openQueue({ path: queueIn(data), create: false });
  try {
    return await askForRetry(queue);
  } finally {
    await queue.close();
  }
}

const queueIn = (data: string): string => join(data, 'queue');
