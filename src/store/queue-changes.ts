/**
 * Changes to a queue: what each one writes, and the state after it.
 *
 * Owns how blocks, gaps, streams and position move together. Promises that a change leaves every sequence queued, gone
 * on purpose, or in a gap. Never does I/O.
 */
import assert from 'node:assert';
import type { AppendExtras, Drop, Mark, NewBlock } from './device-queue.ts';
import { createIntervals, type Range } from './intervals.ts';
import { QUEUE } from './keys.ts';
import { type Block, blockPut } from './queue-blocks.ts';
import { withAppended, withCleared, withUnsent } from './queue-position.ts';
import { deletions, type Gap, gapPut, markKey, type Put, putSealed } from './queue-records.ts';
import type { QueueState } from './queue-state.ts';
import { beginRun, moveRanges, pruneRuns, streamRanges } from './queue-streams.ts';
import type { Operation } from './rocks.ts';

/** What a commit stores, and the state after it; the state's own records are added by the commit. */
export interface Change {
  readonly state: QueueState;
  readonly operations: readonly Operation[];
}

/** A block as far as it matters to what is left. */
type Leaving = Pick<Block, 'first' | 'last' | 'storedBytes'>;

/** Blocks at the end of the queue; under `freshStream` where this opening has not begun one. */
export function appended(
  state: QueueState,
  blocks: readonly NewBlock[],
  { marks = [] }: AppendExtras,
  freshStream: () => Uint8Array,
): Change {
  const { position, streams, begun } = state;
  const puts: Put[] = [];
  let { next, offset } = position;
  for (const { count, bytes } of blocks) {
    const put = blockPut({ first: next, count, offset, bytes });
    puts.push(put);
    next += count;
    offset += put.value.length;
  }
  return {
    state: {
      ...state,
      position: withAppended(position, next, offset),
      streams: begun ? streams : beginRun(streams, position.next, freshStream()),
      begun: true,
    },
    operations: [...puts, ...marks.map(({ name, value }) => putSealed(markKey(name), value))],
  };
}

/** Marks, and nothing else. */
export function noted(state: QueueState, marks: readonly Mark[]): Change {
  return { state, operations: marks.map(({ name, value }) => putSealed(markKey(name), value)) };
}

/** A change after which blocks are no longer queued; `unsent`, if given, is the mark of what may have been sent. */
export function without(blocks: readonly Leaving[], { state, operations }: Change, unsent?: number): Change {
  const bytes = blocks.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const position = withCleared(withUnsent(state.position, unsent), blocks, bytes);
  return {
    state: { ...state, position, streams: pruneRuns(state.streams, position.head) },
    operations: [
      ...operations,
      ...deletions(
        QUEUE.block,
        blocks.map(({ first }) => first),
      ),
    ],
  };
}

/** Gaps in the place of blocks; `stored` is what stands under each one's first sequence. */
export function dropped(
  state: QueueState,
  blocks: readonly Leaving[],
  gaps: Drop['gaps'],
  stored: readonly (Gap | undefined)[],
): Change {
  const covered: Range[] = [];
  const operations: Operation[] = [];
  for (const [i, { first, last, sums }] of gaps.entries()) {
    const grown = stored[i];
    const added = { first: grown === undefined ? first : grown.last + 1, last };
    if (added.first > last) continue;
    const [range, ...others] = streamRanges(state.streams, added);
    assert(range !== undefined && others.length === 0, 'a gap is within one stream');
    const { stream } = range;
    const isAlike = grown === undefined || (grown.reason === 'quota' && Buffer.compare(grown.stream, stream) === 0);
    assert(isAlike, 'a gap grows in its own stream');
    covered.push(added);
    operations.push(gapPut({ first, last, stream, reason: 'quota', sums }));
  }
  assert.deepStrictEqual(merged(covered), merged(blocks), 'the gaps are what was in the blocks');
  return { state, operations };
}

/** Ranges, and everything from now on, under another stream. */
export function moved(state: QueueState, ranges: readonly Range[], stream: Uint8Array): Change {
  const { next } = state.position;
  for (const { last } of ranges) assert(last < next, 'only what is queued can move');
  const streams = moveRanges(state.streams, ranges, next, stream);
  return without([], { state: { ...state, streams, begun: true }, operations: [] });
}

function merged(ranges: readonly Range[]): Range[] {
  const all = createIntervals();
  for (const range of ranges) all.add(range);
  return all.ranges();
}
