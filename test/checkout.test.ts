/**
 * The first command in a fresh clone: packages appear by themselves, and programs start from where their code is.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const LOCK = {
  packages: {
    '': { name: 'tidegate' },
    'node_modules/a': { version: '1.0.0' },
    'node_modules/here': { version: '1.0.0', optional: true, os: [process.platform], cpu: [process.arch] },
    'node_modules/elsewhere': { version: '1.0.0', optional: true, os: ['plan9'] },
  },
};

/** Does what `npm ci` does, as far as the script can see, and counts its calls. */
const FAKE_NPM = `
  const fs = require('node:fs');
  fs.appendFileSync('calls', process.argv.slice(2).join(' ') + '\\n');
  console.log('added packages');
  if (fs.existsSync('offline')) process.exit(1);
  fs.mkdirSync('node_modules/rocksdb/prebuilds/' + fs.readFileSync('prebuild', 'utf8'), { recursive: true });
  const lock = JSON.parse(fs.readFileSync('package-lock.json'));
  const { '': root, 'node_modules/elsewhere': other, ...packages } = lock.packages;
  fs.writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages }));`;

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function node(args: readonly string[], environment: NodeJS.ProcessEnv = process.env): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env: environment }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** A clone without packages, whose npm is `FAKE_NPM`. */
async function clone(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-clone-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const write = (name: string, content: string) => writeFile(join(folder, name), content);
  await cp(join(root, 'scripts'), join(folder, 'scripts'), { recursive: true });
  await cp(join(root, 'bin'), join(folder, 'bin'), { recursive: true });
  await write('package.json', JSON.stringify({ type: 'module', engines: { node: '>=20.19' } }));
  await write('package-lock.json', JSON.stringify(LOCK));
  await write('prebuild', `${process.platform}-other+${process.arch}`);
  await write('npm-cli.cjs', FAKE_NPM);
  const ensure = () =>
    node([join(folder, 'scripts', 'ensure-installed.mjs')], {
      ...process.env,
      npm_execpath: join(folder, 'npm-cli.cjs'),
    });
  const calls = async () => (await readFile(join(folder, 'calls'), 'utf8').catch(() => '')).split('\n').filter(Boolean);
  return { folder, write, ensure, calls };
}

test('missing packages are installed once, and stdout stays clean', async (t) => {
  const { ensure, calls } = await clone(t);
  const first = await ensure();
  assert.deepEqual([first.status, first.stdout], [0, '']);
  assert.match(first.stderr, /installing packages[\s\S]*added packages/);
  assert.deepEqual(await ensure(), { status: 0, stdout: '', stderr: '' });
  assert.deepEqual(
    (await calls()).map((call) => call.split(' ')[0]),
    ['ci'],
  );
});

test('a lock file that asks for another version, or for one more package, installs again', async (t) => {
  const { ensure, calls, write } = await clone(t);
  await ensure();
  await write('package-lock.json', JSON.stringify(LOCK).replace('1.0.0', '1.0.1'));
  await ensure();
  await write('package-lock.json', JSON.stringify(LOCK).replace('"node_modules/a"', '"node_modules/b"'));
  await ensure();
  assert.equal((await calls()).length, 3);
});

test('two processes at once install once', async (t) => {
  const { ensure, calls } = await clone(t);
  const outcomes = await Promise.all([ensure(), ensure(), ensure()]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    [0, 0, 0],
  );
  assert.equal((await calls()).length, 1);
});

test('the lock of a process that died is no obstacle', async (t) => {
  const { ensure, calls, write } = await clone(t);
  const dead = await node(['-p', 'process.pid']);
  await write('.install.lock', dead.stdout.trim());
  assert.equal((await ensure()).status, 0);
  assert.equal((await calls()).length, 1);
});

test('an install that fails is an error, and the next one tries again', async (t) => {
  const { folder, ensure, calls, write } = await clone(t);
  await write('offline', '');
  const failed = await ensure();
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /\nerror: npm ci failed \(not-installed\)\n$/);
  await rm(join(folder, 'offline'));
  assert.equal((await ensure()).status, 0);
  assert.equal((await calls()).length, 2);
});

test('where RocksDB has no prebuilt binary it is compiled', async (t) => {
  const { ensure, calls, write } = await clone(t);
  await write('prebuild', 'plan9-mips');
  assert.match((await ensure()).stderr, /compiling RocksDB/);
  assert.match((await calls())[1] ?? '', /^rebuild rocksdb --ignore-scripts=false/);
});

test('a Node that is too old is told so', async (t) => {
  const { ensure, calls, write } = await clone(t);
  await write('package.json', JSON.stringify({ type: 'module', engines: { node: '>=99.1' } }));
  const { status, stderr } = await ensure();
  assert.deepEqual(
    [status, stderr],
    [1, `error: Tidegate needs Node 99.1 or newer; this is ${process.version} (not-installed)\n`],
  );
  assert.deepEqual(await calls(), []);
});

test('a program in a clone without packages says what to do', async (t) => {
  const { folder } = await clone(t);
  await mkdir(join(folder, 'src', 'device'), { recursive: true });
  await writeFile(join(folder, 'src', 'device', 'main.ts'), '');
  const { status, stderr } = await node([join(folder, 'bin', 'tidegate-device.js')]);
  assert.deepEqual([status, stderr.split('\n').length], [1, 2]);
  assert.match(stderr, /^error: .* run npm install \(not-installed\)\n$/);
});

test('a program runs its TypeScript in a clone and its JavaScript in a package', async (t) => {
  const { folder } = await clone(t);
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const place of ['src', 'dist']) await mkdir(join(folder, place, 'device'), { recursive: true });
  const main = (place: string) => `export async function main(argv) { console.log('${place}', ...argv); }`;
  await writeFile(join(folder, 'dist', 'device', 'main.js'), main('dist'));
  await writeFile(
    join(folder, 'src', 'device', 'main.ts'),
    `const a: string = '';\n${main('src').replace('argv', 'argv: string[]')}`,
  );
  const start = () => node([join(folder, 'bin', 'tidegate-device.js'), 'run', '--fast']);
  assert.deepEqual(await start(), { status: 0, stdout: 'src run --fast\n', stderr: '' });
  await rm(join(folder, 'src'), { recursive: true });
  assert.deepEqual(await start(), { status: 0, stdout: 'dist run --fast\n', stderr: '' });
});
