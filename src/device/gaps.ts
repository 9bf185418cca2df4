/**
 * Gaps: ranges that this device gave up, on their way to the gateway (promise 7).
 *
 * Owns which gaps still have to be declared. Promises that each is declared, under the stream that it is part of, until
 * it is acknowledged. Never makes one: quota and damage do.
 */
import { type DeclaredGap, GAPS_MAX } from '../codec/index.ts';
import type { Gap } from '../store/index.ts';
import { reportOf, type Tally, tallyFrom } from './tally.ts';

export interface OpenGap {
  readonly stream: Uint8Array;
  readonly declared: DeclaredGap;
  readonly tally: Tally;
}

export interface Gaps {
  /** Whether some wait to be declared and none are under way. */
  readonly due: boolean;
  /** None wait and none are under way. */
  readonly idle: boolean;
  add(gap: Gap): OpenGap;
  /** Whether the gap with this first sequence was added and is not settled. */
  has(first: number): boolean;
  /** As many as one batch may declare, of one stream; they are under way until `settled` or `refused`. */
  take(): readonly OpenGap[];
  settled(): void;
  /** Leaves them for the next start: asking the same gateway again would be answered the same. */
  refused(): void;
}

export function createGaps(): Gaps {
  const open = new Map<number, OpenGap>();
  const given = new Set<number>();
  let taken: readonly OpenGap[] = [];
  return {
    get due() {
      return taken.length === 0 && open.size > given.size;
    },
    get idle() {
      return taken.length === 0 && open.size === given.size;
    },
    add(gap) {
      const opened = openGapOf(gap);
      open.set(gap.first, opened);
      return opened;
    },
    has: (first) => open.has(first),
    take() {
      const waiting = [...open.values()].filter((gap) => !given.has(gap.declared.first));
      taken = waiting.filter((gap) => Buffer.compare(gap.stream, waiting[0]!.stream) === 0).slice(0, GAPS_MAX);
      return taken;
    },
    settled() {
      for (const gap of taken) open.delete(gap.declared.first);
      taken = [];
    },
    refused() {
      for (const gap of taken) given.add(gap.declared.first);
      taken = [];
    },
  };
}

/** The form in which a gap's sums are stored. */
export function encodeGapSums(tally: Tally): Uint8Array {
  return Buffer.from(JSON.stringify(reportOf(tally)));
}

function openGapOf({ stream, first, last, reason, sums }: Gap): OpenGap {
  const known = sums.length === 0 ? undefined : tallyFrom(JSON.parse(Buffer.from(sums).toString()));
  return {
    stream,
    declared: { first, last, reason, sums: known ? reportOf(known).sums : null },
    tally: known ?? { events: last - first + 1, sums: new Map() },
  };
}
