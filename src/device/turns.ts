/**
 * Turns: long work of a device a piece at a time, so that sensors are never held up by it.
 *
 * Owns the length of a piece. Promises that others have their turn between two. Asks no clock: the same work is cut in the
 * same way every time.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Steps } from '../codec/index.ts';

/** Weight of a piece: a column or two of a large block, some tenths of a millisecond once the code is warm. */
const PIECE = 16_384;

export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (let weight = 0; ; ) {
    const step = steps.next();
    if (step.done) return step.value;
    weight += step.value;
    if (weight < PIECE) continue;
    weight = 0;
    await nextTurn();
  }
}
