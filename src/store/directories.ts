/**
 * Directories that last: private, and on disk by name.
 *
 * Owns how a directory is made and how its entries are made durable. Promises that after a power loss the directory is
 * still there under its name, which an fsync of the files in it alone does not give. Never removes anything.
 */
import { mkdir, open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Makes a directory, and those above it that are missing, for its owner only. One that exists is left as it is. */
export async function makeDirectory(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 });
  if (made === undefined) return;
  for (let at = resolve(path); ; at = dirname(at)) {
    await syncDirectory(dirname(at));
    if (at === resolve(made)) return;
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
