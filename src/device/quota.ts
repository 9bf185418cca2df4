/**
 * Quota: what happens when the queue may not grow any more (promise 7).
 *
 * Owns the choice of what is given up. Promises that loss by policy is a declared gap with its exact sums, and that no
 * event is given up which may already be at the gateway. Never acts while there is room.
 */
import { BLOCK_EVENTS_MAX } from '../codec/index.ts';
import type { Block, Queue } from '../store/index.ts';
import type { Account } from './account.ts';
import { readTables } from './block.ts';
import type { Census } from './census.ts';
import type { Cutter } from './cutter.ts';
import { DeviceError } from './errors.ts';
import { encodeGapSums, type Gaps, type OpenGap } from './gaps.ts';
import type { DeviceSettings } from './options.ts';
import type { Sync } from './sync.ts';
import { NOTHING, plus, tallyOf } from './tally.ts';

export interface QuotaOptions {
  readonly queue: Queue;
  readonly account: Account;
  readonly census: Census;
  readonly gaps: Gaps;
  readonly cutter: Cutter;
  readonly sync: Pick<Sync, 'cursor' | 'standing'>;
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

/**
 * Puts on record, before this run sends anything, how much it may have under way: a later one with a narrower window must
 * not give up what this one has sent.
 */
export async function recordWindow(
  queue: Pick<Queue, 'events' | 'release'>,
  account: Account,
  { inFlightMax, batchEventsMax }: Pick<DeviceSettings, 'inFlightMax' | 'batchEventsMax'>,
): Promise<void> {
  // What is under way and as much that is acknowledged but not released, of batches or of single blocks that are larger.
  const mine = 2 * inFlightMax * Math.max(batchEventsMax, BLOCK_EVENTS_MAX);
  const widest = queue.events() === 0 ? mine : Math.max(mine, account.windowEvents);
  if (account.windowEvents === widest) return;
  account.windowEvents = widest;
  await queue.release({ totals: account.settled() });
}

export function createQuota(options: QuotaOptions): Quota {
  const { queue, account, census, gaps, cutter, sync, queueBytesMax } = options;
  /** Of the events found at the start, the first so many may have been sent before it: they are not given up. */
  const inDoubtEvents = account.windowEvents;
  const foundEnd = queue.next;
  let firstUnsent: number | undefined;

  /** Gives up the oldest run of blocks in one stream that surely was never sent. */
  async function dropSome(bytes: number): Promise<void> {
    firstUnsent ??= await findFirstUnsent();
    const found = await queue.read(Math.max(queue.head, sync.cursor, firstUnsent), READ);
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
    await queue.drop({ blocks, gaps: [{ ...range, sums }] });
    cutter.forget();
    account.remove('queued', held);
    account.add('gaps', tally);
    options.onGap(gaps.add({ ...range, stream, reason: 'quota', sums }));
  }

  /** Where what was found at the start can no longer have been under way before it. */
  async function findFirstUnsent(): Promise<number> {
    let events = 0;
    for (let at = queue.head; at < foundEnd; ) {
      const blocks = await queue.read(at, READ);
      for (const block of blocks) {
        if (events >= inDoubtEvents) return block.first;
        events += block.count;
        at = block.last + 1;
      }
      if (blocks.length === 0) break;
    }
    return foundEnd;
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
