/**
 * Test files: which tests are asked about a source file, and in which order.
 *
 * Owns that `test/` mirrors `src/`. Promises the nearest first: the file of the same name, those that import the source
 * or whose name begins alike, the rest of the folder by how many imports lead to the source, then other folders that
 * try it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, posix } from 'node:path';

/** Tests outside of a folder's own that try its code, as words of `npm test`. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  cli: ['device/run-', 'gateway/program', 'inspect/'],
  codec: ['spec/'],
  store: ['device/quota', 'device/crash', 'gateway/device-bounds', 'gateway/ingest', 'gateway/pages'],
};

/** How a test starts one of the programs. */
const PROGRAM = /bin\/tidegate-|main\.ts'|spawn\(/;
const STEPS_TO_PROGRAM = 1_000;

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
  const sourceOf = createSources(root);
  const distance = (path: string): number => {
    if (basename(path) === `${name}.test.ts`) return 0;
    if (basename(path).split(/[-.]/)[0] === name.split('-')[0]) return 1;
    return stepsTo(file, path, sourceOf);
  };
  const near = own.map((path) => ({ path, at: distance(path) })).sort((a, b) => a.at - b.at);
  return [...near.filter(({ at }) => at < Number.POSITIVE_INFINITY).map(({ path }) => path), ...others];
}

/** How many imports lead from one file to another; many where a program is started instead; else infinite. */
function stepsTo(file: string, from: string, sourceOf: (path: string) => string): number {
  const seen = new Set([from]);
  let edge = [from];
  for (let steps = 1; edge.length > 0; steps += 1) {
    edge = [...new Set(edge.flatMap((path) => importsIn(path, sourceOf(path))))].filter((path) => !seen.has(path));
    if (edge.includes(file)) return steps;
    for (const path of edge) seen.add(path);
  }
  const isProgram = [...seen].some((path) => path.startsWith('test/') && PROGRAM.test(sourceOf(path)));
  return isProgram ? STEPS_TO_PROGRAM : Number.POSITIVE_INFINITY;
}

function importsIn(path: string, source: string): string[] {
  return [...source.matchAll(/from '(\.[^']+\.ts)'/g)].map(([, to]) => posix.join(posix.dirname(path), to!));
}

function createSources(root: string): (path: string) => string {
  const known = new Map<string, string>();
  return (path) => {
    const source = known.get(path) ?? (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : '');
    known.set(path, source);
    return source;
  };
}
