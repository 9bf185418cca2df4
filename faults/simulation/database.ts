/**
 * Database: what one database of a simulated disk holds, key by key.
 *
 * Owns what is durable in it. Promises that writes whose outcome is open come to be on disk or not in the order in
 * which they were made. Never takes time: that is the handle's.
 */
import type { KeyRange, Operation } from '../../src/store/rocks.ts';

/** A write that is under way, or that has failed. */
export interface Ticket {
  readonly operations: readonly Operation[];
  hasFailed: boolean;
}

export interface DatabaseOptions {
  readonly random: () => number;
  /** A write is durable. */
  readonly onDurable: (path: string, operations: readonly Operation[]) => void;
}

/** Keys are text of one character a byte, so that their order is that of the bytes. */
export const textOf = (key: Buffer): string => key.toString('latin1');

export class Database {
  readonly path: string;
  readonly values = new Map<string, Buffer>();
  readonly #options: DatabaseOptions;
  /** Ascending. */
  readonly #keys: string[] = [];
  /** Under way, or failed and not known to be on disk or not; in order. */
  tickets: Ticket[] = [];
  /** Whoever has it open. */
  handle: object | undefined;

  constructor(path: string, options: DatabaseOptions) {
    this.path = path;
    this.#options = options;
  }

  /** What is in doubt is decided: some of the first writes are on disk, and no later one. */
  settle(): void {
    const { tickets } = this;
    this.tickets = [];
    for (const { operations } of tickets) {
      if (this.#options.random() < 0.5) return;
      this.apply(operations);
    }
  }

  apply(operations: readonly Operation[]): void {
    for (const operation of operations) {
      const key = textOf(operation.key);
      if (operation.type === 'put') this.put(key, operation.value);
      else if (this.values.delete(key)) this.#keys.splice(placeOf(this.#keys, key), 1);
    }
    this.#options.onDurable(this.path, operations);
  }

  put(key: string, value: Buffer): void {
    if (!this.values.has(key)) this.#keys.splice(placeOf(this.#keys, key), 0, key);
    this.values.set(key, value);
  }

  /** The keys of a range as of now. */
  keysIn({ gte, gt, lt, lte, reverse = false, limit = -1 }: KeyRange): string[] {
    let from = 0;
    let to = this.#keys.length;
    if (gte !== undefined) from = placeOf(this.#keys, textOf(gte));
    if (gt !== undefined) from = Math.max(from, placeOf(this.#keys, `${textOf(gt)}\0`));
    if (lt !== undefined) to = placeOf(this.#keys, textOf(lt));
    if (lte !== undefined) to = Math.min(to, placeOf(this.#keys, `${textOf(lte)}\0`));
    const keys = this.#keys.slice(from, Math.max(from, to));
    if (reverse) keys.reverse();
    return limit < 0 ? keys : keys.slice(0, limit);
  }
}

/** Where a key is, or would be. */
function placeOf(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
