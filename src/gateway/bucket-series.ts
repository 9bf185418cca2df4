/**
 * BucketSeries: aggregates over time, read from pages.
 *
 * Owns the choice of range and the adding up over sensors. Promises a bounded answer that holds every bucket of the
 * range, the first and last whole. Never fills buckets in which nothing happened.
 */
import type { GatewayStore } from '../store/index.ts';
import { type Bucket, GRANULARITIES, type Granularity } from './bucket.ts';
import { bucketsOf, createBucketPage, mergeBucketPages } from './bucket-page.ts';
import { GatewayError } from './errors.ts';
import { bucketPageOf, type Page, pageStart } from './pages.ts';
import { isoTime, type MeasuresView, measuresView } from './views.ts';

export interface SeriesQuery {
  readonly granularity: Granularity;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly sensor?: string | undefined;
  readonly measure?: string | undefined;
}

export interface BucketView {
  readonly start: string | null;
  readonly events: number;
  readonly measures: MeasuresView;
}

/** A week of minutes, a year of hours. */
const BUCKETS_MAX = 10_080;
const BUCKETS_DEFAULT = 120;

/**
 * Buckets that begin before `to` and end after `from`, ascending. Without `to` the range ends with `tsMax`, the device's
 * latest event, if there is one; without `from` it holds the `BUCKETS_DEFAULT` before `to`.
 * @throws GatewayError `query-invalid` where the range holds more than `BUCKETS_MAX` buckets
 */
export async function readSeries(
  store: Pick<GatewayStore<Page>, 'pages'>,
  deviceId: string,
  tsMax: number,
  query: SeriesQuery,
): Promise<BucketView[]> {
  const { granularity, sensor, measure } = query;
  const { bucketMs } = GRANULARITIES[granularity];
  const to = query.to ?? tsMax + 1;
  // A device that has only reported so far.
  if (to === -Infinity) return [];
  const end = Math.ceil(to / bucketMs);
  const begin = query.from === undefined ? end - BUCKETS_DEFAULT : Math.floor(query.from / bucketMs);
  if (!(end - begin <= BUCKETS_MAX)) {
    throw new GatewayError('query-invalid', `from and to span more than ${BUCKETS_MAX} buckets`);
  }
  const range = { from: pageStart(granularity, begin), to: end * bucketMs, ...(sensor !== undefined && { sensor }) };
  const series = createBucketPage(bucketMs);
  for await (const { page } of store.pages(deviceId, granularity, range)) {
    const part = bucketPageOf(page);
    const inRange = bucketsOf(part).filter(({ number }) => number >= begin && number < end);
    mergeBucketPages(series, createBucketPage(bucketMs, part.names, inRange));
  }
  return bucketsOf(series).map((bucket) => viewOf(bucket, bucketMs, series.names, measure));
}

function viewOf(bucket: Bucket, bucketMs: number, names: readonly string[], measure: string | undefined): BucketView {
  const measures = names.flatMap((name, place) => {
    const aggregate = bucket.aggregates[place];
    return aggregate === undefined || (measure ?? name) !== name ? [] : [[name, aggregate] as const];
  });
  return {
    start: isoTime(bucket.number * bucketMs),
    events: bucket.events,
    measures: measuresView(new Map(measures)),
  };
}
