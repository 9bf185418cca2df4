/**
 * Aggregate: what is kept of the values that one measure had in one bucket.
 *
 * Owns how two of them become one. Promises that the order and grouping of what is combined makes no difference, to the
 * last digit and bit. Never changes: combining gives a new one, so that one aggregate may stand in many pages.
 */
import { addDecimals, type Decimal } from '../codec/index.ts';

export interface Aggregate {
  /** How many values; at least one. */
  readonly count: number;
  /** Exact. */
  readonly sum: Decimal;
  readonly min: number;
  readonly max: number;
  /** The value with the greatest `ts`; of several the one with the greatest sequence, and then the greatest value. */
  readonly last: number;
  readonly lastTs: number;
  readonly lastSequence: number;
}

export function combine(a: Aggregate, b: Aggregate): Aggregate {
  return combineAll([a, b])!;
}

/** Undefined where there is none. */
export function combineAll(aggregates: readonly (Aggregate | undefined)[]): Aggregate | undefined {
  let latest: Aggregate | undefined;
  let count = 0;
  let sum: Decimal | undefined;
  let min = Infinity;
  let max = -Infinity;
  for (const aggregate of aggregates) {
    if (aggregate === undefined) continue;
    count += aggregate.count;
    sum = sum === undefined ? aggregate.sum : addDecimals(sum, aggregate.sum);
    min = Math.min(min, aggregate.min);
    max = Math.max(max, aggregate.max);
    if (latest === undefined || isLater(aggregate, latest)) latest = aggregate;
  }
  if (latest === undefined || sum === undefined) return undefined;
  const { last, lastTs, lastSequence } = latest;
  return { count, sum, min, max, last, lastTs, lastSequence };
}

function isLater(a: Aggregate, b: Aggregate): boolean {
  if (a.lastTs !== b.lastTs) return a.lastTs > b.lastTs;
  if (a.lastSequence !== b.lastSequence) return a.lastSequence > b.lastSequence;
  return a.last > b.last;
}
