import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCertificates } from '../../src/cli/index.ts';

const CERT = await readFile(new URL('../gateway/tls-cert.pem', import.meta.url), 'utf8');
const KEY = await readFile(new URL('../gateway/tls-key.pem', import.meta.url), 'utf8');

test('a file of certificates is taken whole, whatever else stands in it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-ca-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'ca.pem');
  for (const text of [CERT, `our own authority\n${CERT}${CERT}`, `${KEY}${CERT}`, CERT.replaceAll('\n', '\r\n')]) {
    await writeFile(path, text);
    assert.equal(await readCertificates('--ca', path), text);
  }
});

test('a file without a certificate, or with a damaged one, is refused', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-ca-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'ca.pem');
  const damaged = CERT.replace(/\n([^-\n]{20})/, '\nAAAA');
  for (const text of ['', 'hello', KEY, damaged, CERT + damaged, CERT.slice(0, -30)]) {
    await writeFile(path, text);
    await assert.rejects(readCertificates('--ca', path), { code: 'ca-invalid' }, text);
  }
  await assert.rejects(readCertificates('--ca', join(folder, 'absent')), { code: 'ca-unreadable' });
  await assert.rejects(readCertificates('--ca', folder), { code: 'ca-unreadable' });
});
