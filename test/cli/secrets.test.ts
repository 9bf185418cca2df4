import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readSecret, writeSecretFile } from '../../src/cli/index.ts';
import { powerDisk } from '../faults/power-disk.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tidegate-secret-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

function sources(file: string | undefined, environment: NodeJS.ProcessEnv = {}) {
  return { name: 'device secret', flag: '--secret-file', file, variable: 'TIDEGATE_SECRET', environment };
}

test('a written secret is private, complete and read back', async (t) => {
  const path = join(await folder(t), 'secret');
  await writeSecretFile(path, 's3cret');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal(await readFile(path, 'utf8'), 's3cret\n');
  assert.equal(await readSecret(sources(path, { TIDEGATE_SECRET: 'another' })), 's3cret');
});

test('an existing secret is replaced only on purpose, and no draft stays behind', async (t) => {
  const path = await folder(t);
  const file = join(path, 'secret');
  await writeSecretFile(file, 'one');
  await assert.rejects(writeSecretFile(file, 'two'), { code: 'EEXIST' });
  assert.equal(await readFile(file, 'utf8'), 'one\n');
  await writeSecretFile(file, 'two', { replace: true });
  assert.equal(await readFile(file, 'utf8'), 'two\n');
  assert.deepEqual(await readdir(path), ['secret']);
});

test('a written secret is there after a power cut', async (t) => {
  const disk = await powerDisk(t);
  if (disk === undefined) return;
  const file = join(disk.path, 'secret');
  for (const [secret, options] of [
    ['one', {}],
    ['two', { replace: true }],
  ] as const) {
    await writeSecretFile(file, secret, options);
    disk.cut();
    await disk.restore();
    assert.equal(await readSecret(sources(file)), secret);
  }
});

test('a secret that others can reach is refused with the command that mends it', async (t) => {
  const path = join(await folder(t), 'secret');
  await writeFile(path, 's3cret\n');
  for (const mode of [0o640, 0o604, 0o601, 0o644]) {
    await chmod(path, mode);
    await assert.rejects(readSecret(sources(path)), { code: 'secret-exposed', message: /chmod 600 '.*secret'$/ });
  }
  for (const mode of [0o600, 0o400]) {
    await chmod(path, mode);
    assert.equal(await readSecret(sources(path)), 's3cret');
  }
});

test('the first line is the secret, without the spaces around it', async (t) => {
  const path = join(await folder(t), 'secret');
  for (const [content, secret] of [
    ['abc', 'abc'],
    [' abc \r\n', 'abc'],
    ['abc\ncomment\n', 'abc'],
  ] as const) {
    await writeFile(path, content, { mode: 0o600 });
    assert.equal(await readSecret(sources(path)), secret);
  }
  for (const content of ['', '\n', '  \nabc']) {
    await writeFile(path, content);
    await assert.rejects(readSecret(sources(path)), { code: 'secret-empty' });
  }
});

test('without a file the environment holds it', async () => {
  assert.equal(await readSecret(sources(undefined, { TIDEGATE_SECRET: ' abc\n' })), 'abc');
  for (const environment of [{}, { TIDEGATE_SECRET: ' ' }]) {
    await assert.rejects(readSecret(sources(undefined, environment)), {
      code: 'secret-missing',
      message: /no device secret: give --secret-file FILE, .* TIDEGATE_SECRET/,
    });
  }
});

test('a file that cannot be read is an error even where the environment has a secret', async (t) => {
  const path = await folder(t);
  await chmod(path, 0o700);
  for (const file of [join(path, 'absent'), path]) {
    await assert.rejects(readSecret(sources(file, { TIDEGATE_SECRET: 'abc' })), { code: 'secret-unreadable' });
  }
});

test('no message holds the secret', async (t) => {
  const path = join(await folder(t), 'secret');
  await writeFile(path, 'hunter2', { mode: 0o644 });
  await assert.rejects(readSecret(sources(path)), (error: Error) => !error.message.includes('hunter2'));
});
