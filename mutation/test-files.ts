/**
 * Test files: which tests are asked about a source file, and in which order.
 *
 * Owns that `test/` mirrors `src/`. Promises the nearest first: the file of the same name, those that import the source,
 * those whose name begins alike, the rest of the folder, then other folders that try the same code.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

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
  const distance = (path: string): number => {
    if (basename(path) === `${name}.test.ts`) return 0;
    if (readFileSync(join(root, path), 'utf8').includes(`/${file}'`)) return 1;
    return basename(path).split(/[-.]/)[0] === name.split('-')[0] ? 2 : 3;
  };
  return [
    ...own
      .map((path) => ({ path, at: distance(path) }))
      .sort((a, b) => a.at - b.at)
      .map(({ path }) => path),
    ...others,
  ];
}
