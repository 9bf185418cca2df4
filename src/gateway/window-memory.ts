/**
 * WindowMemory: what the windows of all open series may hold together (see `BucketSeries`).
 *
 * A reader may take a whole window at a byte a second, so nobody waits for another one's memory: each place among the
 * open answers has a share of its own, which holds the fullest of buckets, and what is spare goes to whoever begins a
 * window.
 */
import type { Aggregate } from './aggregate.ts';
import { WINDOW_BYTES_MAX, WINDOW_BYTES_MIN, WINDOWS_SPARE_BYTES } from './limits.ts';

export interface WindowMemory {
  /** What one window may hold until it is released. */
  take(): { readonly bytes: number; release(): void };
}

export function createWindowMemory(spareBytes: number = WINDOWS_SPARE_BYTES): WindowMemory {
  let spare = spareBytes;
  return {
    take() {
      let taken = Math.min(spare, WINDOW_BYTES_MAX - WINDOW_BYTES_MIN);
      spare -= taken;
      return {
        bytes: WINDOW_BYTES_MIN + taken,
        release() {
          spare += taken;
          taken = 0;
        },
      };
    },
  };
}

/** An aggregate of few digits with its places in a window, and what a digit of its sum takes on each side. */
const AGGREGATE_BYTES = 448;
const DIGIT_BYTES = Math.log2(10) / 8;
const SMALL_MAX = 2 ** 53;

/** About what an aggregate takes in a window. */
export function bytesOf({ sum: { scale }, min, max }: Aggregate): number {
  const largest = Math.max(max, -min);
  const places = largest <= SMALL_MAX ? scale : scale + Math.log10(largest);
  return AGGREGATE_BYTES + DIGIT_BYTES * places;
}
