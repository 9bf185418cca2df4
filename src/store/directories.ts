/**
 * Directories that last: private, and on disk by name.
 *
 * Owns how a directory is made and how its entries are made durable. Promises that after a power loss the directory is
 * still there under its name, which an fsync of the files in it alone does not give. Never removes what is somebody's.
 */
import { access, mkdir, open, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { StoreError, toStoreError } from './errors.ts';

const PROBE_BYTES = 4_096;

/**
 * Makes a directory, and those above it that are missing, for its owner only. One that exists is left as it is, but its
 * name is made durable all the same: whoever made it may have been killed before that. No directory is made before the
 * one above it is durable, so there is only one to be unsure of.
 */
export async function makeDirectory(path: string): Promise<void> {
  const at = resolve(path);
  const above = dirname(at);
  const isThere = await exists(at);
  if (!isThere && above !== at) await makeDirectory(above);
  await mkdir(at, { recursive: true, mode: 0o700 }).catch((cause: NodeJS.ErrnoException) => {
    const isFile = cause.code === 'EEXIST' || cause.code === 'ENOTDIR';
    throw isFile ? new StoreError('not-a-folder', `${at} is a file, where a folder is to be`, cause) : cause;
  });
  await syncDirectory(above).catch((error: NodeJS.ErrnoException) => {
    // One that was made for us, in a place where we may not look around.
    if (!isThere || error.code !== 'EACCES') throw error;
  });
}

/** Rejects where no file can be made in a directory, written and fsynced; leaves none behind. */
export async function assertWritable(path: string): Promise<void> {
  const probe = join(path, 'probe');
  try {
    const file = await open(probe, 'w', 0o600);
    try {
      await file.write(Buffer.alloc(PROBE_BYTES));
      await file.sync();
    } finally {
      await file.close();
      await rm(probe, { force: true });
    }
  } catch (error) {
    throw toStoreError(error, `cannot write in ${path}`);
  }
}

/** Makes durable which names a directory holds. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open a directory, and needs no such thing.
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
