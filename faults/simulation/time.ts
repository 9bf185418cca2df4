/**
 * Time: the hours of a simulation, which pass as fast as things happen in them.
 *
 * Owns the agenda. Promises that what is due at one moment happens in the order in which it was put down, and that
 * weeks without anything cost nothing. Never moves by itself.
 */
export interface Time {
  /** Milliseconds since the simulation began. */
  readonly now: number;
  /** Calls back once, unless the returned function is called first. */
  after(delayMs: number, callback: () => void): () => void;
  /** Moves on to whatever comes next, if that comes by `untilMs`, and has it happen; false where nothing does. */
  step(untilMs: number): boolean;
}

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

interface Entry {
  readonly at: number;
  readonly number: number;
  callback: (() => void) | undefined;
}

export function createTime(): Time {
  return new Agenda();
}

class Agenda implements Time {
  /** A heap: no entry is earlier than the one at half its place. */
  readonly #heap: Entry[] = [];
  #numbers = 0;
  now = 0;

  after(delayMs: number, callback: () => void): () => void {
    const entry: Entry = { at: this.now + Math.max(0, delayMs), number: ++this.#numbers, callback };
    this.#push(entry);
    return () => {
      entry.callback = undefined;
    };
  }

  step(untilMs: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > untilMs) {
        this.now = Math.max(this.now, untilMs);
        return false;
      }
      this.#pop();
      if (next.callback === undefined) continue;
      this.now = next.at;
      next.callback();
      return true;
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const above = (at - 1) >>> 1;
      if (!isEarlier(entry, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isEarlier(heap[below + 1]!, heap[below]!)) below++;
      if (!isEarlier(heap[below]!, last)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
  }
}

function isEarlier(a: Entry, b: Entry): boolean {
  return a.at === b.at ? a.number < b.number : a.at < b.at;
}
