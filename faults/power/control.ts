/**
 * Control: the same programs without their fsync, which a power cut must catch.
 *
 * Owns the copy. A campaign that finds nothing has shown something only if it would have found it. Promises that
 * nothing else differs. Never judges.
 */
import assert from 'node:assert/strict';
import { cp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPrograms, type Programs } from '../../rig/programs.ts';

/** Of the build that this campaign runs from. */
const BUILD = fileURLToPath(new URL('../..', import.meta.url));
const CODE = ['src', 'rig', 'faults', 'bin'];

const SYNC = /\bSYNC = \{ sync: (true|false) \}/g;
/** Of a witness that has just been made: it takes along what else the file system has in memory. */
const WITNESS_SYNC = /await this\.#file\.sync\(\);\s*await syncDirectory\(dirname\(this\.#path\)\);/g;

/** @param folder where the copy is made */
export async function createControl(folder: string): Promise<Programs> {
  for (const name of CODE) await cp(join(BUILD, name), join(folder, name), { recursive: true });
  await cp(join(BUILD, 'package.json'), join(folder, 'package.json'));
  await symlink(join(BUILD, 'node_modules'), join(folder, 'node_modules'), 'dir');
  await symlink(join(folder, 'src'), join(folder, 'dist'), 'dir');
  // It may be without already, where that is the bug that is tried.
  await replaceOnce(join(folder, 'src/store/rocks.js'), SYNC, 'SYNC = { sync: false }');
  await replaceOnce(join(folder, 'src/store/witness.js'), WITNESS_SYNC, '');
  return createPrograms({ folder });
}

async function replaceOnce(path: string, pattern: RegExp, replacement: string): Promise<void> {
  const source = await readFile(path, 'utf8');
  assert.equal(source.match(pattern)?.length, 1, `what syncs is in one place of ${path}`);
  await rm(path);
  await writeFile(path, source.replace(pattern, replacement));
}
