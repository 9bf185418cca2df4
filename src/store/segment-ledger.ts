/** The ledger in memory: segments in ascending order, as columns. Computes no digest: the caller has the events. */
import assert from 'node:assert';
import {
  assertRange,
  countOf,
  createIntervals,
  type Intervals,
  indexFrom,
  join,
  lengthOf,
  type Range,
  touchingRanges,
  uncovered,
  uncoveredCount,
} from './intervals.ts';
import {
  assertSegment,
  type Comparison,
  DIGEST_BITS,
  type Ledger,
  type LedgerBuilder,
  type LedgerParts,
  type LedgerView,
  RECENT_MAX,
  type Segment,
} from './ledger.ts';
import { type Cuts, type CutsChange, createCuts } from './ledger-cuts.ts';
import { compareSegments, joinSegments, type SegmentColumns } from './segment-columns.ts';

export function createLedger(): Ledger {
  return new SegmentLedger();
}

/** The parts of a ledger that `createLedger` or `ledgerOf` made. */
export function partsOf(ledger: LedgerView): LedgerParts {
  assert(ledger instanceof SegmentLedger, 'a ledger of this module');
  return ledger.parts();
}

/** The same content, which does not change with this ledger. */
export function copyOf(ledger: LedgerView): LedgerView {
  assert(ledger instanceof SegmentLedger, 'a ledger of this module');
  return ledger.copy();
}

/** The ledger with exactly these parts. */
export function ledgerOf({ segments, recent, gaps }: LedgerParts): Ledger {
  const builder = buildLedger();
  for (const segment of segments) builder.append(segment);
  for (const gap of gaps) builder.addGap(gap);
  return builder.finish(recent);
}

export function buildLedger(): LedgerBuilder {
  const ledger = new SegmentLedger();
  return {
    append: (segment) => ledger.append(segment),
    addGap: (gap) => ledger.addGap(gap),
    placeOf: (first) => ledger.placeOf(first),
    finish(recent, cuts = []) {
      ledger.recall(recent);
      ledger.cutAt(cuts);
      return ledger;
    },
  };
}

class SegmentLedger implements Ledger {
  #firsts: number[] = [];
  #lasts: number[] = [];
  #digests: bigint[] = [];
  /** First sequences of the segments that stay apart, oldest acceptance first. */
  #recent: number[] = [];
  #gaps: Intervals = createIntervals();
  #cuts: Cuts = this.#cutsAt([]);
  /** Processed ranges: adjacent segments are one. */
  #intervals = 0;
  #count = 0;
  #declared = 0;
  #gapCount = 0;

  get count(): number {
    return this.#count;
  }

  get gapCount(): number {
    return this.#gapCount;
  }

  get declaredCount(): number {
    return this.#declared;
  }

  get ranges(): number {
    return this.#intervals + this.#gaps.size;
  }

  get segmentCount(): number {
    return this.#firsts.length;
  }

  get gapRanges(): number {
    return this.#gaps.size;
  }

  get recent(): readonly number[] {
    return this.#recent;
  }

  growth(processed: Range | undefined, gaps: readonly Range[]): number {
    const isApart = processed !== undefined && touchingRanges(this.#firsts, this.#lasts, processed).length === 0;
    return Number(isApart) + gaps.filter((gap) => this.#gaps.touching(gap).length === 0).length;
  }

  missing(first: number, last: number): Range[] {
    assertRange({ first, last });
    return uncovered(this.#firsts, this.#lasts, { first, last });
  }

  compare(first: number, last: number, digestOf: (first: number, last: number) => bigint): Comparison {
    assertRange({ first, last });
    return compareSegments(this.#columns, { first, last }, digestOf);
  }

  intervals(most = Infinity, after = 0): Range[] {
    const ranges: Range[] = [];
    for (let i = indexFrom(this.#lasts, after + 1); i < this.#firsts.length; i += 1) {
      join(ranges, { first: this.#firsts[i]!, last: this.#lasts[i]! });
      // The last one may go on.
      if (ranges.length > most) return ranges.slice(0, most);
    }
    return ranges;
  }

  get intervalCount(): number {
    return this.#intervals;
  }

  gaps(): Range[] {
    return this.#gaps.ranges();
  }

  undeclared(first: number, last: number): Range[] {
    assertRange({ first, last });
    return this.#gaps.missing({ first, last });
  }

  declaredRanges(first: number, last: number): number {
    assertRange({ first, last });
    return this.#gaps.touchingCount({ first, last });
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

  addAll(segments: readonly Segment[]): void {
    const settled = segments.slice(0, Math.max(0, segments.length - RECENT_MAX));
    if (settled.length > 0) {
      // Those accepted before are recent no more when all of these have come, nor are the first of these.
      for (const first of this.#recent.splice(0)) this.#settle(first);
      this.#addSettled(settled);
    }
    for (const segment of segments.slice(settled.length)) this.add(segment);
  }

  copy(): LedgerView {
    const copy = new SegmentLedger();
    copy.#firsts = this.#firsts.slice();
    copy.#lasts = this.#lasts.slice();
    copy.#digests = this.#digests.slice();
    copy.#recent = this.#recent.slice();
    copy.#gaps = this.#gaps.copy();
    copy.#intervals = this.#intervals;
    copy.#count = this.#count;
    copy.#declared = this.#declared;
    copy.#gapCount = this.#gapCount;
    return copy;
  }

  addGap(range: Range): void {
    assertRange(range);
    const missing = this.#gaps.missing(range);
    if (missing.length === 0) return;
    for (const fresh of missing) this.#gapCount += uncoveredCount(this.#firsts, this.#lasts, fresh);
    this.#declared += countOf(missing);
    for (const { first } of [range, ...this.#gaps.touching(range)]) this.#cuts.changed(first);
    this.#gaps.add(range);
  }

  takeChange(): CutsChange {
    return this.#cuts.takeChange();
  }

  chunk(first: number, end: number): Pick<LedgerParts, 'segments' | 'gaps'> {
    const segments: Segment[] = [];
    for (let i = indexFrom(this.#firsts, first); i < this.#firsts.length && this.#firsts[i]! < end; i += 1) {
      segments.push({ first: this.#firsts[i]!, last: this.#lasts[i]!, digest: this.#digests[i]! });
    }
    return { segments, gaps: this.#gaps.beginning(first, end) };
  }

  parts(): LedgerParts {
    const segments = this.#firsts.map((first, i) => ({ first, last: this.#lasts[i]!, digest: this.#digests[i]! }));
    return { segments, recent: this.#recent.map((first) => indexFrom(this.#lasts, first)), gaps: this.gaps() };
  }

  append(segment: Segment): void {
    this.#insert(this.#firsts.length, segment);
    // A gap may reach into what is appended behind it.
    if (this.#gaps.size > 0) this.#gapCount -= lengthOf(segment) - countOf(this.#gaps.missing(segment));
  }

  placeOf(first: number): number | undefined {
    const at = indexFrom(this.#firsts, first);
    return this.#firsts[at] === first ? at : undefined;
  }

  /** Everything so far is stored, in chunks that begin there. */
  cutAt(cuts: readonly number[]): void {
    this.#cuts = this.#cutsAt(cuts);
  }

  recall(recent: readonly number[]): void {
    this.#recent = recent.map((at) => this.#firsts[at]!);
  }

  get #columns(): SegmentColumns {
    return { firsts: this.#firsts, lasts: this.#lasts, digests: this.#digests };
  }

  #cutsAt(cuts: readonly number[]): Cuts {
    return createCuts(cuts, (first, end) => this.#firstsBetween(first, end));
  }

  #firstsBetween(first: number, end: number) {
    const from = indexFrom(this.#firsts, first);
    const to = indexFrom(this.#firsts, end);
    const gaps = this.#gaps.countBeginning(first, end);
    const middle = (): number => {
      if (to - from >= gaps) return this.#firsts[(from + to) >>> 1]!;
      return this.#gaps.beginning(first, end)[gaps >>> 1]!.first;
    };
    return { count: to - from + gaps, middle };
  }

  #insert(at: number, { first, last, digest }: Segment): void {
    this.#cuts.changed(first);
    const touchesLeft = at > 0 && this.#lasts[at - 1]! + 1 === first;
    const touchesRight = at < this.#firsts.length && last + 1 === this.#firsts[at]!;
    this.#intervals += 1 - Number(touchesLeft) - Number(touchesRight);
    this.#firsts.splice(at, 0, first);
    this.#lasts.splice(at, 0, last);
    this.#digests.splice(at, 0, digest);
    this.#count += last - first + 1;
  }

  /** Takes in segments that are not recent, while none is. */
  #addSettled(segments: readonly Segment[]): void {
    const { firsts, lasts, digests } = joinSegments(this.#columns, segments, (first) => this.#cuts.changed(first));
    this.#intervals += firsts.length - this.#firsts.length;
    this.#firsts = firsts;
    this.#lasts = lasts;
    this.#digests = digests;
    for (const segment of segments) {
      this.#count += lengthOf(segment);
      if (this.#gaps.size > 0) this.#gapCount -= lengthOf(segment) - countOf(this.#gaps.missing(segment));
    }
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
    this.#cuts.changed(this.#firsts[at]!);
    this.#cuts.changed(this.#firsts[at + 1]!);
    this.#lasts[at] = this.#lasts[at + 1]!;
    this.#digests[at] = BigInt.asUintN(DIGEST_BITS, this.#digests[at]! + this.#digests[at + 1]!);
    this.#firsts.splice(at + 1, 1);
    this.#lasts.splice(at + 1, 1);
    this.#digests.splice(at + 1, 1);
  }
}
