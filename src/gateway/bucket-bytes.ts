/**
 * Bucket on disk.
 *
 * Owns the bytes of a bucket. Promises that equal buckets have equal bytes, and few of them: a sum and the values
 * beside it share one power of ten, times are kept from the start of the bucket, and a bucket that saw a single value
 * keeps that value once. Never rounds.
 */
import type { Aggregate } from './aggregate.ts';
import type { Bucket } from './bucket.ts';
import type { PageReader, PageWriter } from './page-bytes.ts';

/**
 * The flags of an aggregate: it is one value, or which of its values are written as doubles. Its scale stands above
 * them.
 */
const SINGLE = 8;
const RAW_MIN = 1;
const RAW_MAX = 2;
const RAW_LAST = 4;
const FLAGS = 16;

/** Up to this scale and mantissa a double divided by a power of ten is the nearest double to that decimal. */
const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
const MANTISSA_MAX = 1e15;

/** @param previous number of the bucket before it; @param bucketMs length of a bucket, or 0 in a `total` page */
export function writeBucket(to: PageWriter, bucket: Bucket, previous: number, bucketMs: number): void {
  to.integer(bucket.number - previous);
  to.natural(bucket.events);
  for (const aggregate of bucket.aggregates) {
    if (aggregate === undefined) to.natural(0);
    else writeAggregate(to, aggregate, bucket.number * bucketMs);
  }
}

/** @throws RangeError where the bytes are no bucket of so many measures */
export function readBucket(from: PageReader, measures: number, previous: number, bucketMs: number): Bucket {
  const number = previous + from.integer();
  const events = from.natural();
  const aggregates: (Aggregate | undefined)[] = [];
  for (let left = measures; left > 0; left--) aggregates.push(readAggregate(from, number * bucketMs));
  return { number, events, aggregates };
}

/** Passes over an aggregate, which takes a tenth of the time that reading it does. */
export function skipAggregate(from: PageReader): void {
  if (from.natural() === 0) return;
  const flags = from.natural() % FLAGS;
  from.skipDigits();
  if (flags !== SINGLE) {
    for (const raw of [RAW_MIN, RAW_MAX, RAW_LAST]) {
      if ((flags & raw) === 0) from.natural();
      else from.skip(8);
    }
  }
  from.natural();
  from.natural();
}

export function writeAggregate(to: PageWriter, aggregate: Aggregate, startsAt: number): void {
  const { count, sum, min, max, last } = aggregate;
  const { digits, scale } = sum;
  to.natural(count);
  if (count === 1 && doubleOf(digits, scale) === last) {
    to.natural(SINGLE + FLAGS * scale);
    to.digits(digits);
  } else {
    const lowest = mantissaOf(min, scale);
    const highest = mantissaOf(max, scale);
    const latest = mantissaOf(last, scale);
    const raw =
      (lowest === undefined ? RAW_MIN : 0) |
      (highest === undefined ? RAW_MAX : 0) |
      (latest === undefined ? RAW_LAST : 0);
    to.natural(raw + FLAGS * scale);
    to.digits(digits);
    writeValue(to, min, lowest);
    writeValue(to, max, highest);
    writeValue(to, last, latest);
  }
  to.integer(aggregate.lastTs - startsAt);
  to.natural(aggregate.lastSequence);
}

/** @param startsAt of its bucket, epoch milliseconds; 0 in a `total` page */
export function readAggregate(from: PageReader, startsAt: number): Aggregate | undefined {
  const count = from.natural();
  if (count === 0) return undefined;
  const head = from.natural();
  const flags = head % FLAGS;
  const scale = (head - flags) / FLAGS;
  const digits = from.digits();
  const single = flags === SINGLE ? doubleOf(digits, scale) : undefined;
  const min = single ?? readValue(from, scale, (flags & RAW_MIN) !== 0);
  const max = single ?? readValue(from, scale, (flags & RAW_MAX) !== 0);
  const last = single ?? readValue(from, scale, (flags & RAW_LAST) !== 0);
  const lastTs = startsAt + from.integer();
  return { count, sum: { digits, scale }, min, max, last, lastTs, lastSequence: from.natural() };
}

function writeValue(to: PageWriter, value: number, mantissa: number | undefined): void {
  if (mantissa === undefined) to.double(value);
  else to.integer(mantissa);
}

function readValue(from: PageReader, scale: number, raw: boolean): number {
  return raw ? from.double() : from.integer() / (POWERS[scale] ?? Number.NaN);
}

/** The whole number that gives the value back when it is divided by 10^scale. */
function mantissaOf(value: number, scale: number): number | undefined {
  const unit = POWERS[scale];
  if (unit === undefined) return undefined;
  const mantissa = Math.round(value * unit);
  return Math.abs(mantissa) <= MANTISSA_MAX && mantissa / unit === value ? mantissa : undefined;
}

/** The double that `digits` / 10^scale is, where that can be told without rounding twice. */
function doubleOf(digits: bigint, scale: number): number | undefined {
  const unit = POWERS[scale];
  const mantissa = Number(digits);
  return unit === undefined || Math.abs(mantissa) > MANTISSA_MAX ? undefined : mantissa / unit;
}
