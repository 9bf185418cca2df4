/**
 * Sync: the loop that drains the queue.
 *
 * Owns the cursor, the window of batches in flight, and the order in which settled batches leave the disk. Promises
 * that a batch is cut only from committed blocks and released only once settled (promises 2 and 3), in one write for
 * all that settled meanwhile. Never holds up `record()`: it shares with it only the disk and the event loop.
 */
import type { QuarantineEntry, Queue } from '../store/index.ts';
import type { Account } from './account.ts';
import type { Census } from './census.ts';
import type { Cut, Cutter } from './cutter.ts';
import type { Delivery } from './delivery.ts';
import { type Flight, Flights } from './flights.ts';
import type { Gaps } from './gaps.ts';
import { type PersistOptions, persist } from './persistence.ts';
import { tallyOfEntries } from './quarantine.ts';
import { createReports, type Reports } from './reports.ts';
import type { Retries } from './retries.ts';
import { NOTHING, plus } from './tally.ts';

export interface SyncOptions extends PersistOptions {
  readonly queue: Queue;
  readonly cutter: Cutter;
  readonly delivery: Delivery;
  readonly account: Account;
  /** Set before the loop runs. */
  readonly census: Pick<Census, 'cut' | 'leaving'>;
  readonly gaps: Gaps;
  readonly retries: Retries;
  readonly inFlightMax: number;
  readonly batchEventsMax: number;
  readonly lingerMs: number;
  readonly onQuarantine: (entries: readonly QuarantineEntry[]) => void;
  /** Events or gaps have left the disk, or the gateway knows more of them. */
  readonly onRelease: () => void;
}

export interface Sync {
  /** Sequence that the next batch begins with. */
  readonly cursor: number;
  readonly inFlight: number;
  /** False while something in quarantine is to be sent again, or the gateway lacks something that the disk holds. */
  readonly reported: boolean;
  /** Something was committed. */
  wake(): void;
  /** What is in quarantine has changed on disk: these have come in. The gateway is told, under `stream`. */
  quarantined(entries: readonly QuarantineEntry[], stream: Uint8Array): void;
  /** As `Reports.catchUp`. */
  catchUp(): () => void;
  /** Sends without lingering until the returned function is called. */
  hurry(): () => void;
  /** Runs until the signal aborts. */
  run(): Promise<void>;
  /** Takes back every cut behind what was sent, and gives its end: what is behind may leave. Within `standing`. */
  withdraw(): number;
  /** Runs `work` while no release and no cut is under way, so that account, disk and cursor agree and stand still. */
  standing<T>(work: () => Promise<T>): Promise<T>;
}

const ignore = (): void => {};

export function createSync(options: SyncOptions): Sync {
  return new SyncLoop(options);
}

interface Settled {
  readonly cut: Cut;
  readonly quarantine: readonly QuarantineEntry[];
}

class SyncLoop implements Sync {
  readonly #options: SyncOptions;
  readonly #flights: Flights;
  #settled: Settled[] = [];
  #releasing: Promise<void> = Promise.resolve();
  #releaseDue = false;
  #cutting: Promise<void> = Promise.resolve();
  #standing = false;
  /** Cuts that have settled and are still on disk. */
  #unreleased = 0;
  #hurries = 0;
  #waitingSince: number | undefined;
  readonly #reports: Reports;
  #awake = true;
  #endNap: () => void = () => {};
  cursor: number;

  constructor(options: SyncOptions) {
    this.#options = options;
    this.#reports = createReports({ ...options, onKnown: () => this.#known() });
    this.#flights = new Flights(options);
    this.cursor = options.queue.head;
  }

  get inFlight(): number {
    return this.#flights.size + this.#options.retries.inFlight;
  }

  get reported(): boolean {
    const { gaps, retries } = this.#options;
    return gaps.idle && !retries.due && retries.inFlight === 0 && this.#reports.idle;
  }

  wake(): void {
    this.#waitingSince ??= this.#options.timer.now();
    this.#wakeUp();
  }

  /** Remembered where the loop is not napping: it may just have found nothing to do. */
  #wakeUp(): void {
    this.#awake = true;
    this.#endNap();
  }

  #known(): void {
    this.#options.onRelease();
    this.#wakeUp();
  }

  quarantined(entries: readonly QuarantineEntry[], stream: Uint8Array): void {
    this.#reports.add(stream);
    if (entries.length > 0) this.#options.onQuarantine(entries);
    this.#wakeUp();
  }

  catchUp(): () => void {
    return this.#reports.catchUp();
  }

  hurry(): () => void {
    this.#hurries++;
    this.#wakeUp();
    return () => {
      this.#hurries--;
    };
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    signal.addEventListener('abort', () => this.#wakeUp(), { once: true });
    while (!signal.aborted) {
      this.#awake = false;
      const isBusy = await persist(this.#options, () => this.#step());
      if (!isBusy) await this.#nap();
    }
    await this.#releasing;
    await this.#flights.settle();
  }

  withdraw(): number {
    this.cursor = this.#flights.withdraw() ?? this.cursor;
    this.#options.cutter.forget();
    return this.#flights.unsent;
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
    this.#releasing = turn.then(ignore, ignore);
    return turn;
  }

  /** Does one thing; false where there is nothing to do yet. */
  async #step(): Promise<boolean> {
    const { queue, cutter, gaps, retries } = this.#options;
    if (gaps.due) {
      void this.#declare();
      return true;
    }
    if (retries.due && this.#hasRoomToRetry() && (await retries.send())) return true;
    const { next } = queue;
    if (this.#reports.due && this.cursor >= next && this.inFlight === 0) {
      void this.#reports.tell();
      return true;
    }
    if (this.#standing || !this.#hasRoom() || this.cursor >= next || this.#lingerLeft() > 0) return false;
    const cutting = cutter.cut(this.cursor);
    this.#cutting = cutting.then(ignore, ignore);
    const cut = await cutting;
    // Where there is none, only damaged blocks were left: they are gaps by now.
    this.cursor = cut ? cut.last + 1 : next;
    if (!cut) return true;
    this.#waitingSince = this.cursor < queue.next ? this.#options.timer.now() : undefined;
    this.#options.census.cut(cut);
    // failpoint: batch-cut
    this.#reports.cut(queue.streamAt(cut.first).stream);
    void this.#fly(this.#flights.begin(cut));
    return true;
  }

  /** A window of batches under way, and as many again that wait for the disk to let go of them. */
  #hasRoom(): boolean {
    const { inFlightMax } = this.#options;
    return this.#flights.size < inFlightMax && this.#unreleased <= inFlightMax;
  }

  /** While there are events that have not been sent at all, one lot at a time, besides the window. */
  #hasRoomToRetry(): boolean {
    const { queue, retries, inFlightMax } = this.#options;
    return retries.inFlight === 0 || (this.cursor >= queue.next && this.inFlight < inFlightMax);
  }

  async #fly(flight: Flight): Promise<void> {
    const { delivery, signal } = this.#options;
    const { cut } = flight;
    // What was acknowledged of the parcel before is acknowledged again as a duplicate.
    const delivered = await persist({ ...this.#options, signal: flight.signal }, () => delivery.deliver(cut, flight));
    if (!delivered || signal.aborted) return;
    this.#settled.push({ cut, quarantine: delivered.quarantine });
    // Off the window before the release, so that the next batches fly meanwhile.
    this.#flights.settled(flight);
    this.#unreleased++;
    this.#releaseSoon();
    this.#wakeUp();
  }

  async #declare(): Promise<void> {
    const { gaps, queue, account, delivery } = this.#options;
    const taken = gaps.take();
    const declared = taken.map((gap) => gap.declared);
    const accepted = await persist(this.#options, () => delivery.declare(taken[0]!.stream, declared));
    if (accepted === undefined) return;
    if (accepted) {
      await this.#exclusively(async () => {
        account.settleGaps(taken.reduce((sum, gap) => plus(sum, gap.tally), NOTHING));
        const gapsDeclared = declared.map((gap) => gap.first);
        await persist(this.#options, () => queue.release({ totals: account.settled(), gapsDeclared }));
      });
      gaps.settled();
    } else gaps.refused();
    this.#known();
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
    const { account, census, signal } = this.#options;
    const quarantine = settled.flatMap((part) => part.quarantine);
    for (const { cut } of settled) {
      account.remove('queued', census.leaving(cut));
      account.add('delivered', cut.tally);
    }
    account.move('delivered', 'quarantined', tallyOfEntries(quarantine));
    const blocks = settled.flatMap(({ cut }) => cut.blocks);
    // Until it succeeds the blocks stay, and after a restart they would be sent and acknowledged again: no loss.
    await persist(this.#options, () => this.#flights.release({ blocks, totals: account.settled(), quarantine }));
    if (signal.aborted) return;
    this.#unreleased -= settled.length;
    if (quarantine.length > 0) this.quarantined(quarantine, quarantine.at(-1)!.stream);
    this.#known();
  }

  /** How long the next batch may still wait for company. A backlog waits for none. */
  #lingerLeft(): number {
    const { queue, lingerMs, batchEventsMax, timer } = this.#options;
    if (this.#hurries > 0 || queue.next - this.cursor >= batchEventsMax || this.#waitingSince === undefined) return 0;
    return this.#waitingSince + lingerMs - timer.now();
  }

  /** Until something has happened since the last step began, or the linger ends. */
  #nap(): Promise<void> {
    const { queue, timer, signal } = this.#options;
    return new Promise((resolve) => {
      if (this.#awake || signal.aborted) return resolve();
      const done = (): void => {
        cancel?.();
        this.#endNap = () => {};
        resolve();
      };
      const isLingering = !this.#standing && this.#hasRoom() && this.cursor < queue.next;
      const cancel = isLingering ? timer.after(Math.max(1, this.#lingerLeft()), done) : undefined;
      this.#endNap = done;
    });
  }
}
