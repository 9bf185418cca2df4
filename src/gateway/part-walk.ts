/**
 * PartWalk: which pages a range is read from, and which buckets of each, where pages were cut (see `bucket-cuts.ts`).
 *
 * A page says where its parts begin, so those that end before the range are passed over. What is walked over is written
 * meanwhile: buckets may move from a page that was read into a part behind it, and never to one before. So of a part
 * only that is taken which was in no page before it, and each bucket is taken once.
 */
import type { PageKey } from '../store/index.ts';
import { GRANULARITIES, type Granularity } from './bucket.ts';
import { firstOfPart, startOfPart } from './bucket-cuts.ts';
import type { BucketPage, BucketRange } from './bucket-page.ts';

export interface PartWalk {
  /** For `PageRange.jump`. */
  jump(key: PageKey): number | undefined;
  /** What is to be taken of the next page, which was not passed over. */
  rangeIn(key: PageKey, page: BucketPage): BucketRange;
}

/** @param range its end may come down meanwhile */
export function createPartWalk(granularity: Granularity, range: BucketRange): PartWalk {
  const { bucketMs, pageBuckets } = GRANULARITIES[granularity];
  let sensor: string | undefined;
  /** Of the latest page that is no part: its start, that of the page behind it, and its own first bucket. */
  let start = 0;
  let startBehind = 0;
  let ownFrom = 0;
  /** Start of the first part that is wanted, and the bucket behind those of the part before. */
  let seekTo = 0;
  let takenTo = 0;

  const isPartOfLatest = (key: PageKey) => key.sensor === sensor && key.start > start && key.start < startBehind;

  return {
    jump(key) {
      if (key.start >= range.end * bucketMs) return Infinity;
      if (!isPartOfLatest(key)) return undefined;
      if (firstOfPart(key.start, bucketMs) >= ownFrom) return startBehind;
      return key.start < seekTo ? seekTo : undefined;
    },
    rangeIn(key, { cuts, packed, open }) {
      const { begin, end } = range;
      if (isPartOfLatest(key)) {
        const from = Math.max(begin, takenTo);
        takenTo = Math.max(takenTo, 1 + (open.at(-1)?.number ?? packed.last));
        return { begin: from, end: Math.min(end, ownFrom) };
      }
      ({ sensor, start } = key);
      startBehind = start + pageBuckets * bucketMs;
      takenTo = -Infinity;
      ownFrom = cuts.at(-1) ?? -Infinity;
      // Nothing of the parts is wanted where the range begins behind them.
      if (begin >= ownFrom) ownFrom = -Infinity;
      seekTo = startOfPart(cuts.findLast((cut) => cut <= begin) ?? -Infinity, bucketMs);
      return { begin, end };
    },
  };
}
