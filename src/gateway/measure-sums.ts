/**
 * MeasureSums: sums by measure over any number of sensors or devices, of which the first measures by name are kept.
 */
import { addDecimals, negateDecimal } from '../codec/index.ts';
import { type Aggregate, combine } from './aggregate.ts';
import type { Totals } from './device-totals.ts';
import { createFirstNames } from './first-names.ts';

export interface MeasureSums {
  add(more: Totals): void;
  /**
   * What was `before` is `after` by now. False where one of its measures is not among the `after` any more: then all
   * has to be added up anew, since nobody can tell whose the least and the greatest value are.
   */
  replace(before: Totals | undefined, after: Totals): boolean;
  /** The first of them by name (see `FirstNames`). */
  inOrder(): Totals;
  has(name: string): boolean;
  /** Whether there were others. */
  readonly isCut: boolean;
}

/** @param from what is added up already */
export function createMeasureSums(namesMax?: number, from?: MeasureSums): MeasureSums {
  const sums = new Map<string, Aggregate>(from?.inOrder());
  let isCut = from?.isCut ?? false;
  const names = createFirstNames((name) => {
    sums.delete(name);
    isCut = true;
  }, namesMax);
  for (const name of sums.keys()) names.take(name);
  const replace = (before: Totals | undefined, after: Totals): boolean => {
    for (const [name, aggregate] of after) {
      if (!names.take(name)) {
        isCut = true;
        continue;
      }
      const there = sums.get(name);
      const counted = before?.get(name);
      const both = combine(there, aggregate)!;
      sums.set(name, counted === undefined ? both : lessCounted(both, counted));
    }
    if (before !== undefined) for (const name of before.keys()) if (!after.has(name)) return false;
    return true;
  };
  return {
    get isCut() {
      return isCut;
    },
    add: (more) => void replace(undefined, more),
    replace,
    has: (name) => sums.has(name),
    inOrder: () => new Map(names.inOrder().map((name) => [name, sums.get(name)!])),
  };
}

/** Without what was counted before: of values that only ever become more, least, greatest and last stay as they are. */
function lessCounted(sum: Aggregate, counted: Aggregate): Aggregate {
  return { ...sum, count: sum.count - counted.count, sum: addDecimals(sum.sum, negateDecimal(counted.sum)) };
}
