/**
 * Quota: what happens when the queue may not grow any more (promise 7).
 *
 * Owns the choice of what is given up. Promises that loss by policy is a declared gap with its exact sums, and that no
 * event is given up which may already be at the gateway. Never acts while there is room.
 */
import { decodeColumns } from '../codec/index.ts';
import type { Block, Queue } from '../store/index.ts';
import type { Account } from './account.ts';
import type { Census } from './census.ts';
import type { Cutter } from './cutter.ts';
import { DeviceError } from './errors.ts';
import { encodeGapSums, type Gaps, type OpenGap } from './gaps.ts';
import type { Sync } from './sync.ts';
import { NOTHING, plus, tallyOf } from './tally.ts';

export interface QuotaOptions {
  readonly queue: Queue;
  readonly account: Account;
  readonly census: Census;
  readonly gaps: Gaps;
  readonly cutter: Cutter;
  readonly sync: Sync;
  readonly queueBytesMax: number;
  readonly whenFull: 'refuse' | 'drop-oldest';
  /** After a start the first so many events may have been sent before it: they are not given up. */
  readonly inDoubtEvents: number;
  readonly onGap: (gap: OpenGap) => void;
}

export interface Quota {
  /**
   * Resolves once this many bytes fit.
   * @throws DeviceError `queue-full`
   */
  makeRoom(bytes: number): Promise<void>;
}

/** Given up at a time beyond what is needed, so that a full queue does not drop a little at every commit. */
const SLACK = 1 / 32;

/** Read at a time while looking for what to give up. */
const READ = { bytesMax: 1 << 20, blocksMax: 256 };

export function createQuota(options: QuotaOptions): Quota {
  const { queue, account, census, gaps, cutter, sync, queueBytesMax } = options;

  /** Gives up the oldest run of blocks in one stream that surely was never sent; the bytes that this frees. */
  async function dropSome(bytes: number): Promise<number> {
    const chosen = oldestRun(await firstBlocks(queue.head + options.inDoubtEvents), bytes);
    if (chosen.length === 0) return 0;
    const first = chosen[0]!.first;
    const { stream, last: streamLast } = queue.streamAt(first);
    const blocks = chosen.filter((block) => block.first + block.count - 1 <= streamLast);
    const last = blocks.at(-1);
    if (!last) return 0;
    let tally = NOTHING;
    let held = NOTHING;
    for (const block of blocks) {
      const table = decodeColumns(block.bytes);
      const whole = tallyOf(table);
      tally = plus(tally, whole);
      held = plus(
        held,
        census.leaving({
          first: block.first,
          last: block.first + block.count - 1,
          table,
          tally: whole,
        }),
      );
    }
    const range = { first, last: last.first + last.count - 1 };
    const sums = encodeGapSums(tally);
    await queue.drop({ blocks, gaps: [{ ...range, sums }] });
    cutter.forget();
    account.remove('queued', held);
    account.add('gaps', tally);
    options.onGap(gaps.add({ ...range, stream, reason: 'quota', sums }));
    return blocks.reduce((sum, block) => sum + block.bytes.length, 0);
  }

  /** The first blocks that begin at the sequence or behind it, and behind the cursor. */
  async function firstBlocks(sequence: number): Promise<Block[]> {
    for (let at = Math.max(queue.head, sync.cursor); at < queue.next; ) {
      const blocks = await queue.read(at, READ);
      const found = blocks.findIndex((block) => block.first >= sequence);
      if (found >= 0) return blocks.slice(found);
      const last = blocks.at(-1);
      if (!last) break;
      at = last.first + last.count;
    }
    return [];
  }

  return {
    async makeRoom(bytes) {
      let excess = queue.blockBytes + bytes - queueBytesMax;
      if (excess <= 0) return;
      excess += queueBytesMax * SLACK;
      while (options.whenFull === 'drop-oldest' && excess > 0) {
        const freed = await sync.standing(() => dropSome(excess));
        if (freed === 0) break;
        excess -= freed;
      }
      if (queue.blockBytes + bytes > queueBytesMax) {
        throw new DeviceError('queue-full', `the queue holds ${queue.blockBytes} bytes; ${queueBytesMax} are allowed`);
      }
    },
  };
}

/** The contiguous blocks at the beginning that together reach so many bytes. */
function oldestRun(found: readonly Block[], bytes: number): Block[] {
  const chosen: Block[] = [];
  let freed = 0;
  for (const block of found) {
    const previous = chosen.at(-1);
    if (freed >= bytes || (previous && block.first !== previous.first + previous.count)) break;
    chosen.push(block);
    freed += block.bytes.length;
  }
  return chosen;
}
