import assert from 'node:assert/strict';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readFileRows } from '../../../src/device/inputs/file-rows.ts';
import { temporaryDirectory } from '../device-fixture.ts';
import { OPTIONS } from './rows.ts';

const ROWS = Array.from({ length: 60_000 }, (_, i) => `${i},${100_000 + i}`);

async function fileOf(t: TestContext, content: string | Buffer) {
  const path = join(await temporaryDirectory(t), 'rows.csv');
  await writeFile(path, content);
  const file = await open(path);
  t.after(() => file.close());
  return (onRow: (text: string) => boolean, bytesMax?: number) =>
    readFileRows(file, { ...OPTIONS, format: 'csv', encoding: undefined, lastLine: false }, onRow, bytesMax);
}

test('every row that a run would record is given, in whatever encoding, with whatever line ends', async (t) => {
  const text = `\ufeffts,volume\r\n${ROWS.join('\r\n')}\r\nno row\r\n1,"2"\r\n3,4`;
  for (const content of [text, Buffer.from(text, 'utf16le')]) {
    const rows: string[] = [];
    await (await fileOf(t, content))((row) => rows.push(row) > 0);
    assert.deepEqual(rows, [...ROWS, '1,"2"']);
  }
});

test('reading ends where no more rows are wanted, and at a bound', async (t) => {
  const read = await fileOf(t, `ts,volume\n${ROWS.join('\n')}\n`);
  const rows: string[] = [];
  await read((row) => rows.push(row) < 5);
  assert.deepEqual(rows, ROWS.slice(0, 5));
  let count = 0;
  await read(() => ++count > 0, 1);
  assert(count > 5 && count < ROWS.length);
});
