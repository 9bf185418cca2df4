/**
 * The place of an open database: whether its files are still what is found under their names.
 *
 * Owns one question, asked after each write. A folder that is removed, or has a copy put in its place or over its
 * files, is still open to the process that had it: RocksDB goes on writing, and nobody will find what it wrote. Where
 * somebody has only touched those files, by chown or a hard link, the write is asked for once more, and that is all.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from './errors.ts';

export interface Place {
  /** Throws `io` where the folder is not the one any more that was opened. */
  assertSame(): void;
}

/** RocksDB makes them at the opening, and writes to neither while it has the database. */
const LASTING = ['LOCK', 'CURRENT'];

/** RocksDB, in closing, removes by name what it has no use for, and that may be a file of the copy. */
const ADVICE =
  'Stop this process, then put the copy there once more: one that is put under a running process may lose files';

/** @param path of a database that has just been opened */
export function placeAt(path: string): Place {
  // It grows, but only another one takes its name.
  const manifest = join(path, manifestOf(path));
  const identity = () =>
    [...LASTING.map((name) => identityOf(join(path, name), true)), identityOf(manifest, false)].join(', ');
  const opened = identity();
  return {
    assertSame() {
      if (identity() === opened) return;
      const what = `${path} was removed or replaced while it was in use: what is written now counts as not written`;
      throw new StoreError('io', `${what}. ${ADVICE}`);
    },
  };
}

/**
 * Asked of the kernel at once: what was written to a moment ago it has in memory, and telling takes 3 µs. By way of
 * Node's threads it takes 40 µs of processor time.
 */
function identityOf(path: string, isUntouched: boolean): string {
  try {
    const { dev, ino, ctimeMs } = statSync(path);
    // A copy that is written over it in place, with the time that it had, changes this alone.
    return isUntouched ? `${dev} ${ino} ${ctimeMs}` : `${dev} ${ino}`;
  } catch {
    return '';
  }
}

function manifestOf(path: string): string {
  try {
    return readFileSync(join(path, 'CURRENT'), 'utf8').trim();
  } catch {
    return '';
  }
}
