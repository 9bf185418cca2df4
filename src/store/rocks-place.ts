/**
 * The place of an open database: whether its files are still what is found under their names.
 *
 * Owns one question, asked after each write. A folder that is removed, or has a copy put in its place or over its
 * files, is still open to the process that had it: RocksDB goes on writing, and nobody will find what it wrote.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from './errors.ts';

export interface Place {
  /** Throws `io` where the folder is not the one any more that was opened. */
  assertSame(): void;
}

/** RocksDB, in closing, removes by name what it has no use for, and that may be a file of the copy. */
const ADVICE =
  'Stop this process, then put the copy there once more: one that is put under a running process may lose files';

/**
 * @param path of a database that has just been opened
 * @param noticesTouch also a copy that is written over its files in place. Where somebody has only set attributes of
 *   theirs, a write is then refused that is on disk: for databases whose writes are asked for again under the same ids
 */
export function placeAt(path: string, noticesTouch: boolean): Place {
  const current = join(path, 'CURRENT');
  // RocksDB makes it at the opening, and writes to it no more. It names the MANIFEST, which grows.
  let opened = fileAt(current);
  const manifest = join(path, nameIn(current));
  const manifestInode = fileAt(manifest)?.ino;
  return {
    assertSame() {
      const now = fileAt(current);
      if (isSame(opened, now, noticesTouch) && fileAt(manifest)?.ino === manifestInode) {
        opened = now;
        return;
      }
      const what = `${path} was removed or replaced while it was in use: what is written now counts as not written`;
      throw new StoreError('io', `${what}. ${ADVICE}`);
    },
  };
}

interface FoundFile {
  readonly dev: number;
  readonly ino: number;
  readonly ctimeMs: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * A copy that is written over it in place, with the time that it had, changes its `ctime` alone. So do chown, chmod and
 * hard links, which leave what is in it: what they changed besides tells them apart. Attributes and ACLs do not.
 */
function isSame(before: FoundFile | undefined, now: FoundFile | undefined, noticesTouch: boolean): boolean {
  if (before === undefined || now === undefined) return before === now;
  if (before.dev !== now.dev || before.ino !== now.ino) return false;
  const isTouched =
    before.mode !== now.mode || before.nlink !== now.nlink || before.uid !== now.uid || before.gid !== now.gid;
  return isTouched || !noticesTouch || before.ctimeMs === now.ctimeMs;
}

/**
 * Asked of the kernel at once: what was written to a moment ago it has in memory, and telling takes 3 µs. By way of
 * Node's threads it takes 40 µs of processor time.
 */
function fileAt(path: string): FoundFile | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function nameIn(current: string): string {
  try {
    return readFileSync(current, 'utf8').trim();
  } catch {
    return '';
  }
}
