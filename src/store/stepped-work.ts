/**
 * SteppedWork: work in steps, cut into slices of the event loop's time (see `Turns`).
 *
 * What takes no longer than what is left of a slice is done at once. Between two slices others have their turn.
 */
import { SHARED_TURNS, type Turns } from './time-slicing.ts';

/**
 * Work that may be put down wherever it yields, some microseconds to a fraction of a millisecond apart, and taken up
 * again later. It yields what the step weighed: 1 is about 25 ns of processor time.
 */
export type Steps<T> = Generator<number, T, void>;

/** Steps of together so much weight are done without a look at the clock: some 25 µs. */
const LOOK_WEIGHT = 1_024;

export interface Work<T> {
  /** Goes on until the slice is over; true once all is done. */
  advance(): boolean;
  /** Does what is left, with a turn for others before each slice. */
  finish(): Promise<void>;
  readonly isDone: boolean;
  /** Once it is done. */
  readonly result: T;
}

export function createWork<T>(steps: Steps<T>, turns: Turns = SHARED_TURNS): Work<T> {
  return new SteppedWork(steps, turns);
}

/** Does all of it, with a turn for others between two slices. */
export async function inTurns<T>(steps: Steps<T>, turns: Turns = SHARED_TURNS): Promise<T> {
  const work = createWork(steps, turns);
  if (!work.advance()) await work.finish();
  return work.result;
}

class SteppedWork<T> implements Work<T> {
  readonly #steps: Steps<T>;
  readonly #turns: Turns;
  #end: { readonly value: T } | undefined;

  constructor(steps: Steps<T>, turns: Turns) {
    this.#steps = steps;
    this.#turns = turns;
  }

  get isDone(): boolean {
    return this.#end !== undefined;
  }

  get result(): T {
    if (this.#end === undefined) throw new Error('work that is done');
    return this.#end.value;
  }

  advance(): boolean {
    if (!this.isDone && !this.#turns.isOver()) this.#go();
    return this.isDone;
  }

  async finish(): Promise<void> {
    while (!this.isDone) {
      await this.#turns.next();
      this.#go();
    }
  }

  /** At least one step, whatever the clock says, so that all work comes to an end. */
  #go(): void {
    for (let weight = 0; this.#end === undefined; ) {
      const step = this.#steps.next();
      if (step.done) this.#end = step;
      else weight += step.value;
      if (weight < LOOK_WEIGHT) continue;
      if (this.#turns.isOver()) return;
      weight = 0;
    }
  }
}
