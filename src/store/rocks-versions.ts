/**
 * Versions: what was written under each key, and in which order, as sorted files and logs of RocksDB hold it.
 *
 * Owns the reading of single entries. Promises nothing about what is no database of a queue: other kinds of entries
 * than it writes do not occur. Never looks into a value.
 */
import { RocksReader } from './rocks-bytes.ts';
import { entriesOf } from './rocks-index.ts';
import type { Table } from './rocks-table.ts';

/** What was written under a key, and when. */
export interface Version {
  readonly key: Buffer;
  readonly order: bigint;
  /** Undefined where the key was removed. */
  readonly value: Buffer | undefined;
}

/** What a version is, as RocksDB numbers it; a queue writes no others. */
const KIND = { removed: 0, put: 1 } as const;
/** Behind a key of a sorted file: its order and kind in one number. */
const VERSION_BYTES = 8;
/** Before the operations of a commit: the order of the first (u64), and how many there are (u32). */
const COMMIT_HEAD_BYTES = 12;
const COUNT_AT = 8;

/** Of a sorted file, in the order of the keys; `onDamage` is called for each block that cannot be read. */
export async function* tableVersions(table: Table, onDamage = () => {}): AsyncGenerator<Version, void, void> {
  for await (const block of table.blocks()) {
    if (block === undefined) onDamage();
    for (const { key, value } of entriesOf(block)) {
      const version = key.readBigUInt64LE(key.length - VERSION_BYTES);
      const isPut = Number(version & 0xffn) === KIND.put;
      yield {
        key: key.subarray(0, key.length - VERSION_BYTES),
        order: version >> 8n,
        value: isPut ? value : undefined,
      };
    }
  }
}

/** The orders of a commit in a log, from its first change up to and with its last. */
export function ordersOf(record: Buffer): { readonly first: number; readonly last: number } {
  if (record.length < COMMIT_HEAD_BYTES) return { first: 0, last: 0 };
  const first = Number(record.readBigUInt64LE());
  return { first, last: first + record.readUInt32LE(COUNT_AT) - 1 };
}

/** Of one commit in a log, in the order in which they were written. */
export function logVersions(record: Buffer): Version[] {
  const first = record.readBigUInt64LE();
  const reader = new RocksReader(record, COMMIT_HEAD_BYTES);
  const versions: Version[] = [];
  while (!reader.isAtEnd) {
    const isPut = reader.varint() === KIND.put;
    const key = reader.take(reader.varint());
    const value = isPut ? reader.take(reader.varint()) : undefined;
    versions.push({ key, order: first + BigInt(versions.length), value });
  }
  return versions;
}
