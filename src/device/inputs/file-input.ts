/**
 * FileInput: a file on disk, which may grow, be renamed or be cut short at any time.
 *
 * Owns reading it. Promises that a row is recorded once: the marks go with the events, and each read looks whether what
 * was read before is still there. Never holds more than one read and one row.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { Mark } from '../recorder.ts';
import { byHeading, type FedRows, joinRows } from './fed-rows.ts';
import { FileDigest, readExactly } from './file-digest.ts';
import {
  assertOther,
  FileNames,
  type Found,
  headingAt,
  marksTo,
  newId,
  type Progress,
  progressMark,
  type Stored,
} from './file-progress.ts';
import { assertNames, type FileRowsOptions } from './file-rows.ts';
import type { Chunk, Input, Rest } from './input.ts';
import { RefusedRows } from './refused-rows.ts';
import type { RejectsBefore } from './rejects.ts';
import { RejectsPlace } from './rejects-place.ts';
import { type FeedOptions, type FeedState, RowFeed } from './row-feed.ts';
import { RowSamples } from './row-samples.ts';
import { type Encoding, encodingAt } from './source-text.ts';

export interface FileOptions extends FileRowsOptions {
  readonly path: string;
  /** Marks as they were stored. */
  readonly stored: Stored;
  readonly fromStart: boolean;
  readonly goOn: boolean;
  /** Refused rows go to a file of their own. */
  readonly hasRejects: boolean;
  /** The length of that file, once everything that was given to it is on disk. */
  readonly rejectsBytes: () => number;
  /** The file was cut short, or replaced in place, while it was being read. */
  readonly onRewritten: (lostBytes: number) => void;
}

/** Read from a file at a time: a few thousand rows, which take a few milliseconds to record. */
const READ_BYTES = 256 * 1024;

/** Read again each time: by them a file is known that was cut short and filled anew. */
const BEHIND_BYTES = 4 * 1024;

/** @throws InputError; any error of the file system, such as ENOENT */
export async function openFileInput(options: FileOptions): Promise<FileInput> {
  const file = await open(options.path);
  try {
    const names = await FileNames.open({ ...options, file });
    const found = options.fromStart ? undefined : await names.find();
    const oldRows = options.fromStart || found ? 0 : await names.oldRows();
    const { size } = await file.stat();
    const input = new FileInput(options, file, names, size, oldRows);
    await input.begin(found);
    return input;
  } catch (error) {
    await file.close();
    throw error;
  }
}

export class FileInput implements Input {
  readonly bytes: number;
  readonly isEndless = false;
  readonly isKept = true;
  readonly #options: FileOptions;
  readonly #file: FileHandle;
  readonly #names: FileNames;
  readonly #run = newId();
  #id = newId();
  #feed!: RowFeed;
  #digest = new FileDigest();
  #samples = new RowSamples();
  #position = 0;
  #behind: Buffer = Buffer.alloc(0);
  #encoding: Encoding = 'utf-8';
  #refused: RefusedRows;
  #recorded = 0;
  #rows = 0;
  #valueless = 0;
  #areNamesKnown = false;
  /** Rows to pass over that a version before this one has recorded. */
  #oldRows: number;
  #isNamed = false;
  #lostBytes = 0;
  #size: number;
  skipped = 0;

  constructor(options: FileOptions, file: FileHandle, names: FileNames, size: number, oldRows: number) {
    this.#options = options;
    this.#file = file;
    this.#names = names;
    this.bytes = size;
    this.#size = size;
    this.#oldRows = oldRows;
    this.#refused = new RefusedRows(options.path);
    this.#rejectsPlace = new RejectsPlace(names.rejectsName, this.#run);
  }

  /** What stands before the first row, as in the file. */
  get preamble(): Buffer {
    return this.#preamble ?? Buffer.concat([this.#mark, this.#feed.preamble]);
  }
  #preamble: Buffer | undefined;
  /** The byte order mark. */
  #mark: Buffer = Buffer.alloc(0);
  #rejectsHeading: FeedState['heading'];
  readonly #rejectsPlace: RejectsPlace;

  rejectsBefore(file: string): Promise<RejectsBefore | undefined> {
    return this.#rejectsPlace.before(file, this.#options.stored);
  }

  marksBefore(): readonly Mark[] {
    return this.#rejectsPlace.opening(this.#options.rejectsBytes());
  }

  async begin(found: Found | undefined): Promise<void> {
    const head = (await readExactly(this.#file, 0, Math.min(4, this.#size))) ?? Buffer.alloc(0);
    const { encoding, markBytes } = encodingAt(head, this.#options.encoding);
    this.#encoding = encoding;
    this.#mark = head.subarray(0, markBytes);
    if (found === undefined) {
      this.#samples = new RowSamples();
      this.#feed = this.#openFeed({ encoding, offset: markBytes, skipRows: this.#oldRows });
      this.#position = markBytes;
      this.#digest.push(this.#mark);
      this.#behind = this.#mark;
      return;
    }
    const { progress, digest } = found;
    const { offset } = progress.digest;
    const heading = await headingAt(this.#file, progress.feed.heading, encoding);
    const { rejectsBytes: bytes, rejectsFile, rejectsHeading } = progress;
    this.#rejectsHeading = rejectsHeading;
    const rejectsLine = await headingAt(this.#file, rejectsHeading, encoding);
    this.#rejectsPlace.marked = { file: rejectsFile, bytes, heading: rejectsLine?.bytes };
    this.#samples = new RowSamples(progress.samples);
    this.#feed = this.#openFeed({ encoding, offset, state: progress.feed, heading });
    const groups = byHeading(progress.refused);
    const others = await Promise.all(groups.map(([row]) => headingAt(this.#file, row!.heading, encoding)));
    this.#feed.assertColumns(others.flatMap((other) => other?.text ?? []));
    const preambleBytes = this.#options.format === 'ndjson' ? markBytes : progress.feed.preamble;
    this.#preamble = (await readExactly(this.#file, 0, preambleBytes)) ?? Buffer.alloc(0);
    this.#id = progress.id;
    this.#digest = digest;
    this.#refused = new RefusedRows(this.#options.path, progress.refused, progress.unreadable);
    this.#recorded = this.skipped = progress.recorded;
    this.#position = offset;
    const behind = Math.min(offset, BEHIND_BYTES);
    this.#behind = (await readExactly(this.#file, offset - behind, behind)) ?? Buffer.alloc(0);
  }

  #openFeed(options: Pick<FeedOptions, 'encoding' | 'offset' | 'skipRows' | 'state' | 'heading'>): RowFeed {
    return new RowFeed({ ...this.#options, ...options, onRow: (...row) => this.#samples.add(...row) });
  }

  /** Where its chunks are not read after all. */
  close(): Promise<void> {
    return this.#file.close();
  }

  async *chunks(signal: AbortSignal): AsyncGenerator<Chunk, void, void> {
    try {
      if (this.#refused.rows.length > 0) yield await this.#chunk(await this.#retried(), signal);
      while (!signal.aborted) {
        const bytes = await this.#read();
        if (bytes === undefined) continue;
        this.#digest.push(bytes);
        const fed = bytes.length === 0 ? this.#feed.end(false) : this.#feed.push(bytes);
        this.skipped += fed.passed;
        if (fed.rows + fed.rejected.length > 0) yield await this.#chunk(fed, signal);
        if (bytes.length === 0) return;
      }
    } finally {
      await this.#file.close();
    }
  }

  rest(): Rest {
    const { names: unknownNames, known: knownNames } = this.#feed.unknown();
    const isRead = this.#rows > 0;
    return {
      waitingBytes: this.#feed.waiting,
      lostBytes: this.#lostBytes,
      unreadable: this.#refused.unreadableBefore,
      unknownNames: isRead ? unknownNames : [],
      knownNames,
      quotedNumbers: this.#feed.quotedNumbers,
      valueless: this.#valueless,
    };
  }

  /** The next bytes, none at the end; undefined where the file has begun anew. */
  async #read(): Promise<Buffer | undefined> {
    const { size } = await this.#file.stat();
    const from = this.#position - this.#behind.length;
    const { bytesRead, buffer } = await this.#file.read(
      Buffer.allocUnsafe(this.#behind.length + READ_BYTES),
      0,
      this.#behind.length + READ_BYTES,
      from,
    );
    const isSame = bytesRead >= this.#behind.length && this.#behind.equals(buffer.subarray(0, this.#behind.length));
    if (!isSame) {
      await this.#beginAnew();
      return undefined;
    }
    this.#size = size;
    const bytes = buffer.subarray(this.#behind.length, bytesRead);
    this.#position += bytes.length;
    this.#behind = Buffer.from(buffer.subarray(Math.max(0, bytesRead - BEHIND_BYTES), bytesRead));
    return bytes;
  }

  /** What was read is not there any more: the file was cut short, as logrotate's copytruncate does. */
  async #beginAnew(): Promise<void> {
    const before = { samples: this.#samples.state, recorded: this.#recorded };
    await assertOther({ ...this.#options, file: this.#file }, before, true);
    const lostBytes = Math.max(0, this.#size - this.#position) + this.#feed.waiting;
    this.#lostBytes += lostBytes;
    this.#options.onRewritten(lostBytes);
    this.#id = newId();
    this.#digest = new FileDigest();
    this.#refused = new RefusedRows(this.#options.path);
    this.#recorded = 0;
    this.#oldRows = 0;
    this.#isNamed = this.#areNamesKnown = false;
    this.#preamble = undefined;
    this.#behind = Buffer.alloc(0);
    this.#size = (await this.#file.stat()).size;
    await this.begin(undefined);
  }

  /** Rows that an earlier run has refused: flags may have been put right since. */
  async #retried(): Promise<FedRows> {
    const groups = byHeading(this.#refused.take());
    const fed: FedRows[] = [];
    for (const group of groups) {
      const read = await Promise.all(
        group.map(async (row) => [row, (await readExactly(this.#file, row.at, row.bytes)) ?? Buffer.alloc(0)] as const),
      );
      fed.push(this.#feed.retry(read, await headingAt(this.#file, group[0]!.heading, this.#encoding)));
    }
    return joinRows(fed);
  }

  async #chunk({ events, refused, rejected, rows, valueless }: FedRows, signal: AbortSignal): Promise<Chunk> {
    if (rows > 0 && !this.#areNamesKnown) await assertNames(this.#file, this.#options, this.#feed, signal);
    this.#areNamesKnown ||= rows > 0;
    this.#digest.advance(this.#feed.offset);
    this.#recorded += events.length;
    this.#rows += rows;
    this.#valueless += valueless;
    if (!this.#options.hasRejects) this.#refused.add(refused);
    else if (refused.length > 0) this.#rejectsHeading = refused.at(-1)!.heading;
    const isOpen = this.#feed.isInHole && events.length === 0;
    const names = isOpen ? [] : this.#newNames();
    const marks = (): Mark[] =>
      isOpen ? [] : [progressMark(this.#progress()), ...names, ...this.#rejectsPlace.opened()];
    return { events, refused, rejected, rows: this.#rows, bytes: this.#feed.offset, marks };
  }

  /** Marks by which the file is found, that it does not have yet. */
  #newNames(): Mark[] {
    const names = marksTo(this.#id, this.#samples.takeNames());
    if (this.#isNamed) return names;
    this.#isNamed = true;
    return [...this.#names.marks(this.#id), ...names];
  }

  #progress(): Progress {
    const { path, rejectsBytes } = this.#options;
    return {
      version: 3,
      id: this.#id,
      run: `${this.#run}-${this.#rows}`,
      path,
      digest: this.#digest.state,
      samples: this.#samples.state,
      feed: this.#feed.state,
      recorded: this.#recorded,
      refused: this.#refused.rows,
      unreadable: this.#refused.unreadable,
      rejectsBytes: rejectsBytes(),
      rejectsFile: this.#rejectsPlace.file,
      rejectsHeading: this.#rejectsHeading,
    };
  }
}
