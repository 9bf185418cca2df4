/**
 * Test files: which tests are asked about a source file, and in which order.
 *
 * Owns that `test/` mirrors `src/`. Promises the nearest first: the file of the same name, those that import the source or
 * whose name begins alike, the rest of the folder by how many imports lead to the source, then other folders that try it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, posix } from 'node:path';

/** Tests outside of a folder's own that try its code, as words of `npm test`. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  cli: ['device/run-', 'gateway/program', 'inspect/'],
  codec: ['spec/'],
  store: ['device/quota', 'device/crash', 'gateway/device-bounds', 'gateway/ingest', 'gateway/pages'],
};

/** Paths from the root, nearest first. */
export function testFilesFor(root: string, file: string): string[] {
  const [, folder = '', ...rest] = file.split('/');
  const name = basename(rest.join('/'), '.ts');
  const all = readdirSync(join(root, 'test'), { recursive: true })
    .map((path) => `test/${String(path).replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.test.ts'))
    .sort();
  const own = all.filter((path) => path.startsWith(`test/${folder}/`));
  const others = all.filter((path) => BESIDE[folder]?.some((word) => path.startsWith(`test/${word}`)));
  const importsOf = createImports(root);
  const distance = (path: string): number => {
    if (basename(path) === `${name}.test.ts`) return 0;
    if (basename(path).split(/[-.]/)[0] === name.split('-')[0]) return 1;
    return stepsTo(file, path, importsOf);
  };
  const near = own.map((path) => ({ path, at: distance(path) })).sort((a, b) => a.at - b.at);
  return [...near.map(({ path }) => path), ...others];
}

/** How many imports lead from one file to another; many where a test starts the code as a program. */
function stepsTo(file: string, from: string, importsOf: (path: string) => readonly string[]): number {
  const seen = new Set([from]);
  let edge = [from];
  for (let steps = 1; edge.length > 0; steps += 1) {
    edge = [...new Set(edge.flatMap(importsOf))].filter((path) => !seen.has(path));
    if (edge.includes(file)) return steps;
    for (const path of edge) seen.add(path);
  }
  return seen.size;
}

function createImports(root: string): (path: string) => readonly string[] {
  const known = new Map<string, readonly string[]>();
  return (path) => {
    let imports = known.get(path);
    if (imports === undefined) {
      const source = existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : '';
      imports = [...source.matchAll(/from '(\.[^']+\.ts)'/g)].map(([, to]) => posix.join(posix.dirname(path), to!));
      known.set(path, imports);
    }
    return imports;
  };
}
