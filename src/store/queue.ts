/**
 * The queue of a device on RocksDB; `device-queue.ts` says what it promises.
 *
 * Owns the putting together: a call looks up what it needs, makes a change of it and has that committed, one after the
 * other; and damage that is met on the way is set aside. Never keeps anything in memory that is not on disk.
 */
import assert from 'node:assert';
import { randomBytes } from 'node:crypto';
import type {
  AppendExtras,
  Appended,
  BlockName,
  Damaged,
  Drop,
  Mark,
  NewBlock,
  Queue,
  QueueOptions,
  Release,
} from './device-queue.ts';
import type { Range } from './intervals.ts';
import { familyRange, numberKey, numberOfKey, QUEUE } from './keys.ts';
import {
  BLOCK_EVENTS_MAX,
  type Block,
  blockPut,
  type Damage,
  type LookUp,
  lookUpBlocks,
  measureDamage,
  nextStart,
  type ReadLimit,
  readBlocks,
} from './queue-blocks.ts';
import { appended, dropped, moved, noted, without } from './queue-changes.ts';
import { openQueueDisk, type QueueDisk } from './queue-disk.ts';
import { queueFiles } from './queue-files.ts';
import { queuedCount } from './queue-position.ts';
import {
  decodeGap,
  decodeQuarantine,
  deletions,
  type Gap,
  gapPut,
  markKey,
  type QuarantineEntry,
  quarantinePut,
  STREAM_BYTES,
} from './queue-records.ts';
import { getReadable, storedGaps } from './queue-state.ts';
import { streamRanges } from './queue-streams.ts';
import { createWalks, WALK_LIMIT } from './queue-walks.ts';
import { type Operation, openRocks } from './rocks.ts';
import { unseal } from './seal.ts';

const RESERVE_BYTES = 16 << 20;
/** Few enough for the event loop, however many small blocks a release lets go of. */
const LOOK_UP_AT_ONCE = 256;

/**
 * `locked` where it is open already, `other-device`, `not-found`, `corrupt` where it is no queue that we can read.
 * `open` is how a database is opened, and `files` where it lies; tests have writes fail through them.
 */
export async function openQueue(options: QueueOptions, open = openRocks, files = queueFiles): Promise<Queue> {
  const disk = await openQueueDisk({
    path: options.path,
    deviceId: options.deviceId,
    create: options.deviceId !== undefined && (options.create ?? true),
    reserveBytes: options.reserveBytes ?? RESERVE_BYTES,
    randomBytes: options.randomBytes ?? randomBytes,
    now: options.now ?? (() => performance.now()),
    onLate: options.onLate ?? (() => {}),
    onRot: options.onRot ?? (() => {}),
    open,
    files,
    onLost: options.onDamage ?? (() => {}),
  });
  return new RocksQueue(disk, options);
}

export class RocksQueue implements Queue {
  readonly #disk: QueueDisk;
  readonly #freshStream: () => Uint8Array;
  readonly #onDamage: (gap: Gap) => void;
  readonly #walks = createWalks();

  constructor(disk: QueueDisk, options: QueueOptions) {
    this.#disk = disk;
    const random = options.randomBytes ?? randomBytes;
    this.#freshStream = () => random(STREAM_BYTES);
    this.#onDamage = options.onDamage ?? (() => {});
  }

  get deviceId(): string {
    return this.#disk.state.deviceId;
  }

  get head(): number {
    return this.#disk.state.position.head;
  }

  get next(): number {
    return this.#disk.state.position.next;
  }

  get unsent(): number {
    return this.#disk.state.position.unsent;
  }

  get totals(): Uint8Array | undefined {
    return this.#disk.state.totals;
  }

  get witnessedTotals(): Uint8Array | undefined {
    return this.#disk.witnessedTotals;
  }

  get blockBytes(): number {
    return this.#disk.state.position.bytes;
  }

  events(before: number = this.next): number {
    return queuedCount(this.#disk.state.position, before);
  }

  append(blocks: readonly NewBlock[], extras: AppendExtras = {}): Promise<Appended> {
    const isBlock = ({ count }: NewBlock) => Number.isInteger(count) && count >= 1 && count <= BLOCK_EVENTS_MAX;
    assert(blocks.length > 0 && blocks.every(isBlock), 'there are blocks to append, which hold some events');
    return this.#disk.exclusive(async () => {
      await this.#disk.renewIfFailing(() => this.#walk(this.head, (at) => this.#mend(at)));
      await this.#disk.assertRoom(blocks.reduce((sum, { bytes }) => sum + bytes.length, 0));
      const first = this.next;
      // failpoint: before-append
      await this.#disk.commit((state) => appended(state, blocks, extras, this.#freshStream), false);
      // failpoint: append-committed
      return { first, last: this.next - 1, stream: this.streamAt(first).stream };
    });
  }

  note(marks: readonly Mark[]): Promise<void> {
    return this.#disk.exclusive(async () => {
      await this.#disk.renewIfFailing(() => this.#walk(this.head, (at) => this.#mend(at)));
      await this.#disk.assertRoom(0);
      await this.#disk.commit((state) => noted(state, marks), false);
    });
  }

  mark(name: string): Promise<Uint8Array | undefined> {
    return this.#disk.handle.use(async (rocks) => unseal(markKey(name), await getReadable(rocks, markKey(name))));
  }

  read(from: number, limit: ReadLimit): Promise<Block[]> {
    return this.#read(from, limit, (at) => this.#disk.exclusive(() => this.#mend(at)));
  }

  nextStart(sequence: number): Promise<number> {
    return nextStart(this.#lookUp, this.#disk.state.position, sequence);
  }

  blocks(from: number = this.head): AsyncGenerator<Block, void, void> {
    return this.#walk(from, (at) => this.#disk.exclusive(() => this.#mend(at)));
  }

  streamAt(sequence: number): { stream: Uint8Array; last: number } {
    const { position, streams } = this.#disk.state;
    assert(sequence < position.next, 'only a sequence that is used has a stream');
    const [range] = streamRanges(streams, { first: sequence, last: position.next - 1 });
    return { stream: range!.stream, last: range!.last };
  }

  markSent(unsent: number): Promise<void> {
    return this.#disk.exclusive(async () => {
      // failpoint: before-mark
      await this.#disk.commit((state) => without([], { state, operations: [] }, unsent), true);
      // failpoint: mark-committed
    });
  }

  release(change: Release): Promise<void> {
    const { blocks = [], totals, quarantine = [], removeQuarantine = [], gapsDeclared = [], unsent } = change;
    return this.#disk.exclusive(async () => {
      const leaving = await this.#blocksAt(blocks);
      this.#walks.leaving(leaving);
      const operations = [
        ...quarantine.map(quarantinePut),
        ...deletions(QUEUE.quarantine, removeQuarantine),
        ...deletions(QUEUE.gap, gapsDeclared),
      ];
      // failpoint: before-release
      await this.#disk.commit(
        (state) => without(leaving, { state: { ...state, totals: totals ?? state.totals }, operations }, unsent),
        true,
      );
      // failpoint: release-committed
    });
  }

  drop({ blocks, gaps, unsent }: Drop): Promise<void> {
    return this.#disk.exclusive(async () => {
      const leaving = await this.#blocksAt(blocks);
      this.#walks.leaving(leaving);
      const before = await this.#disk.handle.use((rocks) => storedGaps(rocks, gaps));
      // failpoint: before-drop
      await this.#disk.commit((state) => without(leaving, dropped(state, leaving, gaps, before), unsent), true);
      // failpoint: drop-committed
    });
  }

  setAside(block: BlockName): Promise<void> {
    return this.#disk.exclusive(async () => {
      for (const whole of await this.#blocksAt([block])) {
        const { first, last } = whole;
        await this.#lose({ first, last, value: blockPut(whole).value });
      }
    });
  }

  async restream(ranges: readonly Range[]): Promise<Uint8Array> {
    const stream = this.#freshStream();
    // failpoint: before-restream
    await this.#disk.exclusive(() => this.#disk.commit((state) => moved(state, ranges, stream), true));
    // failpoint: restream-committed
    return stream;
  }

  async gaps(): Promise<Gap[]> {
    const gaps: Gap[] = [];
    for await (const gap of this.#records(QUEUE.gap, decodeGap)) gaps.push(gap);
    return gaps;
  }

  quarantine(): AsyncGenerator<QuarantineEntry, void, void> {
    return this.#records(QUEUE.quarantine, decodeQuarantine);
  }

  damaged(): AsyncGenerator<Damaged, void, void> {
    return this.#records(QUEUE.damaged, (key, value) => ({ first: numberOfKey(key), value }));
  }

  close(): Promise<void> {
    return this.#disk.close();
  }

  readonly #lookUp: LookUp = (firsts) => this.#disk.handle.use((rocks) => lookUpBlocks(rocks, firsts));

  async #read(from: number, limit: ReadLimit, mend: (at: number) => Promise<void>): Promise<Block[]> {
    for (;;) {
      const { blocks, damagedAt } = await readBlocks(this.#lookUp, () => this.#disk.state.position, from, limit);
      if (damagedAt === undefined) return blocks;
      await mend(damagedAt);
    }
  }

  async *#walk(from: number, mend: (at: number) => Promise<void>): AsyncGenerator<Block, void, void> {
    // Only the first step looks at the queue: what is queued by then is what the walk gives.
    yield* this.#walks.begin(from, this.next, (at) => this.#read(at, WALK_LIMIT, mend));
  }

  async *#records<T>(
    family: number,
    decode: (key: Buffer, value: Buffer) => T | undefined,
  ): AsyncGenerator<T, void, void> {
    for await (const [key, value] of this.#disk.handle.walk(familyRange(family))) {
      const record = decode(key, value);
      if (record !== undefined) yield record;
    }
  }

  /** The blocks of these names, as far as they are queued and whole. Exclusive. */
  async #blocksAt(names: readonly BlockName[]): Promise<Block[]> {
    const blocks: Block[] = [];
    for (let from = 0; from < names.length; from += LOOK_UP_AT_ONCE) {
      const firsts = names.slice(from, from + LOOK_UP_AT_ONCE).map(({ first }) => first);
      for (const [i, found] of (await this.#lookUp(firsts)).entries()) {
        if (found.kind === 'block') blocks.push(found.block);
        else if (found.kind === 'broken') await this.#mend(firsts[i]!);
      }
    }
    return blocks;
  }

  /** Sets aside what is damaged at a sequence, if it still is. Exclusive. */
  async #mend(at: number): Promise<void> {
    const damage = await measureDamage(this.#lookUp, this.#disk.state.position, at);
    if (damage !== undefined) await this.#lose(damage);
  }

  async #lose(damage: Damage): Promise<void> {
    let gaps: Gap[] = [];
    await this.#disk.commit((state) => {
      const lost = { reason: 'damage', sums: new Uint8Array() } as const;
      gaps = streamRanges(state.streams, damage).map((range) => ({ ...range, ...lost }));
      const { first, last, value } = damage;
      const operations: Operation[] = gaps.map(gapPut);
      if (value !== undefined) operations.push({ type: 'put', key: numberKey(QUEUE.damaged, first), value });
      return without([{ first, last, storedBytes: value?.length ?? 0 }], { state, operations });
    }, true);
    for (const gap of gaps) this.#onDamage(gap);
  }
}
