/**
 * Build: the program as it is published, and the bench with it, as JavaScript in a folder of its own.
 *
 * Owns the copy that is measured. Promises that it is what `npm pack` would ship: run through tsx, closures on hot paths
 * would carry a call that keeps their names, and cost some percent more than users ever see. Never checks types.
 */
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);

/** Compiles `src` and `bench` of this checkout into the folder, and puts beside them what they need to run. */
export async function buildInto(folder: string): Promise<void> {
  const project = join(folder, 'tsconfig.json');
  await mkdir(folder);
  await writeFile(
    project,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { noEmit: false, noCheck: true, types: [], rootDir: root, outDir: folder },
      include: [join(root, 'src'), join(root, 'bench')],
    }),
  );
  const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
  await run(process.execPath, [join(typescript, 'bin/tsc'), '-p', project]);
  await copyFile(join(root, 'package.json'), join(folder, 'package.json'));
  await copyFile(join(root, 'bench/leash.mjs'), join(folder, 'bench/leash.mjs'));
  await cp(join(root, 'bin'), join(folder, 'bin'), { recursive: true });
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
  // Where the binaries look for compiled code.
  await symlink(join(folder, 'src'), join(folder, 'dist'), 'dir');
}
