/**
 * Distribution: what many measured times come to.
 *
 * Owns percentiles, which are values that were measured and nothing between them, and the buckets of a plot. Never
 * drops the worst.
 */

export interface Distribution {
  readonly max: number;
  /** @param share 0.999 for p99.9 */
  percentile(share: number): number;
  /** Upper end of each bucket, the first taking everything below it, and the share of the times in it. */
  buckets(): [upTo: number, share: number][];
}

/** Four buckets to a doubling, from ten microseconds on. */
const LOWEST_MS = 0.01;
const BUCKETS_TO_A_DOUBLING = 4;

export function distributionOf(timesMs: Iterable<number>): Distribution {
  const sorted = Float64Array.from(timesMs).sort();
  if (sorted.length === 0) throw new Error('no times were measured');
  return {
    max: sorted.at(-1)!,
    percentile: (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!,
    buckets() {
      const counts: number[] = [];
      for (const time of sorted) {
        const at = Math.max(0, Math.ceil(Math.log2(time / LOWEST_MS) * BUCKETS_TO_A_DOUBLING));
        while (counts.length <= at) counts.push(0);
        counts[at]! += 1;
      }
      return counts.map((count, at) => [LOWEST_MS * 2 ** (at / BUCKETS_TO_A_DOUBLING), count / sorted.length]);
    },
  };
}
