/**
 * Quota: what happens when the queue may not grow any more (promise 7).
 *
 * Owns the choice of what is given up: the oldest that never left the device, in this run or before. Promises that loss
 * by policy is a declared gap with its exact sums, and that no event is given up which may already be at the gateway.
 * Never acts while there is room.
 */
import type { Block, Queue } from '../store/index.ts';
import type { Account } from './account.ts';
import { readTables } from './block.ts';
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
  readonly sync: Pick<Sync, 'withdraw' | 'standing'>;
  readonly queueBytesMax: number;
  readonly whenFull: 'refuse' | 'drop-oldest';
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
  /** Gives up the oldest run of blocks in one stream that surely was never sent. */
  async function dropSome(bytes: number): Promise<void> {
    // First: what is taken back now cannot leave while its blocks are looked at.
    const unsent = sync.withdraw();
    // The mark is written ahead, so that after a crash it may lie within a block, which then may have been sent.
    const found = await queue.read(await queue.nextStart(Math.max(queue.head, unsent)), READ);
    const blocks: Block[] = [];
    let tally = NOTHING;
    let held = NOTHING;
    for await (const { block, table } of readTables(queue, oldestRun(found, bytes))) {
      if (!table) break;
      const whole = tallyOf(table);
      blocks.push(block);
      tally = plus(tally, whole);
      held = plus(held, census.leaving({ ...block, table, tally: whole }));
    }
    const [oldest] = blocks;
    if (!oldest) return;
    const range = { first: oldest.first, last: blocks.at(-1)!.last };
    const { stream } = queue.streamAt(range.first);
    const sums = encodeGapSums(tally);
    await queue.drop({ blocks, gaps: [{ ...range, sums }], unsent });
    cutter.forget();
    account.remove('queued', held);
    account.add('gaps', tally);
    options.onGap(gaps.add({ ...range, stream, reason: 'quota', sums }));
  }

  /** The first contiguous blocks of one stream, until they reach so many bytes. */
  function oldestRun(found: readonly Block[], bytes: number): Block[] {
    const chosen: Block[] = [];
    let freed = 0;
    let streamLast = 0;
    for (const block of found) {
      const previous = chosen.at(-1);
      if (!previous) streamLast = queue.streamAt(block.first).last;
      const follows = !previous || (block.first === previous.last + 1 && freed < bytes);
      // A block with a part in another stream has been sent: a collision moved it.
      if (!follows || block.last > streamLast) {
        if (previous) break;
        continue;
      }
      chosen.push(block);
      freed += block.bytes.length;
    }
    return chosen;
  }

  return {
    async makeRoom(bytes) {
      const excess = (bytesMax: number): number => queue.blockBytes + bytes - bytesMax;
      // What cannot fit an empty queue is not worth giving up anything for.
      if (options.whenFull === 'drop-oldest' && bytes <= queueBytesMax && excess(queueBytesMax) > 0) {
        const calmBytesMax = queueBytesMax * (1 - SLACK);
        for (let before = Infinity; excess(calmBytesMax) > 0 && queue.blockBytes < before; ) {
          before = queue.blockBytes;
          await sync.standing(() => dropSome(excess(calmBytesMax)));
        }
      }
      if (excess(queueBytesMax) > 0) {
        throw new DeviceError('queue-full', `the queue holds ${queue.blockBytes} bytes; ${queueBytesMax} are allowed`);
      }
    },
  };
}
