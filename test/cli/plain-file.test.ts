/** Files that programs read again while they run: what is no plain file holds nobody up. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readCertificates, readPlainFile, readSecret } from '../../src/cli/index.ts';
import { readIdentity } from '../../src/gateway/certificate-files.ts';
import { readKeyTable } from '../../src/gateway/key-file.ts';

async function newFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-plain-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('a file is read as it is', async (t) => {
  const path = join(await newFolder(t), 'file');
  await writeFile(path, 'Grüße\n');
  assert.equal(await readPlainFile(path), 'Grüße\n');
  await assert.rejects(readPlainFile(`${path}-gone`), { code: 'ENOENT' });
});

test('a pipe in the place of a secret, of keys or of a certificate is refused and not waited for', async (t) => {
  const folder = await newFolder(t);
  const [pipe, directory] = [join(folder, 'pipe'), join(folder, 'directory')];
  execFileSync('mkfifo', ['-m', '600', pipe]);
  await mkdir(directory);
  for (const path of [pipe, directory, '/dev/null']) {
    const secret = readSecret({ name: 'credential', flag: '--secret-file', file: path, variable: 'NONE' });
    await assert.rejects(secret, { code: 'secret-unreadable' }, path);
    await assert.rejects(readKeyTable(path), { code: 'keys-unreadable' }, path);
    await assert.rejects(readCertificates('--ca', path), { code: 'ca-unreadable' }, path);
    await assert.rejects(readIdentity({ cert: path, key: path }), { code: 'tls-unreadable' }, path);
  }
});
