/**
 * FileDigest: what lies before a place in a file, in 32 bytes.
 *
 * A chain of SHA-256 over blocks of 64 KiB, so that it can be stored, go on in another process, and be checked either as a whole
 * or, quickly, by what lies next to the place. Rows that are kept as samples tell a file that was edited from another one.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

const BLOCK_BYTES = 64 * 1024;
const SAMPLES_MAX = 32;
const HEADINGS_MAX = 8;
const LF = 0x0a;
const CR = 0x0d;

/** As JSON. */
export interface DigestState {
  readonly offset: number;
  /** Of all whole blocks. */
  readonly chain: string;
  /** Of the last whole block and what lies behind it. */
  readonly tail: string;
  /** Of rows here and there: the first ones, and then each that is twice as far. */
  readonly samples: readonly string[];
  /** Each row so many is a sample. */
  readonly stride: number;
  readonly rows: number;
  /** Of lines that stand before the first row: they are no rows where they come again. */
  readonly headings: readonly string[];
}

export class FileDigest {
  #chain: string;
  #block: Buffer[] = [];
  #blockBytes = 0;
  #last: Buffer = Buffer.alloc(0);
  #offset: number;
  #samples: string[];
  #stride: number;
  #rows: number;
  #headings: string[];

  constructor(
    state?: DigestState,
    before: { last: Buffer; block: Buffer } = { last: Buffer.alloc(0), block: Buffer.alloc(0) },
  ) {
    this.#chain = state?.chain ?? '';
    this.#offset = state?.offset ?? 0;
    this.#samples = [...(state?.samples ?? [])];
    this.#stride = state?.stride ?? 1;
    this.#rows = state?.rows ?? 0;
    this.#headings = [...(state?.headings ?? [])];
    this.#last = before.last;
    this.#block = [before.block];
    this.#blockBytes = before.block.length;
  }

  get offset(): number {
    return this.#offset;
  }

  get state(): DigestState {
    return {
      offset: this.#offset,
      chain: this.#chain,
      tail: hashed([this.#last, ...this.#block]),
      samples: this.#samples,
      stride: this.#stride,
      rows: this.#rows,
      headings: this.#headings,
    };
  }

  /** @param isRows false for what stands before the first row */
  add(bytes: Buffer, isRows: boolean): void {
    if (isRows) this.#sample(bytes);
    else
      for (const line of linesOf(bytes)) if (this.#headings.length < HEADINGS_MAX) this.#headings.push(sampleOf(line));
    this.#offset += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + BLOCK_BYTES - this.#blockBytes);
      this.#block.push(part);
      this.#blockBytes += part.length;
      at += part.length;
      if (this.#blockBytes < BLOCK_BYTES) continue;
      const block = Buffer.concat(this.#block);
      this.#chain = hashed([this.#chain, block]);
      this.#last = block;
      this.#block = [];
      this.#blockBytes = 0;
    }
    // Parts are views of larger buffers, which must not be held by them.
    if (this.#block.length > 0) this.#block = [Buffer.concat(this.#block)];
  }

  #sample(bytes: Buffer): void {
    for (const line of linesOf(bytes)) {
      if (this.#rows++ % this.#stride !== 0) continue;
      const sample = sampleOf(line);
      // Every row has digits, in its time; a line without may be a rule or a row of empty cells, as other files have, too.
      if (this.#headings.includes(sample) || !line.some((byte) => byte >= 0x30 && byte <= 0x39)) continue;
      this.#samples.push(sample);
      if (this.#samples.length < SAMPLES_MAX) continue;
      this.#samples = this.#samples.filter((_, i) => i % 2 === 0);
      this.#stride *= 2;
    }
  }
}

/** Lines that are not empty; the last one without its line end, too. */
function* linesOf(bytes: Buffer): Generator<Buffer, void, void> {
  let from = 0;
  while (from < bytes.length) {
    let end = bytes.indexOf(LF, from);
    if (end < 0) end = bytes.length;
    let textEnd = end;
    while (textEnd > from && bytes[textEnd - 1] === CR) textEnd--;
    if (textEnd > from) yield bytes.subarray(from, textEnd);
    from = end + 1;
  }
}

function sampleOf(line: Buffer): string {
  return createHash('sha256').update(line).digest('base64').slice(0, 12);
}

function hashed(parts: readonly (Buffer | string)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('base64');
}

/** What a digest needs to go on behind `offset`; undefined where the file is shorter. */
async function before(file: FileHandle, offset: number): Promise<{ last: Buffer; block: Buffer } | undefined> {
  const blockBytes = offset % BLOCK_BYTES;
  const start = Math.max(0, offset - blockBytes - BLOCK_BYTES);
  const bytes = await readExactly(file, start, offset - start);
  if (bytes === undefined) return undefined;
  const split = bytes.length - blockBytes;
  return { last: bytes.subarray(0, split), block: bytes.subarray(split) };
}

/**
 * A digest to go on with, where the file still holds what it held before the place; undefined where it does not.
 * @param isWhole reads all of it, and not only what lies next to the place
 */
export async function resumeDigest(
  file: FileHandle,
  state: DigestState,
  isWhole: boolean,
): Promise<FileDigest | undefined> {
  const near = await before(file, state.offset);
  if (near === undefined || hashed([near.last, near.block]) !== state.tail) return undefined;
  if (isWhole && (await chainOf(file, state.offset)) !== state.chain) return undefined;
  return new FileDigest(state, near);
}

async function chainOf(file: FileHandle, offset: number): Promise<string | undefined> {
  let chain = '';
  for (let at = 0; at + BLOCK_BYTES <= offset; at += BLOCK_BYTES) {
    const block = await readExactly(file, at, BLOCK_BYTES);
    if (block === undefined) return undefined;
    chain = hashed([chain, block]);
  }
  return chain;
}

/** Tells whether any of the sampled rows is in the file. */
export async function holdsSample(file: FileHandle, samples: readonly string[]): Promise<boolean> {
  const wanted = new Set(samples);
  let rest: Buffer = Buffer.alloc(0);
  for (let at = 0; wanted.size > 0; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(BLOCK_BYTES * 4), 0, BLOCK_BYTES * 4, at);
    at += bytesRead;
    const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    const end = bytesRead === 0 ? bytes.length : bytes.lastIndexOf(LF) + 1;
    for (const line of linesOf(bytes.subarray(0, end))) if (wanted.has(sampleOf(line))) return true;
    if (bytesRead === 0) return false;
    // A line of any length costs no more than the limit of a row.
    rest = bytes.length - end > BLOCK_BYTES * 64 ? Buffer.alloc(0) : bytes.subarray(end);
  }
  return false;
}

export async function readExactly(file: FileHandle, at: number, length: number): Promise<Buffer | undefined> {
  const buffer = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done, at + done);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return buffer;
}
