/**
 * Time slicing: long work a slice at a time, so that nobody holds the event loop.
 *
 * Everything in a process shares one event loop, so a slice is what *all* work does in one turn of it, not what one
 * piece of work does: a hundred requests that are worked on at once hold the loop no longer than one. Whoever loops
 * over what others have sent or stored asks `isOver()` after each small step, and where it is true awaits `next()`.
 */
import { performance } from 'node:perf_hooks';

export interface Turns {
  /** Whether what ran in this turn of the event loop has had its slice of time. Reads the clock: 50 to 400 ns. */
  isOver(): boolean;
  /** Resolves in a later turn of the event loop: one waiter a turn, first come, first served. */
  next(): Promise<void>;
}

/** Milliseconds of a slice: long enough that a usual batch is done in one, short enough that others do not notice. */
const SLICE_MS = 3;

/** @param now milliseconds that never go back; a simulation that must be replayable gives a clock of its own */
export function createTurns(now: () => number = () => performance.now()): Turns {
  return new LoopTurns(now);
}

class LoopTurns implements Turns {
  readonly #now: () => number;
  /** When the first who asked in this turn of the loop asked; undefined before that. */
  #begunAt: number | undefined;
  #waiting: (() => void)[] = [];
  #isDue = false;

  constructor(now: () => number) {
    this.#now = now;
  }

  isOver(): boolean {
    const now = this.#now();
    if (this.#begunAt !== undefined) return now - this.#begunAt >= SLICE_MS;
    this.#begunAt = now;
    this.#comeBack();
    return false;
  }

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#comeBack();
    });
  }

  #comeBack(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(this.#begin);
  }

  readonly #begin = (): void => {
    this.#isDue = false;
    this.#begunAt = undefined;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#begunAt = this.#now();
    this.#comeBack();
    next();
  };
}

/** What a process shares, unless it is told otherwise: it has one event loop. */
export const SHARED_TURNS: Turns = createTurns();
