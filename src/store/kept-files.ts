/**
 * The files of a database as they were before it was opened, kept until somebody has looked at what was opened.
 *
 * Owns a folder of hard links beside the database. RocksDB, in opening, deletes what it has no use for: where it was a
 * damaged file that told it so, that was all the rest. Promises that an opening which is refused leaves the database as it
 * was, also where the process ends meanwhile. Where the file system knows no links it does without.
 */
import { link, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exists, syncDirectory } from './directories.ts';
import { assertUnlocked } from './rocks-level.ts';

export interface KeptFiles {
  /** Puts everything back as it was. Only while nobody has the database. */
  putBack(): Promise<void>;
  /** What was opened is as it should be. */
  letGo(): Promise<void>;
}

/** RocksDB makes it where there is none. */
const LOCK = 'LOCK';

/** Rejects with `locked` where a process has the database. */
export async function keepFiles(path: string): Promise<KeptFiles> {
  const kept = `${path}.kept`;
  const [unfinished, refused, spent] = [`${path}.keeping`, `${path}.refused`, `${path}.spent`];
  const putBack = async (): Promise<void> => {
    if (!(await exists(kept))) return;
    // After a crash anywhere in between, the next opening goes on here.
    if (await exists(path)) await rename(path, refused);
    await rename(kept, path);
    await rm(refused, { recursive: true, force: true });
  };
  const letGo = async (): Promise<void> => {
    if (!(await exists(kept))) return;
    // In one step: a part of the files must never pass for what the database was.
    await rename(kept, spent);
    await syncDirectory(dirname(path));
    // What is left of it the next opening removes.
    await rm(spent, { recursive: true, force: true }).catch(() => {});
  };
  if (await exists(path)) await assertUnlocked(path);
  for (const left of [unfinished, spent]) await rm(left, { recursive: true, force: true });
  if (await exists(refused)) await ((await exists(path)) ? rm(refused, { recursive: true }) : putBack());
  // An opening that was cut off: nobody has looked at what came of it.
  await putBack();
  const names = (await readdir(path).catch(() => [])).filter((name) => name !== LOCK);
  if (names.length > 0) {
    try {
      await mkdir(unfinished, { mode: 0o700 });
      for (const name of names) await link(join(path, name), join(unfinished, name));
      await rename(unfinished, kept);
    } catch {
      await rm(unfinished, { recursive: true, force: true });
    }
  }
  return { putBack, letGo };
}
