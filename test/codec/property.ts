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

/** Bytes with one thing changed: a byte, a bit, the end, something put in or taken out. */
export function changed(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.nat(), fc.nat(255), fc.nat(4), fc.integer({ min: 1, max: 9 }))
    .map(([where, value, how, length]) => {
      const copy = Buffer.from(bytes);
      const at = where % (copy.length + 1);
      if (how === 0) return copy.subarray(0, at);
      if (how === 1) return Buffer.concat([copy.subarray(0, at), copy.subarray(at + length)]);
      if (how === 2) return Buffer.concat([copy.subarray(0, at), Buffer.alloc(length, value), copy.subarray(at)]);
      if (at < copy.length) copy[at]! ^= how === 3 ? 1 << (value % 8) : value;
      return copy;
    });
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
