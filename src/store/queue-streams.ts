/**
 * Streams: under which 16 bytes each queued sequence is sent.
 *
 * Owns the runs: from its first sequence on, a run's stream holds until the next run begins. Promises that a change to
 * some sequences leaves the stream of every other one as it was. Never does I/O.
 */
import assert from 'node:assert';
import type { Range } from './intervals.ts';
import { numberKey, numberOfKey, QUEUE } from './keys.ts';
import { putSealed } from './queue-records.ts';
import type { Operation } from './rocks.ts';
import { unseal } from './seal.ts';

export interface StreamRun {
  readonly first: number;
  readonly stream: Uint8Array;
}

/** Ascending; what is before `from` has ended. An array never changes, so that runs end at no cost for the others. */
export interface StreamRuns {
  readonly all: readonly StreamRun[];
  readonly from: number;
}

export const NO_RUNS: StreamRuns = { all: [], from: 0 };

export function runsOf(all: readonly StreamRun[]): StreamRuns {
  return { all, from: 0 };
}

export function liveRuns({ all, from }: StreamRuns): readonly StreamRun[] {
  return from === 0 ? all : all.slice(from);
}

/** Part of a range, under one stream. */
export interface StreamRange extends Range {
  readonly stream: Uint8Array;
}

/** A new stream from `first` on. */
export function beginRun(runs: StreamRuns, first: number, stream: Uint8Array): StreamRuns {
  const live = liveRuns(runs);
  const before = live.at(-1)?.first === first ? live.slice(0, -1) : live;
  return runsOf([...before, { first, stream }]);
}

/** Whether `after` is what `beginRun` made of `before`. */
export function isBegunFrom(before: StreamRuns, after: StreamRuns): boolean {
  const [earlier, later] = [before.all.length - before.from, after.all.length - after.from];
  if (later < 1 || (later !== earlier && later !== earlier + 1)) return false;
  for (let i = 0; i < later - 1; i += 1) {
    if (before.all[before.from + i] !== after.all[after.from + i]) return false;
  }
  return later > earlier || before.all.at(-1)!.first === after.all.at(-1)!.first;
}

/** The range cut where the stream changes. */
export function streamRanges(runs: StreamRuns, { first, last }: Range): StreamRange[] {
  const { all } = runs;
  const found: StreamRange[] = [];
  for (let i = runIndex(runs, first); i < all.length && all[i]!.first <= last; i += 1) {
    const end = all[i + 1]?.first ?? Number.MAX_SAFE_INTEGER;
    found.push({ first: Math.max(first, all[i]!.first), last: Math.min(last, end - 1), stream: all[i]!.stream });
  }
  return found;
}

/** The ranges, and everything from `next` on, under one new stream; what lies between keeps its own. */
export function moveRanges(runs: StreamRuns, ranges: readonly Range[], next: number, stream: Uint8Array): StreamRuns {
  let moved = liveRuns(runs);
  for (const { first, last } of ranges) {
    const after = last + 1 < next ? streamRanges(runsOf(moved), { first: last + 1, last: last + 1 }) : [];
    moved = [
      ...moved.filter((run) => run.first < first),
      { first, stream },
      ...after,
      ...moved.filter((run) => run.first > last + 1),
    ];
  }
  if (moved.at(-1)?.stream !== stream) moved = beginRun(runsOf(moved), next, stream).all;
  return runsOf(moved.filter((run, i) => i === 0 || Buffer.compare(run.stream, moved[i - 1]!.stream) !== 0));
}

/** Without the runs that end below `head`. */
export function pruneRuns(runs: StreamRuns, head: number): StreamRuns {
  const { all, from } = runs;
  if (from + 1 >= all.length || all[from + 1]!.first > head) return runs;
  return { all, from: runIndex(runs, head) };
}

/** What is known of the runs from beside the database. */
export interface WitnessedRuns {
  readonly streams: readonly StreamRun[];
  /** From this sequence on, to before the position's `next`, it names all of them. */
  readonly streamsFrom: number;
  readonly position: { readonly next: number };
  readonly revision: number;
}

/** The runs of a database of which records are lost, and which may have older ones in their place. */
export function restoredRuns(stored: StreamRuns, witnessed: WitnessedRuns, revision: number): StreamRuns {
  const { streams, streamsFrom, position } = witnessed;
  const isOlder = witnessed.revision < revision;
  const isNamed = (first: number) => !isOlder && first >= streamsFrom && first < position.next;
  const runs = new Map(streams.map((run) => [run.first, run]));
  for (const run of liveRuns(stored)) if (!isNamed(run.first)) runs.set(run.first, run);
  return runsOf([...runs.values()].sort((a, b) => a.first - b.first));
}

/** What makes the stored runs `after` where they are `before`. */
export function runOperations(before: StreamRuns, after: StreamRuns): Operation[] {
  if (before === after) return [];
  if (before.all === after.all) {
    return before.all.slice(before.from, after.from).map(({ first }) => ({ type: 'del', key: runKey(first) }));
  }
  const [earlier, later] = [liveRuns(before), liveRuns(after)];
  let same = 0;
  while (same < earlier.length && same < later.length && earlier[same] === later[same]) same += 1;
  const stored = new Map(earlier.slice(same).map((run) => [run.first, run.stream]));
  const operations: Operation[] = [];
  for (const { first, stream } of later.slice(same)) {
    if (stored.get(first) !== stream) operations.push(putSealed(runKey(first), stream));
    stored.delete(first);
  }
  for (const first of stored.keys()) operations.push({ type: 'del', key: runKey(first) });
  return operations;
}

export function decodeRun(key: Buffer, value: Buffer): StreamRun | undefined {
  const stream = unseal(key, value);
  return stream === undefined ? undefined : { first: numberOfKey(key), stream };
}

const runKey = (first: number): Buffer => numberKey(QUEUE.stream, first);

function runIndex({ all, from }: StreamRuns, sequence: number): number {
  let low = from;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (all[middle]!.first <= sequence) low = middle + 1;
    else high = middle;
  }
  assert(low > from, 'a queued sequence is under a stream');
  return low - 1;
}
