import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { levelRocks, protectScanner } from '../../src/store/rocksdb-addon.ts';

const require = createRequire(import.meta.url);
const prebuilds = join(dirname(require.resolve('rocksdb/package.json')), 'prebuilds');

test('the addon is the one that level-rocksdb asks for', () => {
  assert.equal(levelRocks, require('level-rocksdb'));
});

test('loading leaves no file behind', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-store-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const source = new URL('../../src/store/rocksdb-addon.ts', import.meta.url).href;
  const args = ['--import', 'tsx', '--input-type=module', '-e', `await import('${source}')`];
  await promisify(execFile)(process.execPath, args, { env: { ...process.env, TMPDIR: folder } });
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith('tidegate-')),
    [],
  );
});

test('only the visibility of the scanner is changed', () => {
  const original = readFileSync(join(prebuilds, 'linux-x64', 'node.napi.glibc.node'));
  const mended = Buffer.from(original);
  const count = protectScanner(mended);
  assert(count > 0);
  const changed = [...mended.keys()].filter((at) => mended[at] !== original[at]);
  assert.equal(changed.length, count);
  assert(changed.every((at) => original[at] === 0 && mended[at] === 3));
  assert.equal(protectScanner(mended), count);
});

test('what is no ELF file is refused', () => {
  const mac = readFileSync(join(prebuilds, 'darwin-x64+arm64', 'node.napi.node'));
  assert.throws(() => protectScanner(mac), { code: 'ERR_ASSERTION' });
});
