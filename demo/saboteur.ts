/**
 * Saboteur: `kill -9`, now to a device, now to the gateway.
 *
 * Owns whom it meets and when, by the seed. Promises one victim at a time, and none after `stop()` has resolved.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createRandom } from '../rig/random.ts';

export interface Victim {
  readonly id: string;
  crash(): Promise<void>;
}

export interface SaboteurOptions {
  readonly victims: readonly Victim[];
  readonly seed: number;
  /** Time between two crashes, milliseconds. */
  readonly pauseMinMs: number;
  readonly pauseMaxMs: number;
  readonly onKill: (id: string) => void;
  readonly onError: (error: Error) => void;
}

export interface Saboteur {
  /** Resolves once the last victim is up again. */
  stop(): Promise<void>;
}

export function startSaboteur(options: SaboteurOptions): Saboteur {
  const { victims, seed, pauseMinMs, pauseMaxMs, onKill, onError } = options;
  const random = createRandom(seed);
  const stopped = new AbortController();
  const work = async (): Promise<void> => {
    for (;;) {
      const pauseMs = pauseMinMs + random() * (pauseMaxMs - pauseMinMs);
      const victim = victims[Math.floor(random() * victims.length)]!;
      await sleep(pauseMs, undefined, { signal: stopped.signal }).catch(() => {});
      if (stopped.signal.aborted) return;
      onKill(victim.id);
      await victim.crash();
    }
  };
  const done = work().catch((error: Error) => onError(error));
  return {
    stop() {
      stopped.abort();
      return done;
    },
  };
}
