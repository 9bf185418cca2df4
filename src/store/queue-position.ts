/**
 * The position of a queue: which sequences are used, and which of those are no longer queued.
 *
 * Owns that arithmetic and its record. Promises that every sequence from `head` to below `next` is either in a block or
 * in a cleared range, so that anything else is damage. Never does I/O.
 *
 * The record is part of every commit but appends: what these add is told from the newest block. A record that every
 * commit writes would lie in every file that RocksDB makes, and have it rewrite the whole queue again and again.
 */
import { createIntervals, type Range } from './intervals.ts';
import { decodeNumber, encodeNumbers, POSITION_KEY, putSealed } from './queue-records.ts';
import type { Operation } from './rocks.ts';
import { unseal } from './seal.ts';

export interface Position {
  /** Counts the commits that store it: after a failed write it tells whether that is on disk after all. */
  readonly revision: number;
  /** The first sequence that is still queued; `next` where none is. */
  readonly head: number;
  /** The sequence that the next event gets. */
  readonly next: number;
  /** Where the next block will lie: what all blocks so far took on disk. */
  readonly offset: number;
  /** What the queued blocks take on disk. */
  readonly bytes: number;
  /** From this sequence on nothing has ever been sent. It may lie beyond `next`: it is written ahead. */
  readonly unsent: number;
  /** Sequences above the head that are no longer queued, ascending: those released out of order. */
  readonly cleared: readonly Range[];
}

export const START: Position = { revision: 0, head: 1, next: 1, offset: 0, bytes: 0, unsent: 1, cleared: [] };

/** After blocks were queued, up to before a sequence and an offset. */
export function withAppended(position: Position, next: number, offset: number): Position {
  return { ...position, next, offset, bytes: position.bytes + offset - position.offset };
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
  const left = head === position.next ? 0 : Math.max(0, position.bytes - bytes);
  return { ...position, revision: position.revision + 1, head, bytes: left, cleared };
}

/** With another mark of what may have been sent, where one is given; part of a commit that stores the position. */
export function withUnsent(position: Position, unsent = position.unsent): Position {
  return unsent === position.unsent ? position : { ...position, unsent };
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

/** How many sequences before `end` are queued. */
export function queuedCount({ head, cleared }: Position, end: number): number {
  const gone = cleared.reduce((sum, { first, last }) => sum + Math.max(0, Math.min(last + 1, end) - first), 0);
  return Math.max(0, end - head) - gone;
}

/** Where the sequences that are queued end before `sequence`: the first of them. */
export function queuedSince({ head, cleared }: Position, sequence: number): number {
  return (cleared.findLast(({ last }) => last < sequence)?.last ?? head - 1) + 1;
}

/** Where the sequences that are queued end behind `sequence`: the first that is not. */
export function queuedUntil({ next, cleared }: Position, sequence: number): number {
  return cleared.find(({ first }) => first > sequence)?.first ?? next;
}

/** Body: revision, head, next, offset, bytes, unsent, then first and last of each cleared range (u64 each). */
export function positionPut({ revision, head, next, offset, bytes, unsent, cleared }: Position): Operation {
  const ranges = cleared.flatMap(({ first, last }) => [first, last]);
  return putSealed(POSITION_KEY, encodeNumbers(revision, head, next, offset, bytes, unsent, ...ranges));
}

export function decodePosition(value: Buffer | undefined): Position | undefined {
  const body = unseal(POSITION_KEY, value);
  if (body === undefined) return undefined;
  const number = (index: number) => decodeNumber(body, index);
  // Queues made before the mark was kept have none: an odd count of numbers. All they hold may have been sent.
  const isMarked = body.length % 16 === 0;
  const cleared: Range[] = [];
  for (let i = isMarked ? 6 : 5; i < body.length / 8; i += 2) cleared.push({ first: number(i), last: number(i + 1) });
  const unsent = isMarked ? number(5) : Number.MAX_SAFE_INTEGER;
  return {
    revision: number(0),
    head: number(1),
    next: number(2),
    offset: number(3),
    bytes: number(4),
    unsent,
    cleared,
  };
}
