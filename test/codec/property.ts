/** Properties under a seed that is said aloud: `SEED=123 npm test -- codec` has the same run again. */
import type { TestContext } from 'node:test';
import fc from 'fast-check';

export function seedOf(t: TestContext): number {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
  t.diagnostic(`SEED=${seed}`);
  return seed;
}

export function holds<T>(t: TestContext, runs: number, arbitrary: fc.Arbitrary<T>, check: (input: T) => void): void {
  fc.assert(fc.property(arbitrary, check), { seed: seedOf(t), numRuns: runs });
}

/** Numbers from 0 to below 1 that a seed decides. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
