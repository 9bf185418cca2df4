/**
 * What was used last: a bounded map that forgets what has not been used for longest.
 *
 * Owns the order of use. Promises that entries it is told to keep stay, even above the bounds. Never loads or writes.
 */
export interface Lru<Value> {
  /** The value, which is now the one used last. */
  get(key: string): Value | undefined;
  /** `weight` counts against the bound on the sum of weights. Default 0. */
  set(key: string, value: Value, weight?: number): void;
  /** Forgets down to the bounds, oldest use first, but nothing that `keep` holds on to. */
  trim(keep?: (value: Value) => boolean): void;
  clear(): void;
  readonly size: number;
}

export function createLru<Value>(entriesMax: number, weightMax: number = Number.POSITIVE_INFINITY): Lru<Value> {
  return new MapLru(entriesMax, weightMax);
}

interface Entry<Value> {
  readonly value: Value;
  readonly weight: number;
}

class MapLru<Value> implements Lru<Value> {
  /** A map iterates in the order of insertion; using a value inserts it again. */
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #entriesMax: number;
  readonly #weightMax: number;
  #weight = 0;

  constructor(entriesMax: number, weightMax: number) {
    this.#entriesMax = entriesMax;
    this.#weightMax = weightMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: Value, weight = 0): void {
    this.#delete(key);
    this.#entries.set(key, { value, weight });
    this.#weight += weight;
  }

  trim(keep: (value: Value) => boolean = () => false): void {
    if (this.#isWithinBounds()) return;
    for (const [key, { value }] of this.#entries) {
      if (!keep(value)) this.#delete(key);
      if (this.#isWithinBounds()) return;
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#weight = 0;
  }

  #delete(key: string): void {
    this.#weight -= this.#entries.get(key)?.weight ?? 0;
    this.#entries.delete(key);
  }

  #isWithinBounds(): boolean {
    return this.#entries.size <= this.#entriesMax && this.#weight <= this.#weightMax;
  }
}
