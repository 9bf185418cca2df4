/**
 * What a stranger gets: the packed tarball, installed into an empty project, has working programs, imports and types.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import packageJson from '../package.json' with { type: 'json' };

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const NODE_MAJOR = Number.parseInt(process.versions.node, 10);
const MODULES = ['tidegate', 'tidegate/device', 'tidegate/gateway', 'tidegate/codec', 'tidegate/store'];

/** Not the coverage of npm and tsc, nor what the npm that runs this test has told it. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => name !== 'NODE_V8_COVERAGE' && !/^npm_/i.test(name)),
);

let project: string;

before(async () => {
  project = await mkdtemp(join(tmpdir(), 'tidegate-package-'));
  await npm(root, 'pack', '--pack-destination', project);
  const tarball = (await readdir(project)).find((name) => name.endsWith('.tgz'));
  assert(tarball);
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
  // On newer Nodes the install script of RocksDB aborts and then compiles for minutes; ours does without it.
  const scripts = NODE_MAJOR > 20 ? ['--ignore-scripts'] : [];
  await npm(project, 'install', '--prefer-offline', '--no-audit', '--no-fund', ...scripts, `./${tarball}`);
});

after(() => rm(project, { recursive: true, force: true }));

test('the package holds the programs, the compiled library, the spec and the papers, and nothing else', async () => {
  const names = await readdir(join(project, 'node_modules', 'tidegate'));
  const papers = ['ARCHITECTURE.md', 'CHANGELOG.md', 'LICENSE', 'README.md'];
  assert.deepEqual(names.sort(), [...papers, 'bin', 'dist', 'package.json', 'proto-spec'].sort());
});

for (const program of Object.keys(packageJson.bin)) {
  test(`${program} tells its version and its help`, async () => {
    const command = join(project, 'node_modules', '.bin', program);
    const answer = async (flag: string) => (await run(process.execPath, [command, flag], { env: environment })).stdout;
    assert.equal(await answer('--version'), `${packageJson.version}\n`);
    assert.match(await answer('--help'), new RegExp(`^Usage: ${program} `));
  });
}

test('every entry can be imported, and the front door has both sides', async () => {
  const code = `
    for (const name of ${JSON.stringify(MODULES)}) {
      const module = await import(name);
      if (Object.keys(module).length === 0) throw new Error(name + ' exports nothing');
    }
    const { openDevice, createGateway } = await import('tidegate');
    console.log(typeof openDevice, typeof createGateway);`;
  const options = { cwd: project, env: environment };
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], options);
  assert.equal(stdout, 'function function\n');
});

test('what is inside a folder stays inside', async () => {
  const code = `await import('tidegate/dist/store/keys.js')`;
  await assert.rejects(run(process.execPath, ['--input-type=module', '-e', code], { cwd: project, env: environment }), {
    message: /ERR_PACKAGE_PATH_NOT_EXPORTED/,
  });
});

test('the types are there for every entry, and are not any', async () => {
  const lines = MODULES.flatMap((name, index) => [
    `import * as module${index} from '${name}';`,
    `// @ts-expect-error: a module without types would be any`,
    `module${index}.thereIsNoSuchExport;`,
  ]);
  const names = ['openDevice', 'createGateway'];
  const functions = names.map((name) => `// @ts-expect-error: any would pass\nmodule0.${name} satisfies number;`);
  await writeFile(join(project, 'types.ts'), [...lines, ...functions].join('\n'));
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        module: 'NodeNext',
        target: 'ES2023',
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        types: ['node'],
        typeRoots: [join(root, 'node_modules', '@types')],
      },
      files: ['types.ts'],
    }),
  );
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout } = await run(process.execPath, [tsc, '-p', '.'], { cwd: project, env: environment }).catch(
    (error) => error,
  );
  // What is wrong with other packages' declarations is not ours.
  const ours = stdout.split('\n').filter((line: string) => /^(types\.ts|node_modules.tidegate)\b/.test(line));
  assert.deepEqual(ours, []);
});

async function npm(cwd: string, ...args: string[]): Promise<void> {
  const running = process.env['npm_execpath'];
  const [command, prefix] = running?.endsWith('npm-cli.js') ? [process.execPath, [running]] : ['npm', []];
  await run(command, [...prefix, ...args, '--loglevel=error'], { cwd, env: environment });
}
