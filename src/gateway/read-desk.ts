/**
 * ReadDesk: answers to those who read, made as they are read.
 *
 * Whoever may read may ask for everything at once, from a link that takes a byte a second, a hundred times, and go away
 * at any moment. So an answer is made a chunk at a time, when the client has taken the one before; a few answers are
 * worked on at once, so that batches get the greater part of the time, brief ones beside the long ones; no more
 * work is done for a client that is gone; and who takes next to nothing for long is cut off, sooner where others wait
 * for the place.
 */
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { SHARED_TURNS, type Turns } from '../store/index.ts';
import { GatewayError } from './errors.ts';
import {
  BRIEF_READS_AT_ONCE,
  OVERLOADED_RETRY_AFTER_MS,
  READER_PATIENCE,
  READS_AT_ONCE,
  type ReaderPatience,
} from './limits.ts';
import { createReaders, type Reader } from './readers.ts';

export const JSON_TYPE = 'application/json; charset=utf-8';

/** A part of an answer's text; parts may be empty. How long a part may be: see `CHUNK_LENGTH`. */
export type Parts = AsyncIterable<string> | Iterable<string>;

/** @param makeRoom has a reader who is slow to take an answer end, if any is, where others wait for what it holds */
export type PartsMaker = (turns: Turns, gone: AbortSignal, makeRoom: () => void) => Parts | Promise<Parts>;

export type AnswerKind = 'brief' | 'chart' | 'long';

export interface ReadDesk {
  /**
   * Answers with what `parts` gives; it is given turns of the event loop that end where the client is gone. What it
   * throws before the first chunk is full is the answer; later it ends the connection, so that nobody takes a part for
   * the whole. Whatever has to be looked up belongs into `parts`: the place is taken, and given back, from here on.
   * What it awaits before it gives anything counts as no work: others are worked on meanwhile.
   * Rejects with a GatewayError `overloaded` where too many answers are open.
   *
   * @param kind `brief` where it is some 100 KB at most; `chart` where that may take long to make, and what takes long
   *   is awaited first. @default 'long'
   */
  send(reply: FastifyReply, type: string, parts: PartsMaker, kind?: AnswerKind): Promise<FastifyReply>;
}

export interface ReadDeskOptions {
  /** Answers that are open at once. */
  readonly openMax: number;
  /** Of these, charts and long ones. @default openMax */
  readonly chartsMax?: number;
  /** Of these, long ones. @default openMax */
  readonly longMax?: number;
  /** Long answers that are worked on at once. */
  readonly workingMax?: number;
  readonly turns?: Turns;
  readonly patience?: ReaderPatience;
}

export function createReadDesk(options: ReadDeskOptions): ReadDesk {
  return new BoundedDesk(options);
}

/** Characters of a chunk, at least; the last part may go beyond. A client that reads nothing holds a few of them. */
const CHUNK_LENGTH = 32 * 1024;

class BoundedDesk implements ReadDesk {
  readonly #turns: Turns;
  readonly #readers;
  readonly #places: Readonly<Record<AnswerKind, number>>;
  readonly #lanes: Readonly<Record<AnswerKind, Lane>>;

  constructor({
    openMax,
    chartsMax = openMax,
    longMax = openMax,
    workingMax = READS_AT_ONCE,
    turns = SHARED_TURNS,
    patience = READER_PATIENCE,
  }: ReadDeskOptions) {
    this.#turns = turns;
    this.#places = { brief: openMax, chart: chartsMax, long: longMax };
    const brief = new Lane(BRIEF_READS_AT_ONCE);
    this.#lanes = { brief, chart: brief, long: new Lane(workingMax) };
    this.#readers = createReaders(openMax, patience);
  }

  async send(reply: FastifyReply, type: string, parts: PartsMaker, kind: AnswerKind = 'long'): Promise<FastifyReply> {
    const reader = this.#readers.admit(reply, this.#places[kind]);
    if (reader === 'full') {
      const members = { retryAfterMs: OVERLOADED_RETRY_AFTER_MS };
      throw new GatewayError(
        'overloaded',
        `${this.#places[kind]} answers of this kind are being read; no more at once`,
        members,
      );
    }
    try {
      if (reader.gone.aborted) return unanswered(reply);
      const made = await parts(untilGone(this.#turns, reader.gone), reader.gone, this.#readers.makeRoom);
      const chunks = this.#chunks(made, reader, this.#lanes[kind]);
      const first = await chunks.next();
      const second = first.done ? first : await chunks.next();
      if (reader.gone.aborted) {
        await chunks.return();
        return unanswered(reply);
      }
      reply.type(type);
      if (first.done || second.done) return reply.send(first.value ?? '');
      const stream = Readable.from(resumed([first.value, second.value], chunks), { objectMode: false });
      reader.gone.addEventListener('abort', () => stream.destroy());
      return reply.send(stream);
    } catch (error) {
      if (reader.gone.aborted) return unanswered(reply);
      throw error;
    }
  }

  async *#chunks(parts: Parts, reader: Reader, lane: Lane): AsyncGenerator<string, void, void> {
    const iterator = Symbol.asyncIterator in parts ? parts[Symbol.asyncIterator]() : parts[Symbol.iterator]();
    try {
      for (let isDone = false; !isDone && !reader.gone.aborted; ) {
        let chunk = '';
        reader.takes();
        await lane.begin();
        try {
          // Who has waited for the others may be gone meanwhile.
          while (chunk.length < CHUNK_LENGTH && !reader.gone.aborted) {
            const part = await iterator.next();
            if (part.done) {
              isDone = true;
              break;
            }
            chunk += part.value;
            if (this.#turns.isOver()) await this.#turns.next();
          }
        } finally {
          lane.end();
        }
        // From here on it is the reader who is waited for, also for the rest of what was written.
        reader.isGiven(chunk.length);
        if (chunk !== '') yield chunk;
      }
    } finally {
      await iterator.return?.();
    }
  }
}

/** Answers of a kind that are worked on at once, and those that wait for it, each for a chunk at a time. */
class Lane {
  readonly #workingMax: number;
  #working = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(workingMax: number) {
    this.#workingMax = workingMax;
  }

  async begin(): Promise<void> {
    if (this.#working < this.#workingMax) this.#working += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Hands the place on to who waits longest, if anybody does. */
  end(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#working -= 1;
    else next();
  }
}

/** For Fastify: nobody is there to be answered. */
function unanswered(reply: FastifyReply): FastifyReply {
  return reply.hijack();
}

/** Ends `rest` where it is left, also before any of it was read. */
function resumed(first: string[], rest: AsyncGenerator<string, void, void>): AsyncIterable<string> {
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const value = first.shift();
        return value === undefined ? rest.next() : { value, done: false };
      },
      return: () => rest.return(),
    }),
  };
}

/** Turns that throw where nobody waits for the answer any more. */
function untilGone(turns: Turns, client: AbortSignal): Turns {
  return {
    isOver: () => turns.isOver(),
    async next() {
      await turns.next();
      client.throwIfAborted();
    },
  };
}
