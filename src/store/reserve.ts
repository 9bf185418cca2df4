/**
 * The reserve: space that is held back, so that a full disk can still be drained.
 *
 * Owns one file of a given size, and how much is to stay free beside it. Promises that its bytes are really taken from
 * the disk, and that where making it fails the queue goes on without. Never touches anything else.
 */
import { open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createRoom, type Room } from './room.ts';

export interface ReserveOptions {
  readonly path: string;
  /** 0: no file is made. */
  readonly bytes: number;
  /** Random bytes: zeros would take no space where the file system compresses. */
  readonly randomBytes: (count: number) => Uint8Array;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/**
 * What is to stay free is half as much as is held back, or what RocksDB needs to work. With each measure a missing file
 * is made in the background, where there is room for it.
 */
export interface Reserve extends Room {
  /** Gives the space back to the disk; false where there was none to give. */
  spend(): Promise<boolean>;
  /** Waits for a file that is being made. */
  close(): Promise<void>;
}

/**
 * Appending stops here even where nothing is held back: RocksDB that finds the disk full behind the scenes may never
 * come back from closing, and then only a new process can open the queue.
 */
const WORKING_BYTES = 2 << 20;

const CHUNK_BYTES = 1 << 20;
/** A disk's own bookkeeping may show a file as a little smaller than it is. */
const TAKEN_SHARE = 0.9;

export async function openReserve(options: ReserveOptions): Promise<Reserve> {
  return new ReserveFile(options, await isTaken(options));
}

class ReserveFile implements Reserve {
  readonly #options: ReserveOptions;
  #held: boolean;
  readonly #room: Room;
  #making: Promise<void> = Promise.resolve();

  constructor(options: ReserveOptions, held: boolean) {
    this.#options = options;
    this.#held = held;
    const { path, bytes, now } = options;
    this.#room = createRoom({
      directory: dirname(path),
      keptBytes: Math.max(WORKING_BYTES, bytes / 2),
      now,
      // Twice, so that what is left besides is not low again at once.
      onMeasure: (freeBytes) => {
        if (bytes > 0 && !this.#held && freeBytes >= 2 * bytes) this.#make();
      },
    });
  }

  isLow(bytes: number, pendingBytes?: number): Promise<boolean> {
    return this.#room.isLow(bytes, pendingBytes);
  }

  remeasure(): void {
    this.#room.remeasure();
  }

  async spend(): Promise<boolean> {
    await this.#making;
    if (!this.#held) return false;
    await rm(this.#options.path, { force: true });
    this.#held = false;
    this.remeasure();
    return true;
  }

  close(): Promise<void> {
    return this.#making;
  }

  #make(): void {
    this.#held = true;
    this.#making = writeReserve(this.#options).catch(async () => {
      // The queue works without; the next measure tries again.
      this.#held = false;
      await rm(this.#options.path, { force: true }).catch(() => {});
    });
  }
}

async function writeReserve({ path, bytes, randomBytes }: ReserveOptions): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  try {
    const chunk = randomBytes(Math.min(bytes, CHUNK_BYTES));
    for (let left = bytes; left > 0; ) {
      const { bytesWritten } = await file.write(chunk, 0, Math.min(chunk.length, left));
      left -= bytesWritten;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Whether the file is there and takes what it should: one that was copied may have holes. */
async function isTaken({ path, bytes }: ReserveOptions): Promise<boolean> {
  const { size, blocks } = await stat(path).catch(() => ({ size: 0, blocks: 0 }));
  return size === bytes && blocks * 512 >= bytes * TAKEN_SHARE;
}
