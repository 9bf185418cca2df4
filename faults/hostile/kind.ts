/**
 * Kind: one kind of hostile input, and what it means that an input breaks the contract.
 *
 * Owns the words. Promises that a breach says which input it was, made as small as halving makes it. Never decides
 * which inputs there are.
 */
import type { Dice } from './dice.ts';

export interface Kind {
  /** In the reader's words. */
  readonly name: string;
  /** Of so many in all that are struck. */
  readonly share: number;
  /**
   * Makes one input out of the dice and has it met. Throws where the contract does not hold: nothing but typed errors,
   * in bounded time, and what is valid after all is exact.
   */
  strike(dice: Dice): Struck | Promise<Struck>;
}

/** How an input was met. */
export interface Struck {
  /** Whether it was refused; else it was valid after all, or none of it arrived. */
  readonly isRefused: boolean;
  /** Events that were counted, and found to be. */
  readonly events?: number;
}

export const REFUSED: Struck = { isRefused: true };
export const TAKEN: Struck = { isRefused: false };

/** The contract does not hold. */
export class Breach extends Error {
  override readonly name = 'Breach';
}

/** Of an input that is shown, in hex. */
const SHOWN_BYTES = 400;
const HALVINGS_MAX = 400;

/** Runs the check on the input; what it throws becomes a breach with the smallest part that does the same. */
export function holdTo<T>(input: Uint8Array, check: (input: Uint8Array) => T): T {
  try {
    return check(input);
  } catch (error) {
    const small = smallest(input, (part) => sameFault(part, check, error));
    throw new Breach(`${describe(error)}; input ${hexOf(small)}`, { cause: error });
  }
}

export function hexOf(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.subarray(0, SHOWN_BYTES)).toString('hex');
  return bytes.length > SHOWN_BYTES ? `${hex}… (${bytes.length} bytes)` : hex;
}

export function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function sameFault(input: Uint8Array, check: (input: Uint8Array) => unknown, first: unknown): boolean {
  try {
    check(input);
    return false;
  } catch (error) {
    return error instanceof Error && first instanceof Error && error.name === first.name;
  }
}

/** Takes out halves, then quarters … as long as the fault stays. */
function smallest(input: Uint8Array, fails: (input: Uint8Array) => boolean): Uint8Array {
  let small = input;
  let left = HALVINGS_MAX;
  for (let size = small.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at < small.length && left > 0; left--) {
      const shorter = Buffer.concat([small.subarray(0, at), small.subarray(at + size)]);
      if (fails(shorter)) small = shorter;
      else at += size;
    }
  }
  return small;
}
