/**
 * FileDigest: what lies before a place in a file, in 32 bytes.
 *
 * A chain of SHA-256 over blocks of 64 KiB, so that it can be stored and go on in another process. It is checked as a
 * whole: what lies next to the place first, so that a file that is another one is seldom read for nothing.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

const BLOCK_BYTES = 64 * 1024;

/** As JSON. */
export interface DigestState {
  readonly offset: number;
  /** Of all whole blocks. */
  readonly chain: string;
  /** Of the last whole block and what lies behind it. */
  readonly tail: string;
}

export class FileDigest {
  #chain: string;
  #block: Buffer[] = [];
  #blockBytes = 0;
  #last: Buffer = Buffer.alloc(0);
  #offset: number;
  /** Read, and not yet a part of it. */
  #ahead: Buffer[] = [];

  constructor(
    state?: DigestState,
    before: { last: Buffer; block: Buffer } = { last: Buffer.alloc(0), block: Buffer.alloc(0) },
  ) {
    this.#chain = state?.chain ?? '';
    this.#offset = state?.offset ?? 0;
    this.#last = before.last;
    this.#block = [before.block];
    this.#blockBytes = before.block.length;
  }

  get state(): DigestState {
    return { offset: this.#offset, chain: this.#chain, tail: hashed([this.#last, ...this.#block]) };
  }

  /** Bytes that have been read. */
  push(bytes: Buffer): void {
    this.#ahead.push(bytes);
  }

  /** Takes in what lies before this place. */
  advance(offset: number): void {
    const all = Buffer.concat(this.#ahead);
    const done = offset - this.#offset;
    this.#add(all.subarray(0, done));
    this.#ahead = done < all.length ? [all.subarray(done)] : [];
  }

  #add(bytes: Buffer): void {
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

/** A digest to go on with, where the file still holds what it held before the place; undefined where it does not. */
export async function resumeDigest(file: FileHandle, state: DigestState): Promise<FileDigest | undefined> {
  const near = await before(file, state.offset);
  if (near === undefined || hashed([near.last, near.block]) !== state.tail) return undefined;
  if ((await chainOf(file, state.offset)) !== state.chain) return undefined;
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
