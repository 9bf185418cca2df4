/** Turns of a simulation: work is cut at the same places in every replay, wherever else time comes from. */
import { createTurns, type Turns } from '../../src/store/index.ts';

/** Milliseconds that go by from one look at the clock to the next, so that a slice is some hundred looks. */
const LOOK_MS = 0.03;

export function countedTurns(): Turns {
  let looks = 0;
  return createTurns(() => ++looks * LOOK_MS);
}
