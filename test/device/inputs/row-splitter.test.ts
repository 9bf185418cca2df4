import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TelemetryEvent } from '../../../src/codec/index.ts';
import { RowFeed } from '../../../src/device/inputs/row-feed.ts';
import { ROW_BYTES_MAX, RowSplitter } from '../../../src/device/inputs/row-splitter.ts';
import { seedOf } from '../../codec/property.ts';
import { cpuMs, yardstickMs } from '../../processor-time.ts';
import { OPTIONS, readRows, timesOf } from './rows.ts';

const MIB = 1 << 20;
const row = (ts: number): string => `{"ts":${ts},"volume":${ts}}\n`;

test('a line above the limit costs that line, in pieces of any length', () => {
  const text = `${row(1)}{"ts":2,"text":"${'x'.repeat(5 * MIB)}"}\n${row(3)}${row(4)}`;
  for (const pieceBytes of [64 * 1024, MIB, 16 * MIB]) {
    const read = readRows('ndjson', text, { pieceBytes });
    assert.deepEqual(timesOf(read), [1, 3, 4], `${pieceBytes}`);
    assert.equal(read.rejected.length, text.split('\n')[1]!.length + 1, 'kept as it was');
  }
  assert.deepEqual(readRows('ndjson', text, { pieceBytes: MIB }).refused, [[2, 'row-too-long']]);
  const csv = `ts,volume\n1,1\n2,${'9'.repeat(5 * MIB)}\n3,3\n`;
  assert.deepEqual(timesOf(readRows('csv', csv, { pieceBytes: MIB })), [1, 3]);
});

test('a long line takes no more memory than the limit, and no time with its square', () => {
  const took = cpuMs(() => {
    const quoted = `ts,volume\n1,2\n${'"",'.repeat(80_000)}\n3,4\n`;
    assert.deepEqual(timesOf(readRows('csv', quoted)), [1, 3]);
    const open = `ts,volume\n1,2\n5,"${'a,""'.repeat(200_000)}\n3,4\n`;
    assert.deepEqual(timesOf(readRows('csv', open, { pieceBytes: 4_096 })), [1, 3]);
  });
  assert(took < 30 * yardstickMs(), `${took} ms`);
});

test('a hole of NULs costs what may be torn by it', () => {
  for (const nuls of [1, 4_096, ROW_BYTES_MAX + MIB]) {
    const hole = '\0'.repeat(nuls);
    const json = readRows('ndjson', `${row(1)}${hole}${row(2)}{"ts":3,"vol${hole}${row(4)}${row(5)}`, {
      pieceBytes: MIB,
    });
    // An object that is whole cannot be a part of another.
    assert.deepEqual(timesOf(json), [1, 2, 4, 5], `${nuls}`);
    assert.deepEqual(json.refused, [
      [2, 'row-hole'],
      [3, 'row-hole'],
    ]);
    const csv = readRows('csv', `ts,volume\n1,1\n${hole}5,2\n3,3\n`, { pieceBytes: MIB });
    assert.deepEqual(timesOf(csv), [1, 3], 'the first digits of 5 may be missing');
    assert.deepEqual(csv.refused, [[3, 'row-hole']]);
    assert.equal(csv.rejected, 'ts,volume\n\x005,2\n');
  }
});

test('a hole that is told of keeps no more of itself, and a line too long for a row is one line around it', () => {
  const long = Buffer.alloc(ROW_BYTES_MAX + 1, 'x');
  const splitter = new RowSplitter({ mayBeRow: () => true, quotedBy: undefined });
  const cut = (bytes: Buffer) => splitter.cut(bytes).rows.map(({ line, fault }) => [line, fault]);
  assert.deepEqual(cut(Buffer.concat([Buffer.from('1\n'), Buffer.alloc(ROW_BYTES_MAX + 1)])), [
    [1, undefined],
    [2, 'hole'],
  ]);
  assert.deepEqual(cut(Buffer.alloc(1_000)), []);
  assert.equal(splitter.rest.length, 0);
  assert.deepEqual(cut(long), [[2, 'too-long']]);
  assert.deepEqual(cut(Buffer.from('more\0rest\n3\n')), [
    [2, 'more'],
    [2, 'hole'],
    [2, undefined],
    [3, undefined],
  ]);
});

test('NULs at the end of a file are room that may still be filled', () => {
  const read = readRows('ndjson', `${row(1)}${'\0'.repeat(100)}`, { isFile: true });
  assert.deepEqual([timesOf(read), read.refused, read.waiting], [[1], [], 100]);
});

test('a stray quote costs its row', () => {
  const rows = Array.from({ length: 60 }, (_, i) => `${i + 10},${i},ok`);
  const good = [1, ...rows.map((_, i) => i + 10)];
  const file = (bad: string, more: readonly string[] = rows) => `ts,volume,note\n1,1,ok\n${bad}\n${more.join('\n')}\n`;
  for (const bad of ['2,2,12" main', '2,2,"never closed', '2,2,"x"y', '2,2,"', '2,2,a"b"c', '"2,2,ok', '2,"2,ok']) {
    for (const pieceBytes of [3, 100, MIB]) {
      const read = readRows('csv', file(bad), { pieceBytes });
      assert.deepEqual(timesOf(read), good, `${bad} in pieces of ${pieceBytes}`);
      assert.deepEqual(read.refused, [[3, 'row-malformed']], bad);
      assert.equal(read.rejected, `ts,volume,note\n${bad}\n`);
    }
  }
});

test('two stray quotes: nobody can tell what lies between them from text, so all of it is refused', () => {
  const cases: [what: string, text: string, options?: object][] = [
    ['the last cell', 'ts,volume,note\n1,1,ok\n2,2,"\n3,3,x\n4,4,"\n5,5,ok\n'],
    ['an inch mark', 'ts,volume,note\n1,1,ok\n2,2,"open\n3,3,x\n4,4,12"\n5,5,ok\n'],
    ['another column', 'ts,note,volume\n1,x,1\n2,",2\n3,x,3\n4,",4\n5,ok,5\n'],
    ['a delimiter at line ends', 'ts,volume,note\n1,1,ok,\n2,2,",\n3,3,x,\n4,4,",\n5,5,ok,\n'],
    ['fewer cells', 'ts,volume,note\n1,1,ok\n2,2,"\n3,3\n4,4,"\n5,5\n', { shortRows: true }],
    ['a torn row', 'ts,volume,note\n1,1,ok\n2,"\n3,3\n4,"\n5,5,ok\n'],
    ['too many cells', 'ts,volume,note\n1,1,ok\n2,2,"x\n3,3,x,x\n4,y"\n5,5,ok\n'],
    ['a time that is refused', 'ts,volume,note\n1,1,ok\n2,2,"x\n03.04.2026,3,x\ny"\n\n5,5,ok\n'],
    ['a time that is none', 'ts,volume,note\n1,1,ok\n2,2,"x\nERR,3,x\ny"\n\n5,5,ok\n'],
    ['no time', 'ts,volume,note\n1,1,ok\n2,2,"x\n,3,x\ny"\n\n5,5,ok\n'],
    ['CRLF', 'ts,volume,note\r\n1,1,ok\r\n2,2,"\r\n3,3,x\r\n4,4,"\r\n5,5,ok\r\n'],
    ['RFC 4180', 'ts,volume,note\n1,1,ok\n2,2,"x\n3,3,y\nz"\n\n5,5,ok\n'],
    ['RFC 4180, the line on which it ends', 'ts,volume,note\n1,1,ok\n2,2,"x\ny\n3,3,z"\n5,5,ok\n'],
  ];
  for (const [what, text, options = {}] of cases) {
    for (const pieceBytes of [1, 7, MIB]) {
      for (const isFile of [true, false]) {
        const read = readRows('csv', text, { ...options, pieceBytes, isFile });
        assert.deepEqual(read.refused, [[3, 'row-quoted-lines']], `${what} ${pieceBytes}`);
        assert.match(read.messages[0]!, /lines 3 to 5 .* --quoted-lines/, what);
        assert.deepEqual(timesOf(read), [1, 5], what);
        assert(read.rejected.includes(text.slice(text.indexOf('\n2') + 1, text.indexOf('\n5') + 1).trim()), what);
      }
    }
  }
});

test('lines of text in a quoted cell are text, and a flag says so, or the reverse, of lines that could be rows', () => {
  const text = 'ts,volume,note\n1,1,ok\n2,2,"x, y\nand z"\n3,3,"a\n4,4,b\nc"\n5,5,ok\n';
  const read = (quotedLines: 'text' | 'rows' | undefined) => readRows('csv', text, { quotedLines, isFile: true });
  assert.deepEqual([timesOf(read(undefined)), read(undefined).refused], [[1, 2, 5], [[5, 'row-quoted-lines']]]);
  assert.deepEqual(read('text').refused, []);
  assert.deepEqual(
    read('text').events.map(({ fields }) => fields['note']),
    ['ok', 'x, y\nand z', 'a\n4,4,b\nc', 'ok'],
  );
  assert.deepEqual(timesOf(read('rows')), [1, 4, 5]);
  assert.deepEqual(
    read('rows').refused.map(([line]) => line),
    [3, 4, 5, 7],
  );
});

test('a cell of several lines that are text is no matter', () => {
  for (const note of ['Main St 5,\n12345 Town, DE', 'a\nb', 'on, off,\nand on', 'x, y\n\nz, 5']) {
    const { events, refused } = readRows('csv', `ts,note,volume\n1,"${note}",1\n2,x,2\n`, { isFile: true });
    assert.deepEqual([events[0]?.fields, refused], [{ note, volume: 1 }, []], note);
  }
});

test('a quote without its partner holds up rows until the end of a file, and few of a pipe', () => {
  const rows = Array.from({ length: 40 }, (_, i) => `${i + 10},${i},ok\n`);
  const text = `ts,volume,note\n1,1,ok\n2,2,"open\n${rows.join('')}`;
  const file = readRows('csv', text, { isFile: true });
  assert.deepEqual([file.events.length, file.refused, file.waiting], [41, [[3, 'row-malformed']], 0]);
  const half = readRows('csv', `${text}50,1,o`, { isFile: true });
  assert.deepEqual([half.events.length, half.waiting], [41, 6], 'what has no line end waits for it');
  const closed = `${text}3,3,"\n4,4,ok\n`;
  assert.deepEqual(readRows('csv', closed, { isFile: true }).refused, [[3, 'row-quoted-lines']]);
  const pipe = readRows('csv', closed, { quotedRowsMax: 16 });
  assert.deepEqual(
    [pipe.events.length, pipe.refused],
    [
      42,
      [
        [3, 'row-malformed'],
        [44, 'row-malformed'],
      ],
    ],
  );
});

test('rows that were refused for their quotes are split anew when they are tried again', () => {
  const bytes = Buffer.from('2,2,"a\n3,3,b\nc"\n');
  const retry = (quotedLines: 'text' | 'rows' | undefined) => {
    const feed = new RowFeed({ ...OPTIONS, quotedLines, format: 'csv', encoding: 'utf-8', offset: 0, lastLine: false });
    feed.push(Buffer.from('ts,volume,note\n1,1,ok\n'));
    const { events, refused } = feed.retry([[{ line: 3, at: 22, bytes: bytes.length }, bytes]]);
    return [events.map(({ ts }) => ts), refused.map(({ line, at, bytes: length }) => [line, at, length])];
  };
  assert.deepEqual(retry(undefined), [[], [[3, 22, bytes.length]]]);
  assert.deepEqual(retry('text'), [[2], []]);
  assert.deepEqual(retry('rows'), [
    [3],
    [
      [3, 22, 7],
      [5, 35, 3],
    ],
  ]);
});

test('of a file with quotes as RFC 4180 has them, no event is made that is no row of it', (t) => {
  const anyNote = fc
    .array(
      fc.constantFrom(
        '\n',
        '\n',
        ',',
        '"',
        'x',
        '5',
        '7,8,y',
        '\n7,8,y\n',
        '7,',
        '03.04.2026,1,z',
        'ts,note,volume',
        ' ',
      ),
      {
        maxLength: 8,
      },
    )
    .map((parts) => parts.join(''));
  const property = fc.property(
    fc.array(anyNote, { maxLength: 12 }),
    fc.constantFrom('\n', '\r\n'),
    fc.integer({ min: 1, max: 40 }),
    (notes, end, pieceBytes) => {
      const rows = notes.map((note, i) => ({ ts: 100 + i, note: `n${note}`, volume: i }));
      const quoted = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
      const text = ['ts,note,volume', ...rows.map(({ ts, note, volume }) => `${ts},${quoted(note)},${volume}`)];
      const read = (quotedLines?: 'text') =>
        readRows('csv', `${text.join(end)}${end}`, { isFile: true, pieceBytes, quotedLines, texts: new Set(['note']) });
      const known = (events: readonly TelemetryEvent[]) => events.map(({ ts, fields }) => ({ ts, ...fields }));
      assert.deepEqual([known(read('text').events), read('text').refused, read('text').waiting], [rows, [], 0]);
      const { events, refused } = read();
      const lines = new Set(refused.map(([, code]) => code));
      assert.deepEqual(
        known(events),
        rows.filter(({ ts }) => events.some((event) => event.ts === ts)),
        'each event is a row',
      );
      assert.equal(events.length + refused.length, rows.length, 'each row is an event or refused');
      assert.deepEqual([...lines], refused.length > 0 ? ['row-quoted-lines'] : []);
    },
  );
  fc.assert(property, { seed: seedOf(t), numRuns: 500 });
});

test('a quoted cell may hold line ends, quotes and delimiters', () => {
  for (const end of ['\n', '\r\n', '\r']) {
    const text = `ts,note,volume${end}1,"a${end}b, ""c""${end}",5${end}2,x,6${end}`;
    for (const pieceBytes of [1, 2, 5, MIB]) {
      const { events, refused } = readRows('csv', text, { pieceBytes });
      assert.deepEqual(refused, []);
      assert.deepEqual(events[0]!.fields, { note: `a${end}b, "c"${end}`, volume: 5 });
      assert.equal(events[1]!.ts, 2);
    }
  }
  const { events, refused } = readRows('csv', 'ts,note,text\n1,"a,b",c\rd\n2,"e",f\n');
  assert.deepEqual(
    [events.map(({ fields }) => fields['text']), refused],
    [['c\rd', 'f'], []],
    'a CR among LF ends no row',
  );
});

test('line ends: LF, CRLF and CR, and a CR within a row of LF', () => {
  for (const end of ['\n', '\r\n', '\r']) {
    for (const pieceBytes of [1, 3, MIB]) {
      const csv = readRows('csv', `ts,volume${end}1,2${end}${end}3,4${end}`, { pieceBytes });
      assert.deepEqual([timesOf(csv), csv.refused, csv.waiting], [[1, 3], [], 0], JSON.stringify(end));
      const json = readRows('ndjson', row(1).replace('\n', end) + row(2).replace('\n', end), { pieceBytes });
      assert.deepEqual([timesOf(json), json.refused], [[1, 2], []]);
    }
  }
  const { events } = readRows('csv', 'ts,note\n1,a\rb\n2,c\r\r\n');
  assert.deepEqual(
    events.map(({ fields }) => fields['note']),
    ['a\rb', 'c'],
  );
});

test('a CR among CRLF ends no row, also where the first piece ends within a line end', () => {
  const text = 'ts,note\r\n1,a\rb\r\n2,c\r\n';
  for (const pieceBytes of [1, text.indexOf('\n'), MIB]) {
    const { events, refused } = readRows('csv', text, { pieceBytes });
    assert.deepEqual([events.map(({ fields }) => fields['note']), refused], [['a\rb', 'c'], []], `${pieceBytes}`);
  }
});

test('what is behind the last line end is no row yet', () => {
  const csv = 'ts,volume\n1,1\n2,12';
  const waiting = readRows('csv', csv, { isFile: true });
  assert.deepEqual([timesOf(waiting), waiting.refused, waiting.waiting], [[1], [], 4]);
  assert.deepEqual(timesOf(readRows('csv', csv, { isFile: true, lastLine: true })), [1, 2]);
  // What a pipe has given cannot be read again.
  const gone = readRows('csv', csv);
  assert.deepEqual([timesOf(gone), gone.refused, gone.rejected], [[1], [[3, 'row-unfinished']], 'ts,volume\n2,12\0\n']);
  assert.deepEqual(timesOf(readRows('csv', csv, { lastLine: true })), [1, 2]);
  const whole = readRows('ndjson', row(1) + row(2).trim(), { isFile: true });
  assert.deepEqual([timesOf(whole), whole.waiting], [[1, 2], 0], 'braces say that an object is whole');
  const half = readRows('ndjson', `${row(1)}{"ts":2,"volume":1`, { isFile: true });
  assert.deepEqual([timesOf(half), half.waiting], [[1], 18]);
  const open = readRows('csv', 'ts,note\n1,"a\nb', { isFile: true });
  assert.deepEqual([open.events, open.waiting], [[], 6]);
});

test('text of any kind, in pieces of any length, is what it is in one piece', (t) => {
  const anyText = fc.array(
    fc.constantFrom(
      'ts',
      'a',
      ',',
      '"',
      '""',
      '\n',
      '\r\n',
      '\r',
      '\0',
      '1',
      '0.5',
      'x',
      ' ',
      '\t',
      'é',
      '2024-01-01',
      '\n7,8\n',
    ),
    { maxLength: 40 },
  );
  const property = fc.property(
    anyText,
    fc.constantFrom<'csv' | 'tsv' | 'ndjson'>('csv', 'tsv', 'ndjson'),
    fc.integer({ min: 1, max: 9 }),
    fc.boolean(),
    (parts, format, pieceBytes, isFile) => {
      const text = `${format === 'tsv' ? 'ts\ta' : 'ts,a'}\n1,2\n${parts.join('')}`;
      assert.deepEqual(readRows(format, text, { pieceBytes, isFile }), readRows(format, text, { isFile }));
    },
  );
  fc.assert(property, { seed: seedOf(t), numRuns: 2_000 });
});
