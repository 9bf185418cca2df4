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

/** Ascending; one array is never changed. */
export type StreamRuns = readonly StreamRun[];

/** Part of a range, under one stream. */
export interface StreamRange extends Range {
  readonly stream: Uint8Array;
}

/** A new stream from `first` on. */
export function beginRun(runs: StreamRuns, first: number, stream: Uint8Array): StreamRuns {
  const before = runs.at(-1)?.first === first ? runs.slice(0, -1) : runs;
  return [...before, { first, stream }];
}

/** The range cut where the stream changes. */
export function streamRanges(runs: StreamRuns, { first, last }: Range): StreamRange[] {
  const found: StreamRange[] = [];
  for (let i = runIndex(runs, first); i < runs.length && runs[i]!.first <= last; i += 1) {
    const end = runs[i + 1]?.first ?? Number.MAX_SAFE_INTEGER;
    found.push({ first: Math.max(first, runs[i]!.first), last: Math.min(last, end - 1), stream: runs[i]!.stream });
  }
  return found;
}

/** The ranges, and everything from `next` on, under one new stream; what lies between keeps its own. */
export function moveRanges(runs: StreamRuns, ranges: readonly Range[], next: number, stream: Uint8Array): StreamRuns {
  let moved = runs;
  for (const { first, last } of ranges) {
    const after = last + 1 < next ? streamRanges(moved, { first: last + 1, last: last + 1 }) : [];
    moved = [
      ...moved.filter((run) => run.first < first),
      { first, stream },
      ...after,
      ...moved.filter((run) => run.first > last + 1),
    ];
  }
  if (moved.at(-1)?.stream !== stream) moved = beginRun(moved, next, stream);
  return moved.filter((run, i) => i === 0 || Buffer.compare(run.stream, moved[i - 1]!.stream) !== 0);
}

/** Without the runs that end below `head`. */
export function pruneRuns(runs: StreamRuns, head: number): StreamRuns {
  const kept = runs.findLastIndex((run) => run.first <= head);
  return kept > 0 ? runs.slice(kept) : runs;
}

/** What makes the stored runs `after` where they are `before`. */
export function runOperations(before: StreamRuns, after: StreamRuns): Operation[] {
  if (before === after) return [];
  const stored = new Map(before.map((run) => [run.first, run.stream]));
  const operations: Operation[] = [];
  for (const { first, stream } of after) {
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

function runIndex(runs: StreamRuns, sequence: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs[middle]!.first <= sequence) low = middle + 1;
    else high = middle;
  }
  assert(low > 0, 'a queued sequence is under a stream');
  return low - 1;
}
