/**
 * Sync: the loop that drains the queue.
 *
 * Owns the cursor, the window of batches in flight, and the order in which settled batches leave the disk. Promises that
 * a batch is cut only from committed blocks and released only once settled (promises 2 and 3), in one write for all that
 * settled meanwhile. Never holds up `record()`: it shares with it only the disk and the event loop.
 */
import type { QuarantineEntry, Queue } from '../store/index.ts';
import type { Account } from './account.ts';
import type { Census } from './census.ts';
import type { Cut, Cutter } from './cutter.ts';
import type { Delivery } from './delivery.ts';
import type { Gaps, OpenGap } from './gaps.ts';
import { tableOf } from './quarantine.ts';
import { NOTHING, plus, tallyOf } from './tally.ts';
import { pause, type Timer } from './timer.ts';

export interface SyncOptions {
  readonly queue: Queue;
  readonly cutter: Cutter;
  readonly delivery: Delivery;
  readonly account: Account;
  /** Set before the loop runs. */
  readonly census: Pick<Census, 'leaving'>;
  readonly gaps: Gaps;
  readonly timer: Timer;
  readonly inFlightMax: number;
  readonly batchEventsMax: number;
  readonly lingerMs: number;
  readonly signal: AbortSignal;
  readonly onQuarantine: (entries: readonly QuarantineEntry[]) => void;
  /** Events or gaps have left the disk. */
  readonly onRelease: () => void;
  /** The disk refused something. The loop goes on and tries again. */
  readonly onFault: (error: unknown) => void;
}

export interface Sync {
  /** Sequence that the next batch begins with: what lies before it may be at the gateway. */
  readonly cursor: number;
  readonly inFlight: number;
  /** Nothing is in flight and nothing waits, as far as the disk is known. */
  readonly idle: boolean;
  /** Something was committed. */
  wake(): void;
  /** Sends without lingering until the returned function is called. */
  hurry(): () => void;
  /** Runs until the signal aborts. */
  run(): Promise<void>;
  /** Runs `work` while no release and no cut is under way, so that account, disk and cursor agree and stand still. */
  standing<T>(work: () => Promise<T>): Promise<T>;
}

/** How long to wait after the disk has refused a release or a read. */
const FAULT_PAUSE_MS = 1_000;

export function createSync(options: SyncOptions): Sync {
  return new SyncLoop(options);
}

interface Settled {
  readonly cut: Cut;
  readonly quarantine: readonly QuarantineEntry[];
}

class SyncLoop implements Sync {
  readonly #options: SyncOptions;
  readonly #flying = new Set<Cut>();
  #settled: Settled[] = [];
  #releasing: Promise<void> = Promise.resolve();
  #releaseDue = false;
  #cutting: Promise<void> = Promise.resolve();
  #standing = false;
  #unreleased = 0;
  #hurries = 0;
  #waitingSince: number | undefined;
  #wakeUp: () => void = () => {};
  cursor: number;

  constructor(options: SyncOptions) {
    this.#options = options;
    this.cursor = options.queue.head;
  }

  get inFlight(): number {
    return this.#flying.size;
  }

  get idle(): boolean {
    const { queue, gaps } = this.#options;
    return this.#flying.size === 0 && this.#unreleased === 0 && this.cursor >= queue.next && gaps.idle;
  }

  wake(): void {
    this.#waitingSince ??= this.#options.timer.now();
    this.#wakeUp();
  }

  hurry(): () => void {
    this.#hurries++;
    this.#wakeUp();
    return () => {
      this.#hurries--;
    };
  }

  async run(): Promise<void> {
    const { signal, timer } = this.#options;
    signal.addEventListener('abort', () => this.#wakeUp(), { once: true });
    while (!signal.aborted) {
      try {
        if (!(await this.#step())) await this.#nap();
      } catch (error) {
        if (signal.aborted) break;
        this.#options.onFault(error);
        await pause(timer, FAULT_PAUSE_MS, signal);
      }
    }
    await this.#releasing;
  }

  standing<T>(work: () => Promise<T>): Promise<T> {
    return this.#exclusively(async () => {
      this.#standing = true;
      try {
        await this.#cutting;
        return await work();
      } finally {
        this.#standing = false;
        this.#wakeUp();
      }
    });
  }

  /** One after another: everything that takes events off the disk. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#releasing.then(work);
    this.#releasing = turn.then(
      () => {},
      () => {},
    );
    return turn;
  }

  /** Does one thing; false where there is nothing to do yet. */
  async #step(): Promise<boolean> {
    const { queue, cutter, gaps, inFlightMax } = this.#options;
    if (gaps.due) {
      this.#declare();
      return true;
    }
    if (this.#standing || this.#flying.size >= inFlightMax) return false;
    if (this.cursor >= queue.next || this.#lingerLeft() > 0) return false;
    const cutting = cutter.cut(this.cursor);
    this.#cutting = cutting.then(
      () => {},
      () => {},
    );
    const cut = await cutting;
    if (!cut) {
      // Only damaged blocks were left: they are gaps by now.
      this.cursor = Math.max(this.cursor, queue.next);
      return false;
    }
    this.cursor = cut.last + 1;
    this.#waitingSince = this.cursor < queue.next ? this.#options.timer.now() : undefined;
    this.#flying.add(cut);
    void this.#fly(cut);
    return true;
  }

  async #fly(cut: Cut): Promise<void> {
    const { delivery, signal, timer, onFault } = this.#options;
    while (!signal.aborted) {
      try {
        const { quarantine } = await delivery.deliver(cut);
        this.#settled.push({ cut, quarantine });
        this.#releaseSoon();
        return;
      } catch (error) {
        if (signal.aborted) return;
        // What was acknowledged of the parcel before is acknowledged again as a duplicate.
        onFault(error);
        await pause(timer, FAULT_PAUSE_MS, signal);
      }
    }
  }

  #declare(): void {
    const { gaps, signal, onFault } = this.#options;
    const taken = gaps.take();
    this.#declareAll(taken).catch((error: unknown) => {
      gaps.refused();
      if (!signal.aborted) onFault(error);
    });
  }

  async #declareAll(taken: readonly OpenGap[]): Promise<void> {
    const { gaps, queue, account, delivery, onRelease } = this.#options;
    const declared = taken.map((gap) => gap.declared);
    if (await delivery.declare(taken[0]!.stream, declared)) {
      await this.#exclusively(async () => {
        account.settleGaps(taken.reduce((sum, gap) => plus(sum, gap.tally), NOTHING));
        await queue.release({ totals: account.settled(), gapsDeclared: declared.map((gap) => gap.first) });
        gaps.settled();
      });
    } else gaps.refused();
    onRelease();
    this.#wakeUp();
  }

  /** One release for everything that has settled by the time the disk is free. */
  #releaseSoon(): void {
    if (this.#releaseDue) return;
    this.#releaseDue = true;
    void this.#exclusively(async () => {
      this.#releaseDue = false;
      const settled = this.#settled;
      this.#settled = [];
      await this.#release(settled);
    });
  }

  async #release(settled: readonly Settled[]): Promise<void> {
    const { queue, account, census, timer, signal, onFault, onQuarantine, onRelease } = this.#options;
    const quarantine = settled.flatMap((part) => part.quarantine);
    const refused = quarantine.reduce((sum, entry) => plus(sum, tallyOf(tableOf(entry))), NOTHING);
    for (const { cut } of settled) {
      account.remove('queued', census.leaving(cut));
      account.add('delivered', cut.tally);
    }
    account.move('delivered', 'quarantined', refused);
    const blocks = settled.flatMap((part) => part.cut.blocks);
    // Off the window before the write, so that the next batches fly meanwhile; `idle` waits for the write.
    for (const { cut } of settled) this.#flying.delete(cut);
    this.#unreleased++;
    this.#wakeUp();
    for (;;) {
      try {
        await queue.release({ blocks, totals: account.settled(), quarantine });
        break;
      } catch (error) {
        // Until it succeeds the blocks stay, and after a restart they would be sent and acknowledged again: no loss.
        onFault(error);
        if (signal.aborted) return;
        await pause(timer, FAULT_PAUSE_MS, signal);
      }
    }
    this.#unreleased--;
    if (quarantine.length > 0) onQuarantine(quarantine);
    onRelease();
    this.#wakeUp();
  }

  /** How long the next batch may still wait for company. A backlog waits for none. */
  #lingerLeft(): number {
    const { queue, lingerMs, batchEventsMax, timer } = this.#options;
    if (this.#hurries > 0 || queue.next - this.cursor >= batchEventsMax || this.#waitingSince === undefined) return 0;
    return this.#waitingSince + lingerMs - timer.now();
  }

  #nap(): Promise<void> {
    const { queue, inFlightMax, timer, signal } = this.#options;
    return new Promise((resolve) => {
      const done = (): void => {
        cancel?.();
        this.#wakeUp = () => {};
        resolve();
      };
      const lingering = this.#flying.size < inFlightMax && this.cursor < queue.next;
      const cancel = lingering ? timer.after(Math.max(1, this.#lingerLeft()), done) : undefined;
      this.#wakeUp = done;
      if (signal.aborted) done();
    });
  }
}
