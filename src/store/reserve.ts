/**
 * The reserve: space that is held back, so that a full disk can still be drained.
 *
 * Owns one file of a given size and the measure of what is free beside it. Promises that its bytes are really taken from
 * the disk, and that where making it fails the queue goes on without. Never touches anything else.
 */
import { open, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { toStoreError } from './errors.ts';

export interface ReserveOptions {
  readonly path: string;
  /** 0: no file is made. */
  readonly bytes: number;
  /** Random bytes: zeros would take no space where the file system compresses. */
  readonly randomBytes: (count: number) => Uint8Array;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

export interface Reserve {
  /**
   * Whether less than half as much as is held back, or than RocksDB needs to work, would be free after `bytes` more, and
   * after `pendingBytes` that will be written anyway. The disk is measured every 250 ms or MiB, not at every question; then, too, a missing file is
   * made in the background where there is room for it.
   */
  isLow(bytes: number, pendingBytes?: number): Promise<boolean>;
  /** Measures again at the next question. */
  remeasure(): void;
  /** Gives the space back to the disk; false where there was none to give. */
  spend(): Promise<boolean>;
  /** Waits for a file that is being made. */
  close(): Promise<void>;
}

/**
 * Appending stops here even where nothing is held back: RocksDB that finds the disk full behind the scenes may never come
 * back from closing, and then only a new process can open the queue.
 */
const WORKING_BYTES = 2 << 20;

const MEASURE_EVERY_MS = 250;
const MEASURE_EVERY_BYTES = 1 << 20;
const CHUNK_BYTES = 1 << 20;
/** A disk's own bookkeeping may show a file as a little smaller than it is. */
const TAKEN_SHARE = 0.9;

/** Touches nothing yet: whoever has not locked the queue must not. */
export async function openReserve(options: ReserveOptions): Promise<Reserve> {
  return new ReserveFile(options, await isTaken(options));
}

class ReserveFile implements Reserve {
  readonly #options: ReserveOptions;
  #held: boolean;
  #making: Promise<void> = Promise.resolve();
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #freeBytes = 0;
  /** Granted since the last measure. */
  #grantedBytes = 0;

  constructor(options: ReserveOptions, held: boolean) {
    this.#options = options;
    this.#held = held;
  }

  async isLow(bytes: number, pendingBytes = 0): Promise<boolean> {
    const isOld = this.#options.now() - this.#measuredAtMs >= MEASURE_EVERY_MS;
    if (isOld || this.#grantedBytes + bytes >= MEASURE_EVERY_BYTES) await this.#measure();
    const isLow =
      this.#freeBytes - this.#grantedBytes - bytes - pendingBytes < Math.max(WORKING_BYTES, this.#options.bytes / 2);
    if (!isLow) this.#grantedBytes += bytes;
    return isLow;
  }

  remeasure(): void {
    this.#measuredAtMs = Number.NEGATIVE_INFINITY;
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

  async #measure(): Promise<void> {
    const { path, bytes, now } = this.#options;
    this.#freeBytes = await measureFree(dirname(path));
    this.#measuredAtMs = now();
    this.#grantedBytes = 0;
    // Twice, so that what is left besides is not low again at once.
    if (bytes > 0 && !this.#held && this.#freeBytes >= 2 * bytes) this.#make();
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

async function measureFree(directory: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  } catch (error) {
    throw toStoreError(error, `cannot measure the free space of ${directory}`);
  }
}
