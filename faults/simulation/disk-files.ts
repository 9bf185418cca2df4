/**
 * DiskFiles: what a queue asks of a file system beside its databases, on a disk in memory.
 *
 * Owns the names of a queue's databases and the reserve. Promises that each change is whole or not there. Never full by
 * itself: the disk says so.
 */
import type { QueueFiles } from '../../src/store/queue-files.ts';
import type { Disk } from './disk.ts';
import { never } from './handle.ts';

/** Writes for which the reserve makes room. */
const RESERVE_WRITES = 12;

export interface DiskFilesOptions {
  readonly disk: Disk;
  /** Whether the machine that was given these still runs. */
  readonly isAlive: () => boolean;
  /** Another database has become the queue. */
  readonly onPublished: (path: string) => void;
}

export function createDiskFiles({ disk, isAlive, onPublished }: DiskFilesOptions): QueueFiles {
  const whileAlive = async <T>(work: () => T): Promise<T> => (isAlive() ? work() : never());
  const generationsIn = (path: string): number[] =>
    disk
      .paths()
      .filter((one) => one.startsWith(`${path}/db-`))
      .map((one) => Number(one.slice(path.length + 4)))
      .filter((generation) => generation >= 1);
  return {
    makeDirectory: () => whileAlive(() => {}),
    access: () => whileAlive(() => {}),
    // A machine that has crashed holds nothing.
    lock: () => whileAlive(() => ({ release: async () => {} })),
    // A disk that takes nothing shows it when it is written to.
    assertWritable: async () => {},
    newestGeneration: (path) => whileAlive(() => Math.max(0, ...generationsIn(path))),
    clearUnfinished: (path) =>
      whileAlive(() => {
        disk.remove(`${path}/db-unfinished`);
        return `${path}/db-unfinished`;
      }),
    publishUnfinished: (path, generation) =>
      whileAlive(() => {
        disk.rename(`${path}/db-unfinished`, `${path}/db-${generation}`);
        onPublished(`${path}/db-${generation}`);
      }),
    removeOlder: (path, generation) =>
      whileAlive(() => {
        for (const older of generationsIn(path)) if (older < generation) disk.remove(`${path}/db-${older}`);
        disk.remove(`${path}/db-unfinished`);
      }),
    async openReserve() {
      let isHeld = true;
      return {
        isLow: () =>
          whileAlive(() => {
            const isLow = disk.isFull();
            if (!isLow) isHeld = true;
            return isLow;
          }),
        remeasure: () => {},
        spend: () =>
          whileAlive(() => {
            if (!isHeld) return false;
            isHeld = false;
            disk.fullBut(RESERVE_WRITES);
            return true;
          }),
        close: () => whileAlive(() => {}),
      };
    },
  };
}
