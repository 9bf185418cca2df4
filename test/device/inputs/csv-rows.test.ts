import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeZoneOf } from '../../../src/device/inputs/local-times.ts';
import { encodingOf } from '../../../src/device/inputs/source-text.ts';
import { OPTIONS, readRows, timesOf } from './rows.ts';

const set = (...names: string[]) => new Set(names);
const map = (pairs: Record<string, string>) => new Map(Object.entries(pairs));
const fieldsOf = (text: string, options = {}) => readRows('csv', text, options).events.map(({ fields }) => fields);
const refusedOf = (text: string, options = {}) => readRows('csv', text, options).refused;

test('cells are numbers or texts, empty ones are absent', () => {
  assert.deepEqual(fieldsOf('ts,a,b,c,d,e\n1, -0.5 ,+1.5e3,.5,, x \n2,5.,0,-0,true,\n'), [
    { a: -0.5, b: 1_500, c: 0.5, e: ' x ' },
    { a: 5, b: 0, c: -0, d: 'true' },
  ]);
  assert.deepEqual(refusedOf('ts,a\n1,9007199254740993\n'), [[2, 'event-number']]);
  for (const [text, message] of [
    ['1e400', /larger/],
    ['-1e-400', /smaller/],
    ['0.1000000000000000055', /digits/],
  ] as const) {
    assert.match(readRows('csv', `ts,a\n1,${text}\n`).messages[0]!, message);
  }
  assert.deepEqual(fieldsOf('ts,a\n1,0e-400\n'), [{ a: 0 }]);
});

test('a column that has held numbers holds numbers', () => {
  for (const bad of ['ERR', 'n/a', 'NaN', '"1,250.5"', '"12,5"', '-', '#VALUE!', 'true', '1 250', '0x10', '1_000']) {
    const text = `ts,a\n1,1\n2,${bad}\n3,3\n`;
    assert.deepEqual(refusedOf(text), [[3, 'row-kind']], bad);
    assert.deepEqual(timesOf(readRows('csv', text)), [1, 3]);
    assert.equal(fieldsOf(text, { texts: set('a') })[1]!['a'], bad.replaceAll('"', ''));
    const missing = readRows('csv', text, { missing: set(bad.replaceAll('"', '')) });
    assert.deepEqual([timesOf(missing), missing.refused, missing.valueless], [[1, 3], [], 1], 'nothing was measured');
  }
  assert.deepEqual(refusedOf('ts,a\n1,x\n2,2\n'), [[3, 'row-kind']], 'nor does a column of texts hold numbers');
  assert.deepEqual(fieldsOf('ts,a\n1,x\n2,2\n', { mixed: set('a') }), [{ a: 'x' }, { a: 2 }]);
});

test('a first cell that may be a number or none is not guessed', () => {
  for (const bad of ['ERR', 'n/a', '"1,5"', '"1,250.5"', '1.250,5', "1'250", '---']) {
    const text = `ts;a\n1;${bad}\n2;2\n`;
    assert.deepEqual(refusedOf(text, { delimiter: ';' }), [[2, 'row-kind']], bad);
  }
  const dressed = ['(12.5)', '5-', '$5', '€ 1.5', '5 %', '<0.1', '>= 100', '−5', '~7', '12.5*'];
  for (const text of dressed) assert.deepEqual(refusedOf(`ts,a\n1,${text}\n2,2\n`), [[2, 'row-kind']], text);
  for (const text of ['CPU1', '2026-03-01', '12:30', '1.2.3-', '#5', '5 kWh', 'a-', '1-2'])
    assert.deepEqual(refusedOf(`ts,a\n1,${text}\n`), [], text);
  assert.deepEqual(refusedOf('ts,volume\n1,high\n2,2\n'), [[2, 'row-kind']], 'volume is a measure by its name');
  assert.deepEqual(fieldsOf('ts,ip,v\n1,192.168.0.1,1.2.3\n'), [{ ip: '192.168.0.1', v: '1.2.3' }]);
});

test('nothing is learnt from a row that is refused', () => {
  assert.deepEqual(refusedOf('ts,a,b\n1,5,9007199254740993\n2,x,1\n'), [[2, 'event-number']]);
});

test('a number in quotes is a text, and no number where others are', () => {
  assert.deepEqual(fieldsOf('ts,version,serial,volume\n1,"1.10","007","5"\n2,"1.10","007",6\n'), [
    { version: '1.10', serial: '007', volume: 5 },
    { version: '1.10', serial: '007', volume: 6 },
  ]);
  assert.deepEqual(fieldsOf('ts,a,b\n1,"1.10",1.10\n'), [{ a: '1.10', b: 1.1 }], 'the same digits, once in quotes');
  assert.deepEqual(fieldsOf('ts,a\n1,"7"\n', { numbers: set('a') }), [{ a: 7 }]);
  for (const text of [
    'ts,a,b\n1,12,x\n2,"007",x\n',
    'ts,a,b\n1,"007",x\n2,12,x\n',
    'ts,a,b\n1,1.1,"1.1"\n2,"1.1",1.1\n',
  ]) {
    assert.deepEqual(refusedOf(text), [[3, 'row-kind']], 'in either order');
    assert.deepEqual(refusedOf(text, { numbers: set('a', 'b') }).length, text.includes('x') ? 2 : 0);
    assert.deepEqual(refusedOf(text, { texts: set('a', 'b') }), []);
  }
  assert.deepEqual(fieldsOf('ts,n,a\n1,"a ""b"", c",5\n2,"""",6\n'), [
    { n: 'a "b", c', a: 5 },
    { n: '"', a: 6 },
  ]);
  assert.deepEqual(fieldsOf('ts,a\n1,007\n2,1.10\n', { texts: set('a') }), [{ a: '007' }, { a: '1.10' }]);
});

test('a decimal comma and a semicolon', () => {
  const text = 'Zeit;Sensor;Volumen\r\n01.03.2026 00:00:00;inlet;1,5\r\n01.03.2026 00:01:00;inlet;-2,25\r\n';
  const names = map({ Zeit: 'ts', Sensor: 'sensor', Volumen: 'volume' });
  const options = { names, delimiter: ';', decimal: ',' as const, timeFormat: 'dd.MM.yyyy HH:mm:ss' };
  const { events, refused } = readRows('csv', text, options);
  assert.deepEqual(refused, []);
  assert.deepEqual(events[1], { ts: Date.UTC(2026, 2, 1, 0, 1), sensor: 'inlet', fields: { volume: -2.25 } });
  assert.deepEqual(refusedOf('ts;a\n1;1,5\n2;1.5\n3;1.250,5\n', { delimiter: ';', decimal: ',' }), [
    [3, 'row-kind'],
    [4, 'row-kind'],
  ]);
  assert.deepEqual(fieldsOf('ts,a\n1,"1,5"\n', { decimal: ',', numbers: set('a') }), [{ a: 1.5 }]);
});

test('names with commas, a title above the heading, a byte order mark', () => {
  const text =
    '\ufeff"Plot Title: Weir, north"\r\n"#","Date Time, GMT-07:00","Temp, °C (LGR S/N: 1)"\r\n' +
    '1,"2026-03-01 00:00:00",21.5\r\n';
  const names = map({ 'Date Time, GMT-07:00': 'ts', 'Temp, °C (LGR S/N: 1)': 'temperature' });
  const { events } = readRows('csv', text, { names, skip: set('#'), headingLine: 2 });
  assert.deepEqual(events, [{ ts: Date.UTC(2026, 2, 1), sensor: 'default', fields: { temperature: 21.5 } }]);
});

const TOA5 = `"TOA5","S7","CR1000","1","Std.32","CPU:p","1","Hourly"
"TIMESTAMP","RECORD","AirTemp_C"
"TS","RN","Deg C"
"","","Avg"
"2026-03-01 00:00:00",1,4.25
"2026-03-01 01:00:00",2,"NAN"
"2026-03-01 02:00:00",3,4.5
`;

test('TOA5: four lines of heading', () => {
  const names = map({ TIMESTAMP: 'ts' });
  const { events, refused, rejected } = readRows('toa5', TOA5, { names });
  assert.deepEqual(
    events.map(({ fields }) => fields['AirTemp_C']),
    [4.25, 4.5],
  );
  assert.deepEqual(refused, [[6, 'row-kind']]);
  assert.deepEqual(rejected.split('\n').slice(0, 5), [
    ...TOA5.split('\n').slice(0, 4),
    '"2026-03-01 01:00:00",2,"NAN"',
  ]);
  assert.equal(readRows('toa5', TOA5, { names, missing: set('NAN') }).events.length, 3);
  assert.throws(() => readRows('csv', TOA5, { names }), { code: 'input-heading', message: /--format toa5/ });
});

test('a heading that cannot be used is said before any row is read', () => {
  for (const [text, code] of [
    ['time,flow\n1,2\n', 'input-heading'],
    ['ts,a,a\n1,2,3\n', 'input-heading'],
    ['ts,flow,volume\n1,2,3\n', 'input-heading'],
    ['Zeit;flow\n1;2\n', 'input-columns'],
    ['"ts,flow\n1,2\n3,"4\n', 'input-heading'],
  ] as const) {
    assert.throws(() => readRows('csv', text, { names: map({ flow: 'volume' }), lastLine: true }), { code }, text);
  }
  assert.throws(() => readRows('csv', 'ts,b\n1,2\n', { texts: set('a') }), {
    code: 'input-columns',
    message: /"ts", "b"/,
  });
  assert.throws(() => readRows('csv', 'ts;b\n1;2\n'), { code: 'input-heading', message: /--delimiter/ });
});

test('a heading line that is not there, and what Excel puts above one', () => {
  for (const [options, text] of [
    [{ rowsLine: 5 }, 'ts,a\n1,2\n2,3\n'],
    [{ headingLine: 3 }, 'title\nts,a'],
  ] as const) {
    for (const isFile of [true, false])
      assert.throws(() => readRows('csv', text, { ...options, isFile }), { code: 'input-heading' });
  }
  assert.deepEqual(readRows('csv', '', { rowsLine: 5 }).events, [], 'nothing is there yet');
  assert.deepEqual(readRows('csv', 'ts,a\n', { isFile: true }).events, []);
  for (const note of ['sep=;', 'SEP=;']) {
    const excel = `\ufeff${note}\r\nts;a\r\n1;2\r\n`;
    for (const delimiter of [',', ';'])
      assert.throws(() => readRows('csv', excel, { delimiter }), { message: /--delimiter ';' --heading-line 2/ });
    assert.deepEqual(fieldsOf(excel, { delimiter: ';', headingLine: 2 }), [{ a: 2 }]);
  }
  assert.throws(() => readRows('csv', 'time\ta\n1\t2\n'), { code: 'input-heading', message: /--delimiter tab/ });
});

test('a heading that comes again is no row; in another order it changes the columns', () => {
  const text = 'ts,a,b\n1,1,2\nts,a,b\n2,3,4\n\ufeffb,ts,a\n6,3,5\n';
  const { events, refused } = readRows('csv', text);
  assert.deepEqual(refused, []);
  assert.deepEqual(
    events.map(({ ts, fields }) => [ts, fields['a'], fields['b']]),
    [
      [1, 1, 2],
      [2, 3, 4],
      [3, 5, 6],
    ],
  );
  const more = readRows('csv', 'ts,a\n1,1\nts,c,a\n2,9,8\n3,x,7\n');
  assert.deepEqual(
    more.events.map(({ fields }) => fields),
    [{ a: 1 }, { c: 9, a: 8 }],
    'new columns',
  );
  assert.equal(more.rejected, 'ts,a\nts,c,a\n3,x,7\n', 'refused rows stand under their own heading');
  const twice = readRows('csv', 'ts,a\n1,1\nts,a,a\n2,9,8\nts,a\n3,3\n');
  assert.deepEqual(timesOf(twice), [1, 3]);
  assert.deepEqual(
    twice.refused.map(([line]) => line),
    [3, 4],
    'rows under a heading that cannot be used',
  );
});

test('a row with other than the columns’ number of cells may be torn', () => {
  assert.deepEqual(refusedOf('ts,a,b\n1,2\n2,3,4,5\n3,4,5,\n4,5,6, ,\n'), [
    [2, 'row-cells'],
    [3, 'row-cells'],
  ]);
  assert.deepEqual(fieldsOf('ts,a,b\n1,2\n', { shortRows: true }), [{ a: 2 }]);
  assert.deepEqual(
    fieldsOf('ts,a,\n1,2\n2,3,\n,,\n'),
    [{ a: 2 }, { a: 3 }],
    'what has no name and no cells is no column',
  );
  assert.deepEqual(fieldsOf(',ts,a\n7,1,2\n'), [{ 'column 1': 7, a: 2 }]);
  assert.deepEqual(fieldsOf(',ts,a\n7,1,2\n', { skip: set('column 1') }), [{ a: 2 }]);
});

test('TSV: a quote that begins a cell is one, others are letters, and so are commas', () => {
  const fields = (row: string) =>
    readRows('tsv', `ts\tvolume\tnote\n1\t2\t${row}\n`).events.map((event) => event.fields);
  for (const [cell, note] of [
    ['12" main, "x"', '12" main, "x"'],
    ['"12"" main, ""x"""', '12" main, "x"'],
    ['"a, b"', 'a, b'],
    ['"a\tb\nc"', 'a\tb\nc'],
  ] as const) {
    assert.deepEqual(fields(cell), [{ volume: 2, note }], cell);
  }
  const row = readRows('tsv', 'ts\tnote\tv"\tname\n1\t7" pipe\t"1"\t"a"\n').events[0];
  assert.deepEqual(row?.fields, { note: '7" pipe', 'v"': '1', name: 'a' }, 'both in one row');
  for (const cell of ['"a', '"a" b', '"1,250.5"', ' "a"', ' "12.5"'])
    assert.deepEqual(fields(cell), [], `${cell} may be one thing or another`);
  const lines = 'ts\tvolume\tnote\n1\t2\t"a\n2\t3\tb"\n';
  assert.deepEqual(readRows('tsv', lines).refused, [[2, 'row-quoted-lines']]);
  assert.equal(readRows('tsv', lines, { quotedLines: 'text' }).events.length, 1);
});

test('bytes that are no text refuse their row, and a named encoding reads them', () => {
  const latin = Buffer.from('ts,sensor,volume\n1,Kühler,10\n2,Kohler,5\n3,Köhler,200\n', 'latin1');
  const read = readRows('csv', latin);
  assert.deepEqual(read.refused, [
    [2, 'row-encoding'],
    [4, 'row-encoding'],
  ]);
  assert.deepEqual(timesOf(read), [2]);
  const named = readRows('csv', latin, { encoding: 'windows-1252' });
  assert.deepEqual(
    named.events.map(({ sensor }) => sensor),
    ['Kühler', 'Kohler', 'Köhler'],
  );
});

test('ASCII has 128 characters', () => {
  const latin = Buffer.from('ts,sensor,volume\n1,K\u00fchler,10\n2,Kohler,5\n', 'latin1');
  const { events, refused } = readRows('csv', latin, { encoding: encodingOf('us-ascii')! });
  assert.deepEqual([events.map(({ sensor }) => sensor), refused], [['Kohler'], [[2, 'row-encoding']]]);
});

test('windows-1252 is read as Windows writes it, and its bytes that stand for nothing refuse their row', () => {
  const bytes = Buffer.concat([
    ...[Buffer.from('ts,sensor,note\n1,Grad'), Buffer.of(0x96), Buffer.from('2,'), Buffer.of(0x80, 0x9f, 0xe4)],
    ...[Buffer.from('\n2,b,'), Buffer.of(0x81), Buffer.from('\n3,c,d\n')],
  ]);
  const { events, refused } = readRows('csv', bytes, { encoding: 'windows-1252' });
  assert.deepEqual(
    events.map(({ sensor, fields }) => [sensor, fields['note']]),
    [
      ['Grad–2', '€Ÿä'],
      ['c', 'd'],
    ],
  );
  assert.deepEqual(refused, [[3, 'row-encoding']]);
});

test('UTF-16: characters and rows in pieces, half a pair refuses its row', () => {
  const text = 'ts,note\r\n1,"ä€😀"\r\n2,b\ud800\r\n3,c\r\n';
  for (const [encoding, bytes] of [
    ['utf-16le', Buffer.from(text, 'utf16le')],
    ['utf-16be', Buffer.from(text, 'utf16le').swap16()],
  ] as const) {
    for (const pieceBytes of [1, 2, 3, 7, 1_000]) {
      const { events, refused, waiting } = readRows('csv', bytes, { encoding, pieceBytes });
      assert.deepEqual(
        events.map(({ fields }) => fields['note']),
        ['ä€😀', 'c'],
        `${encoding} ${pieceBytes}`,
      );
      assert.deepEqual([refused, waiting], [[[3, 'row-encoding']], 0]);
    }
  }
});

test('a sensor is a name, also where it looks like a number', () => {
  const { events } = readRows('csv', 'ts,sensor,volume\n1, 0012 ,1\n2,1e5,1\n3,,1\n4," 7 ",1\n');
  assert.deepEqual(
    events.map(({ sensor }) => sensor),
    ['0012', '1e5', OPTIONS.sensor, ' 7 '],
    'without the spaces around it, unless it is in quotes',
  );
});

test('a row whose time is refused is no heading, although its texts are called like columns', () => {
  const berlin = { timeZone: timeZoneOf('Europe/Berlin')! };
  const twice = 'ts,alarm\n2026-10-25 01:30,ok\n2026-10-25 02:30,alarm\n2026-10-25 03:30,alarm\n';
  assert.deepEqual(refusedOf(twice, berlin), [[3, 'event-time']]);
  assert.deepEqual(refusedOf('ts,pump,note\n2026-03-01,on,y\n2026-02-30,note,pump\n2026-03-02,on,y\n'), [
    [3, 'event-time'],
  ]);
  assert.deepEqual(refusedOf('ts,alarm\n1,ok\nunknown,alarm\n2,ok\n'), [[3, 'event-time']]);
  assert.deepEqual(
    refusedOf('ts,pump,note\n1,on,y\nunknown,note,pump\n2,on,y\nts,pump,note\n3,on,y\n'),
    [
      [3, 'row-cells'],
      [4, 'row-cells'],
    ],
    'what may be a heading without a time is counted, and no row below it is read under names that may not be its own',
  );
});

test('another heading further down that lacks what flags name ends the run', () => {
  const columns = { code: 'input-columns', message: /line 3/ };
  const names = map({ flow: 'volume' });
  const mapped = 'ts,flow\n1,1\nts,flow_m3\n2,2\n';
  assert.throws(() => readRows('csv', mapped, { names }), columns);
  assert.throws(() => readRows('csv', 'ts,flow,a\n1,1,1\nts,a\n2,2\n', { names }), columns, 'it is not there any more');
  const both = map({ flow: 'volume', flow_m3: 'volume' });
  assert.deepEqual(fieldsOf(mapped, { names: both }), [{ volume: 1 }, { volume: 2 }]);
  assert.throws(() => readRows('csv', mapped, { names: map({ flow: 'volume', flw_m3: 'volume' }) }), columns);
  const skipped = 'ts,a,secret\n1,1,7\nts,a,secret_2\n2,2,7\n';
  for (const options of [{ skip: set('secret') }, { texts: set('secret') }, { numbers: set('secret') }])
    assert.throws(() => readRows('csv', skipped, options), columns);
  assert.deepEqual(fieldsOf('ts,a,secret\n1,1,7\nts,a\n2,2\n', { skip: set('secret') }), [{ a: 1 }, { a: 2 }]);
  assert.throws(() => readRows('csv', 'ts,sensor,a\n1,x,1\nts,a\n2,2\n'), columns, 'rows of no sensor that is known');
  const time = readRows('csv', 'when,a\n1,1\na,b\n2,2\n', { names: map({ when: 'ts' }) });
  assert.deepEqual([timesOf(time), time.refused.length], [[1], 2], 'which may be a row');
});

test('a time in two columns is read as one', () => {
  const timeColumns = set('Date', 'Time');
  const text = 'Time,a,Date\n01:02:03,1,2026-03-01\n,2,2026-03-01\n04:05,3,2026-03-02\n';
  const { events, refused } = readRows('csv', text, { timeColumns: set('Date', 'Time') });
  assert.deepEqual(
    events.map(({ ts, fields }) => [new Date(ts).toISOString(), fields]),
    [
      ['2026-03-01T01:02:03.000Z', { a: 1 }],
      ['2026-03-02T04:05:00.000Z', { a: 3 }],
    ],
  );
  assert.deepEqual(refused, [[3, 'event-time']], 'midnight is a guess');
  const timeZone = timeZoneOf('Europe/Berlin')!;
  const german = { timeColumns, timeFormat: 'dd.MM.yyyy HH:mm:ss', timeZone, delimiter: ';' };
  const joined = readRows('csv', 'Date;Time;a\n01.03.2026;01:02:03;1\nDate;Time;a\n02.03.2026;00:00:00;2\n', german);
  assert.deepEqual(timesOf(joined), [Date.UTC(2026, 2, 1, 0, 2, 3), Date.UTC(2026, 2, 1, 23)]);
  assert.deepEqual(joined.refused, [], 'a heading that comes again is no row');
  assert.throws(() => readRows('csv', 'Date,a\n2026-03-01,1\n', { timeColumns }), { code: 'input-columns' });
  const json = '{"Date":"2026-03-01","Time":"01:02:03","a":1}\n{"Date":"2026-03-01","a":1}\n';
  const objects = readRows('ndjson', json, { timeColumns });
  assert.deepEqual(timesOf(objects), [Date.UTC(2026, 2, 1, 1, 2, 3)]);
  assert.deepEqual(objects.refused, [[2, 'event-time']]);
});

test('a row with a time and no value is no event, and is not refused', () => {
  const csv = readRows('csv', 'ts,a,b\n1,,\n2,NAN,\n3,NAN,1\n,NAN,\n', { missing: set('NAN') });
  assert.deepEqual([timesOf(csv), csv.valueless, csv.refused], [[3], 2, [[5, 'event-time']]]);
  const json = '{"ts":1,"a":null}\n{"ts":2,"a":"NAN"}\n{"ts":3}\n{"ts":4,"fields":{"a":null}}\n{"a":null}\n';
  const ndjson = readRows('ndjson', json, { missing: set('NAN') });
  assert.equal(ndjson.valueless, 3);
  const refused = [
    [3, 'event-field'],
    [5, 'event-time'],
  ];
  assert.deepEqual(ndjson.refused, refused, 'nothing is there that could be missing, or no time');
  assert.deepEqual(refusedOf('ts,a\n1,2\n', { skip: set('a') }), [[2, 'event-field']]);
});

test('a heading further down is one with a delimiter too many, without a name, or with a number for one', () => {
  for (const [heading, row, again, below] of [
    ['ts,flow,volume,', '1,1,100,', 'ts,volume,flow,', '2,101,2,'],
    ['ts,flow,,volume', '1,1,0,100', 'ts,volume,,flow', '2,101,0,2'],
    ['ts,flow,volume,1', '1,1,100,0', 'ts,volume,flow,1', '2,101,2,0'],
  ] as const) {
    const { events, refused } = readRows('csv', `${heading}\n${row}\n${again}\n${below}\n`);
    assert.deepEqual(refused, [], again);
    assert.deepEqual([events[1]!.fields['flow'], events[1]!.fields['volume']], [2, 101], again);
  }
  const other = readRows('csv', 'ts,flow,volume\n1,1,100\nTimestamp,Volume,Flow\n2,101,2\n');
  assert.deepEqual([timesOf(other), other.refused.map(([line]) => line)], [[1], [3, 4]], 'nobody guesses what is what');
});

test('a number that stands for no value does so in every notation, and a text as it is written', () => {
  const csv = readRows('csv', 'ts,a,fw\n1,1,x\n2,-9999.0,x\n3,-9999,1.10\n', {
    missing: set('-9999', '1.1'),
    texts: set('fw'),
  });
  assert.deepEqual(
    csv.events.map(({ fields }) => fields),
    [{ a: 1, fw: 'x' }, { fw: 'x' }, { fw: '1.10' }],
  );
  const ndjson = readRows('ndjson', '{"ts":1,"a":1}\n{"ts":2,"a":-9999.0,"b":1}\n', { missing: set('-9999.00') });
  assert.deepEqual([ndjson.events[1]!.fields, ndjson.refused], [{ b: 1 }, []]);
});
