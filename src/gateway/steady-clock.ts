/**
 * Steady clock: whether the wall clock may be believed.
 *
 * Owns the comparison with a clock that never goes back. Promises that a wall clock which has just been set, or has
 * just begun to be watched, is not steady: it has to keep pace for a while first. Never says what time it is.
 */
export interface SteadyClock {
  /** Looks at both clocks. */
  look(): Look;
}

export interface Look {
  readonly isSteady: boolean;
  /** By how much the wall clock has left its pace since the last look, milliseconds; 0 where it keeps it. */
  readonly jumpMs: number;
  /** Since the last look, milliseconds; 0 at the first one. */
  readonly elapsedMs: number;
}

export interface SteadyClockOptions {
  /** The wall clock, epoch milliseconds. */
  readonly clock: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** How long the wall clock has to keep pace. */
  readonly settleMs: number;
}

/** What synchronizing a clock may move it by, and how much one runs faster than another. */
const STEP_MS = 30_000;
const DRIFT = 1e-3;

export function createSteadyClock({ clock, now, settleMs }: SteadyClockOptions): SteadyClock {
  let since = { wall: clock(), steady: now() };
  let last = since;
  return {
    look() {
      const at = { wall: clock(), steady: now() };
      const elapsedMs = at.steady - last.steady;
      last = at;
      // From the beginning on, so that many small steps are no way around it.
      const watchedMs = at.steady - since.steady;
      const offMs = at.wall - since.wall - watchedMs;
      if (!(Math.abs(offMs) <= STEP_MS + DRIFT * watchedMs)) {
        since = at;
        return { isSteady: false, jumpMs: offMs, elapsedMs };
      }
      return { isSteady: watchedMs >= settleMs, jumpMs: 0, elapsedMs };
    },
  };
}
