/**
 * Block: what one commit brought, on its way from the disk into tables.
 *
 * Owns reading many blocks in a row. Promises that a block which does not decode is set aside rather than met for ever,
 * and that others get a turn after every few milliseconds of decoding. Never changes the queue otherwise.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CodecError, createArenas, decodeColumnsInSteps, type EventTable, type Memory } from '../codec/index.ts';
import type { Block, Queue } from '../store/index.ts';
import { inTurns } from './turns.ts';

export interface ReadBlock {
  readonly block: Block;
  /** Good until the next one is asked for; undefined where the block does not decode: it is a gap by now. */
  readonly table: EventTable | undefined;
}

/** Decoded between two turns, in events: a millisecond or two. A block costs as much as some events by itself. */
const TURN_EVENTS = 8_192;
const BLOCK_COST_EVENTS = 256;

/** One for what is cut, one for what is counted meanwhile; each holds the largest of usual blocks. */
const arenas = createArenas(2, 4 << 20);

/** The tables of the blocks, in their order. */
export async function* readTables(
  queue: Pick<Queue, 'setAside'>,
  blocks: Iterable<Block> | AsyncIterable<Block>,
): AsyncGenerator<ReadBlock, void, void> {
  let work = 0;
  for await (const block of blocks) {
    const lease = arenas.lease();
    try {
      yield { block, table: await tableOfBlock(queue, block, lease.memory) };
    } finally {
      lease.release();
    }
    work += BLOCK_COST_EVENTS + block.count;
    if (work < TURN_EVENTS) continue;
    work = 0;
    await nextTurn();
  }
}

async function tableOfBlock(
  queue: Pick<Queue, 'setAside'>,
  block: Block,
  memory: Memory,
): Promise<EventTable | undefined> {
  try {
    return await inTurns(decodeColumnsInSteps(block.bytes, memory));
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    await queue.setAside(block);
    return undefined;
  }
}
