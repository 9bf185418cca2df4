/**
 * Looking at a database beside the process that writes to it, or beside none.
 *
 * Owns the trying again. Whoever writes removes files that have been replaced, which may be the very ones that a look
 * has just been told of. Promises that a look is at one moment of the database, whole; that it changes no file; and
 * that a look which was upset by a writer is begun anew, so that it must do nothing before it ends.
 */
import { readdir } from 'node:fs/promises';
import { StoreError } from './errors.ts';

/** Files are replaced a few times a second at most, and a look takes less. */
const LOOKS_MAX = 20;

/** What is seen is closed when `look` ends. */
export async function lookAt<View extends { close(): Promise<void> }, T>(
  path: string,
  open: () => Promise<View>,
  look: (view: View) => Promise<T>,
): Promise<T> {
  for (let looks = 1; ; looks += 1) {
    const before = await namesIn(path);
    const isSteady = async () => (await namesIn(path)) === before;
    try {
      const view = await open();
      try {
        // RocksDB says nothing of a log that is removed between its list of files and its reading of them.
        if (!(await isSteady())) throw new StoreError('io', `${path} changes faster than it can be read`);
        return await look(view);
      } finally {
        await view.close();
      }
    } catch (error) {
      if (looks === LOOKS_MAX || (await isSteady())) throw error;
    }
  }
}

async function namesIn(path: string): Promise<string> {
  const names = await readdir(path, { recursive: true }).catch(() => []);
  return names.sort().join('\n');
}
