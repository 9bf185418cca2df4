/**
 * Ending on request: the first signal asks, the second one ends.
 *
 * Owns SIGINT and SIGTERM of the process. Promises that a second signal ends the process at once, with the status a
 * shell gives for that signal. Never decides what ending well takes.
 */
import { constants } from 'node:os';

export type ShutdownSignal = 'SIGINT' | 'SIGTERM';

export interface Shutdown {
  /** Settles as the graceful end does, if a signal ever comes. */
  readonly done: Promise<void>;
  /** Gives the signals back to the process, once there is nothing left to end well. */
  release(): void;
}

/** Calls `stop` at the first SIGINT or SIGTERM. The second ends the process with status 130 or 143. */
export function onShutdown(stop: (signal: ShutdownSignal) => Promise<void>): Shutdown {
  const { promise, resolve } = deferred();
  let asked = false;
  const listener = (signal: ShutdownSignal) => {
    if (asked) process.exit(128 + constants.signals[signal]);
    asked = true;
    resolve(stop(signal));
  };
  const signals: readonly ShutdownSignal[] = ['SIGINT', 'SIGTERM'];
  for (const signal of signals) process.on(signal, listener);
  return {
    done: promise,
    release: () => {
      for (const signal of signals) process.off(signal, listener);
    },
  };
}

function deferred(): { promise: Promise<void>; resolve: (value: Promise<void>) => void } {
  let resolve!: (value: Promise<void>) => void;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
