/**
 * ReadDesk: answers to those who read, made as they are read.
 *
 * Whoever may read may ask for everything at once, from a link that takes a byte a second, a hundred times, and go away.
 * So an answer is made a chunk at a time, when the client has taken the one before; a few answers are worked on at once, so
 * that batches get the greater part of the time; and no more work is done for a client that is gone.
 */
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { Turns } from '../store/index.ts';
import { GatewayError } from './errors.ts';
import { OVERLOADED_RETRY_AFTER_MS, READS_AT_ONCE } from './limits.ts';

export const JSON_TYPE = 'application/json; charset=utf-8';

/** A part of an answer's text; parts may be empty. How long a part may be: see `CHUNK_BYTES`. */
export type Parts = AsyncIterable<string> | Iterable<string>;

export interface ReadDesk {
  /**
   * Answers with what `parts` gives; it is given turns of the event loop that end where the client is gone. What it throws
   * before the first chunk is full is the answer; later it ends the connection, so that nobody takes a part for the whole.
   * Rejects with a GatewayError `overloaded` where too many answers are open.
   */
  send(reply: FastifyReply, type: string, parts: (turns: Turns) => Parts): Promise<FastifyReply>;
}

/** @param openMax answers that are open at once */
export function createReadDesk(turns: Turns, openMax: number): ReadDesk {
  return new BoundedDesk(turns, openMax);
}

/** Characters of a chunk, at least; the last part may go beyond. A client that reads nothing holds a few of them. */
const CHUNK_LENGTH = 32 * 1024;

class BoundedDesk implements ReadDesk {
  readonly #turns: Turns;
  readonly #openMax: number;
  #open = 0;
  #working = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(turns: Turns, openMax: number) {
    this.#turns = turns;
    this.#openMax = openMax;
  }

  async send(reply: FastifyReply, type: string, parts: (turns: Turns) => Parts): Promise<FastifyReply> {
    if (this.#open >= this.#openMax) {
      const members = { retryAfterMs: OVERLOADED_RETRY_AFTER_MS };
      throw new GatewayError(
        'overloaded',
        `${this.#openMax} answers of this kind are being read; no more at once`,
        members,
      );
    }
    const client = new AbortController();
    this.#open += 1;
    let isOpen = true;
    const close = (): void => {
      if (isOpen) this.#open -= 1;
      isOpen = false;
      client.abort();
    };
    reply.raw.once('close', close);
    try {
      const chunks = this.#chunks(parts(untilGone(this.#turns, client.signal)), client.signal);
      const first = await chunks.next();
      const second = first.done ? first : await chunks.next();
      reply.type(type);
      if (first.done || second.done) return reply.send(first.value ?? '');
      return reply.send(Readable.from(joined([first.value, second.value], chunks), { objectMode: false }));
    } catch (error) {
      close();
      throw error;
    }
  }

  async *#chunks(parts: Parts, client: AbortSignal): AsyncGenerator<string, void, void> {
    const iterator = Symbol.asyncIterator in parts ? parts[Symbol.asyncIterator]() : parts[Symbol.iterator]();
    try {
      for (let isDone = false; !isDone && !client.aborted; ) {
        let chunk = '';
        await this.#begin();
        try {
          while (chunk.length < CHUNK_LENGTH) {
            const part = await iterator.next();
            if (part.done) {
              isDone = true;
              break;
            }
            chunk += part.value;
            if (this.#turns.isOver()) await this.#turns.next();
          }
        } finally {
          this.#end();
        }
        if (chunk !== '') yield chunk;
      }
    } finally {
      await iterator.return?.();
    }
  }

  async #begin(): Promise<void> {
    if (this.#working < READS_AT_ONCE) this.#working += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Hands the place on to who waits longest, if anybody does. */
  #end(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#working -= 1;
    else next();
  }
}

async function* joined(first: readonly string[], rest: AsyncIterable<string>): AsyncGenerator<string, void, void> {
  yield* first;
  yield* rest;
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
