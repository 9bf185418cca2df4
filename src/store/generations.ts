/**
 * Generations: the numbered databases in a queue's directory, of which the highest is the queue.
 *
 * Owns how one database takes the place of another: it is built aside and becomes the queue by one rename. Promises that
 * after a crash at any point there is exactly one queue, whole. Never looks into a database.
 */
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from './directories.ts';
import { toStoreError } from './errors.ts';

const GENERATION = /^db-(\d+)$/;
const UNFINISHED = 'db-unfinished';

export function generationPath(path: string, generation: number): string {
  return join(path, `db-${generation}`);
}

/** The number of the queue's database; 0 where there is none. */
export async function newestGeneration(path: string): Promise<number> {
  return Math.max(0, ...(await generations(path)));
}

/** Where to build the next one; nothing is there. */
export async function clearUnfinished(path: string): Promise<string> {
  const unfinished = join(path, UNFINISHED);
  await rm(unfinished, { recursive: true, force: true });
  return unfinished;
}

/** Makes what was built the queue. It is closed, and so is nothing else. */
export async function publishUnfinished(path: string, generation: number): Promise<void> {
  await rename(join(path, UNFINISHED), generationPath(path, generation));
  await syncDirectory(path);
}

/** Removes all that came before a generation, and what was left unfinished. Only while that generation is open. */
export async function removeOlder(path: string, generation: number): Promise<void> {
  for (const older of await generations(path)) {
    if (older < generation) await rm(generationPath(path, older), { recursive: true, force: true });
  }
  await clearUnfinished(path);
}

async function generations(path: string): Promise<number[]> {
  const names = await readdir(path).catch((error) => {
    const failure = toStoreError(error, `cannot read ${path}`);
    if (failure.code === 'not-found') return [];
    throw failure;
  });
  return names.map((name) => Number(GENERATION.exec(name)?.[1])).filter((generation) => generation >= 1);
}
