/**
 * The embedded gateway store: one RocksDB database, one process.
 *
 * Promises what `GatewayStore` promises; reads go to the database and never to the pages and ledgers that the intake
 * has in memory, which may be ahead of it. Never holds more of these than it is told to, but for those being changed.
 */
import { type BatchLog, createBatchLog } from './batch-log.ts';
import { assertNotGone, type CommitCount, createCommitCount } from './commit-count.ts';
import { isDiskFull, StoreError } from './errors.ts';
import type { FileLock } from './folder-lock.ts';
import { type GatewayFiles, gatewayFiles } from './gateway-files.ts';
import {
  deviceOfPageKey,
  devicePageBounds,
  holdingsKey,
  isLedgerKey,
  ledgerBehindChunk,
  ledgerBounds,
  ledgerKey,
  pageBounds,
  pageJump,
  pageKey,
  pageOfKey,
  streamOfLedgerKey,
} from './gateway-keys.ts';
import { type OpenedParts, openForReading, openForWriting, witnessOf } from './gateway-opening.ts';
import type {
  Admission,
  BatchBody,
  BatchExtent,
  BatchTally,
  Decide,
  GatewayStore,
  GatewayStoreStats,
  GatewayStoreView,
  PageKey,
  PageKind,
  PageOperator,
  PageRange,
  RetainedBatch,
  RetentionLimits,
  StoredLedger,
  StoredPage,
  StreamKey,
  TimeRange,
} from './gateway-store.ts';
import { decodeHoldings, type Holdings } from './holdings.ts';
import { countHoldings } from './holdings-count.ts';
import { createIntake, type Intake, retainAll } from './intake.ts';
import type { LedgerView } from './ledger.ts';
import { decodeLedger } from './ledger-bytes.ts';
import { isCut } from './ledger-chunks.ts';
import { lookAt } from './look.ts';
import { decodePage } from './page-cache.ts';
import { openRocks, type Rocks } from './rocks.ts';
import { createRocksHandle, type RocksHandle } from './rocks-handle.ts';
import { createRotWatch, type GatewayCondition, type RotWatch, type StoreReport } from './rot-watch.ts';
import { unsealOrThrow } from './seal.ts';
import { copyOf, createLedger } from './segment-ledger.ts';
import { SHARED_TURNS, type Turns } from './time-slicing.ts';
import { createWriteGate, type WriteGate } from './write-gate.ts';

export interface RocksGatewayStoreOptions<Page> {
  /** The directory of the database; made where there is none. */
  readonly path: string;
  readonly operator: PageOperator<Page>;
  /** Pages kept in memory between commits. Default 16384. */
  readonly cachedPagesMax?: number;
  /** Ledgers kept in memory between commits. Default 16384. */
  readonly cachedLedgersMax?: number;
  /** RocksDB's own cache of blocks. Default 32 MiB. */
  readonly cacheBytes?: number;
  /** Told once of each thing that is found out about a disk that rots. */
  readonly onRot?: (report: StoreReport) => void;
  /** How its long work is cut. Default: as everything else in this process. */
  readonly turns?: Turns;
}

/**
 * Rejects with `locked` where another process has the database, `corrupt` where it is no gateway's. Tests have writes
 * fail through `open`, how a database is opened, and `files`, what is beside it.
 */
export async function openRocksGatewayStore<Page>(
  options: RocksGatewayStoreOptions<Page>,
  open = openRocks,
  files = gatewayFiles,
): Promise<GatewayStore<Page>> {
  const assertThere = () => assertNotGone(options.path, witnessOf(options), files);
  // Before the lock, since even that makes a folder, which a restore would then land in; and again with it.
  await assertThere();
  const lock = await files.lock(options.path);
  // failpoint: store-locked
  const store = new RocksGatewayStore(options, files, lock, openForWriting(options, open));
  await assertThere()
    .then(() => store.ready())
    .catch((error) => closedOver(store, error));
  // failpoint: store-opened
  return store;
}

/**
 * What a store holds, beside the gateway that runs on it or none: changes no file, needs no lock. Where a running
 * gateway upset the look, `look` is called again. Rejects with `not-found`, `corrupt`, and as `look` does.
 */
export async function lookAtGatewayStore<Page, T>(
  options: RocksGatewayStoreOptions<Page>,
  look: (store: GatewayStoreView<Page>) => Promise<T>,
): Promise<T> {
  const open = async () => {
    const store = new RocksGatewayStore(options, gatewayFiles, undefined, openForReading(options));
    await store.renewed().catch((error) => closedOver(store, error));
    return store;
  };
  return await lookAt(options.path, open, look);
}

async function closedOver(store: { close(): Promise<void> }, error: unknown): Promise<never> {
  await store.close();
  throw error;
}

const CACHED_MAX = 16384;
/** What RocksDB is left to work with on a disk that is full otherwise. */
const WORKING_BYTES = 8 << 20;

class RocksGatewayStore<Page> implements GatewayStore<Page> {
  readonly #operator: PageOperator<Page>;
  readonly #turns: Turns;
  readonly #handle: RocksHandle;
  readonly #log: BatchLog;
  readonly #count: CommitCount;
  readonly #watch: RotWatch;
  readonly #gate: WriteGate;
  readonly #intake: Intake<Page>;
  readonly #lock: FileLock | undefined;
  #retaining: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(
    options: RocksGatewayStoreOptions<Page>,
    files: GatewayFiles,
    lock: FileLock | undefined,
    open: (parts: OpenedParts) => Promise<Rocks>,
  ) {
    this.#operator = options.operator;
    this.#turns = options.turns ?? SHARED_TURNS;
    this.#lock = lock;
    this.#handle = createRocksHandle(() => open({ log: this.#log, count: this.#count }));
    const onRot = options.onRot ?? (() => {});
    this.#count = createCommitCount(witnessOf(options), files, ({ message }) => onRot({ unwitnessed: message }));
    this.#log = createBatchLog(this.#handle);
    const { path } = options;
    const room = files.createRoom({ directory: path, keptBytes: WORKING_BYTES, now: () => performance.now() });
    this.#watch = createRotWatch(this.#handle, onRot);
    this.#gate = createWriteGate({ path, handle: this.#handle, room, files, watch: this.#watch });
    this.#intake = createIntake({
      handle: this.#handle,
      gate: this.#gate,
      log: this.#log,
      count: this.#count,
      operator: options.operator,
      cachedPagesMax: options.cachedPagesMax ?? CACHED_MAX,
      cachedLedgersMax: options.cachedLedgersMax ?? CACHED_MAX,
      turns: this.#turns,
    });
  }

  async ingest(key: StreamKey, decide: Decide<Page>): Promise<void> {
    this.#assertOpen();
    await this.#intake.ingest(key, decide);
  }

  async weigh(pages: Admission<Page>['pages'], bytesMax: number): Promise<number> {
    this.#assertOpen();
    return await this.#intake.weigh(pages, bytesMax);
  }

  renewed(): Promise<void> {
    return this.#gate.renewed();
  }

  async ledger(key: StreamKey): Promise<LedgerView> {
    const at = ledgerKey(key);
    const value = await this.#get(at);
    return value === undefined ? createLedger() : await this.#readLedger(key, unsealOrThrow(at, value));
  }

  async *ledgers(deviceId: string, options: { after?: string } = {}): AsyncGenerator<StoredLedger, void, void> {
    const behindChunks = (key: Buffer) => (isLedgerKey(key) ? undefined : ledgerBehindChunk(key));
    for await (const [key, value] of this.#handle.walk(ledgerBounds(deviceId, options.after), behindChunks)) {
      if (this.#turns.isOver()) await this.#turns.next();
      const stream = streamOfLedgerKey(key);
      yield { stream, ledger: await this.#readLedger({ deviceId, stream }, unsealOrThrow(key, value)) };
    }
  }

  async holdings(deviceId: string): Promise<Holdings> {
    const at = holdingsKey(deviceId);
    const value = await this.#get(at);
    return value === undefined
      ? await countHoldings(this.#handle, deviceId, this.ledgers(deviceId))
      : decodeHoldings(at, value);
  }

  async page(key: PageKey): Promise<Page | undefined> {
    const at = pageKey(key);
    const value = await this.#get(at);
    return value === undefined ? undefined : decodePage(this.#operator, key.kind, at, value);
  }

  async *pages(deviceId: string, kind: PageKind, range: PageRange = {}): AsyncGenerator<StoredPage<Page>, void, void> {
    const bounds = pageBounds(deviceId, kind, range);
    for await (const [key, value] of this.#handle.walk(bounds, (at) => pageJump(at, deviceId, kind, range))) {
      if (this.#turns.isOver()) await this.#turns.next();
      yield { key: pageOfKey(key, deviceId, kind), page: decodePage(this.#operator, kind, key, value) };
    }
  }

  async *devices(options: { after?: string; limit?: number } = {}): AsyncGenerator<string, void, void> {
    let left = options.limit ?? Infinity;
    if (left <= 0) return;
    for await (const [key] of this.#handle.walk(devicePageBounds(options.after))) {
      yield deviceOfPageKey(key);
      left -= 1;
      if (left <= 0) return;
    }
  }

  async retained(key: StreamKey, first: number, last: number): Promise<RetainedBatch[]> {
    const batches: RetainedBatch[] = [];
    for await (const batch of this.#log.retained(key, first, last)) batches.push(batch);
    return batches;
  }

  extents(key: StreamKey, first: number, last: number): AsyncGenerator<BatchExtent, void, void> {
    return this.#log.extents(key, first, last);
  }

  bodyOf(extent: BatchExtent): Promise<BatchBody | undefined> {
    return this.#log.bodyOf(extent);
  }

  batches(deviceId: string, range: TimeRange = {}): AsyncGenerator<RetainedBatch, void, void> {
    return this.#log.batches(deviceId, range);
  }

  retain(limits: RetentionLimits, now: number): Promise<BatchTally> {
    const deleted = this.#retaining.then(() => retainAll(this.#intake, limits, now, () => this.#assertOpen()));
    this.#retaining = deleted.catch(() => {});
    return deleted;
  }

  async stats(): Promise<GatewayStoreStats> {
    await this.#gate.renewed().catch((error: unknown) => {
      // Then memory may be ahead of the disk by what the last write did not get through.
      if (!isDiskFull(error)) throw error;
    });
    return { retained: this.#log.tally, admissions: this.#intake.admissions, commits: this.#intake.commits };
  }

  get condition(): GatewayCondition {
    return { ...this.#watch.condition, unwitnessed: this.#count.unwitnessed?.message };
  }

  ready(): Promise<void> {
    return this.#gate.pass(0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#retaining;
    await this.#intake.idle();
    await this.#handle.close();
    await this.#watch.idle();
    await this.#count.close();
    // failpoint: store-closed
    await this.#lock?.release();
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreError('closed', 'the store is closed');
  }

  async #readLedger(key: StreamKey, body: Buffer): Promise<LedgerView> {
    if (!isCut(body)) return decodeLedger(body);
    // Chunk after chunk could be read of different commits. Who ingests has them all of one, and waits for it.
    let view: LedgerView = createLedger();
    await this.ingest(key, (ledger) => {
      view = copyOf(ledger);
      return null;
    });
    return view;
  }

  #get(key: Buffer): Promise<Buffer | undefined> {
    return this.#handle.use((rocks) => rocks.get(key));
  }
}
