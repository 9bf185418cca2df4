/**
 * What was used lately: a bounded map that forgets what has not been used for long.
 *
 * Owns the marks of use. Promises that what was used since it was last looked at stays before what was not, at no cost
 * for each use but the mark; and that entries it is told to keep stay, even above the bounds. Never loads or writes.
 */
export interface Lru<Value> {
  /** The value, which is marked as used. */
  get(key: string): Value | undefined;
  /** `weight` counts against the bound on the sum of weights. Default 0. */
  set(key: string, value: Value, weight?: number): void;
  /** Forgets down to the bounds, what was not used first, but nothing that `keep` holds on to. */
  trim(keep?: (value: Value) => boolean): void;
  clear(): void;
  readonly size: number;
}

/** @param forgotten told of each value that `trim` forgets */
export function createLru<Value>(
  entriesMax: number,
  weightMax: number = Number.POSITIVE_INFINITY,
  forgotten: (value: Value) => void = () => {},
): Lru<Value> {
  return new ClockLru(entriesMax, weightMax, forgotten);
}

interface Entry<Value> {
  value: Value;
  weight: number;
  /** Since `trim` last came by. */
  used: boolean;
}

class ClockLru<Value> implements Lru<Value> {
  /** In the order in which `trim` looks at them. */
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #entriesMax: number;
  readonly #weightMax: number;
  readonly #forgotten: (value: Value) => void;
  #weight = 0;

  constructor(entriesMax: number, weightMax: number, forgotten: (value: Value) => void) {
    this.#entriesMax = entriesMax;
    this.#weightMax = weightMax;
    this.#forgotten = forgotten;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    entry.used = true;
    return entry.value;
  }

  set(key: string, value: Value, weight = 0): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) this.#entries.set(key, { value, weight, used: false });
    else {
      this.#weight -= entry.weight;
      entry.value = value;
      entry.weight = weight;
      entry.used = true;
    }
    this.#weight += weight;
  }

  trim(keep: (value: Value) => boolean = () => false): void {
    if (this.#isWithinBounds()) return;
    // Nobody is looked at more than twice: with a mark first, and without one behind all others.
    let looks = 2 * this.size;
    for (const [key, entry] of this.#entries) {
      this.#entries.delete(key);
      if (entry.used || keep(entry.value)) {
        entry.used = false;
        this.#entries.set(key, entry);
      } else {
        this.#weight -= entry.weight;
        this.#forgotten(entry.value);
      }
      looks -= 1;
      if (looks === 0 || this.#isWithinBounds()) return;
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#weight = 0;
  }

  #isWithinBounds(): boolean {
    return this.#entries.size <= this.#entriesMax && this.#weight <= this.#weightMax;
  }
}
