/**
 * Intervals: a set of sequences, held as closed ranges.
 *
 * Owns the order and the merging: ranges are ascending, disjoint and never adjacent. Promises O(log n) look-ups, O(1)
 * growth at the end, and memory by the range, never by the sequence. Never knows what is at a sequence.
 */
import assert from 'node:assert';

/** Closed on both sides: `{first: 3, last: 3}` is one sequence. Sequences are safe integers from 1. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

export function assertRange({ first, last }: Range): void {
  assert(Number.isSafeInteger(first) && Number.isSafeInteger(last), 'a sequence is a safe integer');
  assert(first >= 1 && first <= last, 'a range goes from 1 or above to its first or above');
}

export const lengthOf = ({ first, last }: Range): number => last - first + 1;

/** Index of the first of ascending sequences at or after `sequence`: of ends of ranges, the first there or later. */
export function indexFrom(lasts: readonly number[], sequence: number): number {
  let low = 0;
  let high = lasts.length;
  // Streams grow at their end: most look-ups are past everything.
  if (high > 0 && lasts[high - 1]! < sequence) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lasts[middle]! < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many sequences of `within` none of the ascending, disjoint ranges has. */
export function uncoveredCount(firsts: readonly number[], lasts: readonly number[], within: Range): number {
  let count = lengthOf(within);
  for (let i = indexFrom(lasts, within.first); i < firsts.length && firsts[i]! <= within.last; i += 1) {
    count -= Math.min(lasts[i]!, within.last) - Math.max(firsts[i]!, within.first) + 1;
  }
  return count;
}

/** The ranges that overlap a range or touch it, given as ascending, disjoint ones. */
export function touchingRanges(firsts: readonly number[], lasts: readonly number[], range: Range): Range[] {
  const found: Range[] = [];
  for (let i = indexFrom(lasts, range.first - 1); i < firsts.length && firsts[i]! <= range.last + 1; i += 1) {
    found.push({ first: firsts[i]!, last: lasts[i]! });
  }
  return found;
}

/** What `within` has that none of the ascending, disjoint ranges has; ascending. */
export function uncovered(firsts: readonly number[], lasts: readonly number[], within: Range): Range[] {
  const found: Range[] = [];
  let next = within.first;
  for (let i = indexFrom(lasts, within.first); i < firsts.length && firsts[i]! <= within.last; i += 1) {
    if (firsts[i]! > next) found.push({ first: next, last: firsts[i]! - 1 });
    next = lasts[i]! + 1;
  }
  if (next <= within.last) found.push({ first: next, last: within.last });
  return found;
}

export interface Intervals {
  /** Adds a range; what is in it already stays in it once. */
  add(range: Range): void;
  /** The parts of a range that are not in the set, ascending. */
  missing(range: Range): Range[];
  /** The ranges of the set that overlap a range or touch it, and would become one with it; ascending. */
  touching(range: Range): Range[];
  /** How many these are, without looking at each. */
  touchingCount(range: Range): number;
  /** Every range of the set, ascending; adjacent ones are one. */
  ranges(): Range[];
  /** The ranges that begin from `first` up to but without `end`, ascending. */
  beginning(first: number, end: number): Range[];
  /** How many of them there are. */
  countBeginning(first: number, end: number): number;
  /** How many ranges the set has. */
  readonly size: number;
  /** The same set, which does not change with this one. */
  copy(): Intervals;
}

export function createIntervals(): Intervals {
  return new SortedIntervals();
}

class SortedIntervals implements Intervals {
  readonly #firsts: number[];
  readonly #lasts: number[];

  constructor(firsts: number[] = [], lasts: number[] = []) {
    this.#firsts = firsts;
    this.#lasts = lasts;
  }

  add(range: Range): void {
    assertRange(range);
    // Everything that overlaps the range or touches it becomes one with it.
    const from = indexFrom(this.#lasts, range.first - 1);
    let to = from;
    let { first, last } = range;
    for (; to < this.#firsts.length && this.#firsts[to]! <= range.last + 1; to += 1) {
      first = Math.min(first, this.#firsts[to]!);
      last = Math.max(last, this.#lasts[to]!);
    }
    this.#firsts.splice(from, to - from, first);
    this.#lasts.splice(from, to - from, last);
  }

  missing(range: Range): Range[] {
    return uncovered(this.#firsts, this.#lasts, range);
  }

  touching(range: Range): Range[] {
    return touchingRanges(this.#firsts, this.#lasts, range);
  }

  touchingCount({ first, last }: Range): number {
    return indexFrom(this.#firsts, last + 2) - indexFrom(this.#lasts, first - 1);
  }

  ranges(): Range[] {
    return this.beginning(0, Infinity);
  }

  beginning(first: number, end: number): Range[] {
    const found: Range[] = [];
    for (let i = indexFrom(this.#firsts, first); i < this.#firsts.length && this.#firsts[i]! < end; i += 1) {
      found.push({ first: this.#firsts[i]!, last: this.#lasts[i]! });
    }
    return found;
  }

  countBeginning(first: number, end: number): number {
    return indexFrom(this.#firsts, end) - indexFrom(this.#firsts, first);
  }

  get size(): number {
    return this.#firsts.length;
  }

  copy(): Intervals {
    return new SortedIntervals(this.#firsts.slice(), this.#lasts.slice());
  }
}

/** Sequences in a list of disjoint ranges. */
export function countOf(ranges: readonly Range[]): number {
  let count = 0;
  for (const range of ranges) count += lengthOf(range);
  return count;
}

/** Appends to an ascending list, making one of what touches. */
export function join(ranges: Range[], range: Range): void {
  const previous = ranges.at(-1);
  if (previous?.last === range.first - 1) ranges[ranges.length - 1] = { first: previous.first, last: range.last };
  else ranges.push(range);
}
