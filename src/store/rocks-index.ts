/**
 * The index blocks of one of RocksDB's sorted files: what lies where.
 *
 * Owns their bytes: entries of keys and values, numbers as varints, places of other blocks. Promises to read what was
 * found to be whole before; of anything else it makes nonsense. Never reads a file.
 */
import { RocksReader } from './rocks-bytes.ts';

/** Where a block is, without what comes behind it. */
export interface BlockPlace {
  readonly offset: number;
  readonly size: number;
}

/** For each block of data, a key that is not below any of its own and below every later one, and where the block is. */
export class TableIndex {
  readonly #block: Buffer;
  readonly #versionBytes: number;
  readonly #restarts: number;
  readonly count: number;

  constructor(block: Buffer, versionBytes: number) {
    this.#block = block;
    this.#versionBytes = versionBytes;
    // Every entry is one to begin reading at.
    this.count = block.readUInt32LE(block.length - 4);
    this.#restarts = block.length - 4 - 4 * this.count;
  }

  at(index: number): BlockPlace & { readonly key: Buffer } {
    const reader = new RocksReader(this.#block, this.#block.readUInt32LE(this.#restarts + 4 * index));
    reader.varint();
    const key = reader.take(reader.varint());
    return { key: key.subarray(0, key.length - this.#versionBytes), ...placeAt(reader) };
  }

  /** The first block that may have a key from `key` on; the first of all where that is undefined. */
  find(key: Buffer | undefined): number {
    let low = 0;
    let high = key === undefined ? 0 : this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (Buffer.compare(this.at(middle).key, key!) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

interface BlockEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** The entries of a small block, from the first to the last. */
export function entriesOf(block: Buffer | undefined): BlockEntry[] {
  const entries: BlockEntry[] = [];
  if (block === undefined) return entries;
  const end = block.length - 4 - 4 * block.readUInt32LE(block.length - 4);
  const reader = new RocksReader(block);
  let key: Buffer = Buffer.alloc(0);
  while (reader.position < end) {
    const [common, others, length] = [reader.varint(), reader.varint(), reader.varint()];
    key = Buffer.concat([key.subarray(0, common), reader.take(others)]);
    entries.push({ key, value: reader.take(length) });
  }
  return entries;
}

export function placed({ key, value }: BlockEntry): [string, BlockPlace] {
  return [`${key}`, placeAt(new RocksReader(value))];
}

export function placeAt(reader: RocksReader): BlockPlace {
  return { offset: reader.varint(), size: reader.varint() };
}
