/**
 * Where a large ledger is cut into chunks, and which of them have changed.
 *
 * A ledger is stored whole until it has more ranges than a chunk holds. From then on it lies in chunks, each with what
 * begins from its first sequence on and before the next chunk, so that a change writes the chunks that it is in and no
 * others.
 */
import { indexFrom } from './intervals.ts';

/** Segments and gaps of a chunk, some 12 bytes each: more are rewritten for each change, fewer make more records. */
export const CHUNK_RANGES_MAX = 256;

/** What a ledger's storage needs to catch up. */
export interface CutsChange {
  /** Where the chunks begin, ascending from 0; none where the ledger is stored whole. */
  readonly cuts: readonly number[];
  /** Chunks to store, by where they begin and where the next one does. */
  readonly changed: readonly { readonly first: number; readonly end: number }[];
  /** Where chunks began that are no more. */
  readonly dropped: readonly number[];
}

/** What begins in a part of the ledger: how much, and where the middle one of it begins. */
export type Measure = (first: number, end: number) => { readonly count: number; readonly middle: () => number };

export interface Cuts {
  /** Something that begins at a sequence came, went or became another. */
  changed(sequence: number): void;
  takeChange(): CutsChange;
}

export function createCuts(cuts: readonly number[], measure: Measure): Cuts {
  return new ChunkCuts(cuts, measure);
}

class ChunkCuts implements Cuts {
  readonly #measure: Measure;
  readonly #cuts: number[];
  /** Where changed chunks begin; 0 alone while the ledger is whole. */
  #changed = new Set<number>();

  constructor(cuts: readonly number[], measure: Measure) {
    this.#measure = measure;
    this.#cuts = [...cuts];
  }

  changed(sequence: number): void {
    this.#changed.add(this.#cuts[indexFrom(this.#cuts, sequence + 1) - 1] ?? 0);
  }

  takeChange(): CutsChange {
    const changed: { first: number; end: number }[] = [];
    const dropped: number[] = [];
    // What was whole is stored in chunks from now on, all of which are new.
    if (this.#cuts.length === 0 && this.#measure(0, Infinity).count > CHUNK_RANGES_MAX) {
      this.#cuts.push(0);
      this.#changed.add(0);
    }
    if (this.#cuts.length > 0) {
      for (const first of this.#changed) {
        const end = this.#endOf(first);
        if (first > 0 && this.#measure(first, end).count === 0) {
          this.#cuts.splice(indexFrom(this.#cuts, first), 1);
          dropped.push(first);
        } else this.#split(first, end, changed);
      }
    }
    this.#changed = new Set();
    return { cuts: this.#cuts.slice(), changed, dropped };
  }

  /** Adds the chunk to those that have changed, or its halves, where it has grown too large. */
  #split(first: number, end: number, changed: { first: number; end: number }[]): void {
    const { count, middle } = this.#measure(first, end);
    if (count <= CHUNK_RANGES_MAX) {
      changed.push({ first, end });
      return;
    }
    const cut = middle();
    this.#cuts.splice(indexFrom(this.#cuts, cut), 0, cut);
    this.#split(first, cut, changed);
    this.#split(cut, end, changed);
  }

  #endOf(first: number): number {
    return this.#cuts[indexFrom(this.#cuts, first + 1)] ?? Infinity;
  }
}
