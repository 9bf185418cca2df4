/**
 * Room: what is free on a disk, measured now and then.
 *
 * Owns the measure. Promises an answer that is at most 250 ms old and counts what was granted since, without asking the
 * disk at every question. Never takes any space.
 */
import { statfs } from 'node:fs/promises';
import { toStoreError } from './errors.ts';

export interface RoomOptions {
  /** Any directory on the disk. */
  readonly directory: string;
  /** What is to stay free. */
  readonly keptBytes: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Told of each measure. */
  readonly onMeasure?: (freeBytes: number) => void;
}

export interface Room {
  /**
   * Whether less would stay free than is to, after `bytes` more, and after `pendingBytes` that will be written anyway.
   * The disk is measured every 250 ms or MiB, not at every question.
   */
  isLow(bytes: number, pendingBytes?: number): Promise<boolean>;
  /** Measures again at the next question. */
  remeasure(): void;
}

const MEASURE_EVERY_MS = 250;
const MEASURE_EVERY_BYTES = 1 << 20;

export function createRoom(options: RoomOptions): Room {
  return new MeasuredRoom(options);
}

class MeasuredRoom implements Room {
  readonly #options: RoomOptions;
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #freeBytes = 0;
  /** Granted since the last measure. */
  #grantedBytes = 0;

  constructor(options: RoomOptions) {
    this.#options = options;
  }

  async isLow(bytes: number, pendingBytes = 0): Promise<boolean> {
    const { keptBytes, now } = this.#options;
    const isOld = now() - this.#measuredAtMs >= MEASURE_EVERY_MS;
    if (isOld || this.#grantedBytes + bytes >= MEASURE_EVERY_BYTES) await this.#measure();
    const isLow = this.#freeBytes - this.#grantedBytes - bytes - pendingBytes < keptBytes;
    if (!isLow) this.#grantedBytes += bytes;
    return isLow;
  }

  remeasure(): void {
    this.#measuredAtMs = Number.NEGATIVE_INFINITY;
  }

  async #measure(): Promise<void> {
    const { directory, now, onMeasure } = this.#options;
    this.#freeBytes = await freeBytes(directory);
    this.#measuredAtMs = now();
    this.#grantedBytes = 0;
    onMeasure?.(this.#freeBytes);
  }
}

/** What may be written on the disk of a directory. */
export async function freeBytes(directory: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  } catch (error) {
    throw toStoreError(error, `cannot measure the free space of ${directory}`);
  }
}
