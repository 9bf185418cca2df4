/**
 * Rejects: refused rows in a file of their own, as they were.
 *
 * Owns that file. Promises that a row is in it, on disk, before the mark moves past it; that it is there once, whatever
 * was killed in between; and that each row stands under its own heading, so that the file can be mended and recorded
 * like any other.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from '../../store/index.ts';
import { InputError } from './refusal.ts';
import type { RejectedRow } from './rejected-rows.ts';
import { NUMBER_PATTERN } from './row-numbers.ts';

/** Files can be copied and edited by whoever records them, and by nobody else. */
const MODE = 0o600;

/** More than a run that was ended can have left. */
const TAIL_BYTES_MAX = 64 * 1024 * 1024;

/** So much of a file is looked at, to see whether it has a heading. */
const HEAD_BYTES = 4 * 1024;

export interface Rejects {
  /** Of the file, on disk. */
  readonly bytes: number;
  /**
   * Appends rows, each under its heading, and waits for the disk.
   * @throws InputError `rejects-unusable`
   */
  write(rows: readonly RejectedRow[], preamble: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** As it was when the input's mark was stored. */
export interface RejectsBefore {
  /** What lies behind is of a run that ended before it could store the next mark, and its rows come again. */
  readonly bytes: number;
  /** That of its last row, where it is known. */
  readonly heading: Buffer | undefined;
}

/** Asked with what the file is known by; undefined where nothing comes again. */
export type RejectsBeforeIn = (file: string) => Promise<RejectsBefore | undefined>;

/**
 * @param before undefined where nothing comes again
 * @throws InputError `rejects-unusable`
 */
export async function openRejects(
  path: string,
  inputPath: string | undefined,
  before: RejectsBefore | RejectsBeforeIn | undefined,
): Promise<Rejects> {
  return usable(path, async () => {
    const there = await stat(path).catch(() => undefined);
    // Before it is opened: a pipe would wait for its other end.
    if (there && !there.isFile()) throw unusable(`${path} is no file`);
    const file = await open(path, 'a+', MODE);
    try {
      return await rejectsIn(file, path, inputPath, before);
    } catch (error) {
      await file.close();
      throw error;
    }
  });
}

async function rejectsIn(
  file: FileHandle,
  path: string,
  inputPath: string | undefined,
  beforeIn: RejectsBefore | RejectsBeforeIn | undefined,
): Promise<Rejects> {
  const { dev, ino, size } = await file.stat({ bigint: true });
  if (inputPath !== undefined) {
    const input = await stat(inputPath, { bigint: true });
    if (input.dev === dev && input.ino === ino) throw unusable(`${path} is the input itself`);
  }
  await syncDirectory(dirname(path));
  const before = typeof beforeIn === 'function' ? await beforeIn(`${dev}:${ino}`) : beforeIn;
  const end = Number(size);
  const isKnown = before !== undefined && before.bytes <= end && end - before.bytes <= TAIL_BYTES_MAX;
  const from = isKnown ? before.bytes : end;
  const tail = Buffer.alloc(end - from);
  await file.read(tail, 0, tail.length, from);
  if (!isKnown) await assertEnded(file, path, end);
  return new RejectsFile(path, file, from, tail, isKnown ? before : undefined);
}

class RejectsFile implements Rejects {
  readonly #path: string;
  readonly #file: FileHandle;
  /** Rows of this input are in it. */
  readonly #isKnown: boolean;
  /** Written by a run that could not store its mark. */
  #tail: Buffer;
  #isHeaded = false;
  /** Of the last row in the file, where that is known. */
  #heading: Buffer | undefined;
  bytes: number;

  constructor(path: string, file: FileHandle, bytes: number, tail: Buffer, before: RejectsBefore | undefined) {
    this.#path = path;
    this.#file = file;
    this.#tail = tail;
    this.#isKnown = before !== undefined;
    this.#heading = before?.heading;
    this.bytes = bytes;
  }

  async write(rows: readonly RejectedRow[], preamble: Buffer): Promise<void> {
    if (rows.length === 0) return;
    await usable(this.#path, async () => {
      if (!this.#isHeaded && rows[0]!.heading === undefined) await this.#assertNoCells();
      const above = this.#isHeaded ? undefined : await this.#above(preamble);
      this.#isHeaded = true;
      let bytes = this.#compose(rows, above);
      const known = Math.min(bytes.length, this.#tail.length);
      if (bytes.subarray(0, known).equals(this.#tail.subarray(0, known))) {
        this.#tail = this.#tail.subarray(known);
        this.bytes += known;
        bytes = bytes.subarray(known);
      } else {
        // Not ours: it stays, and ours come behind it.
        this.bytes += this.#tail.length;
        this.#tail = Buffer.alloc(0);
        await assertEnded(this.#file, this.#path, this.bytes);
        this.#heading = undefined;
        bytes = this.#compose(rows, undefined);
      }
      this.#heading = rows.at(-1)!.heading ?? this.#heading;
      if (bytes.length === 0) return;
      await this.#file.appendFile(bytes);
      await this.#file.sync();
      this.bytes += bytes.length;
    });
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** @param above what the file begins with; undefined where it is there */
  #compose(rows: readonly RejectedRow[], above: Buffer | undefined): Buffer {
    const parts = above === undefined ? [] : [above];
    let held = this.#heading;
    for (const { bytes, heading } of rows) {
      if (heading !== undefined) {
        const isHeld = held === undefined ? above?.includes(heading) : held.equals(heading);
        if (!isHeld) parts.push(heading);
        held = heading;
      }
      parts.push(bytes);
    }
    return Buffer.concat(parts);
  }

  /** Rows that need no heading would stand below that of others. */
  async #assertNoCells(): Promise<void> {
    if (this.#isKnown) return;
    const { bytesRead, buffer } = await this.#file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    const lines = buffer
      .toString('latin1', 0, bytesRead)
      .replaceAll('\0', '')
      .split(/[\r\n]+/);
    if (lines.some((line) => /^\W*\{/.test(line))) return;
    const cells = lines[0]!.split(/[,;\t|]/);
    if (cells.length < 2 || cells.some((cell) => cell.trim() === '' || NUMBER_PATTERN.test(cell.trim()))) return;
    throw unusable(`${this.#path} holds rows of cells under a heading`);
  }

  /** What stands before the first row, where that is still to be written. */
  async #above(preamble: Buffer): Promise<Buffer | undefined> {
    const { size } = await this.#file.stat();
    const head = Buffer.alloc(Math.min(preamble.length, size));
    await this.#file.read(head, 0, head.length, 0);
    if (size > 0 && !head.equals(this.bytes === 0 ? preamble.subarray(0, size) : preamble)) {
      throw unusable(`${this.#path} holds rows under another heading`);
    }
    return this.bytes === 0 ? preamble : undefined;
  }
}

/** A row that is put behind one without its line end would be a part of that. */
async function assertEnded(file: FileHandle, path: string, end: number): Promise<void> {
  const last = Buffer.alloc(Math.min(2, end));
  await file.read(last, 0, last.length, end - last.length);
  const text = last.at(-1) === 0 ? last.subarray(0, -1) : last;
  if (end === 0 || text.at(-1) === 0x0a || text.at(-1) === 0x0d) return;
  throw unusable(`the last line of ${path} has no line end: give it one if it is whole`);
}

function unusable(why: string): InputError {
  return new InputError('rejects-unusable', `--rejects: ${why}; or name another file`);
}

/** What the file system says, as one line that names the flag. */
async function usable<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof InputError || code === undefined) throw error;
    const why: Readonly<Record<string, string>> = {
      ENOENT: 'there is no such folder',
      ENOTDIR: 'there is no such folder',
      EACCES: 'this user may not write there',
      EROFS: 'the disk cannot be written to',
      ENOSPC: 'the disk is full',
    };
    throw unusable(`cannot write to ${path}: ${why[code] ?? code}`);
  }
}
