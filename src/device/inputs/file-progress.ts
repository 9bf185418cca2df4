/**
 * FileProgress: how far a file is recorded, and under which names that is found again.
 *
 * Owns the marks. A file is found by device and inode, by its path, or by how it begins; and it is the same file only where it still
 * holds what it held before the mark. Promises never to guess: what cannot be told is an `InputError` that names the flag.
 */
import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, realpath } from 'node:fs/promises';
import type { Mark } from '../recorder.ts';
import type { KeptRow } from './fed-rows.ts';
import { type DigestState, type FileDigest, holdsSample, readExactly, resumeDigest } from './file-digest.ts';
import { InputError } from './refusal.ts';
import type { FeedState } from './row-feed.ts';
import { type Encoding, textIn } from './source-text.ts';

export interface Progress {
  readonly version: 2;
  /** Of the file, in the marks' names. */
  readonly id: string;
  /** Of the run that has written it: no two marks are alike. */
  readonly run: string;
  readonly path: string;
  readonly digest: DigestState;
  readonly feed: FeedState;
  readonly recorded: number;
  /** Rows that were refused and are in no file of rejects: they are tried again. */
  readonly refused: readonly KeptRow[];
  /** Rows that were refused, are in no file of rejects and cannot become whole: holes, rows that are too long. @default 0 */
  readonly unreadable?: number;
  /** How long the file of rejects was. */
  readonly rejectsBytes: number;
}

/** As it was stored before version 2: rows were counted, and a file known by its first 4 KiB. */
interface OldProgress {
  readonly rows: number;
  readonly headBytes: number;
  readonly headDigest: string;
}

export type Stored = (name: string) => Promise<Uint8Array | undefined>;

export interface FindOptions {
  readonly path: string;
  readonly file: FileHandle;
  readonly stored: Stored;
  /** Go on behind rows that were recorded from another file with the same beginning. */
  readonly goOn: boolean;
  /** Lines that tell one file from another. */
  readonly headLines: number;
  /** What else tells one input from another. */
  readonly sensor: string;
}

/** Where an earlier run has ended. */
export interface Found {
  readonly progress: Progress;
  readonly digest: FileDigest;
}

/** A file up to this size is compared as a whole, whatever speaks for it. */
const WHOLE_BYTES = 64 * 1024 * 1024;

const HEAD_BYTES_MAX = 1024 * 1024;

export class FileNames {
  readonly #options: FindOptions;
  readonly #inode: string;
  readonly #path: string;
  #head: string | undefined;

  private constructor(options: FindOptions, inode: string, path: string) {
    this.#options = options;
    this.#inode = inode;
    this.#path = path;
  }

  static async open(options: FindOptions): Promise<FileNames> {
    const { dev, ino } = await options.file.stat({ bigint: true });
    return new FileNames(options, `input inode ${dev}:${ino}`, `input path ${await realpath(options.path)}`);
  }

  /** Marks that lead to this progress. */
  async marks(id: string): Promise<Mark[]> {
    const head = await this.#headName();
    const names = [this.#inode, this.#path, ...(head === undefined ? [] : [head])];
    return names.map((name) => ({ name, value: Buffer.from(id) }));
  }

  /** @throws InputError `input-changed`, `input-copy` */
  async find(): Promise<Found | undefined> {
    const { file, goOn, path } = this.#options;
    const tried = new Set<string>();
    for (const by of ['inode', 'path', 'head'] as const) {
      const progress = await this.#progress(by);
      if (progress === undefined || tried.has(progress.id)) continue;
      tried.add(progress.id);
      const isWhole = by !== 'inode' || progress.digest.offset <= WHOLE_BYTES;
      const digest = await resumeDigest(file, progress.digest, isWhole);
      if (digest !== undefined && by === 'head' && !goOn && progress.recorded > 0) {
        throw new InputError(
          'input-copy',
          `${path} begins with the ${progress.recorded} rows that were recorded from ${progress.path}: --continue goes on behind them, --from-start records all of it`,
        );
      }
      if (digest !== undefined) return { progress, digest };
      if (by !== 'head') await assertOther(path, file, progress);
    }
    return undefined;
  }

  /** Rows that a version before this one has recorded of the file. */
  async oldRows(): Promise<number> {
    const { path, file, stored } = this.#options;
    const bytes = await stored(`input ${await realpath(path)}`);
    if (bytes === undefined) return 0;
    const { rows, headBytes, headDigest } = JSON.parse(Buffer.from(bytes).toString()) as OldProgress;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    const digest = createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex');
    return digest === headDigest ? rows : 0;
  }

  async #progress(by: 'inode' | 'path' | 'head'): Promise<Progress | undefined> {
    const { stored } = this.#options;
    const name = by === 'inode' ? this.#inode : by === 'path' ? this.#path : await this.#headName();
    const id = name === undefined ? undefined : await stored(name);
    const bytes = id && (await stored(progressName(Buffer.from(id).toString())));
    return bytes && (JSON.parse(Buffer.from(bytes).toString()) as Progress);
  }

  /** By the lines that a heading and the first row take; undefined until they are there. */
  async #headName(): Promise<string | undefined> {
    if (this.#head !== undefined) return this.#head;
    const { file, headLines, sensor } = this.#options;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES_MAX), 0, HEAD_BYTES_MAX, 0);
    let end = 0;
    for (let line = 0; line < headLines; line++) {
      const at = buffer.subarray(0, bytesRead).indexOf('\n', end);
      if (at < 0) return undefined;
      end = at + 1;
    }
    const digest = createHash('sha256').update(`${sensor}\n`).update(buffer.subarray(0, end)).digest('hex');
    this.#head = `input head ${digest}`;
    return this.#head;
  }
}

/** @throws InputError `input-changed` where the file holds rows that were recorded from what it was */
export async function assertOther(
  path: string,
  file: FileHandle,
  { digest, recorded }: Pick<Progress, 'digest' | 'recorded'>,
): Promise<void> {
  if (!(await holdsSample(file, digest.samples))) return;
  throw new InputError(
    'input-changed',
    `${path} is not what it was, and still holds some of the ${recorded} rows that were recorded from it: put new rows into a file of their own, or --from-start records all of them again`,
  );
}

export function newId(): string {
  return randomBytes(8).toString('hex');
}

export function progressMark(progress: Progress): Mark {
  return { name: progressName(progress.id), value: Buffer.from(JSON.stringify(progress)) };
}

function progressName(id: string): string {
  return `input file ${id}`;
}

/** The text of a heading that rows stood under. */
export async function headingAt(
  file: FileHandle,
  heading: FeedState['heading'],
  encoding: Encoding,
): Promise<string | undefined> {
  const bytes = heading && (await readExactly(file, ...heading));
  return bytes && textIn(bytes, encoding);
}
