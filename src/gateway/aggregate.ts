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

/** Undefined where both are. */
export function combine(a: Aggregate | undefined, b: Aggregate | undefined): Aggregate | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const { last, lastTs, lastSequence } = isLater(b, a) ? b : a;
  return {
    count: a.count + b.count,
    sum: addDecimals(a.sum, b.sum),
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    last,
    lastTs,
    lastSequence,
  };
}

function isLater(a: Aggregate, b: Aggregate): boolean {
  if (a.lastTs !== b.lastTs) return a.lastTs > b.lastTs;
  if (a.lastSequence !== b.lastSequence) return a.lastSequence > b.lastSequence;
  return a.last > b.last;
}
