/**
 * The accepted batches, as they came, until retention takes them.
 *
 * Owns two records per batch: the batch itself under its acceptance number, so that writing only ever appends and the
 * oldest are found first, and a small extent under its device, stream and first sequence, so that it is found without
 * reading bodies. Promises that what it counts was read from the extents when the database was opened. Never looks into
 * a body, and never writes: it gives the writes to whoever commits.
 */
import { type BatchValue, decodeBatch, decodeExtent, encodeBatch, encodeExtent } from './batch-record.ts';
import {
  batchKey,
  deviceExtentBounds,
  type ExtentName,
  extentKey,
  extentOfKey,
  streamExtentBounds,
} from './gateway-keys.ts';
import type {
  AcceptedBatch,
  BatchBody,
  BatchExtent,
  BatchTally,
  RetainedBatch,
  RetentionLimits,
  StreamKey,
  TimeRange,
} from './gateway-store.ts';
import { assertRange } from './intervals.ts';
import { familyRange, GATEWAY } from './keys.ts';
import type { KeySpan, Operation, Rocks } from './rocks.ts';
import type { RocksHandle } from './rocks-handle.ts';

/** Batches that are read, or deleted, in one go. */
const PIECE_BATCHES_MAX = 256;
const PIECE_BYTES_MAX = 4 << 20;
/** Batches that are asked for at once where all are wanted. */
const AHEAD = 16;

/** A batch that retention gives up. */
export interface ExpiredBatch extends ExtentName {
  readonly bodyBytes: number;
  /** For its age, and not for its bytes. */
  readonly isAged: boolean;
}

export interface BatchLog {
  /** Reads from a database just opened what there is and where the numbering goes on. About 2.5 µs a batch. */
  resume(rocks: Rocks): Promise<void>;
  /** The writes that keep a batch. */
  accept(key: StreamKey, batch: AcceptedBatch): Operation[];
  /** The oldest batches that the limits do not allow, at most a piece; none where the limits hold. */
  expired(limits: RetentionLimits, now: number): Promise<ExpiredBatch[]>;
  /** The writes that delete what `expired` gave. */
  drop(expired: readonly ExpiredBatch[]): Operation[];
  retained(key: StreamKey, first: number, last: number): AsyncGenerator<RetainedBatch, void, void>;
  extents(key: StreamKey, first: number, last: number): AsyncGenerator<BatchExtent, void, void>;
  bodyOf(extent: BatchExtent): Promise<BatchBody | undefined>;
  batches(deviceId: string, range: TimeRange): AsyncGenerator<RetainedBatch, void, void>;
  readonly tally: BatchTally;
}

export function createBatchLog(handle: RocksHandle): BatchLog {
  return new ExtentBatchLog(handle);
}

/** How old batches are, asked in the order in which they were accepted. */
class Ages {
  readonly #limits: RetentionLimits;
  readonly #now: number;
  latest: number;

  constructor(limits: RetentionLimits, now: number, latest: number) {
    this.#limits = limits;
    this.#now = now;
    this.latest = latest;
  }

  /** Undefined where the clock was wrong that gave this time. No batch is older than those accepted before it. */
  isOver(receivedAt: number, isNext = true): boolean | undefined {
    const { ageMaxMs = Infinity, clockMin = -Infinity } = this.#limits;
    if (receivedAt > this.#now || receivedAt < clockMin) return undefined;
    if (isNext) this.latest = Math.max(this.latest, receivedAt);
    const time = this.latest > this.#now ? receivedAt : Math.max(receivedAt, this.latest);
    return this.#now - time > ageMaxMs;
  }
}

class ExtentBatchLog implements BatchLog {
  readonly #handle: RocksHandle;
  #next = 1;
  /** When the latest of the batches that retention has looked at was received. */
  #latest = -Infinity;
  /** No batch below this number is left. */
  #oldest = 1;
  #batches = 0;
  #bytes = 0;
  /** No batch goes on for longer than this past its first sequence. */
  #reach = 0;

  constructor(handle: RocksHandle) {
    this.#handle = handle;
  }

  get tally(): BatchTally {
    return { batches: this.#batches, bytes: this.#bytes };
  }

  async resume(rocks: Rocks): Promise<void> {
    this.#next = 1;
    let oldest = Number.POSITIVE_INFINITY;
    this.#batches = 0;
    this.#bytes = 0;
    this.#reach = 0;
    for await (const [key, value] of rocks.entries(familyRange(GATEWAY.extent))) {
      const { first, number } = extentOfKey(key);
      this.#count(first, decodeExtent(key, value));
      this.#next = Math.max(this.#next, number + 1);
      oldest = Math.min(oldest, number);
    }
    this.#oldest = Math.min(oldest, this.#next);
  }

  accept(key: StreamKey, batch: AcceptedBatch): Operation[] {
    const number = this.#next;
    this.#next += 1;
    this.#count(batch.first, { last: batch.last, bodyBytes: batch.body.length });
    const body = batchKey(number);
    const extent = extentKey({ ...key, first: batch.first, number });
    return [
      { type: 'put', key: body, value: encodeBatch(body, key, batch) },
      { type: 'put', key: extent, value: encodeExtent(extent, batch) },
    ];
  }

  async expired(limits: RetentionLimits, now: number): Promise<ExpiredBatch[]> {
    const { bytesMax = Infinity, ageMaxMs = Infinity, agedMax = Infinity } = limits;
    const found: ExpiredBatch[] = [];
    let bytes = this.#bytes;
    let agedLeft = ageMaxMs === Infinity ? 0 : agedMax;
    if (bytes <= bytesMax && agedLeft === 0) return found;
    const ages = new Ages(limits, now, this.#latest);
    for await (const [number, batch] of this.#inOrder()) {
      const { deviceId, stream, first, receivedAt, body } = batch;
      const isAged = bytes <= bytesMax;
      if (isAged) {
        if (agedLeft === 0 || !(ages.isOver(receivedAt) ?? (await this.#isOverBehind(number, ages)))) break;
        agedLeft -= 1;
      }
      bytes -= body.length;
      found.push({ deviceId, stream, first, number, bodyBytes: body.length, isAged });
      if (found.length === PIECE_BATCHES_MAX) break;
    }
    this.#latest = ages.latest;
    return found;
  }

  /** Whether a batch behind this one is too old, which one accepted before it is then, too. Looks at a few of them. */
  async #isOverBehind(number: number, ages: Ages): Promise<boolean> {
    const keys: Buffer[] = [];
    for (let step = 1; number + step < this.#next; step *= 2) keys.push(batchKey(number + step));
    const values = await this.#handle.use((rocks) => rocks.getMany(keys));
    return values.some((value, i) => value && ages.isOver(decodeBatch(keys[i]!, value).receivedAt, false) === true);
  }

  drop(expired: readonly ExpiredBatch[]): Operation[] {
    const deletes: Operation[] = [];
    for (const batch of expired) {
      this.#batches -= 1;
      this.#bytes -= batch.bodyBytes;
      this.#oldest = batch.number + 1;
      deletes.push({ type: 'del', key: batchKey(batch.number) }, { type: 'del', key: extentKey(batch) });
    }
    return deletes;
  }

  async *retained(key: StreamKey, first: number, last: number): AsyncGenerator<RetainedBatch, void, void> {
    yield* this.#read(this.extents(key, first, last));
  }

  async *extents(key: StreamKey, first: number, last: number): AsyncGenerator<BatchExtent, void, void> {
    assertRange({ first, last });
    const bounds = streamExtentBounds(key, Math.max(1, first - this.#reach), last);
    yield* this.#extents(bounds, (extent) => extent.last >= first);
  }

  async bodyOf(extent: BatchExtent): Promise<BatchBody | undefined> {
    const [batch] = await this.#bodies([extent]);
    return batch;
  }

  async *batches(deviceId: string, range: TimeRange): AsyncGenerator<RetainedBatch, void, void> {
    const { from = -Infinity, to = Infinity } = range;
    const isWanted = (extent: BatchExtent) => extent.tsMax >= from && extent.tsMin < to;
    yield* this.#read(this.#extents(deviceExtentBounds(deviceId), isWanted));
  }

  /** Every batch, as accepted; by key, since stepping over what is deleted is slow, and bodies are most of it. */
  async *#inOrder(): AsyncGenerator<readonly [number: number, BatchValue], void, void> {
    for (let number = this.#oldest; number < this.#next; number += AHEAD) {
      const keys = Array.from({ length: AHEAD }, (_, i) => batchKey(number + i));
      const values = await this.#handle.use((rocks) => rocks.getMany(keys));
      for (const [i, value] of values.entries()) if (value) yield [number + i, decodeBatch(keys[i]!, value)];
    }
  }

  async *#extents(
    bounds: KeySpan,
    isWanted: (extent: BatchExtent) => boolean,
  ): AsyncGenerator<BatchExtent, void, void> {
    for await (const [key, value] of this.#handle.walk(bounds)) {
      const extent = { ...extentOfKey(key), ...decodeExtent(key, value) };
      if (isWanted(extent)) yield extent;
    }
  }

  /** The batches of extents, their bodies read many at a time. */
  async *#read(wanted: AsyncIterable<BatchExtent>): AsyncGenerator<RetainedBatch, void, void> {
    let extents: BatchExtent[] = [];
    let bytes = 0;
    for await (const extent of wanted) {
      extents.push(extent);
      bytes += extent.bodyBytes;
      if (extents.length < PIECE_BATCHES_MAX && bytes < PIECE_BYTES_MAX) continue;
      yield* await this.#bodies(extents);
      extents = [];
      bytes = 0;
    }
    yield* await this.#bodies(extents);
  }

  async #bodies(extents: readonly BatchExtent[]): Promise<RetainedBatch[]> {
    const keys = extents.map(({ number }) => batchKey(number));
    const values = await this.#handle.use((rocks) => rocks.getMany(keys));
    const batches: RetainedBatch[] = [];
    extents.forEach(({ deviceId, stream, first, last, tsMin, tsMax, receivedAt }, i) => {
      const value = values[i];
      // Retention may have taken it since its extent was read.
      if (value === undefined) return;
      const { encoding, body } = decodeBatch(keys[i]!, value);
      batches.push({ deviceId, stream, first, last, tsMin, tsMax, receivedAt, encoding, body });
    });
    return batches;
  }

  #count(first: number, { last, bodyBytes }: Pick<BatchExtent, 'last' | 'bodyBytes'>): void {
    this.#batches += 1;
    this.#bytes += bodyBytes;
    this.#reach = Math.max(this.#reach, last - first);
  }
}
