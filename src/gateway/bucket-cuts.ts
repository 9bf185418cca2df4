/**
 * BucketCuts: how a page that grows large becomes several.
 *
 * A page is written again with whatever comes into it, and 512 measures a minute, or sums of 600 digits, make megabytes
 * of one. So once its packed buckets pass a bound they are cut off it, into pages of their own: its *parts*. The page
 * itself, at the start that all of its time shares, keeps the latest buckets, so that what comes next finds it as if
 * nothing had been cut. It also keeps the *cuts*: the number of the bucket with which each part begins, and last the
 * one with which it goes on itself. What comes late goes into the part that its time belongs to.
 *
 * The start of a part is one millisecond behind its first bucket, where no other page begins: that keeps the key of the
 * page and that of its first part apart, and every part between those that begin before and after it.
 */
import type { Steps } from '../codec/index.ts';
import type { Bucket } from './bucket.ts';
import { skipAggregate, writeBucket } from './bucket-bytes.ts';
import {
  type BucketPage,
  bucketsOf,
  createBucketPage,
  NO_BUCKETS,
  type PackedBuckets,
  READ_WEIGHT,
  SKIP_WEIGHT,
} from './bucket-page.ts';
import { createPageReader, givePageWriter, takePageWriter } from './page-bytes.ts';

/**
 * What the packed buckets of a page take before they are cut off, bytes: a block of RocksDB's. Where names take more
 * than that, as much as these, for each part has them again.
 */
export const CUT_BYTES = 4 << 10;

/** Less is no step of its own. */
const STEP_WEIGHT = 512;

/** A part, or what belongs into one. */
export interface BucketPart {
  readonly start: number;
  readonly page: BucketPage;
}

export interface Division {
  /** What is the page's own; undefined where nothing is. */
  readonly own: BucketPage | undefined;
  readonly parts: readonly BucketPart[];
}

/** What of `delta` belongs into which part of `page`; undefined where all of it is the page's own. */
export function divide(page: BucketPage, delta: BucketPage): Division | undefined {
  const { cuts, bucketMs } = page;
  if (cuts.length === 0) return undefined;
  const buckets = bucketsOf(delta);
  const ownFrom = cuts[cuts.length - 1]!;
  if (buckets.length === 0 || buckets[0]!.number >= ownFrom) return undefined;
  const parts: BucketPart[] = [];
  const pageOf = (from: number, to: number) => createBucketPage(bucketMs, delta.names, buckets.slice(from, to));
  let at = 0;
  for (let place = 0; place < cuts.length - 1 && at < buckets.length; place++) {
    const from = at;
    while (at < buckets.length && buckets[at]!.number < cuts[place + 1]!) at++;
    if (at > from) parts.push({ start: startOfPart(cuts[place]!, bucketMs), page: pageOf(from, at) });
  }
  return { own: at < buckets.length ? pageOf(at, buckets.length) : undefined, parts };
}

/**
 * Cuts off what makes `page` too large, and packs what may be packed. Gives the new parts; undefined where nothing is
 * to be done. `head` is the page that knows of the parts, and begins at `start`: it is `page` itself, or what `page`
 * is a part of.
 *
 * @param cutBytes what packed buckets may take, whatever the names take
 */
export function cutInSteps(
  head: BucketPage,
  start: number,
  page: BucketPage,
  cutBytes: number,
): Steps<readonly BucketPart[]> | undefined {
  const { names, packed, open } = page;
  // One bucket, or a `total` page.
  if (packed.count + open.length < 2) return undefined;
  if (open.length < 2 && packed.bytes.length <= cutBytes) return undefined;
  let bytesMax = Math.max(cutBytes, bytesOf(names));
  // A part into which late events come would else be cut again and again, a bucket at a time.
  if (page !== head && packed.bytes.length <= 2 * bytesMax) bytesMax *= 2;
  if (open.length < 2 && packed.bytes.length <= bytesMax) return undefined;
  return cutOff(head, start, page, bytesMax);
}

function* cutOff(head: BucketPage, start: number, page: BucketPage, bytesMax: number): Steps<readonly BucketPart[]> {
  const { bucketMs, names, open } = page;
  const runs = yield* runsOf(page, bytesMax);
  const latest = open.slice(-1);
  // The head keeps what is not full yet; a part keeps what comes first.
  const last = runs[runs.length - 1]!;
  const kept = page !== head ? runs[0]! : last.bytes.length > bytesMax && latest.length > 0 ? NO_BUCKETS : last;
  const off = page !== head ? runs.slice(1) : runs.filter((run) => run !== kept);
  page.packed = kept;
  page.open = latest;
  if (off.length === 0) return [];
  const parts = off.map((run): BucketPage => ({ bucketMs, names, packed: run, open: [], cuts: [] }));
  let firsts = parts.map(({ packed: { bytes } }) => createPageReader(bytes).integer());
  if (page !== head) {
    page.open = [];
    parts[parts.length - 1]!.open = latest;
    head.cuts = [...head.cuts, ...firsts].sort((a, b) => a - b);
  } else {
    // What is earlier than the first bucket belongs to the first part, too.
    firsts[0] = head.cuts.at(-1) ?? Math.floor(start / bucketMs);
    const ownFrom = kept.count > 0 ? createPageReader(kept.bytes).integer() : latest[0]!.number;
    head.cuts = [...head.cuts.slice(0, -1), ...firsts, ownFrom];
  }
  firsts = firsts.map((number) => startOfPart(number, bucketMs));
  return parts.map((part, at) => ({ start: firsts[at]!, page: part }));
}

/** Of the part that begins with this bucket, milliseconds. */
export function startOfPart(number: number, bucketMs: number): number {
  return number * bucketMs + 1;
}

/** Number of the bucket with which the part begins. */
export function firstOfPart(start: number, bucketMs: number): number {
  return (start - 1) / bucketMs;
}

function bytesOf(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + Buffer.byteLength(name), 0);
}

/** A page's buckets but the last open one, in packed runs each of which ends with the bucket that passes `bytesMax`. */
function* runsOf({ bucketMs, names, packed, open }: BucketPage, bytesMax: number): Steps<PackedBuckets[]> {
  const runs: PackedBuckets[] = [];
  const writer = takePageWriter();
  let count = 0;
  let last = 0;
  let weight = 0;
  const close = (): void => {
    if (count > 0) runs.push({ count, last, bytes: writer.finish() });
    count = 0;
    last = 0;
  };
  if (packed.bytes.length <= bytesMax) {
    writer.raw(packed.bytes);
    ({ count, last } = packed);
  } else {
    const reader = createPageReader(packed.bytes);
    let number = 0;
    for (let left = packed.count; left > 0; left--) {
      if (writer.length > bytesMax) close();
      number += reader.integer();
      writer.integer(number - last);
      writer.natural(reader.natural());
      const begin = reader.position;
      for (let place = names.length; place > 0; place--) skipAggregate(reader);
      writer.raw(packed.bytes.subarray(begin, reader.position));
      count += 1;
      last = number;
      weight += SKIP_WEIGHT * names.length;
      if (weight < STEP_WEIGHT) continue;
      yield weight;
      weight = 0;
    }
    reader.end();
  }
  for (const bucket of open.slice(0, -1) as Bucket[]) {
    if (writer.length > bytesMax) close();
    writeBucket(writer, bucket, last, bucketMs);
    count += 1;
    last = bucket.number;
    weight += READ_WEIGHT * names.length;
    if (weight < STEP_WEIGHT) continue;
    yield weight;
    weight = 0;
  }
  close();
  givePageWriter(writer);
  return runs;
}
