/** Time that only moves when a test says so. */
import type { Timer } from '../../src/device/index.ts';

export interface ManualTimer extends Timer {
  /** How long each wait that was begun was to be. */
  readonly delays: number[];
  /** Waits that are under way. */
  readonly waiting: number;
  /** Moves on, calling back whatever comes due on the way, each with the time at which it was due. */
  advance(ms: number): Promise<void>;
}

export function createManualTimer(): ManualTimer {
  let now = 1_000;
  const due = new Set<{ at: number; callback: () => void }>();
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const timer: ManualTimer = {
    delays: [],
    get waiting() {
      return due.size;
    },
    now: () => now,
    after(delayMs, callback) {
      timer.delays.push(delayMs);
      const wait = { at: now + delayMs, callback };
      due.add(wait);
      return () => due.delete(wait);
    },
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const [next] = [...due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (!next) break;
        due.delete(next);
        now = Math.max(now, next.at);
        next.callback();
        await settle();
      }
      now = end;
      await settle();
    },
  };
  return timer;
}
