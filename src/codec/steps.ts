/**
 * Steps: long work that can be put down and taken up again.
 *
 * Owns the form in which a batch's decoding, digest and tally say how far they have come. Promises that work which is
 * done all at once comes to the same. Never decides how long one may go on: whoever takes the steps does.
 */

/**
 * Yields where the work may be put down, with the weight of what was done since: about how many values were looked at,
 * some 25 ns each. So work is cut the same way on every machine.
 */
export type Steps<T> = Generator<number, T, void>;

export function allAtOnce<T>(steps: Generator<unknown, T, void>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
