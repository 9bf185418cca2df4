/**
 * The queue of a device, as its callers see it: every event from the moment it is recorded until the gateway has signed
 * for it.
 *
 * Owns the contract. A queue promises:
 * - what `append` resolves is fsynced, and nothing is read before that;
 * - a change is one atomic commit: blocks, streams, totals, gaps and quarantine never disagree;
 * - a sequence is used once, and every opening that appends sends under a stream of its own, so that a disk restored
 *   from a backup, or copied, never gives an id that the gateway has seen to another event;
 * - every sequence is queued, or released, or in a gap: a hole or a broken block becomes a gap, and reading goes on;
 * - after a failed write nothing that the database held in memory is believed: it is opened again from disk.
 * It never knows what an event is: blocks, sums, totals and refusals are bytes here.
 */
import type { StoreError } from './errors.ts';
import type { Range } from './intervals.ts';
import type { Block, ReadLimit } from './queue-blocks.ts';
import type { Gap, QuarantineEntry } from './queue-records.ts';

export interface QueueOptions {
  /** A directory of its own. */
  readonly path: string;
  /** Whose queue it is, set when it is made. Without it any device's is opened, and none is made. */
  readonly deviceId?: string;
  /**
   * Held back on disk so that a full one can still be drained. Appending stops where half as much is left free, or 2
   * MiB, whichever is more. Default 16 MiB; with 0 no file is held back, and a disk that others fill up can be neither
   * drained nor even opened.
   */
  readonly reserveBytes?: number;
  /** Make the queue where there is none; otherwise a missing one is `not-found`. Default true. */
  readonly create?: boolean;
  /** Called after lost events were set aside in a gap; see `damaged` for what is left of them. */
  readonly onDamage?: (gap: Gap) => void;
  /**
   * Called when a change that had failed has turned out to be on disk: whatever is kept elsewhere about what is queued,
   * in quarantine or in gaps is out of date.
   */
  readonly onLate?: () => void;
  /** Called once for each fault found of a disk that rots, or denies the witness; the error says what came of it. */
  readonly onRot?: (error: StoreError) => void;
  /** For streams. Default: of `node:crypto`. */
  readonly randomBytes?: (count: number) => Uint8Array;
  /** Milliseconds of a clock that never goes back. Default `performance.now`. */
  readonly now?: () => number;
}

export interface NewBlock {
  /** Events in it, from 1 to `BLOCK_EVENTS_MAX`. */
  readonly count: number;
  /** Not to be changed before `append` has resolved. */
  readonly bytes: Uint8Array;
}

/** Names a queued block; a block as it was read does. */
export type BlockName = Pick<Block, 'first'>;

/** A note that is stored beside events: how far an input has been read, say. */
export interface Mark {
  readonly name: string;
  readonly value: Uint8Array;
}

/** What an append does besides, in the same commit. */
export interface AppendExtras {
  /** Each replaces the one of its name. */
  readonly marks?: readonly Mark[];
}

/** A sequence range under one stream. */
export interface Appended extends Range {
  readonly stream: Uint8Array;
}

export interface Release {
  /** Blocks whose events need not be kept any longer, in any order. */
  readonly blocks?: readonly BlockName[];
  /** Replaces what `totals` gives. */
  readonly totals?: Uint8Array;
  /** Events that go from the blocks to quarantine; each entry replaces the one of its first sequence. */
  readonly quarantine?: readonly QuarantineEntry[];
  /** First sequences of entries to remove from quarantine. */
  readonly removeQuarantine?: readonly number[];
  /** First sequences of gaps that the gateway has acknowledged: they are forgotten, so count them in the totals. */
  readonly gapsDeclared?: readonly number[];
  /** As `markSent`, in the same commit. */
  readonly unsent?: number;
}

export interface Drop {
  readonly blocks: readonly BlockName[];
  /**
   * What was in them: together exactly the events of the blocks, each gap within one stream. One that has the `first`
   * of a stored gap replaces it, and then holds its events too.
   */
  readonly gaps: readonly (Range & { readonly sums: Uint8Array })[];
  /** As `markSent`, in the same commit. */
  readonly unsent?: number;
}

export interface Damaged {
  readonly first: number;
  /** The record as it was stored. */
  readonly value: Uint8Array;
}

/** Changes may be asked for at once: they are committed one after the other. Every failure is a `StoreError`. */
export interface Queue {
  readonly deviceId: string;
  /** The first sequence that is still queued; `next` where none is. */
  readonly head: number;
  /** The sequence that the next event gets. */
  readonly next: number;
  /**
   * From this sequence on nothing has been sent, so far as the disk says: as last marked, and at an opening no further
   * than `next`; where the disk has lost the mark, all that is queued may have been sent.
   */
  readonly unsent: number;
  /** As last given to `release`; undefined where that never was, or where the disk has lost it. */
  readonly totals: Uint8Array | undefined;
  /** The same from beside the database, as of the opening: further than `totals` where the database lost the latest. */
  readonly witnessedTotals: Uint8Array | undefined;

  /** What the queued blocks take on disk. */
  readonly blockBytes: number;
  /** How many events are queued; with a sequence, only those before it. */
  events(before?: number): number;

  /**
   * Queues events in one commit; sequences follow each other in the order of the calls.
   *
   * `disk-full` and other failures mean that nothing was queued and no sequence is used up. A write that failed but is
   * found on disk on opening again resolves. Only where that opening fails, too, is the outcome open: events that did
   * reach the disk are queued then, and `next` and `read` show them once the disk answers.
   */
  append(blocks: readonly NewBlock[], extras?: AppendExtras): Promise<Appended>;

  /** Stores marks without events, in one commit. */
  note(marks: readonly Mark[]): Promise<void>;

  /** The value of a mark, as last stored; undefined where there is none, or where the disk has lost it. */
  mark(name: string): Promise<Uint8Array | undefined>;

  /** Blocks from `from` on, ascending: at least one where there is any. `from` is `head`, or follows a block. */
  read(from: number, limit: ReadLimit): Promise<Block[]>;
  /** Where reading may begin: `sequence`, or what follows the block that it lies in the middle of, as `unsent` may. */
  nextStart(sequence: number): Promise<number>;
  /**
   * Every block from `from` (default `head`) that is queued when the first one is asked for, ascending. Those that
   * leave the queue meanwhile come last, so that a count made of this and of what is appended and released is right;
   * those found damaged do not come.
   */
  blocks(from?: number): AsyncGenerator<Block, void, void>;
  /** Under which stream a queued sequence is sent, and the last one behind it that shares that stream. */
  streamAt(sequence: number): { readonly stream: Uint8Array; readonly last: number };

  /**
   * Puts on record that events before `unsent` may have been sent, before they are; it may lie ahead of `next`, so that
   * not every batch needs a write, or go back to what is true. Uses the reserve on a full disk.
   */
  markSent(unsent: number): Promise<void>;
  /** Lets go of events. Uses the reserve on a full disk. */
  release(change: Release): Promise<void>;
  /** Gives up events on purpose: their blocks become gaps of reason `quota`. Uses the reserve on a full disk. */
  drop(change: Drop): Promise<void>;
  /** Treats a block that its reader cannot make sense of as damage. Uses the reserve on a full disk. */
  setAside(block: BlockName): Promise<void>;
  /**
   * Puts the queued ranges, and everything appended from now on, under one fresh stream, which it gives; every other
   * sequence keeps its own. Uses the reserve on a full disk.
   */
  restream(ranges: readonly Range[]): Promise<Uint8Array>;

  /** Gaps that the gateway has not acknowledged, ascending. */
  gaps(): Promise<Gap[]>;
  /** Ascending; an entry whose record is broken is passed over, and stays. */
  quarantine(): AsyncGenerator<QuarantineEntry, void, void>;
  /** What was stored as blocks but is not whole, ascending; kept for inspection. */
  damaged(): AsyncGenerator<Damaged, void, void>;

  /** Waits for what is under way. Further calls are `closed`. Calling it again is harmless. */
  close(): Promise<void>;
}

/** A queue to look at. Its gaps also hold what proved damaged so far; `setAside` makes one of them, and no more. */
export type QueueView = Pick<
  Queue,
  | 'deviceId'
  | 'head'
  | 'next'
  | 'totals'
  | 'witnessedTotals'
  | 'blockBytes'
  | 'events'
  | 'mark'
  | 'read'
  | 'blocks'
  | 'streamAt'
  | 'setAside'
  | 'gaps'
  | 'quarantine'
  | 'damaged'
>;
