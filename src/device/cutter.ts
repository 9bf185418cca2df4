/**
 * Cutter: from queued blocks to batches.
 *
 * Owns the cut: whole blocks of one stream, in sequence, up to the limits. Promises that a block which fills a batch is
 * passed on without being packed again, and that what is read ahead is bounded. Never skips what can be read.
 */
import { createTableBuilder, decodeColumns, type EventTable, encodeColumnsInSteps } from '../codec/index.ts';
import type { Block, Queue } from '../store/index.ts';
import { readTables } from './block.ts';
import { NOTHING, type Tally, tallyOf } from './tally.ts';
import { inTurns } from './turns.ts';

/** What is to be sent: some events in sequence, and their packed columns. */
export interface Parcel {
  readonly first: number;
  readonly count: number;
  /** Seldom needed, so it may be unpacked anew each time. */
  readonly table: EventTable;
  readonly columns: Uint8Array;
}

/** A parcel of whole blocks. */
export interface Cut extends Parcel {
  readonly last: number;
  /** The blocks that it consists of. */
  readonly blocks: readonly Block[];
  readonly tally: Tally;
}

export interface CutterOptions {
  readonly queue: Queue;
  readonly batchEventsMax: number;
  readonly batchBytesMax: number;
}

export interface Cutter {
  /** The next batch from this sequence on; undefined where nothing is committed there. */
  cut(from: number): Promise<Cut | undefined>;
  /** Drops what was read ahead: the queue has changed under it. */
  forget(): void;
}

/** Read ahead from the disk at a time: several batches at full speed, and many small blocks at low. */
const READ_BYTES = 1 << 20;
const READ_BLOCKS = 1_024;

/**
 * Small blocks are joined up to so many events, and a block of as many goes alone: to unpack, join and pack again takes
 * more of both processors than another request does, and a table is built in one go.
 */
const JOINED_EVENTS_MAX = 4_096;

export function createCutter(options: CutterOptions): Cutter {
  const { queue, batchEventsMax, batchBytesMax } = options;
  const eventsMax = Math.min(JOINED_EVENTS_MAX, batchEventsMax);
  let ahead: Block[] = [];

  async function fill(from: number): Promise<void> {
    // A few small blocks left over would make a small batch while more are waiting on disk.
    if (ahead.length >= READ_BLOCKS / 2 || fillsBatch(ahead)) return;
    const known = ahead.at(-1);
    const next = known ? known.last + 1 : from;
    ahead.push(...(await queue.read(next, { bytesMax: READ_BYTES, blocksMax: READ_BLOCKS })));
  }

  function fillsBatch(blocks: readonly Block[]): boolean {
    let events = 0;
    let bytes = 0;
    for (const block of blocks) {
      events += block.count;
      bytes += block.bytes.length;
    }
    return events >= eventsMax || bytes >= batchBytesMax;
  }

  /** The blocks read ahead that may be sent together: next to each other, in one stream, within the limits. */
  function company(start: Block): Block[] {
    const { last: streamLast } = queue.streamAt(start.first);
    const chosen = [start];
    let events = start.count;
    let bytes = start.bytes.length;
    for (const block of ahead.slice(1)) {
      events += block.count;
      bytes += block.bytes.length;
      if (events > eventsMax || bytes > batchBytesMax) break;
      if (block.first !== chosen.at(-1)!.last + 1 || block.first > streamLast) break;
      chosen.push(block);
    }
    return chosen;
  }

  /** The blocks, from the first on, as far as they can be read and joined; undefined where the first cannot be read. */
  async function joined(blocks: readonly Block[]): Promise<Cut | undefined> {
    const builder = createTableBuilder();
    const taken: Block[] = [];
    let tally = NOTHING;
    for await (const { block, table } of readTables(queue, blocks)) {
      if (!table || (blocks.length > 1 && !builder.addTable(table))) break;
      if (taken.length === 0) tally = tallyOf(table);
      taken.push(block);
    }
    if (taken.length === 0) return undefined;
    if (taken.length === 1) return cutOf(taken, taken[0]!.bytes, tally);
    const whole = builder.build();
    return cutOf(taken, await inTurns(encodeColumnsInSteps(whole)), tallyOf(whole));
  }

  return {
    async cut(from) {
      for (let at = from; ; ) {
        await fill(at);
        const [start] = ahead;
        if (!start) return undefined;
        const cut = await joined(company(start));
        ahead.splice(0, cut?.blocks.length ?? 1);
        if (cut) return cut;
        at = start.last + 1;
      }
    },
    forget() {
      ahead = [];
    },
  };
}

function cutOf(blocks: readonly Block[], columns: Uint8Array, tally: Tally): Cut {
  const { first } = blocks[0]!;
  const count = tally.events;
  return {
    first,
    last: first + count - 1,
    count,
    blocks,
    get table() {
      return decodeColumns(columns);
    },
    columns,
    tally,
  };
}
