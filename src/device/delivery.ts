/**
 * Delivery: one parcel, however long it takes (promise 3).
 *
 * Owns what follows from each outcome: retry for ever, correct the clock, change the encoding, split, bisect down to the
 * guilty event, move collided ids to a fresh stream. Promises that it ends only with every event of the parcel either
 * acknowledged or refused by the gateway itself. Never releases anything from the disk.
 */
import pRetry from 'p-retry';
import {
  CONTENT_ENCODINGS,
  type ContentEncoding,
  type DeclaredGap,
  type EventTable,
  encodeColumns,
  isContentEncoding,
  sliceTable,
} from '../codec/index.ts';
import type { QuarantineEntry, Queue, Range } from '../store/index.ts';
import type { GatewayClock } from './clock.ts';
import type { Parcel } from './cutter.ts';
import type { Exchange, Message } from './exchange.ts';
import type { Link } from './link.ts';
import type { Outcome } from './outcome.ts';
import { quarantineEntry } from './quarantine.ts';

/** What became of a parcel. */
export interface Delivered {
  readonly quarantine: readonly QuarantineEntry[];
}

export interface DeliveryOptions {
  readonly exchange: Exchange;
  readonly link: Link;
  readonly clock: GatewayClock;
  readonly queue: Pick<Queue, 'next' | 'streamAt' | 'restream'>;
  readonly deviceClock: () => number;
  readonly batchEventsMax: number;
  readonly signal: AbortSignal;
  readonly onRetry: (reason: string) => void;
  readonly onAcknowledged: (inserted: number, duplicates: number) => void;
}

export interface Delivery {
  /** Rejects only when the signal aborts, or when the disk refuses what a collision asks of it. */
  deliver(parcel: Parcel): Promise<Delivered>;
  /** Declares gaps of a stream with a batch that holds no events; false where the gateway refuses them. */
  declare(stream: Uint8Array, gaps: readonly DeclaredGap[]): Promise<boolean>;
}

export function createDelivery(options: DeliveryOptions): Delivery {
  return new EndlessDelivery(options);
}

/** Outcomes that end the attempts for one message; all others are tried again. */
type Verdict = Extract<Outcome, { kind: 'delivered' | 'split' | 'refused' | 'collision' }>;

const NO_EVENTS: EventTable = {
  count: 0,
  sensors: [],
  order: new Float64Array(0),
  starts: new Uint32Array(1),
  times: new Float64Array(0),
  columns: [],
};

/** Thrown inside p-retry to have it try again; never leaves this file. */
class Unsettled extends Error {}

class EndlessDelivery implements Delivery {
  readonly #options: DeliveryOptions;
  #encoding: ContentEncoding = CONTENT_ENCODINGS[0]!;
  /** What the gateway, or a proxy before it, has been found to take. */
  #eventsMax: number;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#eventsMax = options.batchEventsMax;
  }

  async deliver(parcel: Parcel): Promise<Delivered> {
    const { queue } = this.#options;
    const { count } = parcel.table;
    const { stream, last } = queue.streamAt(parcel.first);
    const ofStream = Math.min(count, last - parcel.first + 1);
    const fitting = Math.min(ofStream, this.#eventsMax);
    if (fitting < count) return this.#inTwo(parcel, fitting);
    const message = { stream, first: parcel.first, count, gaps: [], columns: parcel.columns };
    const verdict = await this.#untilVerdict(message);
    switch (verdict.kind) {
      case 'delivered':
        this.#options.onAcknowledged(verdict.inserted, verdict.duplicates);
        return { quarantine: [] };
      case 'split':
        this.#eventsMax = smaller(count, verdict.problem?.eventsMax);
        return this.#inTwo(parcel, this.#eventsMax);
      case 'refused':
        if (count > 1) return this.#inTwo(parcel, Math.ceil(count / 2));
        return { quarantine: [quarantineEntry(parcel, stream, verdict.problem, this.#options.deviceClock())] };
      case 'collision':
        await queue.restream(within(verdict.ranges, parcel.first, parcel.first + count - 1));
        return this.deliver(parcel);
    }
  }

  async declare(stream: Uint8Array, gaps: readonly DeclaredGap[]): Promise<boolean> {
    const first = this.#options.queue.next;
    const verdict = await this.#untilVerdict({ stream, first, count: 0, gaps, columns: encodeColumns(NO_EVENTS) });
    return verdict.kind === 'delivered';
  }

  async #inTwo(parcel: Parcel, at: number): Promise<Delivered> {
    const left = await this.deliver(part(parcel, 0, at));
    const right = await this.deliver(part(parcel, at, parcel.table.count));
    return { quarantine: [...left.quarantine, ...right.quarantine] };
  }

  /** Attempts without end; the link decides when each may start, so p-retry itself need not wait. */
  #untilVerdict(message: Message): Promise<Verdict> {
    const { link, exchange, signal, onRetry } = this.#options;
    return pRetry(
      async () => {
        const encoding = this.#encoding;
        const outcome = await link.pass(() => this.#judged(message, exchange, encoding), signal);
        if (isVerdict(outcome)) return outcome;
        onRetry(reasonOf(outcome));
        throw new Unsettled();
      },
      { forever: true, minTimeout: 0, maxTimeout: 0, signal },
    );
  }

  /** One attempt, with what this device can put right by itself put right before the link hears of it. */
  async #judged(message: Message, exchange: Exchange, encoding: ContentEncoding): Promise<Outcome> {
    const outcome = await exchange.attempt(message, encoding, this.#options.signal);
    switch (outcome.kind) {
      case 'skew': {
        const before = this.#options.clock.offsetMs;
        this.#options.clock.correct(outcome.clock);
        const moved = Math.abs(this.#options.clock.offsetMs - before);
        // A gateway that refuses the very clock it gave would otherwise be asked again without end.
        return moved > 1_000 ? outcome : { kind: 'failed', reason: 'clock-skew after correction' };
      }
      case 'encoding': {
        if (encoding !== this.#encoding) return outcome;
        const next = CONTENT_ENCODINGS.slice(CONTENT_ENCODINGS.indexOf(encoding) + 1).find((known) =>
          outcome.accept.some((accepted) => isContentEncoding(accepted) && accepted === known),
        );
        if (next === undefined) return { kind: 'failed', reason: `no common encoding: ${outcome.accept.join(', ')}` };
        this.#encoding = next;
        return outcome;
      }
      case 'split':
        // One event that is too large for a proxy on the way may pass on another day; only the gateway's word is final.
        return message.count > 1 ? outcome : tooLargeAlone(outcome);
      case 'collision':
        return within(outcome.ranges, message.first, message.first + message.count - 1).length > 0
          ? outcome
          : { kind: 'failed', reason: 'a collision elsewhere' };
      default:
        return outcome;
    }
  }
}

function tooLargeAlone(outcome: Extract<Outcome, { kind: 'split' }>): Outcome {
  return outcome.problem
    ? { kind: 'refused', problem: outcome.problem }
    : { kind: 'failed', reason: 'unsigned 413 to a single event' };
}

/** What to try after a batch of `count` was too large: the gateway's bound where that says anything, or half. */
function smaller(count: number, bound: number | undefined): number {
  return bound !== undefined && bound >= 1 && bound < count ? bound : Math.ceil(count / 2);
}

function isVerdict(outcome: Outcome): outcome is Verdict {
  return ['delivered', 'split', 'refused', 'collision'].includes(outcome.kind);
}

function reasonOf(outcome: Outcome): string {
  if ('reason' in outcome) return outcome.reason;
  return outcome.kind === 'barred' ? outcome.problem.code : outcome.kind;
}

function part(parcel: Parcel, from: number, to: number): Parcel {
  const table = sliceTable(parcel.table, from, to);
  return { first: parcel.first + from, table, columns: encodeColumns(table) };
}

/** The ranges as far as they lie within the parcel: a gateway's word moves nothing that it was not asked about. */
function within(ranges: readonly (readonly [number, number])[], first: number, last: number): Range[] {
  return ranges
    .map(([from, to]) => ({ first: Math.max(from, first), last: Math.min(to, last) }))
    .filter((range) => range.first <= range.last);
}
