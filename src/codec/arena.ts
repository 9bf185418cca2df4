/**
 * Arena: memory for the columns of one table after another.
 *
 * Owns typed arrays that are cut from a few buffers again and again: an array of its own for each column is memory that
 * the system has to clear and the engine to collect, for every batch, which took a quarter of all processor time.
 * Promises that an array holds zeros, and that no other lease has any of it before `release`. What is cut from a lease
 * must not be looked at after that: the next table lies there.
 */

/** Where arrays come from. */
export interface Memory {
  doubles(count: number): Float64Array;
  words(count: number): Uint32Array;
  integers(count: number): Int32Array;
}

/** Memory until it is given back. */
export interface Lease {
  readonly memory: Memory;
  /** Calling it again is harmless. */
  release(): void;
}

export interface Arenas {
  /** Plain memory where all arenas are taken. */
  lease(): Lease;
}

/** Arrays of their own, which may be kept for ever. */
export const HEAP: Memory = {
  doubles: (count) => new Float64Array(count),
  words: (count) => new Uint32Array(count),
  integers: (count) => new Int32Array(count),
};

/** @param bytes of each; what does not fit it comes from the heap */
export function createArenas(count: number, bytes: number): Arenas {
  const free: Arena[] = [];
  let left = count;
  return {
    lease() {
      const arena = free.pop() ?? (left-- > 0 ? new Arena(bytes) : undefined);
      if (arena === undefined) return { memory: HEAP, release: () => {} };
      arena.reset();
      let held = true;
      return {
        memory: arena,
        release() {
          if (held) free.push(arena);
          held = false;
        },
      };
    },
  };
}

/** What every array begins at a multiple of. */
const ALIGNMENT = 8;

class Arena implements Memory {
  readonly #buffer: ArrayBuffer;
  #at = 0;

  constructor(bytes: number) {
    this.#buffer = new ArrayBuffer(bytes);
  }

  reset(): void {
    this.#at = 0;
  }

  doubles(count: number): Float64Array {
    const at = this.#take(8 * count);
    return at < 0 ? HEAP.doubles(count) : new Float64Array(this.#buffer, at, count).fill(0);
  }

  words(count: number): Uint32Array {
    const at = this.#take(4 * count);
    return at < 0 ? HEAP.words(count) : new Uint32Array(this.#buffer, at, count).fill(0);
  }

  integers(count: number): Int32Array {
    const at = this.#take(4 * count);
    return at < 0 ? HEAP.integers(count) : new Int32Array(this.#buffer, at, count).fill(0);
  }

  /** Where so many bytes are; negative where there are not as many left. */
  #take(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#buffer.byteLength) return -1;
    this.#at = Math.ceil((at + bytes) / ALIGNMENT) * ALIGNMENT;
    return at;
  }
}
