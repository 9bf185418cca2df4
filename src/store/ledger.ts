/**
 * The ledger of one stream: which event ids have been processed, and which the device has given up.
 *
 * A set of processed sequences, as segments that each carry the digest of their events. Its size goes by the interval,
 * never by the event, and a retry of any of the last `RECENT_MAX` accepted segments can be compared with them exactly.
 */
import assert from 'node:assert';
import { assertRange, type Range } from './intervals.ts';
import type { CutsChange } from './ledger-cuts.ts';

/** Segments accepted last stay apart, so that what is sent again finds the segment that it made. */
export const RECENT_MAX = 6;

/** Digests add up modulo 2^64, so two adjacent segments are as good as one. */
export const DIGEST_BITS = 64;

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
  /** Processed ranges that end behind `after`, ascending, or the first `most` of them; adjacent segments are one. */
  intervals(most?: number, after?: number): Range[];
  /** How many of them there are. */
  readonly intervalCount: number;
  /** Every range declared as given up, ascending. Some of it may have been processed all the same. */
  gaps(): Range[];
  /** The parts of the range that were not declared as given up, ascending. Costs nothing for the gaps outside it. */
  undeclared(first: number, last: number): Range[];
  /** How many separate ranges that were declared a range overlaps or touches; to be asked before `undeclared`. */
  declaredRanges(first: number, last: number): number;
  /** By how many separate ranges the ledger would grow at most, if it took in a processed range, and gaps. */
  growth(processed: Range | undefined, gaps: readonly Range[]): number;
  /** Processed events. */
  readonly count: number;
  /** Sequences declared as given up. */
  readonly declaredCount: number;
  /** Separate ranges, of what is processed and of what is declared as given up: what the ledger's size goes by. */
  readonly ranges: number;
  /** Sequences declared as given up that were not processed either. */
  readonly gapCount: number;
}

export interface Ledger extends LedgerView {
  /** Takes in a segment of which nothing is processed yet. */
  add(segment: Segment): void;
  /** Takes in such segments, ascending, one after the other: many at about the cost of a few. */
  addAll(segments: readonly Segment[]): void;
  /** Takes in a declared gap; declaring it again changes nothing. */
  addGap(range: Range): void;
  /** What is to be stored since this was last asked for. */
  takeChange(): CutsChange;
  /** The segments and gaps that begin in a chunk. */
  chunk(first: number, end: number): Pick<LedgerParts, 'segments' | 'gaps'>;
  /** First sequences of the segments that stay apart, oldest acceptance first. */
  readonly recent: readonly number[];
  readonly segmentCount: number;
  readonly gapRanges: number;
}

/** What `ledger-bytes.ts` writes: segments ascending, and the places of the recent ones in order of acceptance. */
export interface LedgerParts {
  readonly segments: readonly Segment[];
  readonly recent: readonly number[];
  readonly gaps: readonly Range[];
}

/** Puts a ledger together from its parts, ascending. */
export interface LedgerBuilder {
  append(segment: Segment): void;
  addGap(gap: Range): void;
  /** The place of the segment that begins at a sequence; undefined where none does. */
  placeOf(first: number): number | undefined;
  /** @param cuts where the chunks begin that it is stored in; none where it is stored whole */
  finish(recent: readonly number[], cuts?: readonly number[]): Ledger;
}
