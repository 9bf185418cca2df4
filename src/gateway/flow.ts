/**
 * Flow: how many bytes of requests the gateway has taken on.
 *
 * Owns the bounds that back pressure rests on. Promises that bodies are only taken on while there is room; that whatever a
 * batch grows to while it is worked on counts as well; and that what is about to grow waits its turn, so that no number
 * of small bodies that inflate to large ones fills the memory. Never refuses what it has taken on, save for bodies that
 * come so slowly that they never will be here: those give way to what comes next.
 */
import assert from 'node:assert';

/** One request's share. */
export interface Load {
  /** Says how many bytes the request takes now. */
  resize(bytes: number): void;
  /** Gives the share back; calling it again is harmless. */
  release(): void;
}

/** A body on its way. */
export interface Upload {
  /** Whether, at its pace, so many bytes will not be here in time. */
  isLate(bytes: number): boolean;
  /** Ends it: its room is wanted. */
  drop(): void;
}

export interface Flow {
  /** Undefined where there is no room for that many bytes. Until it is first resized the load's body is on its way. */
  take(bytes: number, upload?: Upload): Load | undefined;
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
  readonly #uploads = new Map<Load, { readonly bytes: number; readonly upload: Upload }>();
  bytes = 0;

  constructor(options: FlowOptions) {
    this.#options = options;
  }

  take(bytes: number, upload?: Upload): Load | undefined {
    if (!this.#hasRoom(bytes) && !this.#makeRoom(bytes)) return undefined;
    let held = bytes;
    let released = false;
    this.bytes += bytes;
    const resize = (size: number) => {
      assert(!released, 'a load that was not released');
      this.#uploads.delete(load);
      this.bytes += size - held;
      held = size;
      this.#next();
    };
    const load: Load = {
      resize,
      release: () => {
        if (!released) resize(0);
        released = true;
      },
    };
    if (upload !== undefined) this.#uploads.set(load, { bytes, upload });
    return load;
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

  #hasRoom(bytes: number): boolean {
    return this.bytes + bytes <= this.#options.bytesMax;
  }

  /** Drops late bodies, the oldest first and no more than need be; none where all of them would not do. */
  #makeRoom(bytes: number): boolean {
    const late = [...this.#uploads].filter(([, held]) => held.upload.isLate(held.bytes));
    const lateBytes = late.reduce((sum, [, held]) => sum + held.bytes, 0);
    if (!this.#hasRoom(bytes - lateBytes)) return false;
    for (const [load, { upload }] of late) {
      if (this.#hasRoom(bytes)) break;
      load.release();
      upload.drop();
    }
    return true;
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
