/**
 * The lock on a folder: one owner at a time, whatever starts twice.
 *
 * Owns one small file in the folder, locked for as long as its owner lives. The lock belongs to the open file, so it
 * holds between processes, threads and two openings in one process, under every spelling of the path, and the system
 * lets go of it however the process ends. Nothing of a folder is moved or written before it is held. The file stays;
 * that it is there says nothing.
 */
import { spawnSync } from 'node:child_process';
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { StoreError } from './errors.ts';

/** Locks an open file for that very opening of it; false where another opening has it locked. */
type TryLock = (fd: number) => boolean;

/** Held on a file: that of a folder's owner, or another that is there for nothing else. */
export interface FileLock {
  /** Lets the next one have it. Calling it again is harmless. */
  release(): Promise<void>;
}

const LOCK_NAME = 'owner.lock';
/** Behind the text of the file: Windows would not let others read what is locked. */
const LOCKED_AT = 1 << 20;
const PID_BYTES_MAX = 16;

const require = createRequire(import.meta.url);

/** Takes the lock of a folder that is there. Rejects with `locked`, and says whose it is, where somebody has it. */
export function lockFolder(folder: string): Promise<FileLock> {
  const refusal = (owner: string) =>
    new StoreError('locked', `already running${owner}: ${folder} has one owner at a time`);
  return lockFile(join(folder, LOCK_NAME), refusal);
}

/** The same of a file that is there for nothing else. `refusal` is told ` (pid N)`, or nothing if unknown. */
export async function lockFile(path: string, refusal: (owner: string) => Error): Promise<FileLock> {
  const tryLock = loadTryLock();
  for (;;) {
    // Never truncated in opening: until it is locked, what is in it is another's.
    const file = await openOrMake(path);
    try {
      if (!tryLock(file.fd)) throw refusal(await ownerOf(file));
      // One that was removed before it was locked keeps nobody out.
      if (await isAt(file, path)) {
        await writeOwner(file);
        return new HeldLock(file);
      }
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
  }
}

class HeldLock implements FileLock {
  #file: FileHandle | undefined;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async release(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.truncate().catch(() => {});
    // Which lets go of the lock.
    await file?.close();
  }
}

/** Loaded when it is wanted: who only reads a batch needs no lock. */
function loadTryLock(): TryLock {
  try {
    const { tryLock } = require('fs-native-extensions') as typeof import('fs-native-extensions');
    return (fd) => tryLock(fd, LOCKED_AT, 1);
  } catch {
    // There is none for some machines, such as 32-bit ARM.
    return tryFlock;
  }
}

/**
 * The same by the command `flock` of util-linux or BusyBox. It locks the opening that it inherits, which is ours, so
 * the lock stays when the command has ended. Throws `io` where there is no such command.
 */
export function tryFlock(fd: number): boolean {
  const { status, error } = spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  if (status === 0 || status === 1) return status === 0;
  const machine = `${process.platform}-${process.arch}`;
  const advice = 'install flock (util-linux); fs-native-extensions has no build for it';
  throw new StoreError('io', `cannot lock files on this machine (${machine}): ${advice}`, error);
}

async function openOrMake(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return await open(path, 'a+', 0o600).then(async (made) => {
      await made.close();
      return await open(path, 'r+');
    });
  }
}

async function isAt(file: FileHandle, path: string): Promise<boolean> {
  const [held, there] = await Promise.all([
    file.stat({ bigint: true }),
    stat(path, { bigint: true }).catch(() => undefined),
  ]);
  return held.ino === there?.ino && held.dev === there.dev;
}

/** For people only: nothing is decided by it, so a full disk that takes no number is no reason to fail. */
async function writeOwner(file: FileHandle): Promise<void> {
  await file
    .truncate()
    .then(() => file.write(`${process.pid}\n`, 0))
    .catch(() => {});
}

async function ownerOf(file: FileHandle): Promise<string> {
  const pid = await pidIn(file);
  // Who has just taken it has not written it down yet.
  return pid === undefined ? '' : ` (pid ${pid})`;
}

async function pidIn(file: FileHandle): Promise<number | undefined> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(PID_BYTES_MAX), 0, PID_BYTES_MAX, 0);
  const [, pid] = /^(\d+)\n/.exec(buffer.toString('latin1', 0, bytesRead)) ?? [];
  return pid === undefined ? undefined : Number(pid);
}

/** The process that owns a folder known to have one; undefined where it is not written down. Changes nothing. */
export async function ownerPid(folder: string): Promise<number | undefined> {
  const file = await open(join(folder, LOCK_NAME), 'r').catch(() => undefined);
  try {
    return file && (await pidIn(file));
  } finally {
    await file?.close();
  }
}

/** The process that holds a folder now; undefined where none does, or where that cannot be told. Changes nothing. */
export async function runningOwner(folder: string): Promise<number | undefined> {
  const pid = await ownerPid(folder);
  if (pid === undefined || !isAlive(pid)) return undefined;
  const { ino } = await stat(join(folder, LOCK_NAME), { bigint: true });
  // A process that was killed leaves its number behind, and the number is used again; the lock is not.
  const locks = await readFile('/proc/locks', 'latin1').catch(() => undefined);
  return locks === undefined || locks.includes(`:${ino} `) ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
