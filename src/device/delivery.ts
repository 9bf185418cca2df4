/**
 * Delivery: one parcel, however long it takes (promise 3).
 *
 * Owns what follows from each outcome: retry for ever, correct the clock, change the encoding, split, bisect down to
 * the guilty event, move collided ids to a fresh stream. Promises that it ends only with every event of the parcel
 * either acknowledged or refused by the gateway itself. Never releases anything from the disk.
 */
import pRetry from 'p-retry';
import {
  CONTENT_ENCODINGS,
  type ContentEncoding,
  type DeclaredGap,
  type EventTable,
  encodeColumns,
  type Problem,
  sliceTable,
} from '../codec/index.ts';
import type { QuarantineEntry, Queue, Range } from '../store/index.ts';
import type { GatewayClock } from './clock.ts';
import type { Parcel } from './cutter.ts';
import type { Exchange, Message } from './exchange.ts';
import type { Link } from './link.ts';
import type { Outcome } from './outcome.ts';
import { quarantineEntry } from './quarantine.ts';

/** Where a parcel comes from: under which stream each of its events is sent, and how some get another one. */
export interface Source extends Pick<Queue, 'streamAt' | 'restream'> {
  /** Ends the delivery of this parcel alone. */
  readonly signal?: AbortSignal;
  /** Asked once the gateway can be reached, before the parcel leaves. Throws `Withdrawn` where it may not. */
  leave?(): Promise<void> | undefined;
}

/** What became of a parcel. */
export interface Delivered {
  readonly quarantine: readonly QuarantineEntry[];
}

export interface DeliveryOptions {
  readonly exchange: Exchange;
  readonly link: Link;
  readonly clock: GatewayClock;
  readonly queue: Pick<Queue, 'next'>;
  readonly deviceClock: () => number;
  readonly batchEventsMax: number;
  readonly signal: AbortSignal;
  /** An attempt did not settle its message; it is made again. */
  readonly onRetry: () => void;
  readonly onAcknowledged: (inserted: number, duplicates: number) => void;
}

export interface Delivery {
  /** Rejects only when the signal aborts, or when the disk refuses what a collision asks of it. */
  deliver(parcel: Parcel, source: Source): Promise<Delivered>;
  /** Declares gaps of a stream with a batch that holds no events; false where the gateway refuses them. */
  declare(stream: Uint8Array, gaps: readonly DeclaredGap[]): Promise<boolean>;
}

export function createDelivery(options: DeliveryOptions): Delivery {
  return new EndlessDelivery(options);
}

/** Outcomes that end the attempts for one message; all others are tried again. */
type Verdict = Extract<Outcome, { kind: 'delivered' | 'split' | 'refused' | 'collision' }>;

const BEST_ENCODING = CONTENT_ENCODINGS[0]!;

const NO_EVENTS: EventTable = {
  count: 0,
  sensors: [],
  order: new Float64Array(0),
  starts: new Uint32Array(1),
  times: new Float64Array(0),
  columns: [],
};

/** Batches that must pass at the size that was found before a larger one is tried: proxies come and go. */
const GROW_AFTER_BATCHES = 64;

/** Thrown inside p-retry to have it try again; never leaves this file. */
class Unsettled extends Error {}

/** Whether a collision of a message would have it go on without a wait, if it were believed. */
interface Doubts {
  collision: boolean;
}

class EndlessDelivery implements Delivery {
  readonly #options: DeliveryOptions;
  #encoding: ContentEncoding = BEST_ENCODING;
  /** What the options allow, or the gateway where that is less. */
  #eventsBound: number;
  /** What has been found to pass, on the way or at the gateway. */
  #eventsMax: number;
  #passed = 0;
  /** Streams that collisions have made, hex: nothing can stand under them but what was sent from here. */
  readonly #made = new Set<string>();

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#eventsBound = options.batchEventsMax;
    this.#eventsMax = options.batchEventsMax;
  }

  async deliver(parcel: Parcel, source: Source): Promise<Delivered> {
    const { deviceClock, onAcknowledged } = this.#options;
    const { first, count } = parcel;
    const { stream, last } = source.streamAt(first);
    const ofStream = last - first + 1;
    if (ofStream < count) return this.#inTwo(parcel, source, ofStream);
    // Near the middle: to cut off one batch after the other would pack a large block's end again and again.
    if (count > this.#eventsMax) {
      return this.#inTwo(parcel, source, this.#eventsMax * Math.ceil(count / this.#eventsMax / 2));
    }
    const verdict = await this.#untilVerdict({ stream, first, count, gaps: [], columns: parcel.columns }, source);
    switch (verdict.kind) {
      case 'delivered':
        if (count === this.#eventsMax) this.#grow();
        onAcknowledged(verdict.inserted, verdict.duplicates);
        return { quarantine: [] };
      case 'split':
        this.#shrink(count, verdict.problem?.eventsMax);
        return this.deliver(parcel, source);
      case 'refused':
        if (count > 1) return this.#inTwo(parcel, source, Math.ceil(count / 2));
        return { quarantine: [quarantineEntry(parcel, stream, verdict.problem, deviceClock())] };
      case 'collision':
        this.#made.add(hexOf(await source.restream(within(verdict.ranges, first, first + count - 1))));
        return this.deliver(parcel, source);
    }
  }

  async declare(stream: Uint8Array, gaps: readonly DeclaredGap[]): Promise<boolean> {
    const first = this.#options.queue.next;
    const verdict = await this.#untilVerdict({ stream, first, count: 0, gaps, columns: encodeColumns(NO_EVENTS) });
    const halves = verdict.kind === 'refused' ? halvesOf(gaps, verdict.problem) : undefined;
    if (halves === undefined) return verdict.kind === 'delivered';
    // Where not even a single event may be declared, all others would be answered the same.
    return (await this.declare(stream, halves[0])) && (await this.declare(stream, halves[1]));
  }

  async #inTwo(parcel: Parcel, source: Source, at: number): Promise<Delivered> {
    const { first, count, table } = parcel;
    const left = await this.deliver(partOf(table, first, 0, at), source);
    const right = await this.deliver(partOf(table, first, at, count), source);
    return { quarantine: [...left.quarantine, ...right.quarantine] };
  }

  /** After a batch of `count` was too large: the gateway's bound where that says anything, or half. */
  #shrink(count: number, bound = 0): void {
    if (bound > 0) this.#eventsBound = Math.min(this.#eventsBound, bound);
    const smaller = bound > 0 && bound < count ? bound : Math.ceil(count / 2);
    this.#eventsMax = Math.min(this.#eventsMax, smaller);
    this.#passed = 0;
  }

  #grow(): void {
    if (this.#eventsMax === this.#eventsBound || ++this.#passed < GROW_AFTER_BATCHES) return;
    this.#eventsMax = Math.min(this.#eventsBound, 2 * this.#eventsMax);
    this.#passed = 0;
  }

  /** Attempts without end; the link decides when each may start, so p-retry itself need not wait. */
  #untilVerdict(message: Message, source: Partial<Source> = {}): Promise<Verdict> {
    const { link, onRetry } = this.#options;
    const signal = source.signal ?? this.#options.signal;
    const doubts: Doubts = { collision: this.#made.has(hexOf(message.stream)) };
    return pRetry(
      async () => {
        const outcome = await link.pass(() => this.#judged(message, doubts, source), signal);
        if (isVerdict(outcome)) return outcome;
        signal.throwIfAborted();
        onRetry();
        throw new Unsettled();
      },
      // Any other error is not the network's, and would come at every attempt.
      { forever: true, minTimeout: 0, maxTimeout: 0, signal, shouldRetry: (error) => error instanceof Unsettled },
    );
  }

  /** One attempt, with what this device can put right by itself put right before the link hears of it. */
  async #judged(message: Message, doubts: Doubts, source: Partial<Source>): Promise<Outcome> {
    const { exchange, clock, signal } = this.#options;
    const encoding = this.#encoding;
    const outcome = await exchange.attempt(message, encoding, signal, () => source.leave?.());
    switch (outcome.kind) {
      case 'skew':
        clock.correct(outcome.clock);
        return outcome;
      case 'encoding': {
        const { problem } = outcome;
        const less = CONTENT_ENCODINGS.slice(CONTENT_ENCODINGS.indexOf(encoding) + 1);
        const next = less.find((known) => problem.acceptEncoding?.includes(known));
        // With nothing in common it begins anew after the pause: the gateway may be another by then.
        this.#encoding = next ?? BEST_ENCODING;
        return next === undefined ? { kind: 'barred', problem } : outcome;
      }
      case 'split':
        // One event that is too large for a proxy on the way may pass on another day; only the gateway's word is final.
        return message.count > 1 ? outcome : tooLargeAlone(outcome);
      case 'collision':
        if (within(outcome.ranges, message.first, message.first + message.count - 1).length === 0) {
          return { kind: 'failed', code: 'collision-elsewhere' };
        }
        // A gateway that says it of every stream would have one made after the other, without end and without a wait.
        if (doubts.collision) {
          doubts.collision = false;
          return { kind: 'failed', code: 'collision-again' };
        }
        return outcome;
      default:
        return outcome;
    }
  }
}

/** Gaps that come to the same, where they were too much for one report; undefined for a single event. */
function halvesOf(
  gaps: readonly DeclaredGap[],
  { code }: Pick<Problem, 'code'>,
): [DeclaredGap[], DeclaredGap[]] | undefined {
  if (code !== 'batch-limit' && code !== 'body-too-large') return undefined;
  const middle = Math.ceil(gaps.length / 2);
  if (gaps.length > 1) return [gaps.slice(0, middle), gaps.slice(middle)];
  const [gap] = gaps;
  if (gap === undefined || gap.first === gap.last || code !== 'batch-limit') return undefined;
  const { first, last, reason } = gap;
  const end = first + Math.floor((last - first) / 2);
  // Its sums would count only were all of it new, and then it would not touch what was declared before.
  return [[{ first, last: end, reason, sums: null }], [{ first: end + 1, last, reason, sums: null }]];
}

function tooLargeAlone(outcome: Extract<Outcome, { kind: 'split' }>): Outcome {
  return outcome.problem ? { kind: 'refused', problem: outcome.problem } : { kind: 'failed', code: 'unsigned-413' };
}

function isVerdict(outcome: Outcome): outcome is Verdict {
  return ['delivered', 'split', 'refused', 'collision'].includes(outcome.kind);
}

/** Packed when it is sent, for it may be cut up further before. */
function partOf(whole: EventTable, first: number, from: number, to: number): Parcel {
  const table = sliceTable(whole, from, to);
  return {
    first: first + from,
    count: table.count,
    table,
    get columns() {
      return encodeColumns(table);
    },
  };
}

function hexOf(stream: Uint8Array): string {
  return Buffer.from(stream).toString('hex');
}

/** The ranges as far as they lie within the parcel: a gateway's word moves nothing that it was not asked about. */
function within(ranges: readonly (readonly [number, number])[], first: number, last: number): Range[] {
  return ranges
    .map(([from, to]) => ({ first: Math.max(from, first), last: Math.min(to, last) }))
    .filter((range) => range.first <= range.last);
}
