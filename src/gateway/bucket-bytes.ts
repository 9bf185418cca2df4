/**
 * BucketPage on disk.
 *
 * Owns the bytes of bucket pages. Promises that equal pages have equal bytes and that a page costs little: a sum and the
 * values beside it share one power of ten per measure, times are kept from the start of their bucket, and a bucket that
 * saw a single value keeps that value once. Never rounds.
 */
import { addDecimals, type Decimal } from '../codec/index.ts';
import type { Aggregate } from './aggregate.ts';
import type { Bucket, BucketPage } from './bucket-page.ts';
import { createPageReader, createPageWriter, type PageReader, type PageWriter } from './page-bytes.ts';

const VERSION = 1;

/** The flags of an aggregate: it is one value, or which of its values are written as doubles. */
const SINGLE = 8;
const RAW_MIN = 1;
const RAW_MAX = 2;
const RAW_LAST = 4;

/** Up to this scale and mantissa a double divided by a power of ten is the nearest double to that decimal. */
const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
const MANTISSA_MAX = 1e15;

const writer = createPageWriter();

/** @param bucketMs length of a bucket, or 0 in a `total` page */
export function encodeBucketPage(page: BucketPage, bucketMs: number): Uint8Array {
  const { names, buckets } = page;
  writer.natural(VERSION);
  writer.natural(buckets.length);
  let previous = 0;
  for (const { number, events } of buckets) {
    writer.integer(number - previous);
    writer.natural(events);
    previous = number;
  }
  writer.natural(names.length);
  names.forEach((name, place) => {
    writer.text(name);
    const scale = buckets.reduce((most, { aggregates }) => Math.max(most, aggregates[place]?.sum.scale ?? 0), 0);
    writer.natural(scale);
    for (const { number, aggregates } of buckets) {
      const aggregate = aggregates[place];
      if (aggregate === undefined) writer.natural(0);
      else writeAggregate(writer, aggregate, scale, number * bucketMs);
    }
  });
  return writer.finish();
}

/** @throws RangeError where the bytes are no bucket page */
export function decodeBucketPage(bytes: Uint8Array, bucketMs: number): BucketPage {
  const reader = createPageReader(bytes);
  if (reader.natural() !== VERSION) throw new RangeError('an unknown version of a page');
  const buckets: (Bucket & { aggregates: (Aggregate | undefined)[] })[] = [];
  let previous = 0;
  for (let left = reader.count(); left > 0; left--) {
    previous += reader.integer();
    buckets.push({ number: previous, events: reader.natural(), aggregates: [] });
  }
  const names: string[] = [];
  for (let left = reader.count(); left > 0; left--) {
    names.push(reader.text());
    const scale = reader.natural();
    for (const { number, aggregates } of buckets) aggregates.push(readAggregate(reader, scale, number * bucketMs));
  }
  reader.end();
  return { names, buckets };
}

function writeAggregate(to: PageWriter, aggregate: Aggregate, scale: number, startsAt: number): void {
  const { count, min, max, last } = aggregate;
  const { digits } = rescaled(aggregate.sum, scale);
  to.natural(count);
  if (count === 1 && doubleOf(digits, scale) === last) {
    to.natural(SINGLE);
    to.digits(digits);
  } else {
    const lowest = mantissaOf(min, scale);
    const highest = mantissaOf(max, scale);
    const latest = mantissaOf(last, scale);
    to.natural(
      (lowest === undefined ? RAW_MIN : 0) +
        (highest === undefined ? RAW_MAX : 0) +
        (latest === undefined ? RAW_LAST : 0),
    );
    to.digits(digits);
    writeValue(to, min, lowest);
    writeValue(to, max, highest);
    writeValue(to, last, latest);
  }
  to.integer(aggregate.lastTs - startsAt);
  to.natural(aggregate.lastSequence);
}

function readAggregate(from: PageReader, scale: number, startsAt: number): Aggregate | undefined {
  const count = from.natural();
  if (count === 0) return undefined;
  const flags = from.natural();
  const digits = from.digits();
  const sum = { digits, scale };
  if (flags === SINGLE) {
    const value = doubleOf(digits, scale);
    if (value === undefined) throw new RangeError('a single value that no double holds');
    return { count, sum, min: value, max: value, last: value, ...readLast(from, startsAt) };
  }
  const min = readValue(from, scale, (flags & RAW_MIN) !== 0);
  const max = readValue(from, scale, (flags & RAW_MAX) !== 0);
  const last = readValue(from, scale, (flags & RAW_LAST) !== 0);
  return { count, sum, min, max, last, ...readLast(from, startsAt) };
}

function readLast(from: PageReader, startsAt: number): Pick<Aggregate, 'lastTs' | 'lastSequence'> {
  return { lastTs: startsAt + from.integer(), lastSequence: from.natural() };
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

function rescaled(sum: Decimal, scale: number): Decimal {
  return sum.scale === scale ? sum : addDecimals({ digits: 0n, scale }, sum);
}
