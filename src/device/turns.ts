/**
 * Turns: long work of a device a piece at a time, so that sensors are never held up by it.
 *
 * Owns the length of a piece. Promises that others have their turn between two. Asks no clock: the same work is cut in
 * the same way every time.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Steps } from '../codec/index.ts';

/**
 * Weight of a piece: a column of a usual block. That is a tenth of a millisecond, and some milliseconds for the first
 * one, when nothing is compiled yet.
 */
const PIECE = 4_096;

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
