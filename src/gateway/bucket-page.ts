/**
 * BucketPage: the buckets of one sensor over some time.
 *
 * Owns what is in `total`, `minute`, `hour` and `day` pages, how two of them become one, and their bytes. Promises that
 * merging is commutative and associative, that equal pages have equal bytes, and that buckets which are over stay packed
 * until somebody asks for them: in memory, and when the page is written again. Never knows where a page begins or ends.
 */
import { addBucket, type Bucket } from './bucket.ts';
import { readBucket, writeBucket } from './bucket-bytes.ts';
import { createPageReader, createPageWriter } from './page-bytes.ts';

export interface BucketPage {
  /** Length of a bucket; 0 in a `total` page. */
  readonly bucketMs: number;
  /** The measures, ascending. */
  names: readonly string[];
  packed: PackedBuckets;
  /** Ascending, and later than the packed ones. */
  open: Bucket[];
}

interface PackedBuckets {
  readonly count: number;
  /** Number of the last one. */
  readonly last: number;
  readonly bytes: Uint8Array;
}

const NO_BUCKETS: PackedBuckets = { count: 0, last: 0, bytes: new Uint8Array(0) };
const VERSION = 1;

const writer = createPageWriter();

/** @param buckets ascending; the page takes the array over */
export function createBucketPage(bucketMs: number, names: readonly string[] = [], buckets: Bucket[] = []): BucketPage {
  return { bucketMs, names, packed: NO_BUCKETS, open: buckets };
}

/** All buckets, ascending. */
export function bucketsOf({ bucketMs, names, packed, open }: BucketPage): readonly Bucket[] {
  if (packed.count === 0) return open;
  const reader = createPageReader(packed.bytes);
  const buckets: Bucket[] = [];
  for (let previous = 0; buckets.length < packed.count; previous = buckets.at(-1)!.number) {
    buckets.push(readBucket(reader, names.length, previous, bucketMs));
  }
  reader.end();
  buckets.push(...open);
  return buckets;
}

/** Adds `delta` to `into`, in place. */
export function mergeBucketPages(into: BucketPage, delta: BucketPage): void {
  const names = unionOfNames(into.names, delta.names);
  const fresh = rearranged(bucketsOf(delta), delta.names, names);
  if (names !== into.names || (fresh.length > 0 && fresh[0]!.number <= into.packed.last)) {
    into.open = [...rearranged(bucketsOf(into), into.names, names)];
    into.packed = NO_BUCKETS;
    into.names = names;
  }
  for (const bucket of fresh) addBucket(into.open, bucket);
}

export function encodeBucketPage(page: BucketPage): Uint8Array {
  packAllButLast(page);
  const { bucketMs, names, packed, open } = page;
  writer.natural(VERSION);
  writer.natural(names.length);
  for (const name of names) writer.text(name);
  writer.natural(packed.count);
  writer.integer(packed.last);
  writer.bytes(packed.bytes);
  writer.natural(open.length);
  for (const bucket of open) writeBucket(writer, bucket, packed.last, bucketMs);
  return writer.finish();
}

/** @throws RangeError where the bytes are no bucket page */
export function decodeBucketPage(bytes: Uint8Array, bucketMs: number): BucketPage {
  const reader = createPageReader(bytes);
  if (reader.natural() !== VERSION) throw new RangeError('an unknown version of a page');
  const names: string[] = [];
  for (let left = reader.count(); left > 0; left--) names.push(reader.text());
  const packed = { count: reader.natural(), last: reader.integer(), bytes: reader.bytes() };
  const open: Bucket[] = [];
  for (let left = reader.count(); left > 0; left--) open.push(readBucket(reader, names.length, packed.last, bucketMs));
  reader.end();
  return { bucketMs, names, packed, open };
}

/** The last bucket is the one that what comes next most likely belongs to. */
function packAllButLast(page: BucketPage): void {
  const { bucketMs, packed, open } = page;
  if (open.length < 2) return;
  const settled = open.slice(0, -1);
  let { last } = packed;
  writer.raw(packed.bytes);
  for (const bucket of settled) {
    writeBucket(writer, bucket, last, bucketMs);
    last = bucket.number;
  }
  page.packed = { count: packed.count + settled.length, last, bytes: writer.finish() };
  page.open = open.slice(-1);
}

/** The same buckets with their aggregates in the places that `to`, which has every name of `from`, gives them. */
function rearranged(buckets: readonly Bucket[], from: readonly string[], to: readonly string[]): readonly Bucket[] {
  if (from === to || (from.length === to.length && from.every((name, place) => name === to[place]))) return buckets;
  const places = to.map((name) => from.indexOf(name));
  return buckets.map((bucket) => ({ ...bucket, aggregates: places.map((place) => bucket.aggregates[place]) }));
}

/** `a` itself where it has every name of `b`. */
function unionOfNames(a: readonly string[], b: readonly string[]): readonly string[] {
  if (b.every((name, place) => name === a[place] || a.includes(name))) return a;
  return [...new Set([...a, ...b])].sort();
}
