import assert from 'node:assert/strict';
import { appendFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openInput, type ReadOptions } from '../../../src/device/inputs/index.ts';
import { createRandom, seedOf } from '../../codec/property.ts';
import { temporaryDirectory } from '../device-fixture.ts';
import { OPTIONS, readRows } from './rows.ts';

/** A device's marks, and runs that record files as it does. */
async function runs(t: TestContext) {
  const directory = await temporaryDirectory(t);
  const at = (name: string) => join(directory, name);
  const marks = new Map<string, Uint8Array>();
  const open = (name: string, options: Partial<ReadOptions> = {}) =>
    openInput({
      ...{ ...OPTIONS, path: at(name), format: 'csv', encoding: undefined, lastLine: false, rejects: undefined },
      ...{ stored: async (mark) => marks.get(mark), fromStart: false, goOn: false, onRewritten: () => {} },
      ...options,
    });
  /** What is recorded of a file, as text. */
  const record = async (name: string, options: Partial<ReadOptions> = {}) => {
    const { input, rejects } = await open(name, options);
    const recorded: string[] = [];
    let refused = 0;
    for await (const chunk of input.chunks(new AbortController().signal)) {
      for (const { name: mark, value } of input.marksBefore?.() ?? []) marks.set(mark, value);
      await rejects?.write(chunk.rejected, input.preamble);
      recorded.push(...chunk.events.map(({ ts, fields }) => `${ts} ${JSON.stringify(fields)}`));
      refused += chunk.refused.length;
      for (const { name: mark, value } of chunk.marks()) marks.set(mark, value);
    }
    await rejects?.close();
    return { recorded, refused };
  };
  const text = (name: string) => readFile(at(name), 'utf8');
  return { at, open, marks, record, text };
}

test('each rejected row is under its own heading, whatever run refuses it, and means the same', async (t) => {
  const { at, record, text } = await runs(t);
  const rejects = at('rejects.csv');
  await writeFile(at('a.csv'), 'ts,a,b\n1,1,100\nbad,2,200\nts,b,a\n3,300,3\n');
  assert.deepEqual((await record('a.csv')).recorded, ['1 {"a":1,"b":100}', '3 {"b":300,"a":3}']);
  await appendFile(at('a.csv'), 'bad,400,4\n');
  assert.equal((await record('a.csv', { rejects })).refused, 2);
  await appendFile(at('a.csv'), 'bad,500,5\n');
  assert.equal((await record('a.csv', { rejects })).refused, 1);
  await appendFile(at('a.csv'), 'ts,a,b\nbad,6,600\n');
  assert.equal((await record('a.csv', { rejects })).refused, 1);
  assert.equal(await text('rejects.csv'), 'ts,a,b\nbad,2,200\nts,b,a\nbad,400,4\nbad,500,5\nts,a,b\nbad,6,600\n');
  let time = 10;
  await writeFile(
    at('mended.csv'),
    (await text('rejects.csv')).replaceAll('bad', () => String(time++)),
  );
  assert.deepEqual((await record('mended.csv')).recorded, [
    '10 {"a":2,"b":200}',
    '11 {"b":400,"a":4}',
    '12 {"b":500,"a":5}',
    '13 {"a":6,"b":600}',
  ]);
});

test('a later run that starts a file of rejects puts the heading of its rows above them', async (t) => {
  for (const [encoding, lineEnd] of [
    ['utf8', '\n'],
    ['utf8', '\r\n'],
    ['utf8', '\r'],
    ['utf16le', '\n'],
    ['utf16le', '\r\n'],
  ] as const) {
    const { at, record } = await runs(t);
    const bytes = (text: string) => Buffer.from(text.replaceAll('\n', lineEnd), encoding);
    await writeFile(at('a.csv'), bytes('\ufeffts,a,b\n1,1,100\nts,b,a\n3,300,3\n'));
    assert.equal((await record('a.csv')).recorded.length, 2);
    await appendFile(at('a.csv'), bytes('bad,400,4\n'));
    assert.equal((await record('a.csv', { rejects: at('rejects.csv') })).refused, 1);
    await appendFile(at('a.csv'), bytes('bad,500,5\n'));
    assert.equal((await record('a.csv', { rejects: at('rejects.csv') })).refused, 1);
    const rejects = (await readFile(at('rejects.csv'))).toString(encoding);
    assert.equal(rejects.replaceAll(lineEnd, '\n'), '\ufeffts,a,b\nts,b,a\nbad,400,4\nbad,500,5\n');
    await writeFile(at('mended.csv'), Buffer.from(rejects.replace('bad', '4').replace('bad', '5'), encoding));
    assert.deepEqual((await record('mended.csv')).recorded, ['4 {"b":400,"a":4}', '5 {"b":500,"a":5}']);
  }
});

test('a row that may lack a part is kept so that it cannot be taken for a whole one', async (t) => {
  for (const [text, rejected] of [
    ['1,1\n2,12', 'ts,volume\n2,12\0\n'],
    ['1,1\n2,12\0\0\0\n3,3\n', 'ts,volume\n2,12\0\n'],
    ['1,1\n\0\0\0,12\n3,3\n', 'ts,volume\n\0,12\n'],
    ['1,1\n2,1\0\0\0\0,5\n3,3\n', 'ts,volume\n2,1\0\n\0,5\n'],
  ] as const) {
    const read = readRows('csv', `ts,volume\n${text}`);
    assert.equal(read.rejected, rejected);
    assert.equal(read.refused.length, 1, 'one row');
    const { at, record } = await runs(t);
    await writeFile(at('rejects.csv'), rejected);
    assert.deepEqual((await record('rejects.csv')).recorded, []);
  }
  assert.equal(readRows('csv', 'ts,volume\n2,ERR', { lastLine: true }).rejected, 'ts,volume\n2,ERR\n');
});

test('a hole costs the row that it is in, once, however the bytes come', () => {
  const text = `ts,volume\n1,1\n2,${'\0'.repeat(9)},5${'\0'.repeat(9)}\n${'\0'.repeat(9)}\n5,5${'\0'.repeat(3)}`;
  for (const pieceBytes of [1, 2, 7, 1 << 20]) {
    const holes = [3, 4, 5].map((line) => [line, 'row-hole']);
    assert.deepEqual(readRows('csv', text, { pieceBytes }).refused, holes, `pieces of ${pieceBytes}`);
    const json = '{"ts":1,"volume":1}\n{"ts":2,\0\0\0:2}\n{"ts":3,"volume":3}\0\0{"ts":4,"volume":4}\n';
    const read = readRows('ndjson', json, { pieceBytes });
    assert.deepEqual(read.refused, [
      [2, 'row-hole'],
      [3, 'row-hole'],
    ]);
    assert.deepEqual(
      read.events.map(({ ts }) => ts),
      [1, 3, 4],
    );
  }
});

test('runs that are killed at any moment leave each rejected row once, under its own heading', async (t) => {
  const seed = seedOf(t);
  const random = createRandom(seed);
  const { at, open, marks } = await runs(t);
  const headings = ['ts,a,b', 'ts,b,a', 'ts,b,c,a'];
  let heading = headings[0]!;
  const due: string[] = [];
  const lines = [heading];
  for (let i = 0; i < 60_000; i++) {
    if (random() < 0.0005) {
      heading = headings[Math.floor(random() * headings.length)]!;
      lines.push(heading);
    }
    const isBad = random() < 0.01;
    const row = `${isBad ? 'bad' : i},${i}${',1'.repeat(heading.split(',').length - 2)}`;
    lines.push(row);
    if (isBad) due.push(`${heading} ${row}`);
  }
  await writeFile(at('a.csv'), `${lines.join('\n')}\n`);
  const rejectsPath = at('rejects.csv');
  let isEnded = false;
  for (let run = 0; !isEnded && run < 50; run++) {
    const { input, rejects } = await open('a.csv', { rejects: rejectsPath });
    isEnded = true;
    for await (const chunk of input.chunks(new AbortController().signal)) {
      const before = rejects!.bytes;
      for (const { name: mark, value } of input.marksBefore?.() ?? []) marks.set(mark, value);
      await rejects!.write(chunk.rejected, input.preamble);
      if (random() < 0.4) {
        isEnded = false;
        // Of what was written since the mark, any part may have come to disk.
        await truncate(rejectsPath, before + Math.floor(random() * (rejects!.bytes - before + 1)));
        break;
      }
      for (const { name: mark, value } of chunk.marks()) marks.set(mark, value);
    }
    await rejects!.close();
  }
  const found: string[] = [];
  for (const line of (await readFile(rejectsPath, 'utf8')).trimEnd().split('\n')) {
    if (line.startsWith('ts,')) heading = line;
    else found.push(`${heading} ${line}`);
  }
  assert.deepEqual(found, due, `seed ${seed}`);
});

test('one file of rejects for several inputs loses none of them, although they begin alike', async (t) => {
  const { at, record, text } = await runs(t);
  const rejects = at('bad.csv');
  await writeFile(at('north.csv'), 'ts,volume\n1,ERR\n2,2\n');
  await writeFile(at('south.csv'), 'ts,volume\n1,ERR\n2,2\n3,ERR\n');
  await writeFile(at('west.csv'), 'ts,volume\n5,5\n');
  await record('north.csv', { rejects, sensor: 'north' });
  await record('south.csv', { rejects, sensor: 'south' });
  assert.equal(await text('bad.csv'), 'ts,volume\n1,ERR\nts,volume\n1,ERR\n3,ERR\n');
  await record('west.csv', { sensor: 'west' });
  await appendFile(at('west.csv'), '1,ERR\n');
  await record('west.csv', { rejects, sensor: 'west' });
  assert.match(
    await text('bad.csv'),
    /3,ERR\n(ts,volume\n)?1,ERR\n$/,
    'nor one that had a mark before it had the file',
  );
});
