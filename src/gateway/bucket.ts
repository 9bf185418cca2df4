/**
 * Bucket: what one sensor had in one minute, hour or day, or in all.
 *
 * Owns the division of time and how several buckets become one. Promises that the order and grouping of what is
 * combined makes no difference. Never changes: combining gives a new one.
 */
import type { Steps } from '../codec/index.ts';
import { type Aggregate, combine } from './aggregate.ts';

/**
 * Milliseconds of a bucket, and buckets of a page. Pages of minutes are long enough that readings an hour apart share
 * one, and short enough to be written again with every batch.
 */
export const GRANULARITIES = {
  minute: { bucketMs: 60_000, pageBuckets: 240 },
  hour: { bucketMs: 3_600_000, pageBuckets: 24 },
  day: { bucketMs: 86_400_000, pageBuckets: 32 },
} as const;

export type Granularity = keyof typeof GRANULARITIES;

/** A `total` page has one bucket, number 0, for all time. */
export const TOTAL_BUCKET_MS = 0;

export interface Bucket {
  /** Epoch milliseconds of its start, divided by the length of a bucket; 0 in a `total` page. */
  readonly number: number;
  /** Events, also those without a measure. */
  readonly events: number;
  /** One for each of the page's names; undefined where no event had that measure. */
  readonly aggregates: readonly (Aggregate | undefined)[];
}

/** What an aggregate weighs that is combined with another (see `Steps`), and how many are between two steps. */
export const COMBINE_WEIGHT = 8;
const STEP_AGGREGATES = 1_024;

/** Ascending buckets with each `factor` of them made into one; with an infinite factor all of them, as number 0. */
export function* coarser(buckets: readonly Bucket[], factor: number): Steps<Bucket[]> {
  const result: Bucket[] = [];
  const measures = buckets[0]?.aggregates.length ?? 0;
  const step = Math.ceil(STEP_AGGREGATES / (1 + measures));
  for (let from = 0; from < buckets.length; from += step) {
    const to = Math.min(buckets.length, from + step);
    addCoarser(result, buckets, from, to, factor);
    yield COMBINE_WEIGHT * (to - from) * (1 + measures);
  }
  return result;
}

/** Some of the buckets, the last of which may go on in `result`. Not in a generator: see `digest.ts`. */
function addCoarser(result: Bucket[], buckets: readonly Bucket[], from: number, to: number, factor: number): void {
  for (let at = from; at < to; at++) {
    const bucket = buckets[at]!;
    const number = factor === Infinity ? 0 : Math.floor(bucket.number / factor);
    const last = result.at(-1);
    if (last?.number === number) result[result.length - 1] = sumOf(last, bucket);
    else result.push({ number, events: bucket.events, aggregates: bucket.aggregates });
  }
}

/** One bucket, with the number of the first. */
function sumOf(a: Bucket, b: Bucket): Bucket {
  const aggregates = a.aggregates.slice();
  for (let place = 0; place < aggregates.length; place++) {
    aggregates[place] = combine(aggregates[place], b.aggregates[place]);
  }
  return { number: a.number, events: a.events + b.events, aggregates };
}

/** Puts a bucket in its place among ascending ones, or merges it with that of its number. All have the same names. */
export function addBucket(buckets: Bucket[], bucket: Bucket): void {
  const at = placeOf(buckets, bucket.number);
  const there = buckets[at];
  if (there?.number === bucket.number) buckets[at] = sumOf(there, bucket);
  else if (at === buckets.length) buckets.push(bucket);
  else buckets.splice(at, 0, bucket);
}

/** Where the first bucket from this number on is. */
function placeOf(buckets: readonly Bucket[], number: number): number {
  let low = 0;
  let high = buckets.length;
  // What comes is mostly newer than everything, or belongs to the newest.
  if (high > 0 && buckets[high - 1]!.number <= number) low = buckets[high - 1]!.number < number ? high : high - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (buckets[middle]!.number < number) low = middle + 1;
    else high = middle;
  }
  return low;
}
