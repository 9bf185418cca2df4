/**
 * PageWeight: what a batch has written, before it is admitted.
 *
 * A batch of a few bytes may touch thousands of pages of hundreds of kilobytes, all of which are written at once with
 * what it adds. Hardly any batch comes near the bound, which is told from how large the device's largest page is, at no
 * cost. Only where that leaves it open the pages themselves are weighed.
 */
import type { Steps } from '../codec/index.ts';
import type { Aggregate } from './aggregate.ts';
import { BATCH_PAGE_BYTES_MAX } from './limits.ts';
import { bucketPageOf } from './pages.ts';
import type { PageDelta } from './tally.ts';

/** What an aggregate takes with the longest that a sum may have; and its count, times and scale at most. */
const LONGEST_BYTES = 384;
const COUNTS_BYTES = 20;
const DOUBLE_BYTES = 8;
const BYTES_PER_DIGIT = Math.log2(10) / 8;

/** What an aggregate weighs that is looked at (see `Steps`). */
const LOOK_WEIGHT = 2;

/**
 * Whether pages and additions could come to more than a batch may.
 *
 * @param largestPage bytes of the device's largest page
 */
export function mayBeHeavy(deltas: readonly PageDelta[], largestPage: number): boolean {
  let bytes = 0;
  for (const { delta } of deltas) {
    const { names, open } = bucketPageOf(delta);
    // Each bucket may be in a part of its own.
    bytes += open.length * (largestPage + LONGEST_BYTES * names.length);
  }
  return bytes > BATCH_PAGE_BYTES_MAX;
}

/** What these add to pages as they are stored, bytes, at most. */
export function* addedBytes(deltas: readonly PageDelta[]): Steps<number> {
  let bytes = 0;
  for (const { delta } of deltas) {
    for (const { aggregates } of bucketPageOf(delta).open) {
      for (const aggregate of aggregates) bytes += aggregate === undefined ? 1 : bytesOf(aggregate);
      yield LOOK_WEIGHT * aggregates.length;
    }
  }
  return bytes;
}

/** No value is further from zero than `min` or `max`, so there is no need to look at the digits of a sum. */
function bytesOf({ count, sum, min, max }: Aggregate): number {
  const digits = Math.log10(count) + Math.log10(Math.max(Math.abs(min), Math.abs(max), 1)) + sum.scale + 1;
  const sumBytes = 1 + BYTES_PER_DIGIT * digits;
  // Least, greatest and last value: as digits where that takes less.
  return COUNTS_BYTES + sumBytes + 3 * Math.min(DOUBLE_BYTES, 1 + sumBytes);
}
