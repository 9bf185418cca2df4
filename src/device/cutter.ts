/**
 * Cutter: from queued blocks to batches.
 *
 * Owns the cut: whole blocks of one stream, in sequence, up to the limits. Promises that a block which fills a batch is
 * passed on without being packed again, and that a block which does not decode is set aside rather than met for ever.
 * Never changes the queue otherwise.
 */
import { CodecError, createTableBuilder, decodeColumns, type EventTable, encodeColumns } from '../codec/index.ts';
import type { Block, Queue } from '../store/index.ts';
import { type Tally, tallyOf } from './tally.ts';

/** What is to be sent: some events in sequence, and their packed columns. */
export interface Parcel {
  readonly first: number;
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

export function createCutter(options: CutterOptions): Cutter {
  const { queue } = options;
  let ahead: Block[] = [];

  async function fill(from: number): Promise<void> {
    while (ahead.length > 0 && ahead[0]!.first < from) ahead.shift();
    // A few small blocks left over would make a small batch while more are waiting on disk.
    const known = ahead.at(-1);
    const next = known ? known.first + known.count : from;
    if (ahead.length < READ_BLOCKS / 2) {
      ahead.push(...(await queue.read(next, { bytesMax: READ_BYTES, blocksMax: READ_BLOCKS })));
    }
  }

  async function decoded(block: Block): Promise<EventTable | undefined> {
    try {
      return decodeColumns(block.bytes);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      await queue.setAside(block);
      return undefined;
    }
  }

  return {
    async cut(from) {
      await fill(from);
      let start = ahead.shift();
      let table = start && (await decoded(start));
      while (start && !table) {
        start = ahead.shift();
        table = start && (await decoded(start));
      }
      if (!start || !table) return undefined;
      const { last: streamLast } = queue.streamAt(start.first);
      const chosen = [start];
      let end = start.first + start.count;
      let events = start.count;
      let bytes = start.bytes.length;
      for (const block of ahead) {
        const fits =
          events + block.count <= options.batchEventsMax && bytes + block.bytes.length <= options.batchBytesMax;
        if (!fits || block.first !== end || block.first > streamLast) break;
        chosen.push(block);
        end += block.count;
        events += block.count;
        bytes += block.bytes.length;
      }
      if (chosen.length === 1) return cutOf(chosen, table, start.bytes);
      const builder = createTableBuilder();
      builder.addTable(table);
      const merged = [start];
      for (const block of chosen.slice(1)) {
        const next = await decoded(block);
        // A block that cannot join (or be read) ends this batch; the next cut begins with what is behind it.
        if (!next || !builder.addTable(next)) break;
        merged.push(block);
      }
      ahead.splice(0, merged.length - 1);
      const whole = builder.build();
      return cutOf(merged, whole, encodeColumns(whole));
    },
    forget() {
      ahead = [];
    },
  };
}

function cutOf(blocks: readonly Block[], table: EventTable, columns: Uint8Array): Cut {
  const first = blocks[0]!.first;
  return {
    first,
    last: first + table.count - 1,
    blocks,
    table,
    columns,
    tally: tallyOf(table),
  };
}
