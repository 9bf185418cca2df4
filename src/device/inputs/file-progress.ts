/**
 * FileProgress: how far a file is recorded, and under which names that is found again.
 *
 * Owns the marks. A file is found by device and inode, by its path, or by its first rows; and it is the same file only
 * where it still holds what it held before the mark. Promises never to guess: what cannot be told is an `InputError`
 * that names the flag.
 */
import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, realpath } from 'node:fs/promises';
import type { TelemetryEvent } from '../../codec/index.ts';
import type { Mark } from '../recorder.ts';
import type { KeptRow } from './fed-rows.ts';
import { type DigestState, type FileDigest, readExactly, resumeDigest } from './file-digest.ts';
import { type FileRowsOptions, readFileRows } from './file-rows.ts';
import { InputError } from './refusal.ts';
import type { HeadingLine } from './rejected-rows.ts';
import type { FeedState } from './row-feed.ts';
import { firstRowName, isWithin, type Likeness, SampleSearch, type SamplesState } from './row-samples.ts';
import { type Encoding, textIn } from './source-text.ts';

export interface Progress {
  readonly version: 3;
  /** Of the file, in the marks' names. */
  readonly id: string;
  /** Of the run that has written it: no two marks are alike. */
  readonly run: string;
  readonly path: string;
  readonly digest: DigestState;
  /** Undefined in version 2. */
  readonly samples?: SamplesState;
  readonly feed: FeedState;
  readonly recorded: number;
  /** Rows that were refused and are in no file of rejects: they are tried again. */
  readonly refused: readonly KeptRow[];
  /** Refused rows that are in no file of rejects and cannot become whole: holes, rows that are too long. @default 0 */
  readonly unreadable?: number;
  /** How long the file of rejects was. */
  readonly rejectsBytes: number;
  /** By which that file is known. */
  readonly rejectsFile?: string | undefined;
  /** Where the heading is that the last row in it stands under. */
  readonly rejectsHeading?: FeedState['heading'];
}

/** As it was stored before version 2: rows were counted, and a file known by its first 4 KiB. */
interface OldProgress {
  readonly rows: number;
  readonly headBytes: number;
  readonly headDigest: string;
}

export type Stored = (name: string) => Promise<Uint8Array | undefined>;

export interface FindOptions extends FileRowsOptions {
  readonly path: string;
  readonly file: FileHandle;
  readonly stored: Stored;
  /** Go on behind rows that were recorded from another file with the same beginning. */
  readonly goOn: boolean;
}

/** Where an earlier run has ended. */
export interface Found {
  readonly progress: Progress;
  readonly digest: FileDigest;
}

/** First rows that a copy is looked for by: the first may have been refused in the other file, and put right here. */
const LOOKED_FOR_ROWS = 256;
const LOOKED_FOR_BYTES = 1024 * 1024;

/** The mark of files that a window may begin within. */
const RECENT = 'input recent';
const RECENT_MAX = 32;

export class FileNames {
  readonly #options: FindOptions;
  readonly #inode: string;
  readonly #path: string;

  /** Its first row. */
  #first: TelemetryEvent | undefined;
  /** Of the files that were recorded last. */
  #recent: readonly string[];

  private constructor(options: FindOptions, inode: string, path: string, recent: readonly string[]) {
    this.#options = options;
    this.#recent = recent;
    this.#inode = inode;
    this.#path = path;
  }

  static async open(options: FindOptions): Promise<FileNames> {
    const { dev, ino } = await options.file.stat({ bigint: true });
    const recent = await options.stored(RECENT);
    return new FileNames(
      options,
      `input inode ${dev}:${ino}`,
      `input path ${await realpath(options.path)}`,
      recent === undefined ? [] : (JSON.parse(Buffer.from(recent).toString()) as string[]),
    );
  }

  /** Of the mark that is stored before the first refused row is kept. */
  get rejectsName(): string {
    return `input rejects ${this.#path}`;
  }

  /** Marks that lead to this progress. */
  marks(id: string): Mark[] {
    this.#recent = [...this.#recent.filter((other) => other !== id), id].slice(-RECENT_MAX);
    const recent = { name: RECENT, value: Buffer.from(JSON.stringify(this.#recent)) };
    return [...marksTo(id, [this.#inode, this.#path]), recent];
  }

  /** @throws InputError `input-changed`, `input-copy`, or why nothing can be made of the file */
  async find(): Promise<Found | undefined> {
    const { file } = this.#options;
    const tried = new Set<string>();
    for (const name of [this.#inode, this.#path]) {
      const progress = await this.#progress(name);
      if (progress === undefined || tried.has(progress.id)) continue;
      tried.add(progress.id);
      const digest = await resumeDigest(file, progress.digest);
      if (digest !== undefined) return { progress, digest };
      const isSamePath = (await this.#progress(this.#path))?.id === progress.id;
      await assertOther(this.#options, progress, isSamePath);
    }
    for (const name of await this.#firstRows()) {
      const progress = await this.#progress(name);
      if (progress === undefined || tried.has(progress.id)) continue;
      tried.add(progress.id);
      const digest = await this.#copied(progress);
      if (digest !== undefined) return { progress, digest };
    }
    await this.#assertNoWindow(tried);
    return undefined;
  }

  /** @throws InputError `input-copy` where the file begins within rows that were recorded from another one */
  async #assertNoWindow(tried: ReadonlySet<string>): Promise<void> {
    if (this.#first === undefined) return;
    const around: [Progress, SampleSearch][] = [];
    for (const id of this.#recent) {
      const progress = tried.has(id) ? undefined : await this.#progressOf(id);
      if (progress?.samples === undefined || !isWithin(this.#first, progress.samples)) continue;
      around.push([progress, new SampleSearch(progress.samples)]);
    }
    if (around.length === 0) return;
    await search(
      this.#options,
      around.map(([, found]) => found),
    );
    for (const [progress, { likenessOfWindow }] of around) {
      const { samples, rows, times } = likenessOfWindow;
      if (2 * rows > samples && times > 1) throw this.#copyError(progress, rows, samples);
    }
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

  async #progress(name: string): Promise<Progress | undefined> {
    const id = await this.#options.stored(name);
    return id && this.#progressOf(Buffer.from(id).toString());
  }

  async #progressOf(id: string): Promise<Progress | undefined> {
    const bytes = await this.#options.stored(progressName(id));
    return bytes && (JSON.parse(Buffer.from(bytes).toString()) as Progress);
  }

  async #firstRows(): Promise<readonly string[]> {
    const names: string[] = [];
    await readFileRows(
      this.#options.file,
      this.#options,
      (text, event, outlineOf) => {
        this.#first ??= event;
        return names.push(firstRowName(outlineOf(text), event)) < LOOKED_FOR_ROWS;
      },
      LOOKED_FOR_BYTES,
    );
    return names;
  }

  /**
   * Where to go on in a copy of another file, as a flag says; undefined for a file of its own.
   * @throws InputError `input-copy`
   */
  async #copied(progress: Progress): Promise<FileDigest | undefined> {
    const { file, goOn, path } = this.#options;
    const digest = await resumeDigest(file, progress.digest);
    if (digest !== undefined && goOn) return digest;
    if (digest !== undefined) {
      throw new InputError(
        'input-copy',
        `${path} begins with the ${progress.recorded} rows that were recorded from ${progress.path}: --continue ` +
          'goes on behind them, --from-start records all of it',
      );
    }
    const { rows, samples, isBeginning } = await likeness(this.#options, progress.samples);
    // Files of two instruments may share some rows, such as those of a night in which both stood still; where all of
    // the first ones are the same, with their times and sensors, nobody can tell that from a part of the file that has
    // grown on.
    if (2 * rows <= samples && !isBeginning) return undefined;
    throw this.#copyError(progress, rows, samples);
  }

  #copyError({ path }: Progress, rows: number, samples: number): InputError {
    return new InputError(
      'input-copy',
      `${this.#options.path} holds rows that were recorded from ${path} (${rows} of ${samples} that were compared): ` +
        'put what is new into a file of its own, --sensor names another instrument, or ' +
        '--from-start records all of it again',
    );
  }
}

/**
 * @param isSamePath the rows of this file were written over it: those of the same times and sensors are edited ones
 * @throws InputError `input-changed` where the file holds rows that were recorded from what it was
 */
export async function assertOther(
  options: FileRowsOptions & Pick<FindOptions, 'path' | 'file'>,
  { samples, recorded }: Pick<Progress, 'samples' | 'recorded'>,
  isSamePath: boolean,
): Promise<void> {
  const found = await likeness(options, samples);
  const isEdited = isSamePath && 2 * found.keys > found.samples;
  // Files that follow each other may share a row, or some that are alike in all, of the moment between them.
  const isMoment = found.times <= 1 && 4 * Math.min(found.rows, 1) <= found.samples && !found.isBeginning;
  if (recorded === 0 || (samples !== undefined && isMoment && !isEdited)) return;
  throw new InputError(
    'input-changed',
    `${options.path} is not what it was, and still holds some of the ${recorded} rows that were recorded from it, ` +
      'or others of their times: put new rows into a file of their own, or --from-start records all of them again',
  );
}

async function likeness(
  options: FileRowsOptions & Pick<FindOptions, 'file'>,
  samples: SamplesState | undefined,
): Promise<Likeness> {
  if (samples === undefined) return { samples: 0, rows: 0, times: 0, keys: 0, isBeginning: false };
  const found = new SampleSearch(samples);
  await search(options, [found]);
  return found.likeness;
}

/** In one pass over the file. */
async function search(
  options: FileRowsOptions & Pick<FindOptions, 'file'>,
  searches: readonly SampleSearch[],
): Promise<void> {
  await readFileRows(options.file, options, (text, event, outlineOf) => {
    const outline = outlineOf(text);
    for (const found of searches) found.add(outline, event);
    return true;
  });
}

/** Marks of these names that lead to a progress. */
export function marksTo(id: string, names: readonly string[]): Mark[] {
  return names.map((name) => ({ name, value: Buffer.from(id) }));
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

/** A heading that rows stood under. */
export async function headingAt(
  file: FileHandle,
  heading: FeedState['heading'],
  encoding: Encoding,
): Promise<HeadingLine | undefined> {
  const bytes = heading && (await readExactly(file, ...heading));
  const text = bytes && textIn(bytes, encoding)?.replace(/[\r\n]+$/, '');
  return text === undefined ? undefined : { text, bytes: bytes! };
}
