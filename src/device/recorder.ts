/**
 * Recorder: from `record()` to disk (promises 1 and 8).
 *
 * Owns the events that wait for their commit. Promises that a receipt is given only after the fsync that holds the
 * event, that everything recorded while one commit is under way shares the next, and that no call waits for the
 * network. Never holds the event loop for longer than one column takes to pack.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  BLOCK_EVENTS_MAX,
  CodecError,
  createTableBuilder,
  encodeColumnsInSteps,
  type TableBuilder,
  type TelemetryEvent,
} from '../codec/index.ts';
import { DeviceError } from './errors.ts';
import { createPortion, type Portion } from './portion.ts';
import { NOTHING, plus, type Tally, tallyOf } from './tally.ts';
import { inTurns } from './turns.ts';

/** Where an event is: `device/stream/sequence` is its id. */
export interface Receipt {
  /** 32 hex digits. */
  readonly stream: string;
  readonly sequence: number;
}

/** A note that is stored in the same commit as the events beside it: how far an input has been read. */
export interface Mark {
  readonly name: string;
  readonly value: Uint8Array;
}

export interface Commit {
  readonly blocks: readonly { readonly count: number; readonly bytes: Uint8Array }[];
  readonly marks: readonly Mark[];
  readonly tally: Tally;
}

export interface RecorderOptions {
  readonly pendingEventsMax: number;
  /** Stores the commit in one fsynced write and says where it begins. */
  readonly append: (commit: Commit) => Promise<{ readonly stream: string; readonly first: number }>;
}

export interface Recorder {
  /** Resolves once the event is fsynced; rejects where it is not and never will be. */
  record(event: TelemetryEvent): Promise<Receipt>;
  /** The same for several events in one commit: all of them or none. Resolves with the first one's receipt. */
  recordAll(events: readonly TelemetryEvent[], marks?: readonly Mark[]): Promise<Receipt>;
  /** Resolves once everything recorded before is on disk or was refused. */
  flush(): Promise<void>;
  /** Commits what is pending; further events are refused. */
  close(): Promise<void>;
}

export function createRecorder(options: RecorderOptions): Recorder {
  return new GroupRecorder(options);
}

/** The events that will share a commit, and the promise that they share. */
class Group {
  readonly tables: TableBuilder[] = [];
  readonly marks: Mark[] = [];
  readonly done: Promise<Receipt>;
  resolve!: (first: Receipt) => void;
  count = 0;
  #reject!: (error: unknown) => void;
  readonly #receipts: Promise<Receipt>[] = [];
  readonly #blockEventsMax: number;

  constructor(blockEventsMax: number) {
    this.#blockEventsMax = blockEventsMax;
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.#reject = reject;
    });
  }

  /** The receipt of the event at this place, counted from 0. */
  receiptAt(place: number): Promise<Receipt> {
    const receipt = this.done.then(({ stream, sequence }) => ({ stream, sequence: sequence + place }));
    this.#receipts.push(receipt);
    return receipt;
  }

  reject(error: unknown): void {
    // Receipts carry the failure to whoever asked; a program that records without awaiting must not be ended by it.
    for (const receipt of this.#receipts) handled(receipt);
    this.#reject(error);
  }

  add(event: TelemetryEvent): void {
    const table = this.tables.at(-1);
    if (table === undefined || table.count >= this.#blockEventsMax || !table.add(event)) {
      // Only a table that has taken its first event joins the group: an event that is refused leaves no trace.
      const fresh = createTableBuilder();
      fresh.add(event);
      this.tables.push(fresh);
    }
    this.count++;
  }
}

class GroupRecorder implements Recorder {
  readonly #options: RecorderOptions;
  readonly #portion = createPortion(BLOCK_EVENTS_MAX);
  /** The one that still takes events. */
  #group: Group | undefined;
  #running = false;
  /** Settles with the newest group, and so after all before it. */
  #newest: Promise<unknown> = Promise.resolve();
  #pendingEvents = 0;
  #closed = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  record(event: TelemetryEvent): Promise<Receipt> {
    try {
      const group = this.#open(1);
      group.add(event);
      this.#take(group, 1);
      return group.receiptAt(group.count - 1);
    } catch (error) {
      return handled(Promise.reject(error));
    }
  }

  recordAll(events: readonly TelemetryEvent[], marks: readonly Mark[] = []): Promise<Receipt> {
    try {
      if (!Array.isArray(events) || events.length === 0) {
        throw new CodecError('event-field', 'recordAll wants a list of events, at least one');
      }
      // Checked on the side first, since a group that has taken half of them could not give them back.
      let check = createTableBuilder();
      for (const event of events) {
        if (check.add(event)) continue;
        check = createTableBuilder();
        check.add(event);
      }
      const group = this.#open(events.length);
      const place = group.count;
      for (const event of events) group.add(event);
      group.marks.push(...marks);
      this.#take(group, events.length);
      return group.receiptAt(place);
    } catch (error) {
      return handled(Promise.reject(error));
    }
  }

  async flush(): Promise<void> {
    await this.#newest.catch(() => {});
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.flush();
  }

  /** The group to add so many events to. It is not waited for before it has taken one: an event may be refused. */
  #open(events: number): Group {
    if (this.#closed) throw new DeviceError('closed', 'the device is closed');
    if (this.#pendingEvents + events > this.#options.pendingEventsMax) {
      throw new DeviceError('overloaded', `${this.#pendingEvents} events wait for the disk; the next must wait too`);
    }
    return this.#group ?? new Group(this.#portion.events);
  }

  #take(group: Group, events: number): void {
    this.#pendingEvents += events;
    // failpoint: event-accepted
    if (this.#group === group) return;
    this.#group = group;
    this.#newest = group.done;
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    // One turn of the loop, so that calls made in one go share the commit.
    await nextTurn();
    while (this.#group) {
      const group = this.#group;
      this.#group = undefined;
      try {
        const { stream, first } = await this.#options.append(await pack(group, this.#portion));
        group.resolve({ stream, sequence: first });
      } catch (error) {
        group.reject(error);
      }
      this.#pendingEvents -= group.count;
    }
    this.#running = false;
  }
}

/** Whoever does not look at it is not ended by it. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Packs block by block, giving others a turn after each. */
async function pack(group: Group, portion: Portion): Promise<Commit> {
  const blocks: { count: number; bytes: Uint8Array }[] = [];
  let tally = NOTHING;
  for (const builder of group.tables) {
    const table = builder.build();
    const bytes = await inTurns(encodeColumnsInSteps(table));
    portion.packed(table.count, bytes.length);
    blocks.push({ count: table.count, bytes });
    tally = plus(tally, tallyOf(table));
    if (group.tables.length > 1) await nextTurn();
  }
  return { blocks, marks: group.marks, tally };
}
