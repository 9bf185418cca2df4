/**
 * Ranges: arithmetic on lists of closed sequence ranges.
 *
 * Owns union, difference and equality. Promises results that are ascending, disjoint and never adjacent, whatever the
 * order of what comes in. Never changes a list that it was given.
 */
import type { Range } from '../store/index.ts';

export function lengthOf(range: Range): number {
  return range.last - range.first + 1;
}

/** Sequences in a list of disjoint ranges. */
export function countOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, range) => sum + lengthOf(range), 0);
}

export function areEqual(a: readonly Range[], b: readonly Range[]): boolean {
  return a.length === b.length && a.every(({ first, last }, i) => first === b[i]!.first && last === b[i]!.last);
}

/** Everything that is in one of the ranges. */
export function union(ranges: readonly Range[]): Range[] {
  const joined: Range[] = [];
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const previous = joined.at(-1);
    if (previous === undefined || range.first > previous.last + 1) joined.push(range);
    else if (range.last > previous.last) joined[joined.length - 1] = { first: previous.first, last: range.last };
  }
  return joined;
}

/** What of `ranges` is in none of `others`. */
export function subtract(ranges: readonly Range[], others: readonly Range[]): Range[] {
  const taken = union(others);
  const left: Range[] = [];
  let at = 0;
  for (const { first, last } of union(ranges)) {
    let next = first;
    while (at < taken.length && taken[at]!.last < first) at++;
    for (let i = at; i < taken.length && taken[i]!.first <= last; i++) {
      if (taken[i]!.first > next) left.push({ first: next, last: taken[i]!.first - 1 });
      next = taken[i]!.last + 1;
    }
    if (next <= last) left.push({ first: next, last });
  }
  return left;
}

/** What of `ranges` is in `within`. */
export function intersect(ranges: readonly Range[], within: Range): Range[] {
  return ranges
    .map(({ first, last }) => ({ first: Math.max(first, within.first), last: Math.min(last, within.last) }))
    .filter(({ first, last }) => first <= last);
}
