/**
 * The house rules of ARCHITECTURE.md, held over the real tree, and over small wrong trees to prove that each can fail.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Source text by path from the root of the repository, such as `src/codec/index.ts`. */
type Tree = ReadonlyMap<string, string>;

/** What each folder of src may import, always through the other's `index.ts`. The empty name is `src/index.ts`. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  codec: [],
  store: [],
  cli: [],
  device: ['codec', 'store', 'cli'],
  gateway: ['codec', 'store', 'cli'],
  inspect: ['codec', 'cli'],
  '': ['device', 'gateway'],
};

/** Packages that only one folder may know. */
const OWNER_OF_PACKAGE: Readonly<Record<string, string>> = {
  'level-rocksdb': 'store',
  rocksdb: 'store',
  '@msgpack/msgpack': 'codec',
};

const LINES_MAX = 300;
const COLUMNS_MAX = 120;
const BYTES_AS_TEXT = /^\s*'[\da-zA-Z+/]+=*'[,;]$/;
const NAMES_OF_NOTHING = /^(utils?|shared|helpers?|common|misc)$/i;
const IMPURE_MODULES = /^node:(fs|net|tls|http|https|http2|dgram|dns|os|child_process|worker_threads|timers)(\/|$)/;
const IMPURE_CALLS = /\bDate\.now\(|\bMath\.random\(|\bnew Date\(\s*\)|\bperformance\.now\(|\bset(Timeout|Interval)\(/;

const root = fileURLToPath(new URL('..', import.meta.url));

test('the house is in order', () => {
  const tree = readTree(['src', 'test', 'bench', 'demo', 'faults', 'mutation', 'rig', 'scripts', 'bin']);
  assert(tree.has('src/index.ts'));
  assert.deepEqual(violations(tree), []);
});

test('a leaf imports nothing of ours, device and gateway never each other', () => {
  for (const [from, to] of [
    ['codec', 'store'],
    ['store', 'codec'],
    ['cli', 'codec'],
    ['device', 'gateway'],
    ['gateway', 'device'],
    ['inspect', 'store'],
    ['inspect', 'device'],
  ]) {
    fails(
      { [`src/${from}/a.ts`]: `import { x } from '../${to}/index.ts';`, [`src/${to}/index.ts`]: '' },
      `may not import src/${to}`,
    );
  }
  fails(
    { 'src/index.ts': `export { x } from './codec/index.ts';`, 'src/codec/index.ts': '' },
    'may not import src/codec',
  );
  holds({
    'src/index.ts': `export { openDevice } from './device/index.ts';`,
    'src/device/index.ts': `import { x } from '../codec/index.ts';\nimport './queue.ts';`,
    'src/device/queue.ts': `import type { Queue } from '../store/index.ts';`,
    'src/codec/index.ts': '',
    'src/store/index.ts': '',
  });
});

test('another folder is entered by its front door only', () => {
  const codec = { 'src/codec/batch.ts': '', 'src/codec/index.ts': '' };
  for (const statement of [
    `import { x } from '../codec/batch.ts';`,
    `import type { X } from '../codec/batch.ts';`,
    `import {\n  x,\n  y,\n} from '../codec/batch.ts';`,
    `export * from '../codec/batch.ts';`,
    `import '../codec/batch.ts';`,
    `const { x } = await import('../codec/batch.ts');`,
    `type X = import('../codec/batch.ts').X;`,
  ]) {
    fails({ ...codec, 'src/device/a.ts': statement }, 'only through src/codec/index.ts');
  }
  holds({ ...codec, 'src/device/a.ts': `// import { x } from '../codec/batch.ts';` });
});

test('src imports nothing from outside src', () => {
  fails({ 'src/codec/a.ts': `import { x } from '../../test/codec/x.ts';`, 'test/codec/x.ts': '' }, 'outside src');
});

test('an import names a file that exists', () => {
  fails({ 'src/codec/a.ts': `import { x } from './b.ts';` }, 'src/codec/b.ts is not there');
});

test('a folder of src has a place in the design', () => {
  fails({ 'src/cloud/a.ts': '' }, 'no place in the design');
  fails({ 'src/loose.ts': '' }, 'no place in the design');
});

test('no file imports itself by a detour', () => {
  fails(
    {
      'src/codec/a.ts': `import { b } from './b.ts';`,
      'src/codec/b.ts': `import { c } from './c.ts';`,
      'src/codec/c.ts': `import { a } from './a.ts';`,
    },
    'src/codec/a.ts → src/codec/b.ts → src/codec/c.ts → src/codec/a.ts',
  );
});

test('a package has one owner', () => {
  fails({ 'src/gateway/a.ts': `import level from 'level-rocksdb';` }, 'belongs to src/store');
  fails({ 'src/device/a.ts': `const level = require('level-rocksdb');` }, 'belongs to src/store');
  fails({ 'src/store/a.ts': `import { pack } from '@msgpack/msgpack';` }, 'belongs to src/codec');
  holds({ 'src/store/a.ts': `import level from 'level-rocksdb';` });
});

test('the codec has no clock, no chance and no I/O', () => {
  for (const call of ['Date.now()', 'Math.random()', 'new Date()', 'performance.now()', 'setTimeout(f, 1)']) {
    fails({ 'src/codec/a.ts': `const x = ${call};` }, 'clock or chance');
    holds({ 'src/device/a.ts': `const x = ${call};` });
  }
  fails({ 'src/codec/a.ts': `import { readFile } from 'node:fs/promises';` }, 'does I/O');
  holds({ 'src/codec/a.ts': `import { gzip } from 'node:zlib';\nconst x = new Date(5);` });
});

test('secrets are compared in constant time', () => {
  for (const line of [
    'if (signature === other) x();',
    'return due === expected;',
    'const ok = expected.equals(offered);',
    'const ok = Buffer.compare(secret, other) === 0;',
    'if (adminToken !== given) x();',
    'const mac = createHmac("sha256", key).digest();',
  ]) {
    fails({ 'src/gateway/a.ts': `/** a */\n${line}` }, 'secret');
  }
  for (const line of [
    'if (signature === undefined || secret.length === expected.length) x();',
    'const mac = createHmac("sha256", key).digest();\nreturn timingSafeEqual(mac, other);',
  ]) {
    holds({ 'src/gateway/a.ts': `/** a */\n${line}` });
  }
});

test('nothing is named after nothing', () => {
  for (const path of ['src/codec/utils.ts', 'src/codec/shared/a.ts', 'test/helpers.ts', 'bench/common/a.ts']) {
    fails({ [path]: '' }, 'says nothing');
  }
});

test('a file of src opens with a comment and stays short', () => {
  assert.deepEqual(violations(new Map([['src/codec/a.ts', 'const x = 1;']])), [
    'src/codec/a.ts: opens without a comment',
  ]);
  fails({ 'src/codec/a.ts': 'x;\n'.repeat(LINES_MAX) }, 'lines');
  holds({ 'src/codec/a.ts': 'x;\n'.repeat(LINES_MAX - 1) });
});

test('comments and strings are no wider than the code', () => {
  for (const [opening, closing] of [
    ['/** ', ' */'],
    ['  // ', ''],
    [' * ', ''],
    [`test('a name`, `', () => {`],
  ]) {
    const widest = `${opening}${' x'.repeat(COLUMNS_MAX)}`.slice(0, COLUMNS_MAX - `${closing}`.length) + closing;
    holds({ 'test/a.ts': widest });
    fails({ 'test/a.ts': ` ${widest}` }, `line 2 is wider than ${COLUMNS_MAX}`);
  }
  holds({ 'test/a.ts': `const BYTES =\n  '${'0f'.repeat(COLUMNS_MAX)}';` });
});

/** The tree with a header put on every file breaks exactly this rule. */
function fails(files: Readonly<Record<string, string>>, expected: string): void {
  const found = violations(withHeaders(files));
  assert.equal(found.length, 1, `expected one violation, "${expected}", found ${JSON.stringify(found)}`);
  assert(found[0]?.includes(expected), `expected "${expected}", found "${found[0]}"`);
}

function holds(files: Readonly<Record<string, string>>): void {
  assert.deepEqual(violations(withHeaders(files)), []);
}

function withHeaders(files: Readonly<Record<string, string>>): Tree {
  return new Map(Object.entries(files).map(([path, source]) => [path, `/** A file. */\n${source}`]));
}

function violations(tree: Tree): string[] {
  const everywhere = [...tree].flatMap(([path, source]) => [...nameViolations(path), ...widthViolations(path, source)]);
  const inSrc = [...tree]
    .filter(([path]) => path.startsWith('src/'))
    .flatMap(([path, source]) => {
      const found = [
        ...shapeViolations(path, source),
        ...importViolations(tree, path),
        ...purityViolations(path, source),
        ...secrecyViolations(source),
      ];
      return found.map((message) => `${path}: ${message}`);
    });
  return [...everywhere, ...inSrc, ...cycles(tree)];
}

function nameViolations(path: string): string[] {
  const nothing = path.split('/').find((part) => NAMES_OF_NOTHING.test(part.replace(/\..*$/, '')));
  return nothing === undefined ? [] : [`${path}: the name ${nothing} says nothing`];
}

/** The formatter leaves comments and strings as wide as they are. Bytes written out have no place to break them at. */
function widthViolations(path: string, source: string): string[] {
  return source.split('\n').flatMap((line, index) => {
    const isWide = line.length > COLUMNS_MAX && !BYTES_AS_TEXT.test(line);
    return isWide ? [`${path}: line ${index + 1} is wider than ${COLUMNS_MAX}`] : [];
  });
}

function shapeViolations(path: string, source: string): string[] {
  const lines = source.replace(/\n$/, '').split('\n').length;
  return [
    ...(folderOf(path) in MAY_IMPORT && (folderOf(path) !== '' || path === 'src/index.ts')
      ? []
      : ['has no place in the design']),
    ...(/^\s*\/\*\*/.test(source) ? [] : ['opens without a comment']),
    ...(lines > LINES_MAX ? [`has ${lines} lines, more than ${LINES_MAX}`] : []),
  ];
}

function importViolations(tree: Tree, path: string): string[] {
  const folder = folderOf(path);
  return importsOf(tree, path).flatMap((specifier) => {
    if (!specifier.startsWith('.')) {
      const owner = OWNER_OF_PACKAGE[specifier];
      return owner === undefined || owner === folder ? [] : [`the package ${specifier} belongs to src/${owner}`];
    }
    const target = posix.join(dirname(path), specifier);
    if (!target.startsWith('src/')) return [`imports ${target} from outside src`];
    if (!tree.has(target)) return [`${target} is not there`];
    const other = folderOf(target);
    if (other === folder) return [];
    if (!MAY_IMPORT[folder]?.includes(other)) return [`may not import src/${other}`];
    return target === `src/${other}/index.ts` ? [] : [`imports src/${other} not only through src/${other}/index.ts`];
  });
}

function purityViolations(path: string, source: string): string[] {
  if (folderOf(path) !== 'codec') return [];
  const code = withoutComments(source);
  return [
    ...(IMPURE_CALLS.test(code) ? ['knows a clock or chance'] : []),
    ...(specifiersIn(code).some((specifier) => IMPURE_MODULES.test(specifier)) ? ['does I/O'] : []),
  ];
}

const SECRET_NAMES = '(?:expected|offered|mac|\\w*[sS]ignature|\\w*[sS]ecret|\\w*[tT]oken)';
const HASTY_COMPARISONS = new RegExp(
  [
    `\\b${SECRET_NAMES} [!=]== (?!undefined|null|['"])`,
    `[!=]== ${SECRET_NAMES}\\b(?!\\.)`,
    `\\b${SECRET_NAMES}\\.(?:equals|compare|localeCompare)\\(`,
    `\\bcompare\\(${SECRET_NAMES}\\b`,
  ].join('|'),
);

/** What is secret, or a signature, is compared in the same time wherever it differs. */
function secrecyViolations(source: string): string[] {
  const code = withoutComments(source);
  const makes = code.includes('createHmac(') || /\bfunction \w*(?:verify|createAdminGate)\w*\(/.test(code);
  return [
    ...(HASTY_COMPARISONS.test(code) ? ['compares a secret by a way that tells how much of it is right'] : []),
    ...(makes && !code.includes('timingSafeEqual(') ? ['checks a secret without timingSafeEqual'] : []),
  ];
}

/** Each cycle once, as the path that a walk in the order of the names finds. */
function cycles(tree: Tree): string[] {
  const finished = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, trail: readonly string[]) => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      found.push(`${[...trail.slice(start), path].join(' → ')}: imports in a circle`);
      return;
    }
    if (finished.has(path)) return;
    for (const specifier of importsOf(tree, path)) {
      if (specifier.startsWith('.')) walk(posix.join(dirname(path), specifier), [...trail, path]);
    }
    finished.add(path);
  };
  for (const path of [...tree.keys()].sort()) if (path.startsWith('src/')) walk(path, []);
  return found;
}

function importsOf(tree: Tree, path: string): string[] {
  return specifiersIn(withoutComments(tree.get(path) ?? ''));
}

function specifiersIn(code: string): string[] {
  const patterns = [
    /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    /\b(?:import|require)\(\s*['"]([^'"]+)['"]\s*\)/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map(([, specifier]) => specifier as string));
}

function withoutComments(source: string): string {
  return source.replace(/^\s*\/\*\*?[\s\S]*?\*\//gm, '').replace(/^\s*\/\/.*$/gm, '');
}

/** `src/codec/batch.ts` is in `codec`; a file directly in src is in no folder. */
function folderOf(path: string): string {
  const [, folder, file] = path.split('/');
  return file === undefined ? '' : (folder ?? '');
}

function readTree(folders: readonly string[]): Tree {
  const paths = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|js|mjs)$/.test(entry.name))
      .map((entry) => posix.join(entry.parentPath.slice(root.length).replaceAll('\\', '/'), entry.name))
      .filter((path) => !path.includes('/node_modules/')),
  );
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}
