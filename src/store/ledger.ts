/**
 * The ledger of one stream: which event ids have been processed, and which the device has given up.
 *
 * Owns the set of processed sequences, as segments that each carry the digest of their events. Promises a size by the
 * interval, never by the event, and that a retry of any of the last `RECENT_MAX` accepted segments can be compared with
 * them exactly. Never computes a digest: the caller has the events.
 */
import assert from 'node:assert';
import {
  assertRange,
  createIntervals,
  type Intervals,
  indexFrom,
  lengthOf,
  type Range,
  uncovered,
} from './intervals.ts';

/** Segments accepted last stay apart, so that what is sent again finds the segment that it made. */
export const RECENT_MAX = 6;

/** Digests add up, so two adjacent segments are as good as one. */
const DIGEST_BITS = 64;

/** Processed events in one piece. */
export interface Segment extends Range {
  /** Sum of the 64-bit content digests of its events, modulo 2^64. */
  readonly digest: bigint;
}

export function assertSegment(segment: Segment): void {
  assertRange(segment);
  assert(BigInt.asUintN(DIGEST_BITS, segment.digest) === segment.digest, 'a digest has 64 bits');
}

export interface Comparison {
  /** Processed with this very content. */
  readonly same: Range[];
  /** Whole segments of which at least one event had other content. */
  readonly different: Range[];
  /** Processed, but only part of its segment is in the range: the digest cannot tell, a retained batch may. */
  readonly unknown: Range[];
}

export interface LedgerView {
  /** The parts of the range that are not processed yet, ascending. */
  missing(first: number, last: number): Range[];
  /**
   * Compares the processed part of a range with what came now. `digestOf` gives the digest of the events that came, for
   * any range inside the given one. Every list is ascending, with adjacent ranges joined.
   */
  compare(first: number, last: number, digestOf: (first: number, last: number) => bigint): Comparison;
  /** Every processed range, ascending; adjacent segments are one. */
  intervals(): Range[];
  /** Every range declared as given up, ascending. Some of it may have been processed all the same. */
  gaps(): Range[];
  /** The parts of the range that were not declared as given up, ascending. Costs nothing for the gaps outside it. */
  undeclared(first: number, last: number): Range[];
  /** Processed events. */
  readonly count: number;
  /** Sequences declared as given up that were not processed either. */
  readonly gapCount: number;
}

export interface Ledger extends LedgerView {
  /** Takes in a segment of which nothing is processed yet. */
  add(segment: Segment): void;
  /** Takes in a declared gap; declaring it again changes nothing. */
  addGap(range: Range): void;
}

export function createLedger(): Ledger {
  return new SegmentLedger();
}

/** What `ledger-bytes.ts` writes: segments ascending, and the places of the recent ones in order of acceptance. */
export interface LedgerParts {
  readonly segments: readonly Segment[];
  readonly recent: readonly number[];
  readonly gaps: readonly Range[];
}

/** The parts of a ledger that `createLedger` or `ledgerOf` made. */
export function partsOf(ledger: LedgerView): LedgerParts {
  assert(ledger instanceof SegmentLedger, 'a ledger of this module');
  return ledger.parts();
}

/** The ledger with exactly these parts. */
export function ledgerOf({ segments, recent, gaps }: LedgerParts): Ledger {
  const ledger = new SegmentLedger();
  for (const segment of segments) ledger.append(segment);
  ledger.recall(recent);
  for (const gap of gaps) ledger.addGap(gap);
  return ledger;
}

class SegmentLedger implements Ledger {
  readonly #firsts: number[] = [];
  readonly #lasts: number[] = [];
  readonly #digests: bigint[] = [];
  /** First sequences of the segments that stay apart, oldest acceptance first. */
  #recent: number[] = [];
  readonly #gaps: Intervals = createIntervals();
  #count = 0;
  #gapCount = 0;

  get count(): number {
    return this.#count;
  }

  get gapCount(): number {
    return this.#gapCount;
  }

  missing(first: number, last: number): Range[] {
    assertRange({ first, last });
    return uncovered(this.#firsts, this.#lasts, { first, last });
  }

  compare(first: number, last: number, digestOf: (first: number, last: number) => bigint): Comparison {
    assertRange({ first, last });
    const result: Comparison = { same: [], different: [], unknown: [] };
    for (let i = indexFrom(this.#lasts, first); i < this.#firsts.length && this.#firsts[i]! <= last; i += 1) {
      const from = this.#firsts[i]!;
      const to = this.#lasts[i]!;
      if (from < first || to > last) {
        join(result.unknown, { first: Math.max(from, first), last: Math.min(to, last) });
      } else if (digestOf(from, to) === this.#digests[i]!) {
        join(result.same, { first: from, last: to });
      } else {
        join(result.different, { first: from, last: to });
      }
    }
    return result;
  }

  intervals(): Range[] {
    const ranges: Range[] = [];
    for (let i = 0; i < this.#firsts.length; i += 1) join(ranges, { first: this.#firsts[i]!, last: this.#lasts[i]! });
    return ranges;
  }

  gaps(): Range[] {
    return this.#gaps.ranges();
  }

  undeclared(first: number, last: number): Range[] {
    assertRange({ first, last });
    return this.#gaps.missing({ first, last });
  }

  add(segment: Segment): void {
    assertSegment(segment);
    const at = indexFrom(this.#lasts, segment.first);
    assert(at === this.#firsts.length || this.#firsts[at]! > segment.last, 'a segment is processed once');
    this.#insert(at, segment);
    this.#gapCount -= lengthOf(segment) - countOf(this.#gaps.missing(segment));
    this.#recent.push(segment.first);
    if (this.#recent.length > RECENT_MAX) this.#settle(this.#recent.shift()!);
  }

  addGap(range: Range): void {
    for (const fresh of this.#gaps.missing(range)) {
      this.#gapCount += countOf(uncovered(this.#firsts, this.#lasts, fresh));
    }
    this.#gaps.add(range);
  }

  parts(): LedgerParts {
    const segments = this.#firsts.map((first, i) => ({ first, last: this.#lasts[i]!, digest: this.#digests[i]! }));
    return { segments, recent: this.#recent.map((first) => indexFrom(this.#lasts, first)), gaps: this.gaps() };
  }

  append(segment: Segment): void {
    this.#insert(this.#firsts.length, segment);
  }

  recall(recent: readonly number[]): void {
    this.#recent = recent.map((at) => this.#firsts[at]!);
  }

  #insert(at: number, { first, last, digest }: Segment): void {
    if (at === this.#firsts.length) {
      this.#firsts.push(first);
      this.#lasts.push(last);
      this.#digests.push(digest);
    } else {
      this.#firsts.splice(at, 0, first);
      this.#lasts.splice(at, 0, last);
      this.#digests.splice(at, 0, digest);
    }
    this.#count += last - first + 1;
  }

  /** A segment that is no longer recent becomes one with its settled neighbours. */
  #settle(first: number): void {
    const at = indexFrom(this.#lasts, first);
    if (this.#areOne(at, at + 1)) this.#mergeWithNext(at);
    if (this.#areOne(at - 1, at)) this.#mergeWithNext(at - 1);
  }

  #areOne(left: number, right: number): boolean {
    if (left < 0 || right >= this.#firsts.length || this.#lasts[left]! + 1 !== this.#firsts[right]!) return false;
    return !this.#recent.includes(this.#firsts[left]!) && !this.#recent.includes(this.#firsts[right]!);
  }

  #mergeWithNext(at: number): void {
    this.#lasts[at] = this.#lasts[at + 1]!;
    this.#digests[at] = BigInt.asUintN(DIGEST_BITS, this.#digests[at]! + this.#digests[at + 1]!);
    this.#firsts.splice(at + 1, 1);
    this.#lasts.splice(at + 1, 1);
    this.#digests.splice(at + 1, 1);
  }
}

function countOf(ranges: readonly Range[]): number {
  let count = 0;
  for (const range of ranges) count += lengthOf(range);
  return count;
}

/** Appends to an ascending list, making one of what touches. */
function join(ranges: Range[], range: Range): void {
  const previous = ranges.at(-1);
  if (previous?.last === range.first - 1) ranges[ranges.length - 1] = { first: previous.first, last: range.last };
  else ranges.push(range);
}
