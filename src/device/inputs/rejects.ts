/**
 * Rejects: refused rows in a file of their own, as they were.
 *
 * Owns that file. Promises that a row is in it, on disk, before the mark moves past it; that it is there once, whatever was killed in
 * between; and that the heading stands above it, so that the file can be mended and recorded like any other.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from '../../store/index.ts';
import { InputError } from './refusal.ts';

/** Files can be copied and edited by whoever records them, and by nobody else. */
const MODE = 0o600;

/** More than a run that was ended can have left. */
const TAIL_BYTES_MAX = 64 * 1024 * 1024;

export interface Rejects {
  /** Of the file, on disk. */
  readonly bytes: number;
  /** Appends rows and waits for the disk. */
  write(rows: readonly Buffer[], preamble: Buffer): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param bytesBefore how long the file was when the input's mark was stored: what lies behind was written by a run that was ended
 *   before it could store the next, and its rows come again. Undefined where nothing comes again
 * @throws InputError `rejects-unusable`; any error of the file system
 */
export async function openRejects(
  path: string,
  inputPath: string | undefined,
  bytesBefore: number | undefined,
): Promise<Rejects> {
  const file = await open(path, 'a+', MODE);
  try {
    const { dev, ino, size } = await file.stat({ bigint: true });
    if (inputPath !== undefined) {
      const input = await open(inputPath);
      const same = await input.stat({ bigint: true }).finally(() => input.close());
      if (same.dev === dev && same.ino === ino) {
        throw new InputError('rejects-unusable', '--rejects names the input itself: refused rows go to another file');
      }
    }
    await syncDirectory(dirname(path));
    const end = Number(size);
    const isKnown = bytesBefore !== undefined && bytesBefore <= end && end - bytesBefore <= TAIL_BYTES_MAX;
    const from = isKnown ? bytesBefore : end;
    const tail = Buffer.alloc(end - from);
    await file.read(tail, 0, tail.length, from);
    return new RejectsFile(path, file, from, tail);
  } catch (error) {
    await file.close();
    throw error;
  }
}

class RejectsFile implements Rejects {
  readonly #path: string;
  readonly #file: FileHandle;
  /** Written by a run that could not store its mark. */
  #tail: Buffer;
  #isHeaded = false;
  bytes: number;

  constructor(path: string, file: FileHandle, bytes: number, tail: Buffer) {
    this.#path = path;
    this.#file = file;
    this.#tail = tail;
    this.bytes = bytes;
  }

  async write(rows: readonly Buffer[], preamble: Buffer): Promise<void> {
    if (rows.length === 0) return;
    if (!this.#isHeaded) await this.#head(preamble);
    await this.#append(Buffer.concat(rows));
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #head(preamble: Buffer): Promise<void> {
    const { size } = await this.#file.stat();
    const head = Buffer.alloc(Math.min(preamble.length, size));
    await this.#file.read(head, 0, head.length, 0);
    if (size > 0 && !head.equals(this.bytes === 0 ? preamble.subarray(0, size) : preamble)) {
      throw new InputError(
        'rejects-unusable',
        `${this.#path} holds rows under another heading: give another file to --rejects`,
      );
    }
    this.#isHeaded = true;
    if (this.bytes === 0 && preamble.length > 0) await this.#append(preamble);
  }

  async #append(bytes: Buffer): Promise<void> {
    this.bytes += bytes.length;
    const known = Math.min(bytes.length, this.#tail.length);
    const isThere = known > 0 && bytes.subarray(0, known).equals(this.#tail.subarray(0, known));
    if (isThere) {
      this.#tail = this.#tail.subarray(known);
      if (known === bytes.length) return;
    } else {
      // Not ours: it stays, and ours come behind it.
      this.bytes += this.#tail.length;
      this.#tail = Buffer.alloc(0);
    }
    await this.#file.appendFile(isThere ? bytes.subarray(known) : bytes);
    await this.#file.sync();
  }
}
