/**
 * DeviceTotals: the sums of a device over all its sensors, by measure.
 *
 * Lies in the device's page, so that whoever looks at a device, or at all of them, reads one record and no page of a
 * sensor. A device may have hundreds of thousands of measures: the first by name are kept (see `FirstNames`). Measures
 * only ever become more, so one that is among the first now always was, and its sums are whole. One more than is told
 * is kept, as a sign that there are others. Packed until somebody adds to them.
 */
import { COLUMNS_MAX, type Steps } from '../codec/index.ts';
import { type Aggregate, combine } from './aggregate.ts';
import { COMBINE_WEIGHT } from './bucket.ts';
import { readAggregate, skipAggregate, writeAggregate } from './bucket-bytes.ts';
import { type BucketPage, bucketsOf, READ_WEIGHT } from './bucket-page.ts';
import { createFirstNames } from './first-names.ts';
import { createPageReader, givePageWriter, type PageReader, takePageWriter } from './page-bytes.ts';

export type Totals = ReadonlyMap<string, Aggregate>;

/** As bytes, or by measure, the headline first, the others ascending. */
export type DeviceTotals = Uint8Array | Totals;

/** What is told of them. */
export interface ToldTotals {
  readonly measures: Totals;
  /** Whether there are more measures than these. */
  readonly isCut: boolean;
}

/** Measures that are kept. */
export const KEPT_MAX = COLUMNS_MAX + 1;

/** Between two steps. */
const STEP_AGGREGATES = 32;
const AGGREGATE_BYTES = 400;

/** What a `total` page holds. */
export function totalsOf(page: BucketPage): Totals {
  const [total] = bucketsOf(page);
  const totals = new Map<string, Aggregate>();
  page.names.forEach((name, place) => {
    const aggregate = total?.aggregates[place];
    if (aggregate !== undefined) totals.set(name, aggregate);
  });
  return totals;
}

/** What these `total` pages, each of another sensor, come to together. */
export function* sumTotals(pages: readonly BucketPage[]): Steps<Totals> {
  const sums = new Map<string, Aggregate>();
  for (const page of pages) {
    const totals = totalsOf(page);
    for (const [name, aggregate] of totals) sums.set(name, combine(sums.get(name), aggregate)!);
    yield COMBINE_WEIGHT * (1 + totals.size);
  }
  return sums;
}

/** What these take in memory, about. */
export function bytesOfTotals(totals: DeviceTotals): number {
  if (totals instanceof Uint8Array) return totals.length;
  let bytes = 0;
  for (const [name, { sum }] of totals) bytes += AGGREGATE_BYTES + name.length + sum.scale;
  return bytes;
}

/** Both together; neither changes. */
export function* addTotals(into: DeviceTotals, more: Totals): Steps<Totals> {
  const before = into instanceof Uint8Array ? yield* unpackTotals(into) : into;
  const sums = new Map(before);
  let added = 0;
  for (const [name, aggregate] of more) {
    sums.set(name, combine(sums.get(name), aggregate)!);
    added += 1;
    if (added % STEP_AGGREGATES === 0) yield COMBINE_WEIGHT * STEP_AGGREGATES;
  }
  return sums.size === before.size ? sums : firstOf(sums);
}

/** The first of them by name, in their order: one more than is told. */
export function firstOf(totals: Totals): Totals {
  const names = createFirstNames(() => {}, KEPT_MAX);
  for (const name of totals.keys()) names.take(name);
  return new Map(names.inOrder().map((name) => [name, totals.get(name)!]));
}

export function* packTotals(totals: DeviceTotals): Steps<Uint8Array> {
  if (totals instanceof Uint8Array) return totals;
  const writer = takePageWriter();
  writer.natural(totals.size);
  let written = 0;
  for (const [name, aggregate] of totals) {
    writer.text(name);
    writeAggregate(writer, aggregate, 0);
    written += 1;
    if (written % STEP_AGGREGATES === 0) yield READ_WEIGHT * STEP_AGGREGATES;
  }
  const bytes = writer.finish();
  givePageWriter(writer);
  return bytes;
}

/** @throws RangeError where the bytes are no totals */
export function* unpackTotals(bytes: Uint8Array): Steps<Totals> {
  const reader = createPageReader(bytes);
  const totals = new Map<string, Aggregate>();
  for (let left = reader.count(); left > 0; left--) {
    totals.set(reader.text(), readTotal(reader));
    if (left % STEP_AGGREGATES === 0) yield READ_WEIGHT * STEP_AGGREGATES;
  }
  reader.end();
  return totals;
}

/**
 * What is told of them, or of one measure alone, of which nothing is cut.
 * @throws RangeError where the bytes are no totals
 */
export function* tellTotals(bytes: Uint8Array, measure?: string): Steps<ToldTotals> {
  const reader = createPageReader(bytes);
  const measures = new Map<string, Aggregate>();
  const count = reader.count();
  for (let left = Math.min(count, COLUMNS_MAX); left > 0; left--) {
    const name = reader.text();
    if (measure === undefined || measure === name) measures.set(name, readTotal(reader));
    else skipAggregate(reader);
    if (measure === name) break;
    if (left % STEP_AGGREGATES === 0) yield READ_WEIGHT * STEP_AGGREGATES;
  }
  return { measures, isCut: measure === undefined && count > COLUMNS_MAX };
}

function readTotal(reader: PageReader): Aggregate {
  const total = readAggregate(reader, 0);
  if (total === undefined) throw new RangeError('a measure without values');
  return total;
}
