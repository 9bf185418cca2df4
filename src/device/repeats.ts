/**
 * Repeats: the throttle of what comes again and again, of which a line once in a while is enough.
 *
 * Owns when each kind was told last. Promises that of one kind nothing is told twice within its time, that nothing is
 * left out of the counts, and that its memory is bounded whatever the kinds are called.
 */

export interface RepeatsOptions {
  readonly everyMs: number;
  readonly now: () => number;
}

export interface Repeats {
  /** How many there were since this kind was told last, these included; 0 where it is not to be told now. */
  take(kind: string, count?: number): number;
}

const KINDS_MAX = 1_000;

export function createRepeats({ everyMs, now }: RepeatsOptions): Repeats {
  const kinds = new Map<string, { toldAt: number; untold: number }>();
  return {
    take(kind, count = 1) {
      const at = now();
      const known = kinds.get(kind);
      // A clock that is set back must not silence anything.
      if (known && at - known.toldAt < everyMs && at >= known.toldAt) {
        known.untold += count;
        return 0;
      }
      if (kinds.size >= KINDS_MAX) kinds.clear();
      kinds.set(kind, { toldAt: at, untold: 0 });
      return count + (known?.untold ?? 0);
    },
  };
}
