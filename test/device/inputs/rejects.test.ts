import assert from 'node:assert/strict';
import { appendFile, type FileHandle, mkdir, open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRejects } from '../../../src/device/inputs/rejects.ts';
import { temporaryDirectory } from '../device-fixture.ts';

const HEADING = Buffer.from('ts,volume\n');
const rowsUnder = (heading: Buffer | undefined, ...texts: string[]) =>
  texts.map((text) => ({ bytes: Buffer.from(`${text}\n`), heading }));
const rows = (...texts: string[]) => rowsUnder(HEADING, ...texts);
const marked = (bytes: number) => ({ bytes, heading: bytes === 0 ? undefined : HEADING });

test('refused rows stand below their heading, in a file of their owner', async (t) => {
  const path = join(await temporaryDirectory(t), 'rejects.csv');
  const rejects = await openRejects(path, undefined, marked(0));
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

test('a heading is repeated where the one above is, or may be, another', async (t) => {
  const path = join(await temporaryDirectory(t), 'rejects.csv');
  const other = Buffer.from('volume,ts\n');
  const write = async (before: Parameters<typeof openRejects>[2], ...more: ReturnType<typeof rows>[]) => {
    const rejects = await openRejects(path, undefined, before);
    for (const some of more) await rejects.write(some, HEADING);
    await rejects.close();
    return rejects.bytes;
  };
  const bytes = await write(undefined, rowsUnder(other, 'a'), [...rowsUnder(other, 'b'), ...rows('c')], rows('d'));
  const text = 'ts,volume\nvolume,ts\na\nb\nts,volume\nc\nd\n';
  assert.equal(await readFile(path, 'utf8'), text);
  await write({ bytes, heading: HEADING }, rows('e'));
  assert.equal(await readFile(path, 'utf8'), `${text}e\n`, 'the same input goes on');
  await write({ bytes: bytes + 2, heading: HEADING }, rowsUnder(other, 'f'));
  await write(undefined, rows('g'));
  const all = `${text}e\nvolume,ts\nf\nts,volume\ng\n`;
  assert.equal(await readFile(path, 'utf8'), all, 'another input with the same first heading');
  await write({ bytes: bytes + 2, heading: HEADING }, rows('h'));
  assert.equal(await readFile(path, 'utf8'), `${all}ts,volume\nh\n`, 'behind rows of somebody else');
});

test('what a run has written that could not store its mark is not there twice', async (t) => {
  const path = join(await temporaryDirectory(t), 'rejects.csv');
  // Nothing of it was marked; then 14 bytes; and the last time the end was torn.
  for (const [left, before] of [
    ['ts,volume\n1,x\n', 0],
    ['ts,volume\n1,x\n2,y\n', 14],
    ['ts,volume\n1,x\n2', 14],
    ['ts,vo', 0],
  ] as const) {
    await writeFile(path, left);
    const rejects = await openRejects(path, undefined, marked(before));
    await rejects.write(before === 0 ? rows('1,x', '2,y') : rows('2,y'), HEADING);
    assert.equal(await readFile(path, 'utf8'), 'ts,volume\n1,x\n2,y\n', left);
    assert.equal(rejects.bytes, 18);
    await rejects.close();
  }
});

test('what somebody else has put there stays, and nothing is put behind a line without its end', async (t) => {
  const path = join(await temporaryDirectory(t), 'rejects.csv');
  await writeFile(path, 'ts,volume\n1,x\n');
  await appendFile(path, '9,mended\n');
  const rejects = await openRejects(path, undefined, marked(14));
  await rejects.write(rows('2,y'), HEADING);
  assert.equal(await readFile(path, 'utf8'), 'ts,volume\n1,x\n9,mended\nts,volume\n2,y\n');
  await rejects.close();
  await appendFile(path, '3,to be men');
  await assert.rejects(openRejects(path, undefined, undefined), { code: 'rejects-unusable', message: /no line end/ });
  const again = await openRejects(path, undefined, marked(14));
  await assert.rejects(again.write(rows('4,z'), HEADING), { code: 'rejects-unusable' });
  await again.close();
  assert.match(await readFile(path, 'utf8'), /3,to be men$/);
});

test('rows are on disk once they are written', async (t) => {
  const directory = await temporaryDirectory(t);
  const some = await open(join(directory, 'some'), 'w');
  const { appendFile: append, sync } = Object.getPrototypeOf(some) as FileHandle;
  await some.close();
  const calls: string[] = [];
  t.mock.method(Object.getPrototypeOf(some), 'appendFile', async function (this: FileHandle, data: Buffer) {
    await append.call(this, data);
    calls.push(`${data}`);
  });
  t.mock.method(Object.getPrototypeOf(some), 'sync', async function (this: FileHandle) {
    calls.push('sync');
    await sync.call(this);
    calls.push('synced');
  });
  const rejects = await openRejects(join(directory, 'rejects.csv'), undefined, undefined);
  calls.length = 0;
  await rejects.write(rows('1,x'), HEADING);
  assert.deepEqual(calls, ['ts,volume\n1,x\n', 'sync', 'synced']);
  await rejects.write(rows('2,x'), HEADING);
  assert.deepEqual(calls.slice(3), ['2,x\n', 'sync', 'synced']);
  await rejects.close();
});

test('rows of another heading, and what cannot keep rows, are refused in one line that names the flag', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'rejects.csv');
  const unusable = { code: 'rejects-unusable', message: /^--rejects: [^\n]+$/ };
  await writeFile(path, 'time,flow\n1,x\n');
  const rejects = await openRejects(path, undefined, marked(0));
  await assert.rejects(rejects.write(rows('2,y'), HEADING), unusable);
  await rejects.close();
  await assert.rejects(openRejects(path, path, marked(0)), unusable);
  await mkdir(join(directory, 'folder'));
  for (const other of [
    '/dev/null',
    '/dev/full',
    join(directory, 'folder'),
    join(directory, 'absent', 'rejects.csv'),
    `${path}/x`,
  ]) {
    await assert.rejects(openRejects(other, undefined, undefined), unusable, other);
  }
});

test('rows that need no heading do not come below that of others', async (t) => {
  const path = join(await temporaryDirectory(t), 'rejects');
  const write = async (before: Parameters<typeof openRejects>[2]) => {
    const rejects = await openRejects(path, undefined, before);
    try {
      await rejects.write(rowsUnder(undefined, '{"ts":1}'), Buffer.alloc(0));
    } finally {
      await rejects.close();
    }
  };
  for (const held of ['ts,volume\n1,x\n', '\ufeffts;a;b\r\n']) {
    await writeFile(path, held);
    await assert.rejects(write(undefined), { code: 'rejects-unusable' });
    assert.equal(await readFile(path, 'utf8'), held);
  }
  for (const held of ['', 'no row\n', '{"ts":1,"a":\n', 'no, row\n{"ts":2}\n', '1,2\n']) {
    await writeFile(path, held);
    await write(undefined);
    assert.equal(await readFile(path, 'utf8'), `${held}{"ts":1}\n`);
  }
  await writeFile(path, 'no, row\n');
  await write({ bytes: 8, heading: undefined });
});
