/** Bugs planted mechanically: where they can be, that a test sees one and misses one, and that nothing else changes. */
import assert from 'node:assert/strict';
import { access, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Mutation, mutationsOf, plant } from '../../mutation/operators.ts';
import { summaryOf } from '../../mutation/report.ts';
import { allMutations, draw } from '../../mutation/sample.ts';
import { testFilesFor } from '../../mutation/test-files.ts';
import { createCopy, removeCopy, type Trial, tryMutation } from '../../mutation/trial.ts';

const LIMITS = { slowMs: 60_000, trialMs: 60_000, patienceMs: 1_000 };
const FILE = 'src/gate/gate.ts';
const SOURCE = `export async function open(widthMm: number, log: { info(text: string): void }): Promise<boolean> {
  log.info('opened ' + widthMm);
  const unused = 5;
  while (widthMm < 0) widthMm += 1;
  return widthMm <= 10;
}
`;
const TEST = `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from '../../src/gate/gate.ts';
test('what is ten wide gets through', async () => {
  assert.equal(await open(-2, { info() {} }), true);
  assert.equal(await open(10, { info() {} }), true);
  assert.equal(await open(11, { info() {} }), false);
});
`;

test('a bug is caught by the test that is for it, one that nobody can notice survives, a hang is ended', async (t) => {
  const root = await checkout(t);
  const copy = await createCopy(root);
  t.after(() => removeCopy(copy));
  const baseline = new Map();
  const trial = (was: string, line: number): Promise<Trial> => {
    const mutation = mutationsOf(FILE, SOURCE).find((one) => one.was === was && one.line === line);
    assert(mutation !== undefined);
    return tryMutation(copy, mutation, baseline, LIMITS);
  };

  const caught = await trial('<=', 5);
  assert.equal(caught.outcome, 'caught');
  assert.match(caught.by ?? '', /gate\.test\.ts: what is ten wide gets through/);
  const survived = await trial('5', 3);
  assert.equal(survived.outcome, 'survived');
  assert.equal(survived.asked, 1, 'the test that is red anyway is not asked');
  const hung = await trial('+=', 4);
  assert.equal(hung.outcome, 'timed out');

  assert.equal(await readFile(join(copy, FILE), 'utf8'), SOURCE);
  assert.equal(await readFile(join(root, FILE), 'utf8'), SOURCE);
  assert.equal(
    summaryOf([caught, survived, hung, { ...survived, outcome: 'no test' }]),
    '2 of 4 caught (50.0 %), 1 of them by hanging; 1 survived, 1 had no quick test',
  );
});

test('a copy holds no packages of its own, and goes without taking them along', async (t) => {
  const root = await checkout(t);
  const copy = await createCopy(root);
  await access(join(copy, 'node_modules/tsx/package.json'));
  await removeCopy(copy);
  await assert.rejects(access(copy));
  await access(join(root, 'node_modules/tsx/package.json'));
});

for (const [operator, source, becomes] of [
  ['comparison', 'f(a < b);', 'f(a <= b);'],
  ['equality', 'f(a === b);', 'f(a !== b);'],
  ['arithmetic', 'f(a + b);', 'f(a - b);'],
  ['arithmetic', 'a -= b;', 'a += b;'],
  ['logic', 'f(a && b);', 'f(a || b);'],
  ['default', 'f(a ?? b);', 'f(b);'],
  ['condition', 'if (a) f();', 'if (!(a)) f();'],
  ['negation', 'f(!a);', 'f(a);'],
  ['constant', 'f(4_096);', 'f(4097);'],
  ['constant', 'f(true);', 'f(false);'],
  ['removed await', 'f(await a);', 'f(a);'],
  ['removed throw', 'throw a;', ';'],
  ['removed statement', 'this.#a(b);', ';'],
  ['removed finally', 'try { a; } finally { b(); }', 'try { a; } finally {}'],
  ['other method', 'f(Math.min(a, b));', 'f(Math.max(a, b));'],
  ['swapped arguments', 'f(a, b.c);', 'f(b.c, a);'],
] as const) {
  test(`${operator}: ${source} → ${becomes}`, () => {
    const inClass = `class X { #a; async f() { ${source} } }`;
    const planted = mutationsOf('a.ts', inClass)
      .filter((mutation) => mutation.operator === operator)
      .map((mutation) => plant(mutation, inClass));
    assert(planted.includes(`class X { #a; async f() { ${becomes} } }`), planted.join('\n'));
  });
}

test('what no test could notice is left alone: types, imports, log lines, texts', () => {
  for (const source of [
    `import { a } from './a.ts';`,
    `type A = 1 | 2;`,
    `interface A { b: true }`,
    `log.warn({ ms: 5 }, 'slow');`,
    `this.#log.info(5);`,
    `const text = 'a' + b + 'c';`,
  ]) {
    assert.deepEqual(mutationsOf('a.ts', source.replace('this', 'x').replace('#', '')), [], source);
  }
});

test('a seed draws the same, each mutation once, and no more than there are', async (t) => {
  const all = allMutations(await checkout(t), ['src/gate']);
  const places = (mutations: readonly Mutation[]) => mutations.map(({ start, operator }) => `${start} ${operator}`);
  assert.deepEqual(places(draw(all, 4, 7)), places(draw(all, 4, 7)));
  assert.notDeepEqual(places(draw(all, all.length, 7)), places(draw(all, all.length, 8)));
  assert.deepEqual(places(draw(all, 1_000, 7)).sort(), places(all).sort());
  assert.equal(new Set(places(all)).size, all.length);
});

test('the nearest tests come first', () => {
  const files = testFilesFor(fileURLToPath(new URL('../..', import.meta.url)), 'src/store/ledger.ts');
  assert.equal(files[0], 'test/store/ledger.test.ts');
  assert(files.indexOf('test/store/ledger-bytes.test.ts') < files.indexOf('test/store/folder-lock.test.ts'));
  assert(!files.includes('test/store/crc32c.test.ts'), 'no import leads there');
  assert(files.at(-1)?.startsWith('test/gateway/'));
  const [program] = testFilesFor(fileURLToPath(new URL('../..', import.meta.url)), 'src/gateway/serve.ts');
  assert.equal(program, 'test/gateway/program.test.ts', 'what only a program imports is tried by who starts it');
});

/** A checkout of one source file with a test that passes and one that fails. */
async function checkout(t: TestContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'tidegate-mutation-test-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  await write('package.json', '{ "type": "module" }');
  await write(FILE, SOURCE);
  await write('test/gate/gate.test.ts', TEST);
  await write(
    'test/gate/red.test.ts',
    `import { open } from '../../src/gate/gate.ts';\nprocess.exitCode = open ? 3 : 0;`,
  );
  await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(root, 'node_modules'), 'dir');
  return root;
}
