/**
 * Line: what a slow link does to every message, whatever else happens to it.
 *
 * Owns the time that bytes take: so many bits a second in either direction, one message behind another, and half a
 * round trip for each. Promises that once released it takes no time at all, for what is under way too. Loses and
 * changes nothing.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

export interface LineOptions {
  /** In either direction. */
  readonly bitsPerSecond: number;
  readonly roundTripMs: number;
}

export type Direction = 'there' | 'back';

export interface Line {
  /** Resolves when so many bytes have arrived at the other end. */
  carry(direction: Direction, bytes: number): Promise<void>;
  /** From now on it is no bottleneck. */
  release(): void;
}

export function createLine({ bitsPerSecond, roundTripMs }: LineOptions): Line {
  const released = new AbortController();
  setMaxListeners(0, released.signal);
  /** When the last bit that was handed over will have left, by `performance.now()`. */
  const freeAt = { there: 0, back: 0 };
  return {
    async carry(direction, bytes) {
      if (released.signal.aborted) return;
      const now = performance.now();
      freeAt[direction] = Math.max(now, freeAt[direction]) + (bytes * 8_000) / bitsPerSecond;
      const arrivesAt = freeAt[direction] + roundTripMs / 2;
      // A timer counts whole milliseconds, so it may end too early by up to two.
      for (let left = arrivesAt - now; left > 0 && !released.signal.aborted; left = arrivesAt - performance.now()) {
        await sleep(left, undefined, { signal: released.signal }).catch(() => {});
      }
    },
    release: () => released.abort(),
  };
}
