import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { formatIn, formatOf } from '../../../src/device/inputs/input-format.ts';
import { temporaryDirectory } from '../device-fixture.ts';

test('a name says the format, also that of a file which was rotated or put aside', () => {
  for (const name of [
    'a.csv',
    'dir.ndjson/a.CSV',
    'a.csv.1',
    'a.csv.12',
    'a.csv-20260301',
    'a.csv.2026-03-01',
    'a.csv.old',
    'a.csv.1.bak',
  ])
    assert.equal(formatOf(name), 'csv', name);
  assert.deepEqual(['b.TSV', 'c.ndjson', 'c.jsonl.3', 'x.toa5'].map(formatOf), ['tsv', 'ndjson', 'ndjson', 'toa5']);
  for (const name of ['d.json', 'e', 'csv', 'dir.csv/f', 'a.csv.gz', 'a.txt', 'a.log', 'a.dat', 'a.csvx'])
    assert.equal(formatOf(name), undefined, name);
});

test('where the name does not say, the first lines do, or it is asked for once', async (t) => {
  const path = join(await temporaryDirectory(t), 'rows.log');
  const found = async (content: string | Buffer, named?: 'csv') => {
    await writeFile(path, content);
    return formatIn(path, named, undefined);
  };
  assert.equal(await found('{"ts":1}\n'), 'ndjson');
  assert.equal(await found('s":1}\n\n{"ts":1}\n'), 'ndjson', 'the first line may be torn');
  assert.equal(await found(Buffer.concat([Buffer.alloc(9_000), Buffer.from('\n{"ts":1}\n')])), 'ndjson', 'or a hole');
  assert.equal(await found('"TOA5","S7"\r\n"TIMESTAMP"\r\n'), 'toa5');
  for (const content of ['', '\n', 'ts,vol', '{"ts":1}'])
    assert.equal(await found(content), 'ndjson', 'nothing is known yet');
  for (const [content, hint] of [
    ['ts,volume\n1,2\n', /--format csv$/],
    ['Zeit;Wert\n01.03.2026;1,5\n', /--format csv --delimiter ';'$/],
    ['\ufeffZeit|Wert\n1|2\n', /--delimiter '\|'$/],
    ['ts\tvolume\n1\t2\n', /--format tsv$/],
    ['some text\nand more\n', /--format is one of/],
    ['[\n{"ts":1},\n{"ts":2}]\n', /jq -c '\.\[\]'/],
    ['{\n  "ts": 1\n}\n', /jq -c \. /],
    [Buffer.from('\ufeffts;volume\r\n1;2\r\n', 'utf16le'), /--delimiter ';'$/],
  ] as const) {
    await assert.rejects(found(content), { code: 'input-format', message: hint });
    assert.equal(await found(content, 'csv'), 'csv', 'what is asked for holds');
  }
});

test('what holds no rows is refused as a whole', async (t) => {
  const path = join(await temporaryDirectory(t), 'rows.ndjson');
  for (const [content, hint] of [
    [gzipSync('{"ts":1}\n'), /zcat .*rows\.ndjson/],
    [Buffer.from('PK\x03\x04'), /workbook/],
    [Buffer.from(Array.from({ length: 4_096 }, (_, i) => (i * 7 + 9) % 256)), /binary/],
  ] as const) {
    await writeFile(path, content);
    await assert.rejects(formatIn(path, undefined, undefined), { code: 'input-format', message: hint });
  }
  assert.equal(
    await formatIn(path, 'ndjson', undefined),
    'ndjson',
    'a damaged head is no end of a file that is asked for',
  );
});
