/**
 * Offline: a device's queue while no device runs on it.
 *
 * Owns what `status` and `quarantine` show then. Promises the same figures as a running device, counted from the disk.
 * Never sends anything.
 */
import { join } from 'node:path';
import { openQueue } from '../store/index.ts';
import { type AccountReport, createAccount } from './account.ts';
import { readTables } from './block.ts';
import { createGaps } from './gaps.ts';
import { type QuarantinedEvent, quarantinedEvents, tableOf } from './quarantine.ts';
import { askForRetry } from './retries.ts';
import { tallyOf } from './tally.ts';

export interface OfflineStatus extends AccountReport {
  readonly id: string;
  /** No device runs on the queue. */
  readonly link: null;
  readonly queueBytes: number;
}

export interface OfflineQueue {
  status(): Promise<OfflineStatus>;
  quarantine(): AsyncIterable<QuarantinedEvent>;
  /** Has the next run send what is in quarantine again; resolves with how many events had not been asked for before. */
  retryQuarantine(): Promise<number>;
  close(): Promise<void>;
}

/** @throws StoreError `not-found`, `locked` and others */
export async function openOffline(data: string): Promise<OfflineQueue> {
  const queue = await openQueue({ path: join(data, 'queue'), create: false });
  return {
    async status() {
      const account = createAccount(queue.totals);
      for await (const { table } of readTables(queue, queue.blocks())) {
        if (table) account.add('queued', tallyOf(table));
      }
      for await (const entry of queue.quarantine()) account.add('quarantined', tallyOf(tableOf(entry)));
      const gaps = createGaps();
      for (const gap of await queue.gaps()) account.add('gaps', gaps.add(gap).tally);
      return { id: queue.deviceId, link: null, queueBytes: queue.blockBytes, ...account.report() };
    },
    async *quarantine() {
      for await (const entry of queue.quarantine()) yield* quarantinedEvents(entry);
    },
    retryQuarantine: () => askForRetry(queue),
    close: () => queue.close(),
  };
}
