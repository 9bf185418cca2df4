/**
 * The stream log: under which streams the queued sequences were recorded, in a file beside the database.
 *
 * The witness says after every commit how far the queue had come; with all its streams, tens of thousands where a
 * device has restarted often and never reached its gateway, that would cost more than the commit. So these lie here: a
 * run is appended as it begins, and the file is written anew only for what seldom happens. Like the witness it is not
 * fsynced when it grows, may be behind, and holds up nobody; the witness names the latest runs itself, and where that
 * is all of them there is no file.
 *
 * Record: first sequence (u64, big-endian), stream (16 bytes), crc32 of both (u32). One replaces those from its first
 * sequence on.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { syncDirectory } from './directories.ts';
import { StoreError } from './errors.ts';
import { STREAM_BYTES } from './queue-records.ts';
import { isBegunFrom, liveRuns, type StreamRun, type StreamRuns } from './queue-streams.ts';

const RECORD_BYTES = 8 + STREAM_BYTES + 4;
/** Records of runs that have ended, in excess of as many that have not: then the file is written anew. */
const ENDED_MAX = 4_096;

/** Runs that the witness names by itself. */
export const WITNESSED_RUNS = 16;
/** From so many on there is a file; well before the witness does not name them all. */
const LOGGED_RUNS = 8;

export interface StreamLog {
  /** Brings the file from what it was told before, if it was, to the queue's next state. */
  follow(before: StreamRuns | undefined, after: StreamRuns): Promise<void>;
  close(): Promise<void>;
}

/** What the file at `path` says; nothing where it cannot be read. */
export async function readRuns(path: string): Promise<StreamRun[]> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  const runs: StreamRun[] = [];
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    const body = bytes.subarray(at, at + RECORD_BYTES - 4);
    if (bytes.readUInt32BE(at + RECORD_BYTES - 4) !== crc32(body)) continue;
    const first = Number(body.readBigUInt64BE());
    while (runs.length > 0 && runs.at(-1)!.first >= first) runs.pop();
    runs.push({ first, stream: Buffer.from(body.subarray(8)) });
  }
  return runs;
}

/** A file that cannot be written is as good as none; `onTrouble` is called when it begins to be. */
export async function openStreamLog(
  path: string,
  onTrouble: (error: StoreError) => void = () => {},
): Promise<StreamLog> {
  return new FileStreamLog(path, onTrouble);
}

class FileStreamLog implements StreamLog {
  readonly #path: string;
  readonly #onTrouble: (error: StoreError) => void;
  #file: FileHandle | undefined;
  #records = 0;
  #isTold = false;

  constructor(path: string, onTrouble: (error: StoreError) => void) {
    this.#path = path;
    this.#onTrouble = onTrouble;
  }

  async follow(before: StreamRuns | undefined, after: StreamRuns): Promise<void> {
    if (after === before) return;
    const live = after.all.length - after.from;
    const isEndedOnly = before !== undefined && after.all === before.all;
    if (this.#file === undefined) {
      if (live >= LOGGED_RUNS && !isEndedOnly) await this.#replace(after);
    } else if (isEndedOnly) {
      if (this.#records > 2 * live + ENDED_MAX) await this.#replace(after);
    } else if (before !== undefined && isBegunFrom(before, after)) await this.#append(after.all.slice(-1));
    else await this.#replace(after);
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => {});
  }

  async #replace(runs: StreamRuns): Promise<void> {
    const draft = `${this.#path}.draft`;
    await this.close();
    try {
      this.#file = await open(draft, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o600);
      this.#records = 0;
      await this.#write(liveRuns(runs));
      await this.#file.datasync();
      await rename(draft, this.#path);
      await syncDirectory(dirname(this.#path));
      this.#isTold = false;
    } catch (error) {
      await this.#failed(error);
    }
  }

  async #append(runs: readonly StreamRun[]): Promise<void> {
    await this.#write(runs).catch((error) => this.#failed(error));
  }

  /** What is to be appended next has the file written anew. */
  async #failed(error: unknown): Promise<void> {
    await this.close();
    if (this.#isTold) return;
    this.#isTold = true;
    const what = 'what the database loses from now on may be declared under other streams. Check the disk';
    this.#onTrouble(new StoreError('io', `cannot write ${this.#path}: ${(error as Error).message}; ${what}`, error));
  }

  async #write(runs: readonly StreamRun[]): Promise<void> {
    const bytes = Buffer.alloc(runs.length * RECORD_BYTES);
    for (const [i, { first, stream }] of runs.entries()) {
      const record = bytes.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES);
      record.writeBigUInt64BE(BigInt(first));
      record.set(stream, 8);
      record.writeUInt32BE(crc32(record.subarray(0, -4)), RECORD_BYTES - 4);
    }
    const written = await this.#file?.write(bytes, 0, bytes.length, this.#records * RECORD_BYTES);
    if ((written?.bytesWritten ?? 0) < bytes.length) throw new Error('ENOSPC: the disk took a part of it only');
    this.#records += runs.length;
  }
}
