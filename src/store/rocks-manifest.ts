/**
 * The format of RocksDB's MANIFEST, as far as it takes to tell which sorted files belong to a database.
 *
 * Owns the reading of its records. A process that is killed leaves sorted files behind that it had not finished, or not
 * yet made part of the database; RocksDB removes them when it opens. Promises to name exactly the files that it will
 * open, or to say that it does not know; and to write the record that takes files out of a database. Never does I/O.
 *
 * A record is a list of fields: tag (varint), and what that tag has, each number a varint, each text behind its length.
 */
import { RocksReader } from './rocks-bytes.ts';

/** What follows a tag, field by field: a number `n`, a text `t`; behind it `NEW_FILE_4` has a list of tagged texts. */
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
const LOG_NUMBER = 2;
const LAST_SEQUENCE = 4;
const DELETED_FILE = 6;
const NEW_FILES: ReadonlySet<number> = new Set([7, 100, 102, 103]);
const NEW_FILE_4 = 103;
const CUSTOM_END = 1;
/** A tag with this bit has one text, and may be passed over. */
const IGNORABLE = 1 << 13;

export interface LiveTables {
  /** Number of a file → its level. */
  readonly levels: ReadonlyMap<number, number>;
  /** Every file that was ever named, also those that are not part of the database any more. */
  readonly named: ReadonlySet<number>;
  /** How many changes the database had seen when it last said so. */
  readonly changes: number;
  /** The logs from this number on hold what the files do not. */
  readonly logsFrom: number;
}

interface Found extends LiveTables {
  readonly levels: Map<number, number>;
  readonly named: Set<number>;
  changes: number;
  logsFrom: number;
}

/** What the records of a MANIFEST come to; undefined where they are not of the form. */
export function liveTables(records: readonly Buffer[]): LiveTables | undefined {
  const found: Found = { levels: new Map(), named: new Set(), changes: 0, logsFrom: 0 };
  try {
    for (const record of records) applyRecord(record, found);
    return found;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The record by which RocksDB goes on without these files of its own. */
export function removalRecord(files: readonly number[], { levels }: LiveTables): Buffer {
  return Buffer.from(files.flatMap((file) => [DELETED_FILE, levels.get(file)!, file].flatMap(varint)));
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];
}

function applyRecord(record: Buffer, found: Found): void {
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
    if (tag === LAST_SEQUENCE) found.changes = Math.max(found.changes, numbers[0]!);
    if (tag === LOG_NUMBER) found.logsFrom = Math.max(found.logsFrom, numbers[0]!);
    const [level, file] = numbers;
    if (level === undefined || file === undefined) continue;
    if (NEW_FILES.has(tag)) {
      found.levels.set(file, level);
      found.named.add(file);
    } else if (tag === DELETED_FILE) found.levels.delete(file);
  }
}
