/**
 * The intake of the embedded gateway store: everything that writes.
 *
 * Owns the way of an admission: ledger, decision, group, pages merged, one fsynced write. Promises that a decision sees
 * every decision before it, and that after a failed commit all that is in memory is forgotten and the database is opened
 * again before the next: what the failed write left on disk is then read like anything else. Never shows anyone but a
 * decision what is not committed.
 */
import assert from 'node:assert';
import type { BatchLog } from './batch-log.ts';
import { assertBatch } from './batch-record.ts';
import type { CommitCount } from './commit-count.ts';
import { assertPageKey } from './gateway-keys.ts';
import type { Admission, BatchTally, PageOperator, RetentionLimits, StreamKey } from './gateway-store.ts';
import { createGroupCommit, type GroupCommit } from './group-commit.ts';
import { assertRange } from './intervals.ts';
import { assertSegment, type LedgerView } from './ledger.ts';
import { encodeLedger } from './ledger-bytes.ts';
import { createLiveLedgers, type LiveLedger, type LiveLedgers } from './live-ledgers.ts';
import { createPageCache, type PageCache, type PageChange } from './page-cache.ts';
import type { Operation } from './rocks.ts';
import type { RocksHandle } from './rocks-handle.ts';
import { seal } from './seal.ts';
import type { WriteGate } from './write-gate.ts';

/** A group's merging holds the event loop, so it ends at this many admissions, or at this weight. */
const GROUP_ITEMS_MAX = 128;
const GROUP_BYTES_MAX = 8 << 20;
/** What a page of an admission weighs in its group, and a ledger. */
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
}

export interface Intake<Page> {
  /** As `GatewayStore.ingest`. */
  ingest(key: StreamKey, decide: (ledger: LedgerView) => Admission<Page> | null): Promise<void>;
  /** Deletes one piece of what the limits do not allow; an empty tally once they hold. */
  retainPiece(limits: RetentionLimits, now: number): Promise<BatchTally>;
  /** Resolves once everything that was asked for is committed or has failed. */
  idle(): Promise<void>;
  /** Since the store was opened. */
  readonly admissions: number;
  readonly commits: number;
}

export function createIntake<Page>(options: IntakeOptions<Page>): Intake<Page> {
  return new GroupedIntake(options);
}

/** What one admission, or one piece of retention, brings to a commit. */
interface Change<Page> {
  /** The ledger that it changed. */
  readonly live?: LiveLedger;
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
  readonly #pages: PageCache<Page>;
  readonly #commits: GroupCommit<Change<Page>>;
  admissions = 0;
  commits = 0;

  constructor(options: IntakeOptions<Page>) {
    this.#handle = options.handle;
    this.#gate = options.gate;
    this.#log = options.log;
    this.#count = options.count;
    this.#pages = createPageCache(options.operator, options.cachedPagesMax);
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
      isCommitted: (group) => this.#commits.isCommitted(group),
    });
  }

  ingest(key: StreamKey, decide: (ledger: LedgerView) => Admission<Page> | null): Promise<void> {
    return new Promise((resolve, reject) => {
      const take = (live: LiveLedger) => {
        try {
          const admission = decide(live.ledger);
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

  async retainPiece(limits: RetentionLimits, now: number): Promise<BatchTally> {
    await this.#gate.renewed();
    const expired = await this.#log.expired(limits, now);
    if (expired.length > 0) {
      const group = this.#commits.add({ pages: [], log: () => this.#log.drop(expired), bytes: 0 }, 0);
      await this.#commits.committed(group);
    }
    return { batches: expired.length, bytes: expired.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0) };
  }

  async idle(): Promise<void> {
    await this.#ledgers.idle();
    await this.#commits.idle();
  }

  /** Puts an admission into the ledger in memory and into the group that gathers. */
  #admit(key: StreamKey, live: LiveLedger, admission: Admission<Page>): number {
    assertAdmission(key, live.ledger, admission);
    const { segments, gaps, pages, batch } = admission;
    for (const segment of segments) live.ledger.add(segment);
    for (const gap of gaps) live.ledger.addGap(gap);
    const log = () => (batch === undefined ? [] : this.#log.accept(key, batch));
    const bytes = LEDGER_BYTES + (batch?.body.length ?? 0) + pages.length * PAGE_BYTES;
    return this.#commits.add({ live, pages, log, bytes }, bytes);
  }

  async #commit(changes: readonly Change<Page>[]): Promise<void> {
    // At once, before the next group changes the ledgers further.
    const operations = ledgerWrites(changes);
    const bytes = changes.reduce((sum, change) => sum + change.bytes, 0);
    // What makes room does not wait for it.
    await (bytes > 0 ? this.#gate.pass(bytes) : this.#gate.renewed());
    await this.#handle.use(async (rocks) => {
      const pages = changes.flatMap((change) => change.pages);
      for (const write of await this.#pages.merge(rocks, pages)) operations.push(write);
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
    for (const { live } of changes) if (live !== undefined) this.admissions += 1;
  }

  /** Memory is ahead of the disk. What a failed write has left there the gate sees to. */
  #forget(): void {
    this.#pages.clear();
    this.#ledgers.clear();
  }
}

function ledgerWrites(changes: readonly Change<unknown>[]): Operation[] {
  const changed = new Set<LiveLedger>();
  for (const { live } of changes) if (live !== undefined) changed.add(live);
  return Array.from(changed, ({ key, ledger }) => ({ type: 'put', key, value: seal(key, encodeLedger(ledger)) }));
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
