/**
 * Flights: cuts on their way, and what is on record of each before it leaves.
 *
 * Owns the mark of what may have been sent. Promises that no event leaves before the disk says that it may have left,
 * and that one which has not left can be taken back. The mark is written ahead, with releases, so that in a drain no
 * batch waits for a write of its own.
 */
import type { Queue, Range, Release } from '../store/index.ts';
import type { Cut } from './cutter.ts';
import type { Source } from './delivery.ts';
import { Withdrawn } from './link.ts';

interface SentMark {
  /** From this sequence on nothing has been sent, in this run or before it. */
  readonly unsent: number;
  /** Resolves, or is nothing, once these may leave. */
  leave(cut: Pick<Cut, 'last' | 'count'>): Promise<void> | undefined;
  /** Has a commit that is made anyway write the mark ahead: far enough for batches that leave during it. */
  along(commit: (unsent: number) => Promise<void>): Promise<void>;
  /** Puts on record what is true, where more was written ahead that is queued. Nothing leaves any more. */
  settle(): Promise<void>;
}

/** How many windows of batches the mark is written ahead of the batch that has left last. */
const WINDOWS_AHEAD = 2;

function createSentMark(queue: Pick<Queue, 'unsent' | 'next' | 'markSent'>, inFlightMax: number): SentMark {
  let unsent = queue.unsent;
  /** Of the batch that has left last. */
  let count = 0;
  /** What commits under way, or such as failed, may put on disk in the place of what the queue says. */
  let pending: { readonly unsent: number }[] = [];

  async function along(commit: (unsent: number) => Promise<void>): Promise<void> {
    const mine = { unsent: unsent + WINDOWS_AHEAD * inFlightMax * count };
    pending.push(mine);
    await commit(mine.unsent);
    // Commits are made in the order in which they are asked for.
    pending = pending.slice(pending.indexOf(mine) + 1);
  }

  return {
    get unsent() {
      return unsent;
    },
    leave(cut) {
      unsent = Math.max(unsent, cut.last + 1);
      count = cut.count;
      const isOnRecord = cut.last < queue.unsent && pending.every((other) => cut.last < other.unsent);
      return isOnRecord ? undefined : along((ahead) => queue.markSent(ahead));
    },
    along,
    async settle() {
      if (Math.min(queue.unsent, queue.next) > unsent) await queue.markSent(unsent);
    },
  };
}

export class Flight implements Source {
  readonly cut: Cut;
  readonly #queue: Pick<Queue, 'streamAt' | 'restream'>;
  readonly #mark: SentMark;
  readonly #stop = new AbortController();
  /** Whether any of it may have been sent in this run. */
  hasLeft = false;

  constructor(cut: Cut, queue: Pick<Queue, 'streamAt' | 'restream'>, mark: SentMark) {
    this.cut = cut;
    this.#queue = queue;
    this.#mark = mark;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  streamAt(sequence: number): { stream: Uint8Array; last: number } {
    return this.#queue.streamAt(sequence);
  }

  restream(ranges: readonly Range[]): Promise<Uint8Array> {
    return this.#queue.restream(ranges);
  }

  /** Throws where it has been taken back. */
  leave(): Promise<void> | undefined {
    this.signal.throwIfAborted();
    this.hasLeft = true;
    return this.#mark.leave(this.cut);
  }

  /** Takes it back: it must not have left. */
  withdraw(): void {
    this.#stop.abort(new Withdrawn());
  }

  /** Ends it with the device. */
  abort(reason: unknown): void {
    this.#stop.abort(reason);
  }
}

interface FlightsOptions {
  readonly queue: Queue;
  readonly inFlightMax: number;
  /** Ends all of them. */
  readonly signal: AbortSignal;
}

/** The cuts under way. */
export class Flights {
  readonly #queue: Queue;
  readonly #mark: SentMark;
  readonly #flying = new Set<Flight>();
  readonly #signal: AbortSignal;

  constructor({ queue, inFlightMax, signal }: FlightsOptions) {
    this.#queue = queue;
    this.#mark = createSentMark(queue, inFlightMax);
    this.#signal = signal;
    const end = (): void => {
      for (const flight of this.#flying) flight.abort(signal.reason);
    };
    signal.addEventListener('abort', end, { once: true });
  }

  get size(): number {
    return this.#flying.size;
  }

  /** As `SentMark.unsent`. */
  get unsent(): number {
    return this.#mark.unsent;
  }

  begin(cut: Cut): Flight {
    const flight = new Flight(cut, this.#queue, this.#mark);
    this.#flying.add(flight);
    // It may have been cut while the device closed.
    if (this.#signal.aborted) flight.abort(this.#signal.reason);
    return flight;
  }

  settled(flight: Flight): void {
    this.#flying.delete(flight);
  }

  /** A release, which takes the mark along. */
  release(change: Release): Promise<void> {
    return this.#mark.along((unsent) => this.#queue.release({ ...change, unsent }));
  }

  /** Takes back every cut behind what was sent; gives where the first of them begins. */
  withdraw(): number | undefined {
    const back = [...this.#flying].filter(({ hasLeft, cut }) => !hasLeft && cut.last >= this.unsent);
    for (const flight of back) {
      flight.withdraw();
      this.#flying.delete(flight);
    }
    return back.length > 0 ? Math.min(...back.map(({ cut }) => cut.first)) : undefined;
  }

  /**
   * For the next run, which takes for sent what the mark says. A disk that refuses has it say more than is true, which
   * is safe. Nothing leaves any more.
   */
  async settle(): Promise<void> {
    await this.#mark.settle().catch(() => {});
  }
}
