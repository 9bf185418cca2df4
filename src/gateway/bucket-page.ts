/**
 * BucketPage: the aggregates of one sensor, bucket by bucket.
 *
 * Owns what is in `total`, `minute`, `hour` and `day` pages and how two of them become one. Promises that merging is
 * commutative and associative, and that a page has one form only: names and buckets ascend. Never knows where a page
 * begins or ends: buckets carry their own numbers.
 */
import { type Aggregate, combineAll } from './aggregate.ts';

/** Milliseconds of a bucket, and buckets of a page. A `total` page has one bucket, number 0, for all time. */
export const GRANULARITIES = {
  minute: { bucketMs: 60_000, pageBuckets: 60 },
  hour: { bucketMs: 3_600_000, pageBuckets: 24 },
  day: { bucketMs: 86_400_000, pageBuckets: 32 },
} as const;

export type Granularity = keyof typeof GRANULARITIES;

export interface Bucket {
  /** Epoch milliseconds of its start, divided by `bucketMs`; 0 in a `total` page. */
  readonly number: number;
  /** Events, also those without a measure. */
  readonly events: number;
  /** One for each of the page's names; undefined where no event had that measure. */
  readonly aggregates: readonly (Aggregate | undefined)[];
}

export interface BucketPage {
  /** The measures, ascending. */
  names: readonly string[];
  /** Ascending by number. */
  buckets: Bucket[];
}

export function emptyBucketPage(): BucketPage {
  return { names: [], buckets: [] };
}

/** Adds `delta` to `into`, in place. */
export function mergeBucketPages(into: BucketPage, delta: BucketPage): void {
  const names = unionOfNames(into.names, delta.names);
  if (!sameNames(names, into.names)) into.buckets = rearranged(into, names);
  into.names = names;
  for (const bucket of sameNames(names, delta.names) ? delta.buckets : rearranged(delta, names)) {
    addBucket(into.buckets, bucket);
  }
}

/** Puts a bucket in its place, or makes it one with the bucket of that number. Both have the same names. */
function addBucket(buckets: Bucket[], bucket: Bucket): void {
  const at = placeOf(buckets, bucket.number);
  const there = buckets[at];
  if (there?.number === bucket.number) buckets[at] = combineBuckets([there, bucket]);
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

/** Ascending buckets with each `factor` of them made into one; with an infinite factor all of them, as number 0. */
export function coarser(buckets: readonly Bucket[], factor: number): Bucket[] {
  const result: Bucket[] = [];
  const numberOf = ({ number }: Bucket) => (factor === Infinity ? 0 : Math.floor(number / factor));
  for (let from = 0; from < buckets.length; ) {
    const number = numberOf(buckets[from]!);
    let to = from + 1;
    while (to < buckets.length && numberOf(buckets[to]!) === number) to++;
    const { events, aggregates } = to === from + 1 ? buckets[from]! : combineBuckets(buckets.slice(from, to));
    result.push({ number, events, aggregates });
    from = to;
  }
  return result;
}

/** One bucket, with the number of the first. */
function combineBuckets(buckets: readonly Bucket[]): Bucket {
  const [{ number, aggregates: ofFirst }] = buckets as readonly [Bucket];
  return {
    number,
    events: buckets.reduce((sum, { events }) => sum + events, 0),
    aggregates: ofFirst.map((_, place) => combineAll(buckets.map(({ aggregates }) => aggregates[place]))),
  };
}

/** The page's buckets with aggregates in the places that `names`, which holds all of the page's, give them. */
function rearranged(page: BucketPage, names: readonly string[]): Bucket[] {
  const places = names.map((name) => page.names.indexOf(name));
  return page.buckets.map(({ number, events, aggregates }) => ({
    number,
    events,
    aggregates: places.map((place) => aggregates[place]),
  }));
}

function unionOfNames(a: readonly string[], b: readonly string[]): readonly string[] {
  if (b.length === 0 || sameNames(a, b)) return a;
  if (a.length === 0) return b;
  return [...new Set([...a, ...b])].sort();
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((name, i) => name === b[i]));
}
