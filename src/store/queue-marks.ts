/**
 * The latest marks of a queue, as they are kept beside its database.
 *
 * A mark says how far an input is recorded, and is all that says so: without it, or with an older one, what was
 * recorded would be recorded once more under new ids. Owns the list, whose end is what was written last. Never decides
 * when it is better than what the database has.
 */
import { QUEUE } from './keys.ts';
import type { Put } from './queue-records.ts';
import type { Operation } from './rocks.ts';
import { STATEMENT_BYTES_MAX } from './witness.ts';

export interface LatestMarks {
  /** To be told of every commit. Whether a mark was in it. */
  follow(operations: readonly Operation[]): boolean;
  /** For a witness. */
  readonly statement: Buffer;
  readonly puts: readonly Put[];
}

/** @param statement as it was kept */
export function createLatestMarks(statement: Buffer | undefined): LatestMarks {
  /** Each mark as it stands in the statement, which is written far more often than any one of them changes. */
  const entries = new Map<string, string>();
  let length = '['.length;
  const drop = (key: string): void => {
    length -= lengthOf(entries.get(key));
    entries.delete(key);
  };
  const add = (key: string, value: string): void => {
    drop(key);
    const entry = JSON.stringify([key, value]);
    // It would take the place of all others and not fit all the same.
    if ('['.length + lengthOf(entry) > STATEMENT_BYTES_MAX) return;
    entries.set(key, entry);
    length += lengthOf(entry);
    for (const oldest of entries.keys()) {
      if (length <= STATEMENT_BYTES_MAX) break;
      drop(oldest);
    }
  };
  for (const [key, value] of statement === undefined ? [] : pairsOf(statement)) add(key, value);
  return {
    follow(operations) {
      let hasMarks = false;
      for (const operation of operations) {
        if (operation.type !== 'put' || operation.key[0] !== QUEUE.mark) continue;
        hasMarks = true;
        add(operation.key.toString('base64'), operation.value.toString('base64'));
      }
      return hasMarks;
    },
    get statement() {
      return statementOf(entries);
    },
    get puts() {
      return pairsOf(statementOf(entries)).map(([key, value]): Put => {
        return { type: 'put', key: Buffer.from(key, 'base64'), value: Buffer.from(value, 'base64') };
      });
    },
  };
}

function statementOf(entries: ReadonlyMap<string, string>): Buffer {
  return Buffer.from(`[${[...entries.values()].join(',')}]`, 'latin1');
}

/** Key and value of each, in base64. */
function pairsOf(statement: Buffer): readonly (readonly [key: string, value: string])[] {
  return JSON.parse(statement.toString('latin1'));
}

/** With the comma or bracket behind it. */
function lengthOf(entry: string | undefined): number {
  return entry === undefined ? 0 : entry.length + 1;
}
