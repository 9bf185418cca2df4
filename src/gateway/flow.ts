/**
 * Flow: how many bytes of requests the gateway has taken on.
 *
 * Owns the bounds that back pressure rests on. Promises that bodies are only taken on while there is room; that whatever a
 * batch grows to while it is worked on counts as well; and that what is about to grow waits its turn, so that no number
 * of small bodies that inflate to large ones fills the memory. Never refuses what it has taken on.
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
  /** Runs `work`, which may grow to so many bytes, when it is its turn; first come, first served. */
  inTurn<T>(bytes: number, work: () => Promise<T>): Promise<T>;
  /** Bytes taken on. */
  readonly bytes: number;
}

export interface FlowOptions {
  /** Bytes taken on at once. */
  readonly bytesMax: number;
  /** Bytes that everything which is growing at once may come to. */
  readonly growingBytesMax: number;
}

export function createFlow(options: FlowOptions): Flow {
  return new BoundedFlow(options);
}

interface Turn {
  readonly bytes: number;
  readonly begin: () => void;
}

class BoundedFlow implements Flow {
  readonly #options: FlowOptions;
  #growing = 0;
  readonly #waiting: Turn[] = [];
  bytes = 0;

  constructor(options: FlowOptions) {
    this.#options = options;
  }

  take(bytes: number): Load | undefined {
    if (this.bytes + bytes > this.#options.bytesMax) return undefined;
    let held = bytes;
    let released = false;
    this.bytes += bytes;
    const resize = (size: number) => {
      assert(!released, 'a load that was not released');
      this.bytes += size - held;
      held = size;
      this.#next();
    };
    return {
      resize,
      release: () => {
        if (!released) resize(0);
        released = true;
      },
    };
  }

  async inTurn<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    assert(bytes <= this.#options.growingBytesMax, 'a turn that can come');
    await new Promise<void>((begin) => {
      this.#waiting.push({ bytes, begin });
      this.#next();
    });
    try {
      return await work();
    } finally {
      this.#growing -= bytes;
      this.#next();
    }
  }

  /** What is held already comes first: it ends without waiting for anything here. */
  #next(): void {
    const { bytesMax, growingBytesMax } = this.#options;
    for (let turn = this.#waiting[0]; turn !== undefined; turn = this.#waiting[0]) {
      if (this.bytes > bytesMax || this.#growing + turn.bytes > growingBytesMax) return;
      this.#growing += turn.bytes;
      this.#waiting.shift();
      turn.begin();
    }
  }
}
