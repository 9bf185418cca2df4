/**
 * One of RocksDB's sorted files, as far as it takes to see whether it has rotted.
 *
 * Owns the reading of its index. RocksDB verifies a block when it looks for a key, but not when it iterates: then it
 * may pass over entries in silence, or end the process. Promises to put right, in the file, a block of which one bit
 * has flipped, and to tell of one that is damaged beyond that before anything iterates over it. Never reads a value.
 *
 * A file: blocks of data, then blocks about them, then a footer that says where two of these are. Behind each block
 * come its compression (u8) and the checksum of both (u32).
 */
import assert from 'node:assert';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Condition, mend } from './crc32c.ts';
import { StoreError } from './errors.ts';
import { RocksReader } from './rocks-bytes.ts';
import { type BlockPlace, entriesOf, placeAt, placed, TableIndex } from './rocks-index.ts';

/** Keys from `gte` to below `lt`; undefined where there is no such end. */
export interface TableRange {
  readonly gte: Buffer | undefined;
  readonly lt: Buffer | undefined;
}

export interface Table {
  /** A key above `gte` up to which about so many bytes lie; undefined where that is the end of the file. */
  boundAbove(gte: Buffer | undefined, bytes: number): Buffer | undefined;
  /** A key below `lt` down to which about so many bytes lie; undefined where that is the beginning of the file. */
  boundBelow(lt: Buffer | undefined, bytes: number): Buffer | undefined;
  /** Rejects with `corrupt` where the range has a damaged block. Gives how many bits it put right. */
  check(range: TableRange): Promise<number>;
  /** The blocks of data, one after another; undefined for one that is damaged by more than a bit. */
  blocks(): AsyncGenerator<Buffer | undefined, void, void>;
}

const FOOTER_BYTES = 53;
const MAGIC = 0x88e241b785f4cff7n;
const FORMAT_VERSION = 4;
const CHECKSUM_CRC32C = 1;
const TRAILER_BYTES = 5;
const NOT_COMPRESSED = 0;
/** Behind a key of the index: its sequence and kind, where it has them. */
const VERSION_BYTES = 8;
const BROKEN = { condition: 'broken' } as const;
/** An iterator looks this far past what it gives, about: over what is deleted to the first key outside. */
const MARGIN_BLOCKS_MIN = 2;
const MARGIN_BLOCKS_MAX = 4;
const MARGIN_BYTES = 16 << 10;
/** A block that was looked through is not looked through again for so long: ranges next to each other share blocks. */
const CHECK_HOLDS_MS = 1_000;

export type OpenedTable =
  | { readonly condition: 'whole'; readonly table: Table; readonly mendedBits: number }
  /** What it says of itself is damaged by more than a bit. RocksDB must not open it: that may end the process. */
  | { readonly condition: 'broken' };

/** With `r+` a flipped bit is put right in the file; with `r` it is damage, since RocksDB reads it too. */
export type TableMode = 'r' | 'r+';

export async function openTable(path: string, mode: TableMode): Promise<OpenedTable> {
  const file = await open(path, mode);
  try {
    const { size } = await file.stat();
    const footer = await readFooter(file, size, mode);
    if (footer === undefined) return BROKEN;
    let { mendedBits } = footer;
    const blocks = new Map<string, Buffer>();
    const places: [string, BlockPlace][] = [['index', footer.index], ...entriesOf(footer.metaindex).map(placed)];
    for (const [name, place] of places) {
      const { block, condition } = await readBlock(file, place, mode);
      if (condition === 'broken') return BROKEN;
      if (condition === 'mended') mendedBits += 1;
      blocks.set(name, block);
    }
    const properties = new Map(entriesOf(blocks.get('rocksdb.properties')).map(({ key, value }) => [`${key}`, value]));
    const isOn = (name: string) => properties.get(name)?.[0] === 1;
    assert(isOn('rocksdb.index.value.is.delta.encoded'), 'an index as this RocksDB writes it');
    const index = new TableIndex(blocks.get('index')!, isOn('rocksdb.index.key.is.user.key') ? 0 : VERSION_BYTES);
    return { condition: 'whole', table: new SortedFile(path, mode, index), mendedBits };
  } finally {
    await file.close();
  }
}

export function damaged(path: string, offset: number): string {
  return `the block at ${offset} of ${basename(path)} is damaged`;
}

/** Puts right one bit of a block, if that is all that is wrong with it, and says how it was. */
export async function mendBlock(path: string, place: BlockPlace): Promise<Condition> {
  const file = await open(path, 'r+');
  try {
    return (await readBlock(file, place, 'r+')).condition;
  } finally {
    await file.close();
  }
}

class SortedFile implements Table {
  readonly #path: string;
  readonly #mode: TableMode;
  readonly #index: TableIndex;
  readonly #checked = new Set<number>();
  #checkedSince = 0;

  constructor(path: string, mode: TableMode, index: TableIndex) {
    this.#path = path;
    this.#mode = mode;
    this.#index = index;
  }

  boundAbove(gte: Buffer | undefined, bytes: number): Buffer | undefined {
    const first = this.#index.find(gte);
    for (let at = first, sum = 0; at < this.#index.count; at += 1) {
      const { key, size } = this.#index.at(at);
      sum += size;
      if (sum >= bytes && (gte === undefined || Buffer.compare(key, gte) > 0)) return key;
    }
    return undefined;
  }

  boundBelow(lt: Buffer | undefined, bytes: number): Buffer | undefined {
    const last = lt === undefined ? this.#index.count : this.#index.find(lt);
    for (let at = last - 1, sum = 0; at >= 0; at -= 1) {
      const { key, size } = this.#index.at(at);
      if (sum >= bytes && (lt === undefined || Buffer.compare(key, lt) < 0)) return key;
      sum += size;
    }
    return undefined;
  }

  async check({ gte, lt }: TableRange): Promise<number> {
    const { count } = this.#index;
    const from = Math.max(0, this.#index.find(gte) - 1);
    const to = lt === undefined ? count : this.#marginBehind(this.#index.find(lt));
    const due = this.#unchecked(from, to);
    if (due.length === 0) return 0;
    const file = await open(this.#path, this.#mode);
    let mendedBits = 0;
    try {
      for (const at of due) {
        const place = this.#index.at(at);
        const { condition } = await readBlock(file, place, this.#mode);
        if (condition === 'broken') {
          throw new StoreError('corrupt', damaged(this.#path, place.offset));
        }
        if (condition === 'mended') mendedBits += 1;
        this.#checked.add(at);
      }
    } finally {
      await file.close();
    }
    return mendedBits;
  }

  async *blocks(): AsyncGenerator<Buffer | undefined, void, void> {
    for (let at = 0; at < this.#index.count; at += 1) {
      const file = await open(this.#path, this.#mode);
      // Closed before others have their turn: there may be more files than may be open.
      const { block, condition, isPacked } = await readBlock(file, this.#index.at(at), this.#mode).finally(() =>
        file.close(),
      );
      yield condition === 'broken' || isPacked ? undefined : block;
    }
  }

  #marginBehind(first: number): number {
    let at = first;
    for (let bytes = 0; at < this.#index.count && at < first + MARGIN_BLOCKS_MAX; at += 1) {
      if (at >= first + MARGIN_BLOCKS_MIN && bytes >= MARGIN_BYTES) break;
      bytes += this.#index.at(at).size;
    }
    return at;
  }

  /** Of the blocks `from` … `to` - 1 those that were not looked through a moment ago, for another range. */
  #unchecked(from: number, to: number): number[] {
    if (performance.now() - this.#checkedSince > CHECK_HOLDS_MS) {
      this.#checked.clear();
      this.#checkedSince = performance.now();
    }
    const due: number[] = [];
    for (let at = from; at < to; at += 1) if (!this.#checked.has(at)) due.push(at);
    return due;
  }
}

interface Footer {
  readonly index: BlockPlace;
  readonly metaindex: Buffer;
  readonly mendedBits: number;
}

/** It has no checksum; but of all that one flipped bit can make of it only what was written makes sense. */
async function readFooter(file: FileHandle, size: number, mode: TableMode): Promise<Footer | undefined> {
  const start = size - FOOTER_BYTES;
  if (start < 0) return undefined;
  const footer = await read(file, start, FOOTER_BYTES);
  const bits = mode === 'r' ? 0 : FOOTER_BYTES * 8;
  for (let bit = -1; bit < bits; bit += 1) {
    const tried = Buffer.from(footer);
    if (bit >= 0) tried[bit >> 3]! ^= 1 << (bit & 7);
    const places = footerPlaces(tried, start);
    if (places === undefined) continue;
    const metaindex = await readBlock(file, places.metaindex, mode);
    const index = await readBlock(file, places.index, mode);
    if (metaindex.condition === 'broken' || index.condition === 'broken') continue;
    if (bit >= 0) await writeBack(file, tried, start);
    const mendedBits = [metaindex, index].filter(({ condition }) => condition === 'mended').length + (bit >= 0 ? 1 : 0);
    return { index: places.index, metaindex: metaindex.block, mendedBits };
  }
  return undefined;
}

function footerPlaces(footer: Buffer, start: number): { index: BlockPlace; metaindex: BlockPlace } | undefined {
  const isOurs =
    footer.readBigUInt64LE(FOOTER_BYTES - 8) === MAGIC &&
    footer.readUInt32LE(FOOTER_BYTES - 12) === FORMAT_VERSION &&
    footer[0] === CHECKSUM_CRC32C;
  if (!isOurs) return undefined;
  const reader = new RocksReader(footer, 1);
  const [metaindex, index] = [placeAt(reader), placeAt(reader)];
  // Nothing comes between them and the footer.
  const isPlaced =
    metaindex.offset + metaindex.size + TRAILER_BYTES === start &&
    index.offset + index.size + TRAILER_BYTES <= metaindex.offset;
  return isPlaced ? { index, metaindex } : undefined;
}

/** The block, put right in the file if need be; its condition is `broken` where that cannot be. */
async function readBlock(file: FileHandle, { offset, size }: BlockPlace, mode: TableMode) {
  const bytes = await read(file, offset, size + TRAILER_BYTES);
  const found = bytes.length < size + TRAILER_BYTES ? 'broken' : mend(bytes, 0, size + 1, size + 1);
  const condition = found === 'mended' && mode === 'r' ? 'broken' : found;
  if (condition === 'mended') await writeBack(file, bytes, offset);
  return { block: bytes.subarray(0, size), condition, isPacked: bytes[size] !== NOT_COMPRESSED };
}

async function read(file: FileHandle, start: number, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, start);
  return buffer.subarray(0, bytesRead);
}

async function writeBack(file: FileHandle, bytes: Buffer, start: number): Promise<void> {
  await file.write(bytes, 0, bytes.length, start);
  await file.sync();
}
