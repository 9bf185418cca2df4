/**
 * The position of a queue: which sequences are used, and which of those are no longer queued.
 *
 * Owns that arithmetic and its record, which is part of every commit. Promises that every sequence from `head` to below
 * `next` is either in a block or in a cleared range, so that anything else is damage. Never does I/O.
 */
import { createIntervals, type Range } from './intervals.ts';
import { decodeNumber, encodeNumbers, POSITION_KEY, putSealed, unseal } from './queue-records.ts';
import type { Operation } from './rocks.ts';

export interface Position {
  /** Counts the commits: after a failed write it tells whether that write is on disk after all. */
  readonly commit: number;
  /** The first sequence that is still queued; `next` where none is. */
  readonly head: number;
  /** The sequence that the next event gets. */
  readonly next: number;
  /** What the queued blocks take on disk. */
  readonly bytes: number;
  /** Sequences above the head that are no longer queued, ascending: those released out of order. */
  readonly cleared: readonly Range[];
}

export const START: Position = { commit: 0, head: 1, next: 1, bytes: 0, cleared: [] };

/** After blocks of so many events and bytes were queued. */
export function withAppended(position: Position, count: number, bytes: number): Position {
  return { ...position, next: position.next + count, bytes: position.bytes + bytes };
}

/** After ranges whose blocks took so many bytes left the queue. */
export function withCleared(position: Position, ranges: readonly Range[], bytes: number): Position {
  const all = createIntervals();
  for (const { first, last } of [...position.cleared, ...ranges]) all.add({ first, last });
  let head = position.head;
  const cleared: Range[] = [];
  for (const range of all.ranges()) {
    if (range.first <= head) head = Math.max(head, range.last + 1);
    else cleared.push(range);
  }
  // A block that could not be read any more had no known size: an empty queue puts that right.
  return { ...position, head, cleared, bytes: head === position.next ? 0 : Math.max(0, position.bytes - bytes) };
}

/** The first sequence at `sequence` or behind it that is not cleared. */
export function skipCleared({ head, cleared }: Position, sequence: number): number {
  if (sequence < head) return head;
  for (const range of cleared) {
    if (range.first > sequence) break;
    if (range.last >= sequence) return range.last + 1;
  }
  return sequence;
}

/** Where the sequences that are queued end before `sequence`: the first of them. */
export function queuedSince({ head, cleared }: Position, sequence: number): number {
  return (cleared.findLast(({ last }) => last < sequence)?.last ?? head - 1) + 1;
}

/** Where the sequences that are queued end behind `sequence`: the first that is not. */
export function queuedUntil({ next, cleared }: Position, sequence: number): number {
  return cleared.find(({ first }) => first > sequence)?.first ?? next;
}

/** Body: commit, head, next, bytes, then first and last of each cleared range (u64 each). */
export function positionPut({ commit, head, next, bytes, cleared }: Position): Operation {
  const ranges = cleared.flatMap(({ first, last }) => [first, last]);
  return putSealed(POSITION_KEY, encodeNumbers(commit, head, next, bytes, ...ranges));
}

export function decodePosition(value: Buffer | undefined): Position | undefined {
  const body = unseal(POSITION_KEY, value);
  if (body === undefined) return undefined;
  const numbers = Array.from({ length: body.length / 8 }, (_, i) => decodeNumber(body, i));
  const [commit, head, next, bytes, ...ends] = numbers as [number, number, number, number, ...number[]];
  const cleared: Range[] = [];
  for (let i = 0; i < ends.length; i += 2) cleared.push({ first: ends[i]!, last: ends[i + 1]! });
  return { commit, head, next, bytes, cleared };
}
