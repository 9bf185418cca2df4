import assert from 'node:assert/strict';
import { appendFile, copyFile, open as openFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type FileOptions, openFileInput } from '../../../src/device/inputs/file-input.ts';
import type { Chunk } from '../../../src/device/inputs/index.ts';
import { formatOf } from '../../../src/device/inputs/index.ts';
import { REFUSED_MAX } from '../../../src/device/inputs/refused-rows.ts';
import { createRandom, seedOf } from '../../codec/property.ts';
import { temporaryDirectory } from '../device-fixture.ts';
import { OPTIONS } from './rows.ts';

const NEVER = new AbortController().signal;
const ROWS = 'ts,volume\n1,1\n2,2\n3,3\n4,4\n';

/** A folder of files, and the marks that a device would keep. */
async function folder(t: TestContext, text = ROWS, name = 'rows.csv') {
  const directory = await temporaryDirectory(t);
  const at = (file: string) => join(directory, file);
  const path = at(name);
  await writeFile(path, text);
  const marks = new Map<string, Uint8Array>();
  const lost: number[] = [];
  const open = (options: Partial<FileOptions> = {}) =>
    openFileInput({
      ...OPTIONS,
      path,
      format: formatOf(options.path ?? path) ?? 'ndjson',
      encoding: undefined,
      lastLine: false,
      stored: async (mark) => marks.get(mark),
      fromStart: false,
      goOn: false,
      hasRejects: false,
      rejectsBytes: () => 0,
      onRewritten: (bytes) => lost.push(bytes),
      ...options,
    });
  const keep = (chunk: Chunk): void => {
    for (const { name: mark, value } of chunk.marks()) marks.set(mark, value);
  };
  /** Records all of it, and gives the times of its rows. */
  const record = async (options: Partial<FileOptions> = {}) => {
    const input = await open(options);
    const times: number[] = [];
    for await (const chunk of input.chunks(NEVER)) {
      times.push(...chunk.events.map(({ ts }) => ts));
      keep(chunk);
    }
    return times;
  };
  return { directory, at, path, marks, open, record, keep, lost };
}

test('a refused row is tried again under its own heading, whatever heading has come since', async (t) => {
  const { open, keep } = await folder(t, 'ts,a,b\n1,1,100\n2,NAN,100\nts,b,a\n3,100,1\n4,-,1\n');
  const read = async (missing: readonly string[]) => {
    const fields = [];
    for await (const chunk of (await open({ missing: new Set(missing) })).chunks(NEVER)) {
      fields.push(...chunk.events.map(({ ts, fields: values }) => [ts, values]));
      keep(chunk);
    }
    return fields;
  };
  assert.deepEqual(await read([]), [
    [1, { a: 1, b: 100 }],
    [3, { b: 100, a: 1 }],
  ]);
  assert.deepEqual(await read(['NAN', '-']), [
    [2, { b: 100 }],
    [4, { a: 1 }],
  ]);
});

test('lines in quotes that could be rows are recorded by the next run, as what a flag says they are', async (t) => {
  const text = 'ts,volume,note\n1,1,ok\n2,2,"a\n3,3,b\nc"\n4,4,ok\n5,5,"\n6,6,ok\n';
  const one = await folder(t, text);
  assert.deepEqual(await one.record(), [1, 4, 6], 'a quote without its partner holds up no rows');
  assert.deepEqual(await one.record(), []);
  assert.deepEqual(await one.record({ quotedLines: 'text' }), [2]);
  assert.deepEqual(await one.record({ quotedLines: 'text' }), []);
  const other = await folder(t, text);
  assert.deepEqual(await other.record(), [1, 4, 6]);
  assert.deepEqual(await other.record({ quotedLines: 'rows' }), [3]);
  assert.deepEqual(await other.record({ quotedLines: 'rows' }), []);
  await appendFile(other.path, '7,7,"\n8,8,ok\n');
  assert.deepEqual(await other.record(), [8], 'nor does what was recorded before');
});

test('a file that has grown goes on behind its last row, under whatever path it is named', async (t) => {
  const { at, path, open, record } = await folder(t);
  assert.deepEqual(await record(), [1, 2, 3, 4]);
  assert.deepEqual(await record(), []);
  const opened = await open();
  assert.equal(opened.skipped, 4);
  await opened.close();
  await appendFile(path, '5,5\n6,12');
  assert.deepEqual(await record(), [5]);
  await symlink(path, at('link.csv'));
  await appendFile(path, '.75\n');
  assert.deepEqual(await record({ path: at('link.csv') }), [6]);
  assert.deepEqual(await record({ fromStart: true }), [1, 2, 3, 4, 5, 6]);
});

test('an interrupted file goes on where its last mark is, whatever it was reading', async (t) => {
  const seed = seedOf(t);
  const random = createRandom(seed);
  const rows = Array.from({ length: 30_000 }, (_, i) => `${i},${i},"n ${i % 7}"${i % 97 === 5 ? ',torn' : ''}`);
  const text = `ts,volume,note\n${rows.join('\n')}\n`;
  const { open, keep } = await folder(t, text);
  const times: number[] = [];
  const lines = new Set<number>();
  for (let runs = 0; runs < 50; runs++) {
    const input = await open();
    let isEnded = true;
    for await (const chunk of input.chunks(NEVER)) {
      if (random() < 0.4) {
        isEnded = false;
        break;
      }
      times.push(...chunk.events.map(({ ts }) => ts));
      for (const { line } of chunk.refused) lines.add(line);
      keep(chunk);
    }
    if (isEnded) break;
  }
  const [good, bad] = [
    rows.flatMap((row, i) => (row.endsWith('torn') ? [] : [i])),
    rows.flatMap((row, i) => (row.endsWith('torn') ? [i + 2] : [])),
  ];
  assert.deepEqual(times, good, `seed ${seed}`);
  assert.deepEqual(
    [...lines].sort((a, b) => a - b),
    bad,
  );
});

test('what was learnt of columns, and a heading that has changed, hold for the next run', async (t) => {
  const { path, open, record, keep } = await folder(t, 'ts,a,b\n1,1,x\nb,a,ts\ny,2,2\n');
  assert.deepEqual(await record(), [1, 2]);
  await appendFile(path, 'z,3,3\nz,ERR,4\n');
  const chunks: Chunk[] = [];
  for await (const chunk of (await open()).chunks(NEVER)) {
    chunks.push(chunk);
    keep(chunk);
  }
  assert.deepEqual(chunks[0]!.events, [{ ts: 3, sensor: 'default', fields: { a: 3, b: 'z' } }]);
  assert.deepEqual(
    chunks[0]!.refused.map(({ line, code }) => [line, code]),
    [[6, 'row-kind']],
  );
});

test('a file that was renamed goes on, and a new one of its name begins anew', async (t) => {
  const { at, path, record } = await folder(t);
  await record();
  await appendFile(path, '5,5\n');
  await rename(path, at('rows.csv.1'));
  await writeFile(path, 'ts,volume\n6,6\n7,7\n');
  assert.deepEqual(await record({ path: at('rows.csv.1'), format: 'csv' }), [5]);
  assert.deepEqual(await record(), [6, 7]);
  assert.deepEqual(await record({ path: at('rows.csv.1'), format: 'csv' }), []);
});

test('another file of the same name, with the same heading of many KiB, is another file', async (t) => {
  const names = Array.from({ length: 100 }, (_, i) => `a name that is very long indeed column ${i}`);
  const heading = `ts,${names.join(',')}`;
  const day = (from: number, rows: number) =>
    `${heading}\n${Array.from({ length: rows }, (_, i) => `${from + i}${',1'.repeat(100)}\n`).join('')}`;
  const { path, record } = await folder(t, day(10, 5));
  assert.equal((await record()).length, 5);
  await rm(path);
  await writeFile(path, day(20, 6));
  assert.deepEqual(await record(), [20, 21, 22, 23, 24, 25]);
  await writeFile(path, day(30, 9));
  assert.equal((await record()).length, 9, 'written anew in its place');
});

test('a file that still holds recorded rows, but not as it did, is refused', async (t) => {
  const { path, record, at } = await folder(t);
  await record();
  for (const text of [
    ROWS.replace('1,1', '1,7'),
    ROWS.slice(0, 14),
    'ts,volume\n3,3\n4,4\n5,5\n',
    `${ROWS.slice(0, -4)}9,9\n`,
  ]) {
    await writeFile(path, text);
    await assert.rejects(record(), { code: 'input-changed', message: /--from-start/ }, text);
    // As sed -i and editors do.
    await writeFile(at('new'), text);
    await rename(at('new'), path);
    await assert.rejects(record(), { code: 'input-changed' }, text);
  }
  assert.deepEqual(await record({ fromStart: true }), [1, 2, 3, 9]);
});

test('a copy of what was recorded is refused, until a flag decides', async (t) => {
  const { path, record, at } = await folder(t);
  await record();
  await appendFile(path, '5,5\n');
  await copyFile(path, at('copy.csv'));
  const copy = { path: at('copy.csv') };
  await assert.rejects(record(copy), { code: 'input-copy', message: /--continue.*--from-start/ });
  assert.deepEqual(await record({ ...copy, goOn: true }), [5]);
  assert.deepEqual(await record({ ...copy, fromStart: true }), [1, 2, 3, 4, 5]);
  await writeFile(at('other.csv'), ROWS);
  assert.deepEqual(
    await record({ path: at('other.csv'), sensor: 'another' }),
    [1, 2, 3, 4],
    'of another sensor it is no copy',
  );
});

test('copytruncate: the new rows are recorded once, and so is the rest of the copy', async (t) => {
  const { path, record, at, lost } = await folder(t);
  await record();
  await appendFile(path, '5,5\n');
  await copyFile(path, at('rows.csv.1'));
  await truncate(path);
  assert.deepEqual(await record(), []);
  await appendFile(path, 'ts,volume\n6,6\n');
  assert.deepEqual(await record(), [6]);
  await assert.rejects(record({ path: at('rows.csv.1'), format: 'csv' }), { code: 'input-copy' });
  assert.deepEqual(await record({ path: at('rows.csv.1'), format: 'csv', goOn: true }), [5]);
  assert.deepEqual(lost, []);
});

test('a file that is cut short and filled anew while it is read loses no new row and makes none up', async (t) => {
  const row = (ts: number): string => `${JSON.stringify({ ts, volume: 1, note: 'x'.repeat(80) })}\n`;
  const many = (from: number, count: number) => Array.from({ length: count }, (_, i) => row(from + i)).join('');
  for (const count of [100, 9_000]) {
    const { path, open, keep, record, lost } = await folder(t, many(1_000, 9_000), 'rows.ndjson');
    const times: number[] = [];
    for await (const chunk of (await open()).chunks(NEVER)) {
      times.push(...chunk.events.map(({ ts }) => ts));
      keep(chunk);
      if (lost.length > 0 || times.length > 4_000) continue;
      await truncate(path);
      await appendFile(path, many(50_000, count));
    }
    assert.equal(lost.length, 1);
    assert(lost[0]! > 0);
    assert.deepEqual(
      times.filter((ts) => ts >= 50_000),
      Array.from({ length: count }, (_, i) => 50_000 + i),
    );
    assert.equal(new Set(times).size, times.length);
    assert.deepEqual(await record(), []);
  }
});

test('rows that were refused are tried again, and recorded once they can be', async (t) => {
  const text = Array.from({ length: 100 }, (_, i) => JSON.stringify({ [i % 2 ? 'ts' : 'time']: i, volume: i })).join(
    '\n',
  );
  const { path, open, record } = await folder(t, `${text}\n`, 'rows.ndjson');
  const odd = Array.from({ length: 50 }, (_, i) => 2 * i + 1);
  assert.deepEqual(await record(), odd);
  assert.deepEqual(await record(), [], 'they are refused again');
  await appendFile(path, '{"ts":1000,"volume":1}\n');
  const names = new Map([['time', 'ts']]);
  assert.deepEqual(await record({ names }), [...odd.map((ts) => ts - 1), 1_000]);
  const opened = await open({ names });
  assert.equal(opened.skipped, 101);
  await opened.close();
  assert.deepEqual(await record({ names }), []);
});

test('refused rows that are kept elsewhere are not tried again', async (t) => {
  for (const hasRejects of [false, true]) {
    const { record } = await folder(t, 'ts,a\n1,1\n2,x\n');
    assert.deepEqual(await record({ hasRejects }), [1]);
    assert.deepEqual(await record({ mixed: new Set(['a']) }), hasRejects ? [] : [2]);
  }
});

test('a mark of the form that was stored before is understood', async (t) => {
  const { path, marks, record } = await folder(t);
  const headDigest = (await import('node:crypto')).createHash('sha256').update(ROWS).digest('hex');
  const value = Buffer.from(JSON.stringify({ rows: 3, headBytes: ROWS.length, headDigest }));
  marks.set(`input ${path}`, value);
  await appendFile(path, '5,5\n');
  assert.deepEqual(await record(), [4, 5]);
  assert.deepEqual(await record(), []);
});

test('no two runs store the same mark', async (t) => {
  const { open, marks } = await folder(t);
  const values = async () => {
    for await (const chunk of (await open({ fromStart: true })).chunks(NEVER)) return String(chunk.marks()[0]!.value);
    return '';
  };
  assert.notEqual(await values(), await values());
  assert.equal(marks.size, 0);
});

test('by a byte order mark the encoding is known; one that is not as named is refused', async (t) => {
  const { path, record } = await folder(t, '');
  await writeFile(path, Buffer.from(`\ufeff${ROWS.replaceAll('\n', '\r\n')}`, 'utf16le'));
  assert.deepEqual(await record(), [1, 2, 3, 4]);
  await appendFile(path, Buffer.from('5,5\r\n6,', 'utf16le'));
  assert.deepEqual(await record(), [5]);
  await appendFile(path, Buffer.from('6\r\n', 'utf16le'));
  assert.deepEqual(await record(), [6]);
  await assert.rejects(record({ fromStart: true, encoding: 'utf-8' }), { code: 'input-encoding' });
  await writeFile(path, Buffer.from(ROWS, 'utf16le'));
  await assert.rejects(record({ fromStart: true }), { code: 'input-encoding', message: /utf-16le/ });
  assert.deepEqual(await record({ fromStart: true, encoding: 'utf-16le' }), [1, 2, 3, 4]);
});

test('a small file that has none of the names that flags mention is refused', async (t) => {
  const { record } = await folder(t, '{"ts":1,"flow":1}\n', 'rows.ndjson');
  await assert.rejects(record({ names: new Map([['flw', 'volume']]) }), {
    code: 'input-columns',
    message: /flw.*flow/,
  });
});

test('room that a logger has set aside is read once it is filled', async (t) => {
  const { path, record } = await folder(t, '{"ts":1,"volume":1}\n', 'rows.ndjson');
  const file = await openFile(path, 'r+');
  t.after(() => file.close());
  for (const bytes of [8_192, 6 << 20]) {
    await file.truncate(bytes);
    await record();
  }
  await file.write('{"ts":2,"volume":1}\n', 20);
  assert.deepEqual(await record(), [2]);
});

test('a missing file is the file system’s error', async (t) => {
  const { at, open } = await folder(t);
  await assert.rejects(open({ path: at('nothing') }), { code: 'ENOENT' });
});

test('real telemetry is read without a refusal', async (t) => {
  for (const name of ['heat-meter.csv', 'road-sensors.csv', 'machine-temperature.ndjson']) {
    const { open } = await folder(t);
    const input = await open({ path: fileURLToPath(new URL(`../../data/${name}`, import.meta.url)), lastLine: true });
    let events = 0;
    for await (const chunk of input.chunks(NEVER)) {
      events += chunk.events.length;
      assert.deepEqual(chunk.refused, [], name);
    }
    assert.equal(events, 300, name);
  }
});

test('more refused rows than are remembered end the run before it skips one, and right flags lose none', async (t) => {
  const rows = REFUSED_MAX + 2_000;
  const { path, record } = await folder(t, `ts,x\n1,1\n${'2,ERR\n'.repeat(REFUSED_MAX)}3,3\n`);
  assert.deepEqual(await record(), [1, 3], 'as many as are remembered');
  await appendFile(path, '2,ERR\n');
  await assert.rejects(record(), { code: 'input-refusals' }, 'one more');
  await appendFile(path, `${'2,ERR\n'.repeat(rows - REFUSED_MAX - 1)}4,4\n`);
  await assert.rejects(record(), { code: 'input-refusals' });
  const times = await record({ mixed: new Set(['x']) });
  assert.deepEqual(times.filter((ts) => ts === 2).length, rows);
  assert.equal(times.at(-1), 4);
  assert.deepEqual(await record({ mixed: new Set(['x']) }), []);
});

test('more refused rows than are remembered go on with a file of rejects', async (t) => {
  const { record } = await folder(t, `ts,x\n1,1\n${'2,ERR\n'.repeat(REFUSED_MAX + 2_000)}3,3\n`);
  await assert.rejects(record(), { code: 'input-refusals' });
  assert.equal((await record({ hasRejects: true })).at(-1), 3);
});

test('rows that cannot become whole are counted by every later run', async (t) => {
  const { open, path, record } = await folder(t, `ts,x\n1,1\n2,2${'\0'.repeat(8)}\n3,3\n`);
  const unreadable = async () => {
    const input = await open();
    for await (const _ of input.chunks(NEVER));
    return input.rest().unreadable;
  };
  assert.deepEqual(await record(), [1, 3]);
  assert.equal(await unreadable(), 1);
  await appendFile(path, '4,4\n');
  assert.deepEqual(await record(), [4]);
  assert.equal(await unreadable(), 1);
});

/** A row a minute, with texts that tell the rows of one file from those of another. */
const minutes = (count: number, value: (i: number) => unknown = (i) => i) =>
  Array.from({ length: count }, (_, i) => `${1_772_323_200_000 + i * 60_000},${value(i)}\n`).join('');

test('a copy is known however it is written, cut short, grown, or put right', async (t) => {
  for (const [title, original, copy] of [
    ['cut short', `ts,volume\n${minutes(500)}`, `ts,volume\n${minutes(3)}`],
    ['put right', `ts,volume\n${minutes(3, (i) => (i === 0 ? 'ERR' : i))}`, `ts,volume\n${minutes(3)}`],
    [
      'put right at its beginning',
      `ts,volume\n${minutes(90, (i) => (i < 40 ? 'ERR' : i))}`,
      `ts,volume\n${minutes(90)}`,
    ],
    ['CR', `ts,volume\n${minutes(9)}`.replaceAll('\n', '\r'), `ts,volume\n${minutes(9)}`.replaceAll('\n', '\r')],
    ['of a spreadsheet', `ts,volume\n${minutes(9)}`, `\ufeffts,volume\n${minutes(9)}`.replaceAll('\n', '\r\n')],
    ['quoted, parted otherwise', `ts,a\n${minutes(9)}`, `ts\ta\n${minutes(9, (i) => `"${i}"`)}`.replaceAll(',', '\t')],
    ['UTF-16', `ts,volume\n${minutes(9)}`, Buffer.from(`\ufeffts,volume\n${minutes(9)}`, 'utf16le')],
    ['other rows before it', `ts,volume\n${minutes(99)}`, `ts,volume\n1,1\n2,2\n${minutes(99)}`],
    ['grown and edited', `ts,volume\n${minutes(99)}`, `ts,volume\n${minutes(200, (i) => (i % 7 === 3 ? -i : i))}`],
  ] as const) {
    const { at, record } = await folder(t, original);
    await record();
    await writeFile(at('copy.csv'), copy);
    const flags = { path: at('copy.csv'), ...(copy.includes('\t') && { delimiter: '\t' }) };
    await assert.rejects(record(flags), { code: 'input-copy', message: /--from-start/ }, title);
    if (title === 'cut short') await assert.rejects(record(flags), { message: /3 of 3 that were compared/ });
    assert((await record({ ...flags, fromStart: true })).length > 0, title);
  }
});

test('rows are compared wherever they are in a file, also where two reads of it meet', async (t) => {
  const { at, record } = await folder(t, `ts,volume\n${minutes(40_000)}`);
  await record();
  await writeFile(at('copy.csv'), `ts,volume\n1,1\n${minutes(40_000)}`);
  await assert.rejects(record({ path: at('copy.csv') }), { code: 'input-copy', message: /\((\d\d) of \1 that/ });
});

test('files of two instruments are no copies, although some of their rows are the same', async (t) => {
  const idle = (i: number) => (i < 6 ? 0 : i);
  const { at, path, record } = await folder(t, `ts,volume\n${minutes(2_000, idle)}`);
  assert.equal((await record()).length, 2_000);
  await writeFile(at('other.csv'), `ts,volume\n${minutes(2_000, (i) => (i < 6 ? 0 : 2 * i))}`);
  assert.equal((await record({ path: at('other.csv') })).length, 2_000);
  await writeFile(at('short.csv'), `ts,volume\n${minutes(20, (i) => (i < 4 ? 0 : 2 * i + 1))}`);
  assert.equal((await record({ path: at('short.csv') })).length, 20);
  await writeFile(at('same-times.csv'), `ts,volume\n${minutes(2_000, (i) => i + 0.5)}`);
  assert.equal((await record({ path: at('same-times.csv') })).length, 2_000);
  assert.deepEqual(await record({ path }), []);
});

test('a file that was edited in place is refused, in whatever place and however large it is', async (t) => {
  const row = (i: number) => `${i},${100_000 + i}\n`;
  const text = `ts,volume\n${Array.from({ length: 50_000 }, (_, i) => row(i)).join('')}`;
  for (const [title, before, after] of [
    ['its only row', 'ts,volume\n1,1\n', 'ts,volume\n1,7\n'],
    ['every value', `ts,volume\n${minutes(100)}`, `ts,volume\n${minutes(100, (i) => 10 * i)}`],
    ['another encoding', ROWS, Buffer.from(`\ufeff${ROWS}`, 'utf16le')],
    ['a digit far before the end', text, text.replace('5,100005', '5,900005')],
  ] as const) {
    const { path, record } = await folder(t, before);
    await record();
    await writeFile(path, after);
    await assert.rejects(record(), { code: 'input-changed' }, title);
  }
});

test('a file that was cut at its head is refused, however little is left of it', async (t) => {
  const rows = minutes(5_000).split('\n').slice(0, -1);
  for (const left of [1, 7, 300]) {
    const { path, record } = await folder(t, `ts,volume\n${rows.slice(0, 4_000).join('\n')}\n`);
    await record();
    await appendFile(path, `${rows.slice(4_000, 4_997).join('\n')}\n`);
    assert.equal((await record()).length, 997);
    await appendFile(path, `${rows.slice(4_997).join('\n')}\n`);
    assert.equal((await record()).length, 3);
    await writeFile(path, `ts,volume\n${rows.slice(-left).join('\n')}\n1,1\n2,2\n`);
    await assert.rejects(record(), { code: 'input-changed' }, `${left}`);
  }
});

test('an inode that is used again by another file says nothing of its times', async (t) => {
  const { at, path, record } = await folder(t, `ts,volume\n${minutes(50)}`);
  await record();
  await rename(path, at('other.csv'));
  await writeFile(at('other.csv'), `ts,volume\n${minutes(50, (i) => i + 0.5)}`);
  assert.equal((await record({ path: at('other.csv') })).length, 50);
});

test('a file that is written anew for each reading is another one each time', async (t) => {
  const { path, record } = await folder(t, 'ts,volume\n60000,5\n');
  await record();
  await writeFile(path, 'ts,volume\n120000,5\n');
  assert.deepEqual(await record(), [120_000]);
  await writeFile(path, 'ts,volume\n180000,5\n');
  assert.deepEqual(await record(), [180_000]);
});

test('a file whose mark has no samples goes on, and is refused where it is not what it was', async (t) => {
  const { path, marks, record } = await folder(t);
  await record();
  for (const [name, value] of marks) {
    if (!name.startsWith('input file')) continue;
    const { samples: _, ...progress } = JSON.parse(Buffer.from(value).toString());
    marks.set(name, Buffer.from(JSON.stringify({ ...progress, version: 2 })));
  }
  await appendFile(path, '5,5\n');
  const stored = new Map(marks);
  assert.deepEqual(await record(), [5]);
  for (const [name, value] of stored) marks.set(name, value);
  await writeFile(path, 'ts,volume\n6,6\n');
  await assert.rejects(record(), { code: 'input-changed' });
});

test('a run that goes on knows the names of columns as a first one does', async (t) => {
  const { path, record } = await folder(t, 'ts,flow,secret\n1,1,7\n');
  const names = new Map([['flow', 'volume']]);
  const skip = new Set(['secret']);
  assert.deepEqual(await record({ names, skip }), [1]);
  await appendFile(path, '2,2,7\n');
  await assert.rejects(record({ names: new Map([['flw', 'volume']]), skip }), {
    code: 'input-columns',
    message: /flw/,
  });
  await assert.rejects(record({ names, skip: new Set(['secrt']) }), { code: 'input-columns', message: /secrt/ });
  await assert.rejects(record({ texts: new Set(['fow']) }), { code: 'input-columns' });
  assert.deepEqual(await record({ names, skip }), [2]);
});

test('a name that an earlier heading has is known to later runs', async (t) => {
  const { path, record } = await folder(t, 'ts,a,b,c\n1,ERR,1,x\nts,b,a\n2,2,2\n');
  assert.deepEqual(await record({ skip: new Set(['c']) }), [2]);
  await appendFile(path, '3,3,3\n');
  assert.deepEqual(await record(), [3]);
  await appendFile(path, '4,4,4\n');
  assert.deepEqual(await record({ skip: new Set(['c']), missing: new Set(['ERR']) }), [1, 4]);
  const other = await folder(t, 'ts,a,c\n1,1,ERR\nts,a\n2,2\n');
  assert.deepEqual(await other.record(), [2]);
  assert.deepEqual(await other.record({ texts: new Set(['c']) }), [1], 'of a row that is read once more');
});

test('a name to be left out that no row of JSON has is a mistake', async (t) => {
  const { record } = await folder(t, '{"ts":1,"secret":{"a":1},"volume":2}\n', 'rows.ndjson');
  await assert.rejects(record({ skip: new Set(['secrt']) }), { code: 'input-columns', message: /secrt/ });
  assert.deepEqual(await record({ skip: new Set(['secret']) }), [1]);
});

test('rows below a heading that cannot be used are refused by later runs, too', async (t) => {
  for (const hasRejects of [false, true]) {
    const { path, record } = await folder(t, 'ts,a,b\n1,1,2\nts,b,b\n2,2,1\n');
    assert.deepEqual(await record({ hasRejects }), [1]);
    await appendFile(path, '3,2,1\n');
    assert.deepEqual(await record({ hasRejects }), []);
    await appendFile(path, '4,2,1\nts,a,b\n5,1,2\n');
    assert.deepEqual(await record({ hasRejects }), [5]);
    assert.deepEqual(await record({ hasRejects }), []);
  }
});

test('a part of a file that has grown is a copy, also once another file has taken over the first rows', async (t) => {
  const { at, path, record } = await folder(t, `ts,volume\n${minutes(1_000)}`);
  await record();
  await writeFile(at('restored.csv'), `ts,volume\n${minutes(1_600, (i) => (i < 100 ? i : i + 0.5))}`);
  await assert.rejects(record({ path: at('restored.csv') }), { code: 'input-copy', message: /--sensor.*--from-start/ });
  await writeFile(at('eight.csv'), `ts,volume\n${minutes(48, (i) => (i < 8 ? i : i + 0.5))}`);
  assert.equal((await record({ path: at('eight.csv'), fromStart: true })).length, 48);
  await copyFile(path, at('copy.csv'));
  await assert.rejects(record({ path: at('copy.csv') }), { code: 'input-copy' });
});

test('a copy of JSON is known with other spaces, names in another order, and other escapes', async (t) => {
  const row = (i: number) => ({ ts: 60_000 * i, tags: { unit: '°C' }, volume: i + 0.5 });
  const rows = Array.from({ length: 5 }, (_, i) => row(i));
  const text = rows.map((one) => `${JSON.stringify(one)}\n`).join('');
  for (const copy of [
    text.replaceAll(':', ': ').replaceAll(',', ', '),
    text.replaceAll('°', '\\u00b0'),
    rows.map(({ ts, ...more }) => `${JSON.stringify({ ...more, ts })}\n`).join(''),
  ]) {
    const { at, record } = await folder(t, text, 'rows.ndjson');
    assert.equal((await record()).length, 5);
    await writeFile(at('copy.ndjson'), copy);
    await assert.rejects(record({ path: at('copy.ndjson') }), { code: 'input-copy' }, copy);
  }
});

test('a line of the first row that lies behind recorded ones is refused', async (t) => {
  const { path, record } = await folder(t);
  await record();
  await appendFile(path, '5,5\n6,6\n');
  await assert.rejects(record({ rowsLine: 7 }), { code: 'input-heading', message: /--rows-line/ });
  assert.deepEqual(await record({ rowsLine: 2 }), [5, 6]);
});

/** More than one read of them. */
const objects = (count: number) =>
  Array.from({ length: count }, (_, i) => `{"ts":${1_772_323_200_000 + i * 1_000},"flow":${i},"secret":7}\n`).join('');

test('a name that no row of a long file has is a mistake before the first row is recorded', async (t) => {
  const { path, marks, open, record } = await folder(t, objects(12_000), 'rows.ndjson');
  const names = (theirs: string) => new Map([[theirs, 'volume']]);
  const mistaken = [{ names: names('flw') }, { skip: new Set(['secrt']) }, { numbers: new Set(['flw']) }];
  const columns = { code: 'input-columns', message: /flw|secrt/ };
  for (const options of mistaken) {
    const input = await open(options);
    await assert.rejects(input.chunks(NEVER).next(), columns);
  }
  assert.equal(marks.size, 0);
  assert.equal((await record({ names: names('flow') })).length, 12_000);
  await appendFile(path, objects(12_001).split('\n').slice(-2).join('\n'));
  for (const options of mistaken) await assert.rejects(record(options), columns);
  assert.equal((await record({ names: names('flow'), skip: new Set(['secret']) })).length, 1);
});

test('a name that only rows far down have is none', async (t) => {
  const { path, open, record } = await folder(t, `${objects(9_000)}{"ts":1,"rare":1,"flow":1}\n`, 'rows.ndjson');
  const skip = new Set(['rare']);
  const input = await open({ skip });
  let rows = 0;
  for await (const { events } of input.chunks(NEVER)) rows += events.length;
  assert.deepEqual([rows, input.rest().unknownNames], [9_001, []]);
  await record();
  await appendFile(path, '{"ts":2,"flow":1}\n');
  assert.deepEqual(await record({ skip }), [2], 'also in rows that were recorded before');
});

test('a heading that lacks what a flag names stops before its rows, and a later run knows it', async (t) => {
  const { record } = await folder(t, 'ts,flow\n1,1\nts,flow_m3\n2,2\n');
  const one = { names: new Map([['flow', 'volume']]) };
  const both = { names: new Map([...one.names, ['flow_m3', 'volume']]) };
  await assert.rejects(record(one), { code: 'input-columns' });
  assert.deepEqual(await record(both), [1, 2]);
  const grown = await folder(t, 'ts,flow\n1,1\nts,flow_m3\n2,2\n');
  await grown.record(both);
  await appendFile(grown.path, '3,3\n');
  await assert.rejects(grown.record(one), { code: 'input-columns', message: /"flow"/ });
  assert.deepEqual(await grown.record(both), [3]);
});

test('a copy of CSV is known by values under their names', async (t) => {
  const original = `ts,flow,note\n${minutes(20, (i) => `${i}.0,n ${i}`)}`;
  const rows = (line: (ts: string, i: number) => string) =>
    minutes(20)
      .split('\n')
      .slice(0, -1)
      .map((row, i) => line(row.slice(0, row.indexOf(',')), i))
      .join('\n');
  const names = new Map([['flow', 'volume']]);
  for (const [title, copy, flags] of [
    ['1.0 as 1', `ts,flow,note\n${rows((ts, i) => `${ts},${i},n ${i}`)}\n`, {}],
    ['columns moved', `note,ts,flow\n${rows((ts, i) => `n ${i},${ts},${i}.0`)}\n`, {}],
    ['quoted', `note,ts,flow\n${rows((ts, i) => `"n  ${i}","${ts}",${i}.00`)}\n`, {}],
    ['decimal comma', `ts;flow;note\n${rows((ts, i) => `${ts};${i},0;n ${i}`)}\n`, { decimal: ',', delimiter: ';' }],
    ['other flags', `ts,flow,note\n${rows((ts, i) => `${ts},${i},n ${i}`)}\n`, { names }],
  ] as const) {
    const { at, record } = await folder(t, original);
    await record();
    await writeFile(at('copy.csv'), copy);
    await assert.rejects(record({ path: at('copy.csv'), ...flags }), { code: 'input-copy' }, title);
  }
  const { at, record } = await folder(t, original);
  await record();
  await writeFile(at('valve2.csv'), original.replace('flow', 'flow_2').replace('note', 'note_2'));
  assert.equal((await record({ path: at('valve2.csv') })).length, 20, 'the same values of other tags');
});

test('a file that was rotated between rows that are alike is another one', async (t) => {
  const tenths = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `${1_772_323_200_000 + 1_000 * Math.floor((from + i) / 10)},0\n`).join(
      '',
    );
  const { at, path, record } = await folder(t, `ts,volume\n${tenths(0, 205)}`);
  await record();
  await rename(path, at('rows.csv.1'));
  await writeFile(path, `ts,volume\n${tenths(205, 400)}`);
  assert.equal((await record()).length, 195);
  await appendFile(path, tenths(400, 500));
  assert.equal((await record()).length, 100);
  const day = await folder(t, `ts,volume\n${minutes(100)}`);
  await day.record();
  await writeFile(day.path, `ts,volume\n${minutes(200).split('\n').slice(99).join('\n')}`);
  assert.equal((await day.record()).length, 101, 'midnight is in both days');
  await writeFile(day.path, `ts,volume\n${minutes(300).split('\n').slice(198).join('\n')}`);
  await assert.rejects(day.record(), { code: 'input-changed' }, 'more than a moment is there twice');
});

test('a file that begins within rows of another one is refused, whatever it is called', async (t) => {
  for (const size of [40, 700, 9_000]) {
    const rows = minutes(2 * size)
      .split('\n')
      .slice(0, -1);
    const text = (from: number, to: number) => `ts,volume\n${rows.slice(from, to).join('\n')}\n`;
    const { at, record } = await folder(t, text(0, size));
    assert.equal((await record()).length, size);
    for (const from of [Math.floor(size / 7), Math.floor(size / 2), size - 5]) {
      await writeFile(at('window.csv'), text(from, from + size));
      const copy = { code: 'input-copy', message: /--from-start/ };
      await assert.rejects(record({ path: at('window.csv') }), copy, `${from} of ${size}`);
    }
    await writeFile(at('next.csv'), text(size, 2 * size));
    assert.equal((await record({ path: at('next.csv') })).length, size, 'what follows it');
    await writeFile(at('window.csv'), text(Math.floor(size * 1.5), 2 * size));
    await assert.rejects(record({ path: at('window.csv') }), { code: 'input-copy' }, 'within the second one');
  }
  const { at, record } = await folder(t, `ts,volume\n${minutes(500)}`);
  await record();
  const middle = minutes(900, (i) => 3 * i + 1)
    .split('\n')
    .slice(100)
    .join('\n');
  await writeFile(at('other.csv'), `ts,volume\n${middle}`);
  assert.equal((await record({ path: at('other.csv') })).length, 800, 'other values at the same times');
});
