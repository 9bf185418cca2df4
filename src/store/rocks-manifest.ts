/**
 * The format of RocksDB's MANIFEST, as far as it takes to tell which sorted files belong to a database.
 *
 * Owns the reading of its records. A process that is killed leaves sorted files behind that it had not finished, or not yet
 * made part of the database; RocksDB removes them when it opens. Promises to name exactly the files that it will open, or
 * to say that it does not know. Never does I/O.
 *
 * A record is a list of fields: tag (varint), and what that tag has, each number a varint, each text behind its length.
 */
import { RocksReader } from './rocks-bytes.ts';

/** What follows a tag, field by field: a number `n`, a text `t`; `NEW_FILE_4` has a list of tagged texts behind that. */
const FORMS: ReadonlyMap<number, string> = new Map([
  [1, 't'],
  [2, 'n'],
  [3, 'n'],
  [4, 'n'],
  [5, 'nt'],
  [6, 'nn'],
  [7, 'nnntt'],
  [9, 'n'],
  [10, 'n'],
  [100, 'nnnttnn'],
  [102, 'nnnnttnn'],
  [103, 'nnnttnn'],
  [200, 'n'],
  [201, 't'],
  [202, ''],
  [203, 'n'],
  [300, 'n'],
]);
const DELETED_FILE = 6;
const NEW_FILES: ReadonlySet<number> = new Set([7, 100, 102, 103]);
const NEW_FILE_4 = 103;
const CUSTOM_END = 1;
/** A tag with this bit has one text, and may be passed over. */
const IGNORABLE = 1 << 13;

/** Numbers of the files, from the records of a MANIFEST; undefined where they are not of the form. */
export function liveTables(records: readonly Buffer[]): ReadonlySet<number> | undefined {
  const live = new Set<number>();
  try {
    for (const record of records) applyRecord(record, live);
    return live;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function applyRecord(record: Buffer, live: Set<number>): void {
  const fields = new RocksReader(record);
  while (!fields.isAtEnd) {
    const tag = fields.varint();
    const form = FORMS.get(tag) ?? ((tag & IGNORABLE) !== 0 ? 't' : undefined);
    if (form === undefined) throw new RangeError(`tag ${tag}`);
    // Of files: level, then number.
    const numbers: number[] = [];
    for (const kind of form) {
      if (kind === 'n') numbers.push(fields.varint());
      else fields.take(fields.varint());
    }
    if (tag === NEW_FILE_4) while (fields.varint() !== CUSTOM_END) fields.take(fields.varint());
    const file = numbers[1];
    if (file === undefined) continue;
    if (NEW_FILES.has(tag)) live.add(file);
    else if (tag === DELETED_FILE) live.delete(file);
  }
}
