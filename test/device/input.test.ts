import assert from 'node:assert/strict';
import { appendFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { CodecError } from '../../src/codec/index.ts';
import { type Chunk, formatOf, type InputFormat, openInputFile, readRows } from '../../src/device/input.ts';
import type { RowOptions } from '../../src/device/row.ts';
import { createRandom, seedOf } from '../codec/property.ts';
import { temporaryDirectory } from './device-fixture.ts';

const OPTIONS: RowOptions = { names: new Map(), skip: new Set(), timeUnit: 'ms', sensor: 'default' };

async function chunksOf(rows: AsyncIterable<Chunk>): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of rows) chunks.push(chunk);
  return chunks;
}

const eventsIn = (chunks: readonly Chunk[]) => chunks.flatMap(({ events }) => events);
const refusedIn = (chunks: readonly Chunk[]) =>
  chunks.flatMap(({ refused }) => refused.map(({ line, code }) => [line, code]));

function* pieces(text: string, pieceBytes: number): Generator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

/** Reads a text that arrives in pieces of so many bytes. */
function read(text: string, format: InputFormat, pieceBytes = 7, skipRows = 0): Promise<Chunk[]> {
  return chunksOf(readRows(Readable.from(pieces(text, pieceBytes), { objectMode: false }), format, OPTIONS, skipRows));
}

const CSV = 'ts,sensor,volume,note\n1,a,0.1,"x, ""y""\nz"\n2,b,,ä€😀\n3,a,0.3\n';
const EVENTS = [
  { ts: 1, sensor: 'a', fields: { volume: 0.1, note: 'x, "y"\nz' } },
  { ts: 2, sensor: 'b', fields: { note: 'ä€😀' } },
  { ts: 3, sensor: 'a', fields: { volume: 0.3 } },
];

test('CSV: quotes, line ends, empty cells and characters in pieces', async () => {
  for (const pieceBytes of [1, 2, 3, 7, 1_000]) {
    assert.deepEqual(eventsIn(await read(CSV, 'csv', pieceBytes)), EVENTS, `${pieceBytes}`);
    assert.deepEqual(
      eventsIn(await read(CSV.replaceAll('\n', '\r\n').replace('\r\nz', '\nz'), 'csv', pieceBytes)),
      EVENTS,
    );
  }
  assert.deepEqual(eventsIn(await read(`\ufeff${CSV}`, 'csv')), EVENTS, 'with a byte order mark');
  assert.deepEqual(eventsIn(await read(' ts , volume \n1,2\n', 'csv')), [
    { ts: 1, sensor: 'default', fields: { volume: 2 } },
  ]);
  assert.deepEqual(eventsIn(await read('ts,volume\n\n1,2\n\n\n3,4', 'csv')), [
    { ts: 1, sensor: 'default', fields: { volume: 2 } },
    { ts: 3, sensor: 'default', fields: { volume: 4 } },
  ]);
  assert.deepEqual(await read('', 'csv'), []);
  assert.deepEqual(await read('ts,volume\n', 'csv'), []);
});

test('TSV: tabs between, commas within', async () => {
  assert.deepEqual(eventsIn(await read('ts\tvolume\tnote\n1\t2\ta,b\n', 'tsv')), [
    { ts: 1, sensor: 'default', fields: { volume: 2, note: 'a,b' } },
  ]);
});

test('NDJSON: pieces, line ends, blank lines, no end of line at the end', async () => {
  const lines = EVENTS.map((event) => JSON.stringify(event));
  for (const pieceBytes of [1, 5, 1_000]) {
    assert.deepEqual(eventsIn(await read(lines.join('\n'), 'ndjson', pieceBytes)), EVENTS);
    assert.deepEqual(eventsIn(await read(`\ufeff${lines.join('\r\n\r\n')}\r\n`, 'ndjson', pieceBytes)), EVENTS);
  }
  assert.deepEqual(await read('', 'ndjson'), []);
});

test('refused rows are reported with their line, and the others are read', async () => {
  const csv = 'ts,volume\n1,1\n,2\n"3\n",x\n4,9007199254740993\n5,5\n6,6,6\n7,\n';
  const chunks = await read(csv, 'csv', 1_000);
  assert.deepEqual(
    eventsIn(chunks).map(({ ts }) => ts),
    [1, 3, 5],
  );
  assert.deepEqual(refusedIn(chunks), [
    [3, 'event-time'],
    [6, 'event-number'],
    [8, 'event-field'],
    [9, 'event-field'],
  ]);
  const ndjson =
    '{"ts":1,"volume":1}\n\nnonsense\n{"ts":2,"volume":1}\n{"ts":"x","volume":1}\n{"ts":3}\n{"ts":4,"volume":""}';
  const found = await read(ndjson, 'ndjson', 1_000);
  assert.deepEqual(
    eventsIn(found).map(({ ts }) => ts),
    [1, 2, 4],
  );
  assert.deepEqual(refusedIn(found), [
    [3, 'event-field'],
    [5, 'event-time'],
    [6, 'event-field'],
  ]);
});

test('CSV that is broken ends the input with the line; what comes before it is read', async () => {
  for (const [text, fault] of [
    ['ts,volume\n1,1\n2,"2"\n3,"x"y\n4,4\n', /line 4 .* \(CSV_INVALID_CLOSING_QUOTE\)/],
    ['ts,volume\n1,1\n2,"2"\n3,"open\n4,4\n', /line 5 .* \(CSV_QUOTE_NOT_CLOSED\)/],
  ] as const) {
    for (const pieceBytes of [4, 1_000]) {
      const events: unknown[] = [];
      const rows = readRows(Readable.from(pieces(text, pieceBytes), { objectMode: false }), 'csv', OPTIONS);
      const all = (async () => {
        for await (const chunk of rows) events.push(...chunk.events.map(({ ts }) => ts));
      })();
      await assert.rejects(all, { code: 'event-field', message: fault });
      assert.deepEqual(events, [1, 2]);
    }
  }
});

test('a long line full of quotes takes a time that grows with its length, not with its square', async () => {
  const before = process.cpuUsage();
  const cells = '"",'.repeat(80_000);
  const chunks = await read(`ts,volume\n1,2\n${cells}\n3,4\n`, 'csv', 1 << 18);
  const { user } = process.cpuUsage(before);
  assert.deepEqual(
    eventsIn(chunks).map(({ ts }) => ts),
    [1, 3],
  );
  assert.deepEqual(refusedIn(chunks), [[3, 'event-time']]);
  assert(user < 2_000_000, `${user / 1_000} ms`);
});

test('a line without end is an error, after what comes before it', async () => {
  const events: unknown[] = [];
  const endless = async function* () {
    yield Buffer.from('{"ts":1,"volume":1}\n');
    for (;;) yield Buffer.alloc(1 << 20, 0x61);
  };
  await assert.rejects(
    async () => {
      for await (const { events: some } of readRows(Readable.from(endless()), 'ndjson', OPTIONS)) events.push(...some);
    },
    { code: 'event-field' },
  );
  assert.equal(events.length, 1);
});

test('rows that were recorded before are skipped, however they are cut into chunks', async (t) => {
  const random = createRandom(seedOf(t));
  const rows = Array.from({ length: 40 }, (_, i) => (i % 7 === 3 ? 'x,x' : `${i},${i}`));
  const csv = `ts,volume\n${rows.join('\n')}\n`;
  const ndjson = rows.map((row) => row.replace(/(\d+),(\d+)/, '{"ts":$1,"volume":$2}')).join('\n');
  for (let skip = 0; skip <= 40; skip++) {
    for (const [text, format] of [
      [csv, 'csv'],
      [ndjson, 'ndjson'],
    ] as const) {
      const chunks = await read(text, format, 1 + Math.floor(random() * 60), skip);
      const expected = rows.flatMap((row, i) => (i < skip || row === 'x,x' ? [] : [i]));
      assert.deepEqual(
        eventsIn(chunks).map(({ ts }) => ts),
        expected,
      );
      if (skip < 40) assert.equal(chunks.at(-1)!.rows, 40);
    }
  }
});

test('a silent pipe’s rows come at once', async () => {
  for (const [format, first, second] of [
    ['ndjson', '{"ts":1,"volume":1}\n', '{"ts":2,"volume":1}\n'],
    ['csv', 'ts,volume\n1,1\n', '2,2\n'],
  ] as const) {
    const pipe = new PassThrough();
    const rows = readRows(pipe, format, OPTIONS);
    pipe.write(first);
    const chunk = await rows.next();
    assert.equal((chunk.value as Chunk).events[0]!.ts, 1);
    pipe.write(second);
    const next = await rows.next();
    assert.equal((next.value as Chunk).events[0]!.ts, 2);
    pipe.end();
    assert.equal((await rows.next()).done, true);
  }
});

test('a chunk says how far the file has been read', async () => {
  const text = `ts,volume\n${Array.from({ length: 50 }, (_, i) => `${i},${i}`).join('\n')}\n`;
  const chunks = await read(text, 'csv', 100);
  assert(chunks.length > 1);
  assert.deepEqual(
    chunks.map(({ bytes }) => bytes),
    chunks.map((_, i) => Math.min(100 * (i + 1), text.length)),
  );
});

test('more than one batch’s worth of texts in a chunk is no reason to refuse', async () => {
  const lines = Array.from({ length: 1_100 }, (_, i) => JSON.stringify({ ts: i, note: `${i}`.padEnd(4_000, '.') }));
  const chunks = await read(lines.join('\n'), 'ndjson', 5 << 20);
  assert.equal(eventsIn(chunks).length, 1_100);
  assert.deepEqual(refusedIn(chunks), []);
});

test('the format is told by the name', () => {
  assert.deepEqual(['a.csv', 'b.TSV', 'c.ndjson', 'd.json', 'e', 'csv', 'dir.csv/f'].map(formatOf), [
    'csv',
    'tsv',
    'ndjson',
    'ndjson',
    'ndjson',
    'csv',
    'ndjson',
  ]);
});

/** A file, and the marks that a device would keep. */
async function testFile(t: Parameters<typeof temporaryDirectory>[0], text: string) {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'rows.csv');
  await writeFile(path, text);
  const marks = new Map<string, Uint8Array>();
  const open = (options: { path?: string; fromStart?: boolean } = {}) =>
    openInputFile({
      path,
      format: 'csv',
      stored: async (name) => marks.get(name),
      fromStart: false,
      ...options,
    });
  const timesIn = async (file: Awaited<ReturnType<typeof open>>) =>
    eventsIn(await chunksOf(file.read(OPTIONS))).map(({ ts }) => ts);
  const keep = (mark: { name: string; value: Uint8Array }): void => {
    marks.set(mark.name, mark.value);
  };
  return { directory, path, open, timesIn, keep };
}

const ROWS = 'ts,volume\n1,1\n2,2\n3,3\n4,4\n';

test('an interrupted file goes on behind its last recorded row, under whatever path it is named', async (t) => {
  const { directory, path, open, timesIn, keep } = await testFile(t, ROWS);
  const file = await open();
  assert.deepEqual([file.bytes, file.skipRows], [ROWS.length, 0]);
  keep(file.mark(2));
  const again = await open();
  assert.equal(again.skipRows, 2);
  assert.deepEqual(await timesIn(again), [3, 4]);
  const link = join(directory, 'link.csv');
  await symlink(path, link);
  assert.deepEqual(await timesIn(await open({ path: link })), [3, 4]);
  keep(again.mark(4));
  assert.deepEqual(await timesIn(await open()), []);
  await appendFile(path, '5,5\n');
  assert.deepEqual(await timesIn(await open()), [5], 'a file that has grown goes on');
  assert.deepEqual(await timesIn(await open({ fromStart: true })), [1, 2, 3, 4, 5]);
});

test('a file that begins otherwise than it did starts over', async (t) => {
  const { path, open, timesIn, keep } = await testFile(t, ROWS);
  keep((await open()).mark(3));
  await writeFile(path, ROWS.replace('1,1', '1,7'));
  assert.deepEqual(await timesIn(await open()), [1, 2, 3, 4]);
});

test('an empty file that has been filled is read from the start', async (t) => {
  const { path, open, timesIn, keep } = await testFile(t, '');
  keep((await open()).mark(0));
  await writeFile(path, ROWS);
  assert.deepEqual(await timesIn(await open()), [1, 2, 3, 4]);
});

test('a missing file is the file system’s error', async (t) => {
  const { directory, open } = await testFile(t, '');
  await assert.rejects(open({ path: join(directory, 'nothing') }), { code: 'ENOENT' });
});

test('real telemetry is read without a refusal', async () => {
  for (const name of ['heat-meter.csv', 'road-sensors.csv', 'machine-temperature.ndjson']) {
    const path = fileURLToPath(new URL(`../data/${name}`, import.meta.url));
    const file = await openInputFile({ path, format: formatOf(path), stored: async () => undefined, fromStart: false });
    const chunks = await chunksOf(file.read(OPTIONS));
    assert.equal(eventsIn(chunks).length, 300, name);
    assert.deepEqual(refusedIn(chunks), [], name);
  }
});

test('CSV of any kind, in pieces of any length, is what it is in one piece', async (t) => {
  const anyText = fc.array(
    fc.constantFrom('ts', 'a', ',', '"', '""', '\n', '\r\n', '1', '0.5', 'x', ' ', '\t', 'é', '2024-01-01'),
    { maxLength: 40 },
  );
  const outcome = async (text: string, format: InputFormat, pieceBytes: number) => {
    const events: unknown[] = [];
    const refused: unknown[] = [];
    try {
      const rows = readRows(Readable.from(pieces(text, pieceBytes), { objectMode: false }), format, OPTIONS);
      for await (const chunk of rows) {
        events.push(...chunk.events);
        refused.push(...chunk.refused);
      }
    } catch (error) {
      assert(error instanceof CodecError && error.code === 'event-field', String(error));
      return { events, refused, ended: true };
    }
    return { events, refused, ended: false };
  };
  const property = fc.asyncProperty(
    anyText,
    fc.constantFrom<InputFormat>('csv', 'tsv', 'ndjson'),
    fc.integer({ min: 1, max: 9 }),
    async (parts, format, pieceBytes) => {
      const text = `ts,a\n1,2\n${parts.join('')}`;
      assert.deepEqual(await outcome(text, format, pieceBytes), await outcome(text, format, 1 << 20));
    },
  );
  await fc.assert(property, { seed: seedOf(t), numRuns: 500 });
});
