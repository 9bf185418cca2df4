/**
 * Timer: monotonic time and waiting, so that a wall clock that jumps disturbs no wait, and a simulation can own both.
 */
export interface Timer {
  /** Monotonic milliseconds from an arbitrary start. */
  now(): number;
  /**
   * Calls back once after so many milliseconds, unless the returned function is called first. Where the delay is longer
   * than the timer can hold it may call back early: whoever waits looks again.
   */
  after(delayMs: number, callback: () => void): () => void;
}

/** Beyond this `setTimeout` does not wait at all. */
const DELAY_MAX_MS = 2 ** 31 - 1;

export const systemTimer: Timer = {
  now: () => performance.now(),
  after(delayMs, callback) {
    const timeout = setTimeout(callback, Math.min(delayMs, DELAY_MAX_MS));
    return () => clearTimeout(timeout);
  },
};

/** Resolves after the delay, or as soon as the signal aborts; never rejects. */
export function pause(timer: Timer, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = timer.after(delayMs, done);
    signal.addEventListener('abort', done, { once: true });
  });
}
