/**
 * Persistence: work that the disk may refuse, tried until it succeeds.
 *
 * Owns the pause between tries. Promises that each refusal is reported, and that closing ends it. Never gives up by
 * itself.
 */
import { pause, type Timer } from './timer.ts';

export interface PersistOptions {
  readonly timer: Timer;
  readonly signal: AbortSignal;
  /** The disk refused something. It is tried again. */
  readonly onFault: (error: unknown) => void;
}

/** How long to wait after the disk has refused something. */
const FAULT_PAUSE_MS = 1_000;

/** What the work gives in the end; undefined once the signal has aborted. */
export async function persist<T>(
  { timer, signal, onFault }: PersistOptions,
  work: () => Promise<T>,
): Promise<T | undefined> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) return undefined;
      onFault(error);
      await pause(timer, FAULT_PAUSE_MS, signal);
    }
  }
}
