/**
 * Turns: long work a piece at a time, so that no batch holds the event loop (promise 9).
 *
 * Owns the length of a piece. Promises that what takes no longer than one is done at once, and that others have their turn
 * between two. Asks no clock: the same work is cut in the same way every time.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Steps } from '../codec/index.ts';

/** Weight of a piece, some 3 ms. The whole of a usual batch is less. */
const PIECE = 131_072;

export interface Work<T> {
  /** Does a piece, where any is left; true once all is done. */
  advance(): boolean;
  /** Does what is left, with a turn for others before each piece. */
  finish(): Promise<void>;
  readonly isDone: boolean;
  /** Once it is done. */
  readonly result: T;
}

export function createWork<T>(steps: Steps<T>): Work<T> {
  return new SteppedWork(steps);
}

/** Does all of it, with a turn for others between two pieces. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  const work = createWork(steps);
  if (!work.advance()) await work.finish();
  return work.result;
}

class SteppedWork<T> implements Work<T> {
  readonly #steps: Steps<T>;
  #end: { readonly value: T } | undefined;

  constructor(steps: Steps<T>) {
    this.#steps = steps;
  }

  get isDone(): boolean {
    return this.#end !== undefined;
  }

  get result(): T {
    if (this.#end === undefined) throw new Error('work that is done');
    return this.#end.value;
  }

  advance(): boolean {
    for (let weight = 0; this.#end === undefined && weight < PIECE; ) {
      const step = this.#steps.next();
      if (step.done) this.#end = step;
      else weight += step.value;
    }
    return this.isDone;
  }

  async finish(): Promise<void> {
    while (!this.isDone) {
      await nextTurn();
      this.advance();
    }
  }
}
