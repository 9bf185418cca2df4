import assert from 'node:assert/strict';
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRejects } from '../../../src/device/inputs/rejects.ts';
import { temporaryDirectory } from '../device-fixture.ts';

const HEADING = Buffer.from('ts,volume\n');
const rows = (...texts: string[]) => texts.map((text) => Buffer.from(`${text}\n`));

test('refused rows stand below their heading, in a file of their owner', async (t) => {
  const path = join(await temporaryDirectory(t), 'rejects.csv');
  const rejects = await openRejects(path, undefined, 0);
  await rejects.write([], HEADING);
  assert.equal((await stat(path)).size, 0);
  await rejects.write(rows('1,x', '2,y'), HEADING);
  await rejects.write(rows('3,z'), HEADING);
  const text = 'ts,volume\n1,x\n2,y\n3,z\n';
  assert.equal(await readFile(path, 'utf8'), text);
  assert.equal(rejects.bytes, text.length);
  await rejects.close();
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test('what a run has written that could not store its mark is not there twice', async (t) => {
  const path = join(await temporaryDirectory(t), 'rejects.csv');
  // Nothing of it was marked; then 14 bytes; and the last time the end was torn.
  for (const [left, marked] of [
    ['ts,volume\n1,x\n', 0],
    ['ts,volume\n1,x\n2,y\n', 14],
    ['ts,volume\n1,x\n2', 14],
    ['ts,vo', 0],
  ] as const) {
    await writeFile(path, left);
    const rejects = await openRejects(path, undefined, marked);
    await rejects.write(marked === 0 ? rows('1,x', '2,y') : rows('2,y'), HEADING);
    assert.equal(await readFile(path, 'utf8'), 'ts,volume\n1,x\n2,y\n', left);
    assert.equal(rejects.bytes, 18);
    await rejects.close();
  }
});

test('what somebody else has put there stays', async (t) => {
  const path = join(await temporaryDirectory(t), 'rejects.csv');
  await writeFile(path, 'ts,volume\n1,x\n');
  await appendFile(path, '9,mended\n');
  const rejects = await openRejects(path, undefined, 14);
  await rejects.write(rows('2,y'), HEADING);
  assert.equal(await readFile(path, 'utf8'), 'ts,volume\n1,x\n9,mended\n2,y\n');
  await rejects.close();
});

test('rows of another heading, and the input itself, are refused', async (t) => {
  const path = join(await temporaryDirectory(t), 'rejects.csv');
  await writeFile(path, 'time,flow\n1,x\n');
  const rejects = await openRejects(path, undefined, 0);
  await assert.rejects(rejects.write(rows('2,y'), HEADING), { code: 'rejects-unusable' });
  await rejects.close();
  await assert.rejects(openRejects(path, path, 0), { code: 'rejects-unusable' });
});
