/**
 * BucketPage: the buckets of one sensor over some time.
 *
 * Owns what is in `total`, `minute`, `hour` and `day` pages, and their bytes. Promises that equal pages have equal
 * bytes, and that buckets which are over stay packed: reading decodes only what was asked for. Pages of before they
 * were cut (see `bucket-cuts.ts`) may hold 120,000 aggregates, so whatever goes through a whole page does it in steps.
 */
import type { Steps } from '../codec/index.ts';
import type { Aggregate } from './aggregate.ts';
import { type Bucket, COMBINE_WEIGHT } from './bucket.ts';
import { readAggregate, readBucket, skipAggregate, writeBucket } from './bucket-bytes.ts';
import { createPageReader, givePageWriter, type PageReader, type PageWriter, takePageWriter } from './page-bytes.ts';

export interface BucketPage {
  /** Length of a bucket; 0 in a `total` page. */
  readonly bucketMs: number;
  /** The measures, ascending. */
  names: readonly string[];
  packed: PackedBuckets;
  /** Ascending, and later than the packed ones. */
  open: Bucket[];
  /** Where pages were cut off this one: numbers of buckets, see `bucket-cuts.ts`. Empty where none were. */
  cuts: readonly number[];
}

export interface PackedBuckets {
  readonly count: number;
  /** Number of the last one. */
  readonly last: number;
  readonly bytes: Uint8Array;
}

export const NO_BUCKETS: PackedBuckets = { count: 0, last: 0, bytes: new Uint8Array(0) };
const VERSION = 1;
/** Of a page that others were cut off. */
const VERSION_WITH_CUTS = 2;

/** What an aggregate weighs that is passed over or copied, and one that is read or written (see `Steps`). */
export const SKIP_WEIGHT = 3;
export const READ_WEIGHT = 16;

/** About what they take in memory, bytes. */
const PAGE_BYTES = 256;
const AGGREGATE_BYTES = 300;
const NAME_BYTES = 48;
const NUMBER_BYTES = 8;

/** @param buckets ascending; the page takes the array over */
export function createBucketPage(bucketMs: number, names: readonly string[] = [], buckets: Bucket[] = []): BucketPage {
  return { bucketMs, names, packed: NO_BUCKETS, open: buckets, cuts: [] };
}

/** What a page takes in memory, bytes: many times what it takes on disk where its buckets are not packed. */
export function bytesOfBucketPage({ names, packed, open, cuts }: BucketPage): number {
  const nameBytes = names.reduce((sum, name) => sum + NAME_BYTES + name.length, 0);
  const bucketBytes = packed.bytes.length + open.length * names.length * AGGREGATE_BYTES;
  return PAGE_BYTES + nameBytes + bucketBytes + cuts.length * NUMBER_BYTES;
}

/** All buckets, ascending. */
export function bucketsOf(page: BucketPage): readonly Bucket[] {
  const { bucketMs, names, packed, open } = page;
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

/** Bucket numbers from `begin` to below `end`. */
export interface BucketRange {
  readonly begin: number;
  readonly end: number;
}

/** A part of a page, and the measures that are wanted of it. */
export interface PagePart extends BucketRange {
  readonly isWanted: (name: string) => boolean;
}

/**
 * Gives the buckets of a part of a page to `take`, ascending, with the aggregates that are wanted and their names; each
 * is read only once it is wanted.
 */
export function* readPart(
  page: BucketPage,
  { begin, end, isWanted }: PagePart,
  take: (number: number, events: number, names: readonly string[], aggregates: Bucket['aggregates']) => void,
): Steps<void> {
  const { bucketMs, names, packed, open } = page;
  const places = names.flatMap((name, place) => (isWanted(name) ? [place] : []));
  const wanted = places.map((place) => names[place]!);
  yield names.length;
  const reader = createPageReader(packed.bytes);
  let number = 0;
  // Of a page that was cut, parts are read that end before it begins.
  for (let left = packed.last < begin ? 0 : packed.count; left > 0; left--) {
    number += reader.integer();
    if (number >= end) return;
    const events = reader.natural();
    const isIn = number >= begin;
    const aggregates: (Aggregate | undefined)[] = [];
    for (let place = 0; place < names.length; place++) {
      if (isIn && places[aggregates.length] === place) aggregates.push(readAggregate(reader, number * bucketMs));
      else skipAggregate(reader);
    }
    if (isIn) take(number, events, wanted, aggregates);
    yield SKIP_WEIGHT * names.length + READ_WEIGHT * aggregates.length;
  }
  for (const bucket of open) {
    if (bucket.number < begin || bucket.number >= end) continue;
    const aggregates = places.map((place) => bucket.aggregates[place]);
    take(bucket.number, bucket.events, wanted, aggregates);
    yield COMBINE_WEIGHT * places.length;
  }
}

/** The page as bytes, with a step for each bucket. Its buckets but the last are packed from then on. */
export function* encodeInSteps(page: BucketPage): Steps<Uint8Array> {
  if (page.open.length > 1) yield* packAllButLast(page);
  const writer = takePageWriter();
  const { bucketMs, names, packed, open, cuts } = page;
  writer.natural(cuts.length === 0 ? VERSION : VERSION_WITH_CUTS);
  if (cuts.length > 0) writeCuts(writer, cuts);
  writer.natural(names.length);
  for (const name of names) writer.text(name);
  writer.natural(packed.count);
  writer.integer(packed.last);
  writer.bytes(packed.bytes);
  writer.natural(open.length);
  for (const bucket of open) writeBucket(writer, bucket, packed.last, bucketMs);
  const bytes = writer.finish();
  givePageWriter(writer);
  return bytes;
}

/**
 * Its work is that of one bucket: all others stay packed.
 * @throws RangeError where the bytes are no bucket page
 */
export function decodeBucketPage(bytes: Uint8Array, bucketMs: number): BucketPage {
  const reader = createPageReader(bytes);
  const version = reader.natural();
  if (version !== VERSION && version !== VERSION_WITH_CUTS) throw new RangeError('an unknown version of a page');
  const cuts = version === VERSION ? [] : readCuts(reader);
  const names: string[] = [];
  for (let left = reader.count(); left > 0; left--) names.push(reader.text());
  const packed = { count: reader.natural(), last: reader.integer(), bytes: reader.bytes() };
  const open: Bucket[] = [];
  for (let left = reader.count(); left > 0; left--) open.push(readBucket(reader, names.length, packed.last, bucketMs));
  reader.end();
  return { bucketMs, names, packed, open, cuts };
}

/** The first, then how much further each other one is. */
function writeCuts(to: PageWriter, cuts: readonly number[]): void {
  to.natural(cuts.length);
  for (let at = 0; at < cuts.length; at++) {
    if (at === 0) to.integer(cuts[0]!);
    else to.natural(cuts[at]! - cuts[at - 1]!);
  }
}

function readCuts(from: PageReader): number[] {
  const cuts: number[] = [];
  for (let left = from.count(); left > 0; left--) {
    const further = cuts.length === 0 ? from.integer() : from.natural();
    if (cuts.length > 0 && further === 0) throw new RangeError('a part without time');
    cuts.push((cuts[cuts.length - 1] ?? 0) + further);
  }
  if (cuts.length < 2) throw new RangeError('a page that is cut has two parts at least');
  return cuts;
}

/** The last bucket is the one that what comes next most likely belongs to. */
function* packAllButLast(page: BucketPage): Steps<void> {
  const { bucketMs, packed, open } = page;
  const writer = takePageWriter();
  let { last } = packed;
  writer.raw(packed.bytes);
  for (let at = 0; at < open.length - 1; at++) {
    const bucket = open[at]!;
    writeBucket(writer, bucket, last, bucketMs);
    last = bucket.number;
    yield READ_WEIGHT * bucket.aggregates.length;
  }
  page.packed = { count: packed.count + open.length - 1, last, bytes: writer.finish() };
  page.open = open.slice(-1);
  givePageWriter(writer);
}
