/**
 * Census: what an earlier run left in the queue.
 *
 * Owns the walk over those blocks and the line between those whose sums it has counted and those that wait. Promises
 * that the account knows from the start how many events there are, and that the sums of every block are counted once
 * or, where it leaves the queue before its turn, not at all. Never trusts a stored counter, nor reads what a cut is
 * about to read.
 */
import { sliceTable } from '../codec/index.ts';
import type { Queue, Range } from '../store/index.ts';
import type { Account } from './account.ts';
import { readTables } from './block.ts';
import type { Cut } from './cutter.ts';
import { type PersistOptions, persist } from './persistence.ts';
import { NOTHING, plus, type Tally, tallyOf } from './tally.ts';
import { pause } from './timer.ts';

export interface CensusOptions extends PersistOptions {
  readonly queue: Queue;
  readonly account: Account;
  /** Runs work while nothing leaves the queue (`Sync.standing`). */
  readonly standing: <T>(work: () => Promise<T>) => Promise<T>;
  /** Reads what is on disk besides blocks; what it gives has the account begin anew with that. */
  readonly takeStock: () => Promise<() => void>;
}

export interface Census {
  readonly counting: boolean;
  /** Blocks were appended, and the account has them. False where others came to disk before them: count anew. */
  joined(range: Range): boolean;
  /** A cut was made, and no step is under way: where it begins at the line, it is counted with that. */
  cut(cut: Pick<Cut, 'first' | 'last' | 'tally'>): void;
  /** A cut is about to leave: what the account holds of it as queued. */
  leaving(cut: Pick<Cut, 'first' | 'last' | 'table' | 'tally'>): Tally;
  /**
   * Counts everything on disk anew, up to `next` where that is given, else as far as the account knows; where it is
   * called again meanwhile, both count what that one has to.
   */
  run(next?: number): Promise<void>;
}

/** Blocks counted between two turns of others. */
const STEP = { bytesMax: 1 << 20, blocksMax: 64 };

/** While one cut at the line follows another within this time, they count faster than anybody needs to know. */
const CUTS_MS = 100;

export function createCensus(options: CensusOptions): Census {
  const { queue, account, standing, signal, takeStock, timer } = options;
  /** Sequences from `from` to below `to` are queued but not counted. */
  let from = queue.head;
  let to = queue.next;
  /** Where what the account knows ends: later sequences are being appended, or came to disk by a write that failed. */
  let known = queue.next;
  /** Runs that have not begun. */
  let due = 0;
  /** Cuts that were counted as they were made, and how many of them a step waited out; at first it waits for one. */
  let cuts = 0;
  let seen = -1;
  account.recount(queue.events());

  async function step(): Promise<void> {
    const blocks = (await queue.read(from, STEP)).filter((block) => block.first < to);
    let tally = NOTHING;
    for await (const { table } of readTables(queue, blocks)) if (table) tally = plus(tally, tallyOf(table));
    account.add('queued', { events: 0, sums: tally.sums });
    from = (blocks.at(-1)?.last ?? to - 1) + 1;
  }

  /** Waits while cuts count in place of steps; false where nothing is left to count then. */
  async function isStepDue(): Promise<boolean> {
    while (seen !== cuts && from < to && !signal.aborted) {
      seen = cuts;
      await pause(timer, CUTS_MS, signal);
    }
    return from < to && !signal.aborted;
  }

  return {
    get counting() {
      return due > 0 || from < to;
    },
    joined({ first, last }) {
      const follows = first === known;
      known = last + 1;
      return follows;
    },
    cut({ first, last, tally }) {
      if (first !== from || last >= to) return;
      account.add('queued', { events: 0, sums: tally.sums });
      from = last + 1;
      cuts += 1;
    },
    leaving(cut) {
      const { first, last, tally } = cut;
      if (first >= known) return NOTHING;
      if (last < from || first >= to) return tally;
      // The line runs between blocks, and may run through a cut of several.
      const count = tally.events;
      const before = Math.min(count, Math.max(0, from - first));
      const behind = Math.min(count, Math.max(0, to - first));
      const part = (at: number, end: number) => (at < end ? tallyOf(sliceTable(cut.table, at, end)) : NOTHING);
      return { events: count, sums: plus(part(0, before), part(behind, count)).sums };
    },
    async run(next = known) {
      known = next;
      due += 1;
      await persist(options, () =>
        standing(async () => {
          const enter = await takeStock();
          // All at once, for events may be appended at any moment.
          enter();
          account.recount(queue.events(known));
          from = queue.head;
          to = known;
        }),
      );
      due -= 1;
      while (await isStepDue()) await persist(options, () => standing(step));
    },
  };
}
