/**
 * Whether RocksDB has nothing to write to sorted files, so that it can be closed.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 5;
/** As long as this nothing was to be written to sorted files. */
const CALM_MS = 100;
/** With space, RocksDB has got over a full disk by then: it tries again every 5 s. */
export const CALM_MAX_MS = 7_000;

const UNSORTED_WORK = ['num-immutable-mem-table', 'mem-table-flush-pending', 'num-running-flushes'].map(
  (name) => `rocksdb.${name}`,
);

interface Watched {
  /** It has never failed, or is closed: there is nothing to wait for. */
  isWell(): boolean;
  property(name: string): number;
}

/** False where there is still something to write after so long. */
export async function isCalm({ isWell, property }: Watched, withinMs: number): Promise<boolean> {
  for (let calmMs = 0, ms = 0; calmMs < CALM_MS; calmMs += POLL_MS, ms += POLL_MS) {
    if (isWell()) return true;
    if (UNSORTED_WORK.some((name) => property(name) > 0)) {
      if (ms >= withinMs) return false;
      calmMs = 0;
    }
    await sleep(POLL_MS);
  }
  return true;
}
