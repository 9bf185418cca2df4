/**
 * Segments in columns: many of them put among many.
 *
 * To put one after another into columns of a hundred thousand moves as much for each; here everything moves once.
 */
import assert from 'node:assert';
import { indexFrom, join, type Range } from './intervals.ts';
import { assertSegment, type Comparison, DIGEST_BITS, type Segment } from './ledger.ts';

/** Ascending and disjoint; one place in all three is a segment. */
export interface SegmentColumns {
  readonly firsts: number[];
  readonly lasts: number[];
  readonly digests: bigint[];
}

/**
 * The columns with these segments, ascending, of which nothing is in them yet; what touches becomes one.
 *
 * @param changed told of where everything begins that came, went or became another
 */
export function joinSegments(
  { firsts, lasts, digests }: SegmentColumns,
  segments: readonly Segment[],
  changed: (first: number) => void,
): SegmentColumns {
  const from = indexFrom(lasts, segments[0]!.first - 1);
  const to = indexFrom(firsts, segments.at(-1)!.last + 2);
  const joined: SegmentColumns = { firsts: [], lasts: [], digests: [] };
  let old = from;
  for (const segment of segments) {
    assertSegment(segment);
    for (; old < to && firsts[old]! < segment.first; old += 1) append(firsts[old]!, lasts[old]!, digests[old]!);
    append(segment.first, segment.last, segment.digest);
  }
  for (; old < to; old += 1) append(firsts[old]!, lasts[old]!, digests[old]!);
  return {
    firsts: firsts.slice(0, from).concat(joined.firsts, firsts.slice(to)),
    lasts: lasts.slice(0, from).concat(joined.lasts, lasts.slice(to)),
    digests: digests.slice(0, from).concat(joined.digests, digests.slice(to)),
  };

  function append(first: number, last: number, digest: bigint): void {
    changed(first);
    const at = joined.lasts.length - 1;
    assert(at < 0 || joined.lasts[at]! < first, 'a segment is processed once');
    if (at >= 0 && joined.lasts[at]! + 1 === first) {
      joined.lasts[at] = last;
      joined.digests[at] = BigInt.asUintN(DIGEST_BITS, joined.digests[at]! + digest);
    } else {
      joined.firsts.push(first);
      joined.lasts.push(last);
      joined.digests.push(digest);
    }
  }
}

/** As `LedgerView.compare`. */
export function compareSegments(
  { firsts, lasts, digests }: SegmentColumns,
  { first, last }: Range,
  digestOf: (first: number, last: number) => bigint,
): Comparison {
  const result: Comparison = { same: [], different: [], unknown: [] };
  for (let i = indexFrom(lasts, first); i < firsts.length && firsts[i]! <= last; i += 1) {
    const from = firsts[i]!;
    const to = lasts[i]!;
    if (from < first || to > last) {
      join(result.unknown, { first: Math.max(from, first), last: Math.min(to, last) });
    } else if (digestOf(from, to) === digests[i]!) {
      join(result.same, { first: from, last: to });
    } else {
      join(result.different, { first: from, last: to });
    }
  }
  return result;
}
