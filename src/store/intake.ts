/**
 * The intake of the embedded gateway store: everything that writes.
 *
 * Owns the way of an admission: ledger, decision, group, pages merged, one fsynced write. Promises that a decision sees
 * every decision before it, and that after a failed commit all that is in memory is forgotten and the database is
 * opened again before the next: what the failed write left on disk is then read like anything else. Never shows anyone
 * but a decision what is not committed.
 */
import assert from 'node:assert';
import type { BatchLog, ExpiredBatch } from './batch-log.ts';
import { assertBatch } from './batch-record.ts';
import type { CommitCount } from './commit-count.ts';
import { assertPageKey, ledgerChunkBounds } from './gateway-keys.ts';
import type { Admission, BatchTally, Decide, PageOperator, RetentionLimits, StreamKey } from './gateway-store.ts';
import { createGroupCommit, type GroupCommit } from './group-commit.ts';
import { type Holdings, holdingsOf, holdingsPut, minus, NOTHING_HELD, plus } from './holdings.ts';
import { assertRange } from './intervals.ts';
import { assertSegment, type LedgerView } from './ledger.ts';
import { ledgerWrites } from './ledger-chunks.ts';
import { createLiveLedgers, type LiveDevice, type LiveLedger, type LiveLedgers } from './live-ledgers.ts';
import { createPageCache, type PageCache } from './page-cache.ts';
import type { PageChange } from './page-slots.ts';
import type { Operation } from './rocks.ts';
import type { RocksHandle } from './rocks-handle.ts';
import type { Turns } from './time-slicing.ts';
import type { WriteGate } from './write-gate.ts';

/**
 * Whoever is in a group waits for all of its merging, and its pages are written at once, so it ends at this many
 * admissions, or before this weight is passed.
 */
const GROUP_ITEMS_MAX = 128;
const GROUP_BYTES_MAX = 16 << 20;
/** About what a page of an admission takes, and a ledger. */
const PAGE_BYTES = 4 << 10;
const LEDGER_BYTES = 256;

export interface IntakeOptions<Page> {
  readonly handle: RocksHandle;
  readonly gate: WriteGate;
  readonly log: BatchLog;
  readonly count: CommitCount;
  readonly operator: PageOperator<Page>;
  readonly cachedPagesMax: number;
  readonly cachedLedgersMax: number;
  readonly turns: Turns;
}

export interface Intake<Page> {
  /** As `GatewayStore.ingest`. */
  ingest(key: StreamKey, decide: Decide<Page>): Promise<void>;
  /** As `GatewayStore.weigh`. */
  weigh(pages: readonly PageChange<Page>[], bytesMax: number): Promise<number>;
  /** Deletes one piece of what the limits do not allow; an empty tally once they hold. */
  retainPiece(limits: RetentionLimits, now: number): Promise<readonly ExpiredBatch[]>;
  /** Resolves once everything that was asked for is committed or has failed. */
  idle(): Promise<void>;
  /** Since the store was opened. */
  readonly admissions: number;
  readonly commits: number;
}

export function createIntake<Page>(options: IntakeOptions<Page>): Intake<Page> {
  return new GroupedIntake(options);
}

/** Deletes piece after piece until the limits hold. `assertOpen` throws where the store is closed meanwhile. */
export async function retainAll(
  intake: Pick<Intake<unknown>, 'retainPiece'>,
  limits: RetentionLimits,
  now: number,
  assertOpen: () => void,
): Promise<BatchTally> {
  let batches = 0;
  let bytes = 0;
  let { agedMax = Infinity } = limits;
  for (;;) {
    assertOpen();
    const piece = await intake.retainPiece({ ...limits, agedMax }, now);
    if (piece.length === 0) return { batches, bytes };
    batches += piece.length;
    for (const { bodyBytes, isAged } of piece) {
      bytes += bodyBytes;
      if (isAged) agedMax -= 1;
    }
  }
}

/** What one admission, or one piece of retention, brings to a commit. */
interface Change<Page> {
  /** Of an admission: the ledger that it changed, if it did, and the device that it is of. */
  readonly live?: LiveLedger | undefined;
  readonly device?: LiveDevice;
  readonly pages: readonly PageChange<Page>[];
  /** Its writes to the log; asked for once, when it is its turn. */
  readonly log: () => readonly Operation[];
  /** About how many bytes it writes; none where it makes room. */
  readonly bytes: number;
}

class GroupedIntake<Page> implements Intake<Page> {
  readonly #handle: RocksHandle;
  readonly #gate: WriteGate;
  readonly #log: BatchLog;
  readonly #count: CommitCount;
  readonly #ledgers: LiveLedgers;
  readonly #operator: PageOperator<Page>;
  readonly #pages: PageCache<Page>;
  readonly #commits: GroupCommit<Change<Page>>;
  admissions = 0;
  commits = 0;

  constructor(options: IntakeOptions<Page>) {
    this.#handle = options.handle;
    this.#gate = options.gate;
    this.#log = options.log;
    this.#count = options.count;
    this.#operator = options.operator;
    this.#pages = createPageCache(options.operator, options.cachedPagesMax, options.turns);
    this.#commits = createGroupCommit({
      commit: (changes) => this.#commit(changes),
      failed: () => this.#forget(),
      itemsMax: GROUP_ITEMS_MAX,
      bytesMax: GROUP_BYTES_MAX,
    });
    this.#ledgers = createLiveLedgers({
      ledgersMax: options.cachedLedgersMax,
      read: async (keys) => {
        await this.#gate.renewed();
        return await this.#handle.use((rocks) => rocks.getMany(keys));
      },
      chunks: (key) => this.#handle.walk(ledgerChunkBounds(key)),
      isCommitted: (group) => this.#commits.isCommitted(group),
      turns: options.turns,
    });
  }

  ingest(key: StreamKey, decide: Decide<Page>): Promise<void> {
    return new Promise((resolve, reject) => {
      const take = (live: LiveLedger) => {
        try {
          const admission = decide(live.ledger, live.device.holdings);
          // failpoint: ledger-decided
          if (admission !== null) live.changedIn = this.#admit(key, live, admission);
          // Also where nothing is stored: what was seen may not be committed yet.
          resolve(this.#commits.committed(live.changedIn));
        } catch (error) {
          // Nor may anyone be told of what was seen before it is committed.
          this.#commits.committed(live.changedIn).then(() => reject(error), reject);
        }
      };
      this.#ledgers.give(key, { take, fail: reject });
    });
  }

  async weigh(pages: readonly PageChange<Page>[], bytesMax: number): Promise<number> {
    await this.#gate.renewed();
    return await this.#handle.use((rocks) => this.#pages.weigh(rocks, pages, bytesMax));
  }

  async retainPiece(limits: RetentionLimits, now: number): Promise<readonly ExpiredBatch[]> {
    await this.#gate.renewed();
    const expired = await this.#log.expired(limits, now);
    if (expired.length > 0) {
      const group = this.#commits.add({ pages: [], log: () => this.#log.drop(expired), bytes: 0 }, 0);
      await this.#commits.committed(group);
    }
    return expired;
  }

  async idle(): Promise<void> {
    await this.#ledgers.idle();
    await this.#commits.idle();
  }

  /** Puts an admission into the ledger in memory and into the group that gathers. */
  #admit(key: StreamKey, live: LiveLedger, admission: Admission<Page>): number {
    assertAdmission(key, live.ledger, admission);
    const { segments, gaps, pages, batch } = admission;
    const isChange = segments.length > 0 || gaps.length > 0;
    if (isChange) {
      const { ledger, device } = live;
      const before = live.isStored ? holdingsOf(ledger) : NOTHING_HELD;
      ledger.addAll(segments);
      for (const gap of gaps) ledger.addGap(gap);
      device.holdings = plus(minus(device.holdings, before), holdingsOf(ledger));
      live.isStored = true;
      this.#ledgers.changed(live);
    }
    const log = () => (batch === undefined ? [] : this.#log.accept(key, batch));
    const bytes = LEDGER_BYTES + (batch?.body.length ?? 0) + pages.length * PAGE_BYTES;
    // The deltas as they are in memory, and the pages as they are written: none is larger than the largest.
    let weight = LEDGER_BYTES + (batch?.body.length ?? 0);
    const { largestPage } = live.device.holdings;
    for (const { key, delta } of pages) {
      weight += this.#operator.bytesOf(key.kind, delta) + this.#operator.pagesOf(key.kind, delta) * largestPage;
    }
    const { device } = live;
    return this.#commits.add({ live: isChange ? live : undefined, device, pages, log, bytes }, weight);
  }

  async #commit(changes: readonly Change<Page>[]): Promise<void> {
    // At once, before the next group changes ledgers and holdings further.
    const operations = ledgerOperations(changes);
    const held = holdingsNow(changes);
    const bytes = changes.reduce((sum, change) => sum + change.bytes, 0);
    // What makes room does not wait for it.
    await (bytes > 0 ? this.#gate.pass(bytes) : this.#gate.renewed());
    await this.#handle.use(async (rocks) => {
      const pages = changes.flatMap((change) => change.pages);
      const { writes, growth } = await this.#pages.merge(rocks, pages);
      for (const write of writes) operations.push(write);
      for (const [device, holdings] of held) {
        const grown = growth.get(device.deviceId);
        // The device goes on from what its pages have grown by; its other holdings may be further by now.
        if (grown !== undefined) device.holdings = plus(device.holdings, grown);
        operations.push(holdingsPut(device.key, grown === undefined ? holdings : plus(holdings, grown)));
      }
      await this.#gate.write(async () => {
        for (const change of changes) operations.push(...change.log());
        operations.push(this.#count.next());
        // failpoint: before-admit
        await rocks.write(operations);
      });
      await this.#count.counted();
    });
    // failpoint: admit-committed
    this.commits += 1;
    for (const { device } of changes) if (device !== undefined) this.admissions += 1;
  }

  /** Memory is ahead of the disk. What a failed write has left there the gate sees to. */
  #forget(): void {
    this.#pages.clear();
    this.#ledgers.clear();
  }
}

function ledgerOperations(changes: readonly Change<unknown>[]): Operation[] {
  const changed = new Set<LiveLedger>();
  for (const { live } of changes) if (live !== undefined) changed.add(live);
  const operations: Operation[] = [];
  for (const { key, ledger } of changed) operations.push(...ledgerWrites(key, ledger));
  return operations;
}

function holdingsNow(changes: readonly Change<unknown>[]): Map<LiveDevice, Holdings> {
  const held = new Map<LiveDevice, Holdings>();
  for (const { device } of changes) if (device !== undefined) held.set(device, device.holdings);
  return held;
}

/** Everything that could go wrong with an admission goes wrong here, before any of it is taken in. */
function assertAdmission(key: StreamKey, ledger: LedgerView, admission: Admission<unknown>): void {
  let previousLast = 0;
  for (const segment of admission.segments) {
    assertSegment(segment);
    const { first, last } = segment;
    const [missing] = ledger.missing(first, last);
    assert(missing?.first === first && missing.last === last, 'a segment is processed once');
    assert(first > previousLast, 'segments are ascending and disjoint');
    previousLast = last;
  }
  for (const gap of admission.gaps) assertRange(gap);
  for (const page of admission.pages) {
    assertPageKey(page.key);
    assert(page.key.deviceId === key.deviceId, 'a page is of the device that the stream is of');
  }
  if (admission.batch !== undefined) assertBatch(admission.batch);
}
