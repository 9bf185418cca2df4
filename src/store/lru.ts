/**
 * What was used last: a bounded map that forgets what has not been used for longest.
 *
 * Owns the order of use. Promises that entries it is told to keep stay, even above the bound. Never loads or writes.
 */
export interface Lru<Value> {
  /** The value, which is now the one used last. */
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  /** Forgets down to the bound, oldest use first, but nothing that `keep` holds on to. */
  trim(keep?: (value: Value) => boolean): void;
  clear(): void;
  readonly size: number;
}

export function createLru<Value>(entriesMax: number): Lru<Value> {
  return new MapLru(entriesMax);
}

class MapLru<Value> implements Lru<Value> {
  /** A map iterates in the order of insertion; using a value inserts it again. */
  readonly #values = new Map<string, Value>();
  readonly #entriesMax: number;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
  }

  trim(keep: (value: Value) => boolean = () => false): void {
    if (this.#values.size <= this.#entriesMax) return;
    for (const [key, value] of this.#values) {
      if (!keep(value)) this.#values.delete(key);
      if (this.#values.size <= this.#entriesMax) return;
    }
  }

  clear(): void {
    this.#values.clear();
  }
}
