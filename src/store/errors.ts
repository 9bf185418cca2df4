/**
 * StoreError: what can go wrong between this folder and the disk.
 *
 * Owns the closed set of codes that callers and tests branch on. Promises that `cause` holds the error as RocksDB or
 * the file system gave it. Never describes a bug (those assert) nor hostile input (values are opaque bytes here).
 */

import { statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * - `disk-full`: no space for the write; nothing of it is stored as far as the caller is concerned.
 * - `locked`: another process (or another handle in this one) has the database open.
 * - `corrupt`: the database as a whole cannot be read; a single damaged block is set aside instead.
 * - `other-device`: the queue belongs to another device id.
 * - `not-found`: there is no database and none was to be made.
 * - `not-a-folder`: a file is where the folder of the database, or one above it, is to be.
 * - `closed`: the call came after `close()`.
 * - `io`: anything else that the disk answered; see `cause`.
 */
export type StoreErrorCode =
  | 'disk-full'
  | 'locked'
  | 'corrupt'
  | 'other-device'
  | 'not-found'
  | 'not-a-folder'
  | 'closed'
  | 'io';

export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Gives the disk's own error one of our codes; RocksDB has only its text to go by. */
export function toStoreError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error;
  const root = rootOf(error);
  return new StoreError(codeOf(root), `${doing}: ${root.message}${adviceOn(root)}`, error);
}

/** Whose a file is that may not be reached, and what to do about it. */
function adviceOn({ code, path }: NodeJS.ErrnoException): string {
  const own = process.geteuid?.();
  if ((code !== 'EACCES' && code !== 'EPERM') || path === undefined || own === undefined) return '';
  for (let at = path; ; at = dirname(at)) {
    const owner = statSync(at, { throwIfNoEntry: false })?.uid;
    if (owner !== undefined && owner !== own)
      return (
        `; ${at} belongs to user ${owner}, and this process runs as user ${own}: run it as that user, or ` +
        `chown -R ${own} it`
      );
    if (at === dirname(at)) return '';
  }
}

/** Whether nothing is there of what was to be looked at, also where the path goes through a file. */
export function isNotFound(error: unknown): boolean {
  if (!(error instanceof StoreError)) return false;
  return error.code === 'not-found' || (rootOf(error) as NodeJS.ErrnoException).code === 'ENOTDIR';
}

export function isDiskFull(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'disk-full';
}

function rootOf(error: unknown): Error {
  let root = error instanceof Error ? error : new Error(String(error));
  while (root.cause instanceof Error) root = root.cause;
  return root;
}

function codeOf(error: Error): StoreErrorCode {
  const text = error.message;
  if (/No space left|ENOSPC|quota exceeded/i.test(text)) return 'disk-full';
  if (/lock hold by|While lock file/.test(text)) return 'locked';
  if (/create_if_missing is false|ENOENT/.test(text)) return 'not-found';
  // A file that RocksDB misses is one of its own.
  if (/Corruption|No such file/.test(text)) return 'corrupt';
  return 'io';
}
