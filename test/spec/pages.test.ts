/** The pages of proto-spec say what the code does: codes, statuses, limits, examples, and sections pointed to. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { differingFiles } from '../../scripts/vectors.ts';
import * as codec from '../../src/codec/index.ts';
import { decodeIntegers, encodeIntegers } from '../../src/codec/integers.ts';
import { codesIn } from './codes.ts';
import { readVectors } from './vectors.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const read = (path: string): string => readFileSync(root + path, 'utf8');

function pageOf(name: string): string {
  return read(`proto-spec/${name}`);
}

/** The cells of each row of the tables in a text, without the heads. */
function rowsOf(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()));
}

function sectionOf(page: string, title: string): string {
  const begin = page.indexOf(`\n## ${title}\n`);
  assert(begin >= 0, title);
  const end = page.indexOf('\n## ', begin + 1);
  return page.slice(begin, end < 0 ? undefined : end);
}

test('the problem codes and their statuses', () => {
  const rows = codesIn('README.md').map(({ code, status }) => [code, status]);
  assert.deepEqual(Object.fromEntries(rows), codec.PROBLEM_STATUS);
  assert.equal(rows.length, Object.keys(codec.PROBLEM_STATUS).length);
});

test('every code of the vectors stands in the table', () => {
  const section = sectionOf(pageOf('README.md'), 'Error codes');
  const codes = [readVectors('invalid-batches.json').batches, readVectors('bodies.json').invalid].flat();
  const known = rowsOf(section).map(([code]) => code!.replaceAll('`', ''));
  for (const { code } of codes) assert(known.includes(code), code);
  for (const code of ['event-time', 'event-sensor', 'event-field', 'event-number', 'event-text']) {
    assert(section.includes(`\`${code}\``), code);
  }
});

test('the limits', () => {
  const stated = new Map(
    rowsOf(sectionOf(pageOf('batch.md'), 'Limits')).map(([what, most]) => [what!, Number(most!.replaceAll(',', ''))]),
  );
  assert.deepEqual(
    {
      'body as sent, bytes': stated.get('body as sent, bytes'),
      'body of an answer, bytes': stated.get('body of an answer, bytes'),
      'batch, bytes': stated.get('batch, bytes'),
      events: stated.get('events'),
      'values over all columns': stated.get('values over all columns: the sum of `n` over `fields`'),
      columns: stated.get('columns'),
      sensors: stated.get('sensors'),
      'entries of all dictionaries': stated.get('entries of all dictionaries'),
      'bytes of all dictionaries': stated.get('bytes of all dictionaries'),
      gaps: stated.get('gaps'),
      'MessagePack values': stated.get('MessagePack values'),
      'MessagePack depth': stated.get('MessagePack depth'),
      'entries of one map': stated.get('entries of one map'),
      'fields of an event': stated.get('fields of an event'),
      'bytes of a name': stated.get('bytes of a name'),
      'bytes of a text': stated.get('bytes of a text'),
      scale: stated.get('scale'),
    },
    {
      'body as sent, bytes': codec.BODY_BYTES_MAX,
      'body of an answer, bytes': codec.ANSWER_BYTES_MAX,
      'batch, bytes': codec.BATCH_BYTES_MAX,
      events: codec.BATCH_EVENTS_MAX,
      'values over all columns': codec.BATCH_CELLS_MAX,
      columns: codec.COLUMNS_MAX,
      sensors: codec.SENSORS_MAX,
      'entries of all dictionaries': codec.BATCH_TEXTS_MAX,
      'bytes of all dictionaries': codec.BATCH_TEXT_BYTES_MAX,
      gaps: codec.GAPS_MAX,
      'MessagePack values': codec.NODES_MAX,
      'MessagePack depth': codec.DEPTH_MAX,
      'entries of one map': codec.COLUMNS_MAX,
      'fields of an event': codec.FIELDS_MAX,
      'bytes of a name': codec.NAME_BYTES_MAX,
      'bytes of a text': codec.TEXT_BYTES_MAX,
      scale: codec.SCALE_MAX,
    },
  );
});

test('the worked examples are the vectors', () => {
  const lines = sectionOf(pageOf('batch.md'), 'Example')
    .split('\n')
    .filter((line) => line.startsWith('    '));
  // A line of the dump: an indent, bytes, and behind two spaces or more words about them.
  const bytes = lines.flatMap((line) => line.match(/^ +((?:[0-9a-f]{2} +)*[0-9a-f]{2})(?= {2}|$)/)?.[1] ?? []);
  const [example] = readVectors('batches.json').batches;
  assert.equal(bytes.join('').replaceAll(' ', ''), example!.hex);
  const signing = pageOf('signing.md');
  const [request] = readVectors('requests.json').requests;
  const [answer] = readVectors('answers.json').answers;
  for (const text of [request!.signature, answer!.signature, Buffer.from(answer!.body, 'hex').toString()]) {
    assert(signing.includes(text), text);
  }
  const prefix = sectionOf(signing, 'Example').match(/^ {4}[0-9a-f].*0a(?= )/gm)!;
  assert.equal(prefix.join('').replaceAll(' ', ''), request!.signed);
});

test('the integer columns that are shown', () => {
  const rows = rowsOf(sectionOf(pageOf('batch.md'), 'Integer columns')).filter(([, hex]) =>
    /^`[0-9a-f]{2}( [0-9a-f]{2})*`$/.test(hex!),
  );
  assert.equal(rows.length, 6);
  for (const [shown, hex] of rows) {
    const values = shown!
      .replace('none', '')
      .replace('0 six times', '0, 0, 0, 0, 0, 0')
      .replaceAll('−', '-')
      .split(', ')
      .filter((text) => text !== '')
      .map(Number);
    const bytes = Buffer.from(hex!.replaceAll(/[` ]/g, ''), 'hex');
    assert.deepEqual([...decodeIntegers(bytes, values.length).values], values);
    assert.deepEqual(Buffer.from(encodeIntegers(Float64Array.from(values))), bytes);
  }
});

test('every section that the code points to is there', () => {
  const sources = readdirSync(`${root}src`, { recursive: true })
    .map(String)
    .filter((path) => path.endsWith('.ts'));
  let pointed = 0;
  for (const path of sources) {
    const source = read(`src/${path}`).replaceAll('\n * ', ' ');
    for (const [, page = '', quoted = ''] of source.matchAll(/proto-spec\/(\w+\.md)((?:(?:,| and) "[^"]+")*)/g)) {
      const headings = pageOf(page)
        .match(/^#+ .*$/gm)!
        .map((line) => line.replace(/^#+ /, ''));
      for (const [, title = ''] of quoted.matchAll(/"([^"]+)"/g)) {
        assert(headings.includes(title), `${path}: ${page} has no section "${title}"`);
        pointed++;
      }
    }
  }
  assert(pointed >= 10, `${pointed} sections`);
});

test('the links between the pages lead somewhere', () => {
  for (const page of ['README.md', 'batch.md', 'signing.md', 'delivery.md', 'conformance.md']) {
    const text = pageOf(page);
    for (const [, target = ''] of text.matchAll(/\]\(([\w/.-]+)\)/g)) read(`proto-spec/${target}`);
    for (const [, title = '', target = page] of text
      .replaceAll('\n', ' ')
      .matchAll(/[Ss]ee "([^"]+)"(?: in \[([\w.]+)\])?/g)) {
      assert.match(pageOf(target), new RegExp(`^#+ ${title}$`, 'm'), `${page}: "${title}" in ${target}`);
    }
  }
});

test('the vectors on disk are those that the script writes', async () => {
  assert.deepEqual(await differingFiles(new URL('../../proto-spec/vectors/', import.meta.url)), []);
});

test('a vector that was changed, lost or added is noticed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-vectors-'));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(`${root}proto-spec/vectors`, folder, { recursive: true });
  writeFileSync(join(folder, 'batches.json'), pageOf('vectors/batches.json').replace('"own":true', '"own":false'));
  rmSync(join(folder, 'bodies.json'));
  writeFileSync(join(folder, 'new.json'), '{}');
  const different = await differingFiles(pathToFileURL(`${folder}/`));
  assert.deepEqual(different.sort(), ['batches.json', 'bodies.json', 'new.json']);
});
