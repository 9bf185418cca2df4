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

export interface LatestMarks {
  /** To be told of every commit. Whether a mark was in it. */
  follow(operations: readonly Operation[]): boolean;
  /** For a witness. */
  readonly statement: Buffer;
  readonly puts: readonly Put[];
}

/** As much as a statement holds, in base64. */
const BYTES_MAX = 360 << 10;

/** @param statement as it was kept */
export function createLatestMarks(statement: Buffer | undefined): LatestMarks {
  const entries = statement === undefined ? [] : (JSON.parse(statement.toString()) as [string, string][]);
  const puts = new Map<string, Put>();
  let bytes = 0;
  const add = (put: Put): void => {
    const name = put.key.toString();
    const before = puts.get(name);
    if (before !== undefined) bytes -= sizeOf(before);
    puts.delete(name);
    puts.set(name, put);
    bytes += sizeOf(put);
    for (const [oldest, { key, value }] of puts) {
      if (bytes <= BYTES_MAX) break;
      puts.delete(oldest);
      bytes -= sizeOf({ key, value });
    }
  };
  for (const [key, value] of entries) {
    add({ type: 'put', key: Buffer.from(key, 'base64'), value: Buffer.from(value, 'base64') });
  }
  return {
    follow(operations) {
      let hasMarks = false;
      for (const operation of operations) {
        if (operation.type !== 'put' || operation.key[0] !== QUEUE.mark) continue;
        hasMarks = true;
        add(operation);
      }
      return hasMarks;
    },
    get statement() {
      const kept = [...puts.values()].map(({ key, value }) => [key.toString('base64'), value.toString('base64')]);
      return Buffer.from(JSON.stringify(kept));
    },
    get puts() {
      return [...puts.values()];
    },
  };
}

function sizeOf({ key, value }: Pick<Put, 'key' | 'value'>): number {
  return key.length + value.length + 8;
}
