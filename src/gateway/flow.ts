/**
 * Flow: how many bytes of requests the gateway has taken on.
 *
 * Owns the bound that back pressure rests on. Promises that bodies are only taken on while there is room, that whatever
 * a batch grows to while it is worked on counts as well, and that inflating, which nobody can size beforehand, is done
 * for a few at a time and only while there is room. Never refuses what it has taken on.
 */
import assert from 'node:assert';

/** One request's share. */
export interface Load {
  /** Says how many bytes the request takes now. */
  resize(bytes: number): void;
  /** Gives the share back; calling it again is harmless. */
  release(): void;
}

export interface Flow {
  /** Undefined where there is no room for that many bytes. */
  take(bytes: number): Load | undefined;
  /** Runs `work` when it is its turn; a few at once, first come first served. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  /** Bytes taken on. */
  readonly bytes: number;
}

/** As many as inflate at once: Node's thread pool has four threads. */
const TURNS = 4;

export function createFlow(bytesMax: number): Flow {
  return new BoundedFlow(bytesMax);
}

class BoundedFlow implements Flow {
  readonly #bytesMax: number;
  #turnsLeft = TURNS;
  readonly #waiting: (() => void)[] = [];
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  take(bytes: number): Load | undefined {
    if (this.bytes + bytes > this.#bytesMax) return undefined;
    let held = bytes;
    this.bytes += bytes;
    return {
      resize: (size) => {
        assert(held >= 0, 'a load that was not released');
        this.bytes += size - held;
        held = size;
        this.#next();
      },
      release: () => {
        if (held < 0) return;
        this.bytes -= held;
        held = -1;
        this.#next();
      },
    };
  }

  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#mayStart() || this.#waiting.length > 0) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#turnsLeft--;
    try {
      return await work();
    } finally {
      this.#turnsLeft++;
      this.#next();
    }
  }

  #mayStart(): boolean {
    return this.#turnsLeft > 0 && this.bytes <= this.#bytesMax;
  }

  #next(): void {
    while (this.#waiting.length > 0 && this.#mayStart()) {
      this.#turnsLeft--;
      this.#waiting.shift()!();
    }
  }
}
