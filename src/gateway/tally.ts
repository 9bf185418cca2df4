/**
 * Tally: a table's events as additions to pages. This is the gateway's hot path.
 *
 * Owns the way from minutes to pages, and how many of these one batch may touch. Promises that hours, days and totals
 * are made from minutes, and that the work can be put down after a few thousand values. Never looks at an event.
 */
import { type EventTable, HEAP, type Steps } from '../codec/index.ts';
import type { PageKey, Range } from '../store/index.ts';
import { type Bucket, coarser, GRANULARITIES, type Granularity, TOTAL_BUCKET_MS } from './bucket.ts';
import { createBucketPage } from './bucket-page.ts';
import { GatewayError } from './errors.ts';
import { BATCH_PAGES_MAX } from './limits.ts';
import { createMinutes } from './minutes.ts';
import { type Page, pageStart } from './pages.ts';

export interface PageDelta {
  readonly key: PageKey;
  readonly delta: Page;
}

/**
 * What the table's events, of which the first has sequence `first`, add to the total and time pages of a device: those
 * in `missing`, which is ascending.
 * @throws GatewayError `batch-limit`
 */
export function* tally(
  deviceId: string,
  table: EventTable,
  first: number,
  missing: readonly Range[],
  memory = HEAP,
): Steps<PageDelta[]> {
  const deltas: PageDelta[] = [];
  if (missing.length === 0) return deltas;
  const add = (key: Omit<PageKey, 'deviceId'>, delta: Page): void => {
    deltas.push({ key: { deviceId, ...key }, delta });
    if (deltas.length <= BATCH_PAGES_MAX) return;
    throw new GatewayError('batch-limit', `touches more than ${BATCH_PAGES_MAX} pages`);
  };
  const minutesOf = createMinutes(table, first, missing, memory);
  for (let s = 0; s < table.sensors.length; s++) {
    const sensor = table.sensors[s]!;
    const { names, buckets: minutes } = yield* minutesOf(s);
    if (minutes.length === 0) continue;
    const hours = yield* coarser(minutes, 60);
    const days = yield* coarser(hours, 24);
    const total = createBucketPage(TOTAL_BUCKET_MS, names, yield* coarser(days, Infinity));
    add({ kind: 'total', sensor, start: 0 }, total);
    const addPages = (kind: Granularity, buckets: Bucket[]): void => {
      const { bucketMs } = GRANULARITIES[kind];
      for (let at = 0; at < buckets.length; ) {
        const start = pageStart(kind, buckets[at]!.number);
        let end = at + 1;
        while (end < buckets.length && pageStart(kind, buckets[end]!.number) === start) end++;
        add({ kind, sensor, start }, createBucketPage(bucketMs, names, buckets.slice(at, end)));
        at = end;
      }
    };
    addPages('minute', minutes);
    addPages('hour', hours);
    addPages('day', days);
    yield minutes.length + hours.length + days.length;
  }
  return deltas;
}
