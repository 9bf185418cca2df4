/**
 * Ranges of keys, as callers say them and as the binding takes them, and the entries of one, one by one.
 */
import { toStoreError } from './errors.ts';
import type { TableRange } from './rocks-table.ts';

export type Operation =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer };

/** Keys from `gte` (or above `gt`) to below `lt` (or to `lte`), ascending unless `reverse`. */
export interface KeyRange {
  readonly gte?: Buffer;
  readonly gt?: Buffer;
  readonly lt?: Buffer;
  readonly lte?: Buffer;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** Keys from `gte` to below `lt`. */
export type KeySpan = Required<Pick<KeyRange, 'gte' | 'lt'>>;

/** Without the two other ways to say where a range ends. */
export function spanOf({ gte, gt, lt, lte }: KeyRange): TableRange {
  return { gte: gte ?? (gt && keyBehind(gt)), lt: lt ?? (lte && keyBehind(lte)) };
}

function keyBehind(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([0])]);
}

export function defined({ gte, lt }: TableRange): KeyRange {
  return { ...(gte && { gte }), ...(lt && { lt }) };
}

/** What steps through entries. Not the binding's own type, which whoever installs this package does not have. */
interface Entries {
  next(callback: (error: Error | null | undefined, key?: Buffer, value?: Buffer) => void): void;
}

export function nextOf(iterator: Entries): Promise<readonly [Buffer, Buffer] | undefined> {
  return new Promise((resolve, reject) => {
    iterator.next((error, key, value) => {
      if (error) reject(toStoreError(error, 'read'));
      else resolve(key === undefined || value === undefined ? undefined : [key, value]);
    });
  });
}
