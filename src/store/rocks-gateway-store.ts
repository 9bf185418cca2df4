/**
 * The embedded gateway store: one RocksDB database, one process.
 *
 * Owns the opening of the database and the reading of it. Promises what `GatewayStore` promises; reads go to the
 * database and never to the pages and ledgers that the intake has in memory, which may be ahead of it. Never holds more
 * pages and ledgers than it is told to, but for those that are being changed.
 */
import { type BatchLog, createBatchLog } from './batch-log.ts';
import { type CommitCount, createCommitCount } from './commit-count.ts';
import { StoreError, toStoreError } from './errors.ts';
import { type GatewayFiles, gatewayFiles } from './gateway-files.ts';
import {
  deviceOfPageKey,
  devicePageBounds,
  FORMAT_KEY,
  ledgerBounds,
  ledgerKey,
  pageBounds,
  pageJump,
  pageKey,
  pageOfKey,
  streamOfLedgerKey,
} from './gateway-keys.ts';
import type {
  Admission,
  BatchTally,
  GatewayStore,
  GatewayStoreStats,
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
import { createIntake, type Intake } from './intake.ts';
import { assertRange } from './intervals.ts';
import { createLedger, type LedgerView } from './ledger.ts';
import { decodeLedger } from './ledger-bytes.ts';
import { decodePage } from './page-cache.ts';
import { openRocks, type Rocks } from './rocks.ts';
import { createRocksHandle, type RocksHandle } from './rocks-handle.ts';
import { unsealOrThrow } from './seal.ts';
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
}

/**
 * Rejects with `locked` where another process has the database, `corrupt` where it is no gateway's. `open` is how a
 * database is opened, and `files` what is beside it; tests have writes fail through them.
 */
export async function openRocksGatewayStore<Page>(
  options: RocksGatewayStoreOptions<Page>,
  open = openRocks,
  files = gatewayFiles,
): Promise<GatewayStore<Page>> {
  const store = new RocksGatewayStore(options, open, files);
  await store.ready().catch(async (error) => {
    await store.close();
    throw error;
  });
  return store;
}

const FORMAT = Buffer.from('tidegate gateway 1');
const CACHED_MAX = 16384;
const CACHE_BYTES = 32 << 20;
const WRITE_BUFFER_BYTES = 16 << 20;
/** What RocksDB is left to work with on a disk that is full otherwise. */
const WORKING_BYTES = 8 << 20;

class RocksGatewayStore<Page> implements GatewayStore<Page> {
  readonly #operator: PageOperator<Page>;
  readonly #handle: RocksHandle;
  readonly #log: BatchLog;
  readonly #count: CommitCount;
  readonly #gate: WriteGate;
  readonly #intake: Intake<Page>;
  #retaining: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: RocksGatewayStoreOptions<Page>, open: typeof openRocks, files: GatewayFiles) {
    this.#operator = options.operator;
    let exists = false;
    this.#handle = createRocksHandle(async () => {
      // A database that was there and is gone must not come back empty.
      const rocks = await openDatabase(options, { open, files }, !exists, [this.#log, this.#count]);
      exists = true;
      return rocks;
    });
    this.#count = createCommitCount(`${options.path}.witness`, files.openWitness);
    this.#log = createBatchLog(this.#handle);
    const { path } = options;
    const room = files.createRoom({ directory: path, keptBytes: WORKING_BYTES, now: () => performance.now() });
    this.#gate = createWriteGate({ path, handle: this.#handle, room, files });
    this.#intake = createIntake({
      handle: this.#handle,
      gate: this.#gate,
      log: this.#log,
      count: this.#count,
      operator: options.operator,
      cachedPagesMax: options.cachedPagesMax ?? CACHED_MAX,
      cachedLedgersMax: options.cachedLedgersMax ?? CACHED_MAX,
    });
  }

  async ingest(key: StreamKey, decide: (ledger: LedgerView) => Admission<Page> | null): Promise<void> {
    this.#assertOpen();
    await this.#intake.ingest(key, decide);
  }

  async ledger(key: StreamKey): Promise<LedgerView> {
    const at = ledgerKey(key);
    const value = await this.#get(at);
    return value === undefined ? createLedger() : decodeLedger(unsealOrThrow(at, value));
  }

  async *ledgers(deviceId: string): AsyncGenerator<StoredLedger, void, void> {
    for await (const [key, value] of this.#handle.walk(ledgerBounds(deviceId))) {
      yield { stream: streamOfLedgerKey(key), ledger: decodeLedger(unsealOrThrow(key, value)) };
    }
  }

  async page(key: PageKey): Promise<Page | undefined> {
    const at = pageKey(key);
    const value = await this.#get(at);
    return value === undefined ? undefined : decodePage(this.#operator, key.kind, at, value);
  }

  async *pages(deviceId: string, kind: PageKind, range: PageRange = {}): AsyncGenerator<StoredPage<Page>, void, void> {
    const bounds = pageBounds(deviceId, kind, range);
    for await (const [key, value] of this.#handle.walk(bounds, (at) => pageJump(at, range))) {
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

  async retained(key: StreamKey, first: number, last: number, bytesMax = Infinity): Promise<RetainedBatch[]> {
    assertRange({ first, last });
    const batches: RetainedBatch[] = [];
    let bytes = 0;
    for await (const batch of this.#log.retained(key, first, last)) {
      bytes += batch.body.length;
      if (bytes > bytesMax) break;
      batches.push(batch);
    }
    return batches;
  }

  batches(deviceId: string, range: TimeRange = {}): AsyncGenerator<RetainedBatch, void, void> {
    return this.#log.batches(deviceId, range);
  }

  retain(limits: RetentionLimits, now: number): Promise<BatchTally> {
    const deleted = this.#retaining.then(() => this.#retain(limits, now));
    this.#retaining = deleted.catch(() => {});
    return deleted;
  }

  async stats(): Promise<GatewayStoreStats> {
    await this.ready();
    return { retained: this.#log.tally, admissions: this.#intake.admissions, commits: this.#intake.commits };
  }

  ready(): Promise<void> {
    return this.#gate.pass(0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#retaining;
    await this.#intake.idle();
    await this.#handle.close();
    await this.#count.close();
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreError('closed', 'the store is closed');
  }

  #get(key: Buffer): Promise<Buffer | undefined> {
    return this.#handle.use((rocks) => rocks.get(key));
  }

  async #retain(limits: RetentionLimits, now: number): Promise<BatchTally> {
    let batches = 0;
    let bytes = 0;
    for (;;) {
      this.#assertOpen();
      const piece = await this.#intake.retainPiece(limits, now);
      if (piece.batches === 0) return { batches, bytes };
      batches += piece.batches;
      bytes += piece.bytes;
    }
  }
}

async function openDatabase(
  options: RocksGatewayStoreOptions<unknown>,
  { open, files }: { readonly open: typeof openRocks; readonly files: GatewayFiles },
  create: boolean,
  parts: readonly Pick<CommitCount, 'resume'>[],
): Promise<Rocks> {
  const cacheBytes = options.cacheBytes ?? CACHE_BYTES;
  const kept = await files.keepFiles(options.path);
  let rocks: Rocks | undefined;
  try {
    rocks = await open(options.path, { create, cacheBytes, writeBufferBytes: WRITE_BUFFER_BYTES });
    await assertFormat(rocks);
    for (const part of parts) await part.resume(rocks);
  } catch (error) {
    await rocks?.close();
    // Somebody who was faster has it open by now.
    if (!(error instanceof StoreError && error.code === 'locked')) await kept.putBack();
    throw error;
  }
  try {
    await kept.letGo();
  } catch (error) {
    // What is committed from now on would go when the kept files are put back.
    await rocks.close();
    throw toStoreError(error, 'cannot let go of the files from before the database was opened');
  }
  return rocks;
}

async function assertFormat(rocks: Rocks): Promise<void> {
  const format = await rocks.get(FORMAT_KEY);
  if (format?.equals(FORMAT)) return;
  for await (const [key] of rocks.entries({ limit: 1 })) {
    throw new StoreError('corrupt', `not a database of this gateway: there is a key ${key.toString('hex')}`);
  }
  await rocks.write([{ type: 'put', key: FORMAT_KEY, value: FORMAT }]);
}
