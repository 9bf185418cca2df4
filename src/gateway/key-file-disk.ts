/**
 * KeyFileDisk: the file of keys as the disk knows it.
 *
 * Owns the lock under which it is changed, its owner and its mode. Promises that no lock outlives its process, and that
 * whoever could read the file before a change can afterwards, save that it is never everybody's. Never looks into it.
 */
import type { Stats } from 'node:fs';
import { chown, type FileHandle, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type FileLock, lockFile } from '../store/index.ts';
import { KeyFileError } from './key-errors.ts';

/** A change takes a few milliseconds; who waits this long waits for a process that hangs. */
const LOCK_WAIT_MS = 2_000;
const LOCK_POLL_MS = 20;

/** The system lets go of it when the process ends, however it does; the file stays, and says nothing. */
export async function acquire(path: string): Promise<FileLock> {
  const name = `${path}.lock`;
  for (let waitedMs = 0; ; waitedMs += LOCK_POLL_MS) {
    try {
      const lock = await lockFile(name, (owner) => new LockTaken(`another command${owner} is changing ${path}`));
      // Made by root, it would keep everybody else out.
      if (process.geteuid?.() === 0) await likeKeyFile(path).then(({ uid, gid }) => chown(name, uid, gid));
      return lock;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EACCES') {
        // The lock's own file, where it is there: a command of root's may have left it.
        const isThere = await stat(name).then(
          () => true,
          () => false,
        );
        throw await foreign(isThere ? name : path, error);
      }
      if (!(error instanceof LockTaken)) throw error;
      if (waitedMs >= LOCK_WAIT_MS)
        throw new KeyFileError('keys-locked', `${error.message}; try again when it is done`);
    }
    await delay(LOCK_POLL_MS);
  }
}

class LockTaken extends Error {}

/**
 * The next content of the file, durable under a name of its own, with the file's owner and mode. Whoever holds the lock
 * is the only writer of it.
 */
export async function writeDraft(path: string, text: string): Promise<string> {
  const draft = `${path}.tmp`;
  await rm(draft, { force: true });
  const like = await likeKeyFile(path);
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await giveTo(file, like, path);
    await file.sync();
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  return draft;
}

/** Whom the file belongs to and who may read it: as it is, or where there is none, as its folder's owner alone. */
async function likeKeyFile(path: string): Promise<Pick<Stats, 'uid' | 'gid' | 'mode'>> {
  const there = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (there !== undefined) return there;
  const { uid, gid } = await stat(dirname(path));
  // Only root can make a file for somebody else, and where it is ours there is nobody to take it from.
  const isRoot = process.geteuid?.() === 0;
  return {
    uid: isRoot ? uid : (process.geteuid?.() ?? uid),
    gid: isRoot ? gid : (process.getegid?.() ?? gid),
    mode: 0o600,
  };
}

async function giveTo(file: FileHandle, like: Pick<Stats, 'uid' | 'gid' | 'mode'>, path: string): Promise<void> {
  const { uid, gid } = await file.stat();
  const mode = privateMode(like.mode);
  if (uid !== like.uid || (gid !== like.gid && (mode & 0o070) !== 0)) {
    await file.chown(like.uid, like.gid).catch(async (error: NodeJS.ErrnoException) => {
      throw error.code === 'EPERM' ? await foreign(path, error) : error;
    });
  }
  await file.chmod(mode);
}

/** What everybody may read is nobody's decision; what a group may, is somebody's. */
export function privateMode(mode: number): number {
  return (mode & 0o007) === 0 ? mode & 0o770 : 0o600;
}

export async function foreign(path: string, cause: unknown): Promise<KeyFileError> {
  const owner = await likeKeyFile(path).catch(() => undefined);
  const whose = owner === undefined ? 'is another user’s' : `belongs to user ${owner.uid}`;
  const own = `this process runs as user ${process.geteuid?.()}`;
  const message = `${path} ${whose}, and ${own}: run it as that user, or as root`;
  return new KeyFileError('keys-foreign', message, cause);
}
