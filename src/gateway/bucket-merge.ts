/**
 * BucketMerge: how two pages of one sensor's buckets become one.
 *
 * Promises that merging is commutative and associative, and that it copies as bytes whatever it does not change: a page
 * of 120,000 aggregates, into which one bucket comes, costs some milliseconds, in steps, and not a tenth of a second.
 */
import type { Steps } from '../codec/index.ts';
import type { Aggregate } from './aggregate.ts';
import { addBucket, type Bucket, COMBINE_WEIGHT } from './bucket.ts';
import { readAggregate, skipAggregate, writeBucket } from './bucket-bytes.ts';
import {
  type BucketPage,
  bucketsOf,
  NO_BUCKETS,
  type PackedBuckets,
  READ_WEIGHT,
  readPart,
  SKIP_WEIGHT,
} from './bucket-page.ts';
import { createPageReader, givePageWriter, type PageReader, type PageWriter, takePageWriter } from './page-bytes.ts';

/**
 * More than so many late aggregates are not packed into a page of a usual size, but it is unpacked for them: packed
 * together, before the page is cut, they could take megabytes.
 */
const LATE_AGGREGATES_MAX = 2_048;
const UNPACKED_BYTES_MAX = 256 << 10;

/** Less is no step of its own: a usual batch adds a bucket to each of some ten pages. */
const STEP_WEIGHT = 512;

/** Adds `delta` to `into`, in place, in steps of some buckets. Until it is done nobody else may look at `into`. */
export function* mergeInSteps(into: BucketPage, delta: BucketPage): Steps<void> {
  const names = unionOfNames(into.names, delta.names);
  const fresh: Bucket[] = [];
  const arrange = arrangement(delta.names, names);
  let weight = 0;
  for (const bucket of bucketsOf(delta)) {
    fresh.push(arrange(bucket));
    weight += names.length;
    if (weight < STEP_WEIGHT) continue;
    yield weight;
    weight = 0;
  }
  let late = lateOf(into, fresh);
  if (late * names.length > LATE_AGGREGATES_MAX && into.packed.bytes.length <= UNPACKED_BYTES_MAX) {
    yield* unpack(into);
    late = 0;
  }
  const { packed } = into;
  if (packed.count > 0 && (late > 0 || names !== into.names)) {
    into.packed = yield* repacked(into, names, fresh.slice(0, late));
  }
  if (names !== into.names) {
    into.open = into.open.map(arrangement(into.names, names));
    into.names = names;
    yield names.length * into.open.length;
  }
  for (let at = late; at < fresh.length; at++) {
    addBucket(into.open, fresh[at]!);
    weight += COMBINE_WEIGHT * names.length;
    if (weight < STEP_WEIGHT) continue;
    yield weight;
    weight = 0;
  }
}

/** How many of these buckets are not later than all that is packed. */
function lateOf({ packed }: BucketPage, fresh: readonly Bucket[]): number {
  let late = 0;
  while (late < fresh.length && packed.count > 0 && fresh[late]!.number <= packed.last) late++;
  return late;
}

function* unpack(page: BucketPage): Steps<void> {
  const open: Bucket[] = [];
  const all = { begin: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY, isWanted: () => true };
  yield* readPart(page, all, (number, events, _, aggregates) => open.push({ number, events, aggregates }));
  page.packed = NO_BUCKETS;
  page.open = open;
}

/**
 * The packed buckets of a page with `late` ones, none of which is later than all of them, and with the aggregates in
 * the places that `names` gives them, which has every name of the page. Only buckets that become one with a late one
 * are read.
 */
function* repacked(page: BucketPage, names: readonly string[], late: readonly Bucket[]): Steps<PackedBuckets> {
  const { bucketMs, packed } = page;
  const writer = takePageWriter();
  const reader = createPageReader(packed.bytes);
  const arrange = arrangement(page.names, names);
  const copy = copier(packed.bytes, page.names, names);
  let { count } = packed;
  let written = 0;
  let at = 0;
  const write = (bucket: Bucket): void => {
    writeBucket(writer, bucket, written, bucketMs);
    written = bucket.number;
  };
  let number = 0;
  for (let left = packed.count; left > 0; left--) {
    number += reader.integer();
    for (; at < late.length && late[at]!.number < number; at++, count++) write(late[at]!);
    const events = reader.natural();
    if (late[at]?.number === number) {
      const aggregates: (Aggregate | undefined)[] = [];
      for (let n = page.names.length; n > 0; n--) aggregates.push(readAggregate(reader, number * bucketMs));
      const both = [arrange({ number, events, aggregates })];
      addBucket(both, late[at]!);
      write(both[0]!);
      at++;
      yield (READ_WEIGHT + COMBINE_WEIGHT) * names.length;
    } else {
      writer.integer(number - written);
      written = number;
      writer.natural(events);
      copy(reader, writer);
      yield SKIP_WEIGHT * names.length;
    }
  }
  reader.end();
  const repackedBuckets = { count, last: packed.last, bytes: writer.finish() };
  givePageWriter(writer);
  return repackedBuckets;
}

/** Copies the aggregates of a bucket as they are, each to its new place. */
function copier(
  bytes: Uint8Array,
  from: readonly string[],
  to: readonly string[],
): (reader: PageReader, writer: PageWriter) => void {
  if (from === to) {
    return (reader, writer) => {
      const begin = reader.position;
      for (let left = from.length; left > 0; left--) skipAggregate(reader);
      writer.raw(bytes.subarray(begin, reader.position));
    };
  }
  const places = placesOf(from, to);
  const ends: number[] = [];
  return (reader, writer) => {
    const begin = reader.position;
    for (let place = 0; place < from.length; place++) {
      skipAggregate(reader);
      ends[place] = reader.position;
    }
    for (const place of places) {
      if (place < 0) writer.natural(0);
      else writer.raw(bytes.subarray(place === 0 ? begin : ends[place - 1]!, ends[place]!));
    }
  };
}

/** Puts the aggregates of a bucket in the places that `to`, which has every name of `from`, gives them. */
function arrangement(from: readonly string[], to: readonly string[]): (bucket: Bucket) => Bucket {
  if (from === to || (from.length === to.length && from.every((name, place) => name === to[place]))) {
    return (bucket) => bucket;
  }
  const places = placesOf(from, to);
  return (bucket) => ({ ...bucket, aggregates: places.map((place) => bucket.aggregates[place]) });
}

/** For each name of `to` its place in `from`, or -1. */
function placesOf(from: readonly string[], to: readonly string[]): number[] {
  const places = new Map(from.map((name, place) => [name, place]));
  return to.map((name) => places.get(name) ?? -1);
}

/** `a` itself where it has every name of `b`. */
function unionOfNames(a: readonly string[], b: readonly string[]): readonly string[] {
  if (b.length <= a.length && b.every((name, place) => name === a[place])) return a;
  const known = new Set(a);
  if (b.every((name) => known.has(name))) return a;
  for (const name of b) known.add(name);
  return [...known].sort();
}
