/**
 * Pages: what the gateway keeps in a store that does not know what it keeps.
 *
 * Owns which kind of page holds what, and where pages of a kind begin. Promises what `PageOperator` asks for. Never
 * reads or writes the store.
 */
import assert from 'node:assert';
import type { PageKey, PageKind, PageOperator } from '../store/index.ts';
import { GRANULARITIES, type Granularity, TOTAL_BUCKET_MS } from './bucket.ts';
import { CUT_BYTES, cutInSteps, divide } from './bucket-cuts.ts';
import { mergeInSteps } from './bucket-merge.ts';
import {
  type BucketPage,
  bytesOfBucketPage,
  createBucketPage,
  decodeBucketPage,
  encodeInSteps,
} from './bucket-page.ts';
import {
  bytesOfDevicePage,
  type DevicePage,
  decodeDevicePage,
  emptyDevicePage,
  encodeDevicePage,
  mergeDevicePages,
} from './device-page.ts';

/** A `DevicePage` where the kind is `device`, else a `BucketPage`. */
export type Page = DevicePage | BucketPage;

/** @param cutBytes see `cutInSteps`. @default CUT_BYTES */
export function createPageOperator(cutBytes = CUT_BYTES): PageOperator<Page> {
  return {
    empty: (kind) => (kind === 'device' ? emptyDevicePage() : createBucketPage(bucketMsOf(kind))),
    divide: (kind, page, delta) => (kind === 'device' ? undefined : divide(page as BucketPage, delta as BucketPage)),
    merge: (kind, into, delta) =>
      kind === 'device'
        ? mergeDevicePages(into as DevicePage, delta as DevicePage)
        : mergeInSteps(into as BucketPage, delta as BucketPage),
    cut: (kind, head, start, page) =>
      kind === 'device' || kind === 'total'
        ? undefined
        : cutInSteps(head as BucketPage, start, page as BucketPage, cutBytes),
    encode: (kind, page) =>
      kind === 'device' ? encodeDevicePage(page as DevicePage) : encodeInSteps(page as BucketPage),
    // Each bucket may be in a part of its own.
    pagesOf: (kind, delta) => (kind === 'device' ? 1 : (delta as BucketPage).open.length),
    bytesOf: (kind, page) =>
      kind === 'device' ? bytesOfDevicePage(page as DevicePage) : bytesOfBucketPage(page as BucketPage),
    decode: (kind, bytes) => (kind === 'device' ? decodeDevicePage(bytes) : decodeBucketPage(bytes, bucketMsOf(kind))),
  };
}

export const pageOperator: PageOperator<Page> = createPageOperator();

export function devicePageOf(page: Page): DevicePage {
  assert('batches' in page, 'a device page');
  return page;
}

export function bucketPageOf(page: Page): BucketPage {
  assert('packed' in page, 'a bucket page');
  return page;
}

export function devicePageKey(deviceId: string): PageKey {
  return { deviceId, kind: 'device', sensor: '', start: 0 };
}

/** Start of the page that holds a bucket, epoch milliseconds. */
export function pageStart(granularity: Granularity, bucket: number): number {
  const { bucketMs, pageBuckets } = GRANULARITIES[granularity];
  return Math.floor(bucket / pageBuckets) * pageBuckets * bucketMs;
}

function bucketMsOf(kind: Exclude<PageKind, 'device'>): number {
  return kind === 'total' ? TOTAL_BUCKET_MS : GRANULARITIES[kind].bucketMs;
}
