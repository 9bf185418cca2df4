/**
 * Generations: the numbered databases in a queue's directory, of which the highest is the queue.
 *
 * Owns how one database takes the place of another: it is built aside and becomes the queue by one rename. Promises
 * that after a crash at any point there is exactly one queue, whole, and that nothing takes the place of a queue but
 * what was made from it. Never looks into a database.
 */
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from './directories.ts';
import { StoreError, toStoreError } from './errors.ts';

const GENERATION = /^db-(\d+)$/;
const UNFINISHED = 'db-unfinished';
/** RocksDB's own, by which it tells one database from another. */
const IDENTITY = 'IDENTITY';
/** In a database that took another's place: the identity of that one. */
const FOLLOWS = 'FOLLOWS';

export function generationPath(path: string, generation: number): string {
  return join(path, `db-${generation}`);
}

/**
 * The number of the queue's database; 0 where there is none. Rejects with `corrupt` where there are several and one was
 * not made from the one before: somebody has put it there, and the queue would be removed for it.
 */
export async function newestGeneration(path: string): Promise<number> {
  const all = await generations(path);
  for (const [i, generation] of all.slice(1).entries()) {
    if (await isMadeFrom(generationPath(path, generation), generationPath(path, all[i]!))) continue;
    const both = `db-${generation} was not made from db-${all[i]}`;
    throw new StoreError('corrupt', `${both}: move the one that is not the queue out of ${path}`);
  }
  return all.at(-1) ?? 0;
}

async function isMadeFrom(newer: string, older: string): Promise<boolean> {
  const follows = await textOf(join(newer, FOLLOWS));
  if (follows === undefined) return false;
  // One that is half removed may have lost its own.
  return follows === ((await textOf(join(older, IDENTITY))) ?? follows);
}

async function textOf(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').catch((error) => {
    const failure = toStoreError(error, `cannot read ${file}`);
    if (failure.code === 'not-found') return undefined;
    throw failure;
  });
}

/** Where to build the next one; nothing is there. */
export async function clearUnfinished(path: string): Promise<string> {
  const unfinished = join(path, UNFINISHED);
  await rm(unfinished, { recursive: true, force: true });
  return unfinished;
}

/** Makes what was built the queue. It is closed, and so is nothing else. */
export async function publishUnfinished(path: string, generation: number): Promise<void> {
  const unfinished = join(path, UNFINISHED);
  const before = (await generations(path)).at(-1);
  if (before !== undefined) {
    const identity = (await textOf(join(generationPath(path, before), IDENTITY))) ?? '';
    try {
      await writeFile(join(unfinished, FOLLOWS), identity, { mode: 0o600, flush: true });
    } catch (error) {
      throw toStoreError(error, `cannot write ${join(unfinished, FOLLOWS)}`);
    }
    await syncDirectory(unfinished);
  }
  await rename(unfinished, generationPath(path, generation));
  await syncDirectory(path);
}

/** Removes all that came before a generation, and what was left unfinished. Only while that generation is open. */
export async function removeOlder(path: string, generation: number): Promise<void> {
  // The oldest first: each that is left is known by the one behind it.
  for (const older of await generations(path)) {
    if (older < generation) await rm(generationPath(path, older), { recursive: true, force: true });
  }
  await clearUnfinished(path);
}

/** Ascending. */
async function generations(path: string): Promise<number[]> {
  const names = await readdir(path).catch((error) => {
    const failure = toStoreError(error, `cannot read ${path}`);
    if (failure.code === 'not-found') return [];
    throw failure;
  });
  const numbers = names.map((name) => Number(GENERATION.exec(name)?.[1])).filter((generation) => generation >= 1);
  return numbers.sort((a, b) => a - b);
}
