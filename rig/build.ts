/**
 * Build: the program as it is published, and those that try it, as JavaScript in a folder of its own.
 *
 * Owns the copy that is measured or attacked. Promises that, unless its source is altered on the way, it is what `npm
 * pack` would ship: run through tsx, closures on hot paths would carry a call that keeps their names, and every start
 * would compile anew. Never checks types.
 */
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);

/** Gives the source to compile in the place of a file's; `path` is from the root of the checkout. */
export type Alteration = (path: string, source: string) => string;

/**
 * Compiles `src`, `rig` and the named folders of this checkout into an empty folder, and puts beside them what they
 * need to run. The folder is kept out of version control by whoever asks for it.
 */
export async function buildInto(folder: string, folders: readonly string[], alter?: Alteration): Promise<void> {
  const compiled = ['src', 'rig', ...folders];
  await mkdir(folder, { recursive: true });
  const sources = alter === undefined ? root : join(folder, 'sources');
  if (alter !== undefined) for (const name of compiled) await alterInto(sources, name, alter);
  const project = join(folder, 'tsconfig.json');
  await writeFile(
    project,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { noEmit: false, noCheck: true, types: [], rootDir: sources, outDir: folder },
      include: compiled.map((name) => join(sources, name)),
      // By default the output folder, where altered sources lie.
      exclude: [],
    }),
  );
  const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
  await run(process.execPath, [join(typescript, 'bin/tsc'), '-p', project]);
  for (const name of compiled) await copyScripts(name, folder);
  await copyFile(join(root, 'package.json'), join(folder, 'package.json'));
  await cp(join(root, 'bin'), join(folder, 'bin'), { recursive: true });
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
  // Where the binaries look for compiled code.
  await symlink(join(folder, 'src'), join(folder, 'dist'), 'dir');
}

async function alterInto(sources: string, name: string, alter: Alteration): Promise<void> {
  for (const path of await filesIn(name)) {
    if (!path.endsWith('.ts')) continue;
    await mkdir(dirname(join(sources, path)), { recursive: true });
    await writeFile(join(sources, path), alter(path, await readFile(join(root, path), 'utf8')));
  }
}

/** What is JavaScript already. */
async function copyScripts(name: string, folder: string): Promise<void> {
  for (const path of await filesIn(name)) {
    if (path.endsWith('.mjs')) await copyFile(join(root, path), join(folder, path));
  }
}

async function filesIn(name: string): Promise<string[]> {
  const entries = await readdir(join(root, name), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .filter((path) => !path.split(sep).includes('node_modules'));
}
