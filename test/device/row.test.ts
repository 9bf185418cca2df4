import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CodecError, createTableBuilder, type TelemetryEvent } from '../../src/codec/index.ts';
import { eventOfJson, eventOfRecord, type RowOptions, type TimeUnit } from '../../src/device/row.ts';
import { anyEvent } from '../codec/events.ts';
import { changed, holds } from '../codec/property.ts';

const OPTIONS: RowOptions = { names: new Map(), skip: new Set(), timeUnit: 'ms', sensor: 'default' };

const json = (row: object | string, options: Partial<RowOptions> = {}) =>
  eventOfJson(typeof row === 'string' ? row : JSON.stringify(row), { ...OPTIONS, ...options });

const record = (row: Record<string, string>, options: Partial<RowOptions> = {}) =>
  eventOfRecord(Object.keys(row), Object.values(row), { ...OPTIONS, ...options });

const refuses = (read: () => unknown, code: string, what?: string) =>
  assert.throws(read, (error) => error instanceof CodecError && error.code === code, what);

test('a flat and a nested object are the same event', () => {
  const event = { ts: 5, sensor: 'a', fields: { volume: 1.5, state: 'on', open: true } };
  assert.deepEqual(json({ ts: 5, sensor: 'a', volume: 1.5, state: 'on', open: true, gone: null }), event);
  assert.deepEqual(json(event), event);
  assert.deepEqual(json({ ts: 5, sensor: 'a', open: true, fields: { volume: 1.5, state: 'on' } }), event);
  assert.deepEqual(json({ ts: 5, fields: null, volume: 1 }), { ts: 5, sensor: 'default', fields: { volume: 1 } });
});

test('what is no JSON object is refused', () => {
  for (const line of ['', 'nothing', '{"ts":1', '[1]', '"text"', 'null', '7'])
    refuses(() => json(line), 'event-field', line);
});

test('names are mapped, left out, and may not meet', () => {
  const names = new Map([
    ['time', 'ts'],
    ['meter', 'sensor'],
    ['flow_m3', 'volume'],
  ]);
  const expected = { ts: 9, sensor: 'm1', fields: { volume: 2 } };
  const row = { time: 9, meter: 'm1', flow_m3: 2, note: 'no' };
  assert.deepEqual(json(row, { names, skip: new Set(['note']) }), expected);
  const cells = { time: '9', meter: 'm1', flow_m3: '2', note: 'no' };
  assert.deepEqual(record(cells, { names, skip: new Set(['note']) }), expected);
  refuses(() => json({ ...row, volume: 3 }, { names }), 'event-field');
  refuses(() => json({ ...row, ts: 3 }, { names }), 'event-field');
  refuses(() => json({ ...row, sensor: 'm2' }, { names }), 'event-field');
  refuses(() => json({ ts: 1, volume: 1, fields: { volume: 1 } }), 'event-field');
  assert.deepEqual(json({ ...row, volume: 3 }, { names, skip: new Set(['flow_m3', 'note']) }).fields, { volume: 3 });
});

test('a row without a time is refused', () => {
  refuses(() => json({ volume: 1 }), 'event-time');
  refuses(() => record({ ts: ' ', volume: '1' }), 'event-time');
});

test('times: numbers in the unit that was named', () => {
  const at = 1_700_000_000_123;
  const cases: [TimeUnit, string, number][] = [
    ['s', '1700000000', 1_700_000_000_000],
    ['s', '1700000000.123', at],
    ['s', '-1.5', -1_500],
    ['ms', '1700000000123', at],
    ['us', '1700000000123456', at],
    ['ns', '1700000000123456789', at],
  ];
  for (const [timeUnit, text, ts] of cases) {
    assert.equal(record({ ts: text, volume: '1' }, { timeUnit }).ts, ts, text);
    assert.equal(json(`{"ts":${text},"volume":1}`, { timeUnit }).ts, ts, text);
    assert.equal(json(`{"ts":"${text}","volume":1}`, { timeUnit }).ts, ts, `"${text}"`);
  }
});

test('times: ISO 8601, UTC where there is no zone, whatever the zone of the machine', (t) => {
  const zone = process.env['TZ'];
  t.after(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });
  process.env['TZ'] = 'America/New_York';
  for (const [text, iso] of [
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['2024-02-29T12:34', '2024-02-29T12:34:00.000Z'],
    ['2024-02-29 12:34:56', '2024-02-29T12:34:56.000Z'],
    ['2024-02-29T12:34:56.789', '2024-02-29T12:34:56.789Z'],
    ['2024-02-29T12:34:56.789999Z', '2024-02-29T12:34:56.789Z'],
    ['2024-02-29T12:34:56+02:00', '2024-02-29T10:34:56.000Z'],
    ['2024-02-29 12:34:56-0530', '2024-02-29T18:04:56.000Z'],
    ['2024-02-29 12:34:56 UTC', '2024-02-29T12:34:56.000Z'],
    ['Thu, 29 Feb 2024 12:34:56 GMT', '2024-02-29T12:34:56.000Z'],
    ['1969-12-31T23:59:59Z', '1969-12-31T23:59:59.000Z'],
  ] as const) {
    assert.equal(new Date(json({ ts: text, volume: 1 }).ts).toISOString(), iso, text);
    assert.equal(new Date(record({ ts: text, volume: '1' }).ts).toISOString(), iso, text);
  }
});

test('times that mean something else elsewhere, or nothing, are refused', () => {
  for (const text of [
    '02/03/2024 12:34',
    '01-02-2024',
    '2024/02/29 12:34:56',
    'Feb 29 2024 12:34:56',
    '2024-02-30T25:00Z',
    '2024-02-29T12:34:60.5',
    'noon',
    '2024-02-29T12',
  ]) {
    refuses(() => json({ ts: text, volume: 1 }), 'event-time', text);
  }
  for (const ts of [true, {}, ['2024']]) refuses(() => json({ ts, volume: 1 }), 'event-time', String(ts));
});

test('a time of any shape is a time or is refused', () => {
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  for (const ts of ['{"toString":5}', '{"valueOf":{}}', '[{"toString":null}]', deep, '"x"', 'true']) {
    refuses(() => json(`{"ts":${ts},"volume":1}`), 'event-time', ts.slice(0, 40));
  }
});

test('a row of any length is read or refused in a time that grows with its length, not with its square', () => {
  const half = 100_000;
  for (const [what, read] of Object.entries({
    'long numbers in many fields': () =>
      json(`{"ts":1,${Array.from({ length: 8_000 }, (_, i) => `"f${i}":1234567890.123456`).join(',')}}`),
    'long numbers that are left out': () => json(`{"ts":1,"volume":1,"x":[${'1234567890.123456,'.repeat(40_000)}0]}`),
    'digits that end in a letter': () => record({ ts: '1', volume: `${'1'.repeat(half)}x` }).fields,
    'a time of digits that ends in a letter': () => json(`{"ts":"${'1'.repeat(half)}x","volume":1}`),
    'a long text': () => json(`{"ts":1,"note":"${'\\n'.repeat(half)}"}`).fields,
    'a long number': () => json(`{"ts":1,"volume":${'1'.repeat(half)}}`),
  })) {
    const before = process.cpuUsage();
    try {
      read();
    } catch (error) {
      assert(error instanceof CodecError, what);
    }
    const { user } = process.cpuUsage(before);
    assert(user < 2_000_000, `${what}: ${user / 1_000} ms`);
  }
});

test('cells: numbers are measures, everything else is text, empty is absent', () => {
  const { fields } = record({
    ts: '1',
    a: '12',
    b: ' -0.5 ',
    c: '+1.5e3',
    d: '.5',
    e: '5.',
    f: '',
    g: '   ',
    h: 'true',
    i: '1,5',
    j: ' x ',
    k: '0x10',
    l: 'NaN',
    m: '1_000',
    n: '-0',
  });
  assert.deepEqual(fields, {
    a: 12,
    b: -0.5,
    c: 1_500,
    d: 0.5,
    e: 5,
    h: 'true',
    i: '1,5',
    j: ' x ',
    k: '0x10',
    l: 'NaN',
    m: '1_000',
    n: -0,
  });
});

test('a record may be short, but has no cells without a column', () => {
  assert.deepEqual(eventOfRecord(['ts', 'volume', 'note'], ['1', '2'], OPTIONS).fields, { volume: 2 });
  assert.deepEqual(eventOfRecord(['ts', 'volume'], ['1', '2', '', ' '], OPTIONS).fields, { volume: 2 });
  refuses(() => eventOfRecord(['ts', 'volume'], ['1', '2', '3'], OPTIONS), 'event-field');
});

test('a sensor is a name, also where it looks like a number', () => {
  assert.equal(record({ ts: '1', sensor: ' 0012 ', volume: '1' }).sensor, '0012');
  assert.equal(record({ ts: '1', sensor: '12345678901234567890', volume: '1' }).sensor, '12345678901234567890');
  assert.equal(record({ ts: '1', sensor: '1e5', volume: '1' }).sensor, '1e5');
  assert.equal(record({ ts: '1', sensor: '', volume: '1' }).sensor, 'default');
  assert.equal(json({ ts: 1, sensor: 12, volume: 1 }).sensor, '12');
  assert.equal(json({ ts: 1, sensor: null, volume: 1 }).sensor, 'default');
  refuses(() => json({ ts: 1, sensor: { id: 1 }, volume: 1 }), 'event-sensor');
  refuses(() => json('{"ts":1,"sensor":12345678901234567890,"volume":1}'), 'event-number');
});

test('a number keeps every digit that is in the file, or is refused', () => {
  const kept = [
    '0.1',
    '74.93588199999998',
    '123456789012345',
    '9007199254740992',
    '0.30000000000000004',
    '1.7976931348623157e308',
    '5e-324',
    '1e300',
    '1000000000000000000000',
    '0.000000000000000000000000000001',
    '100000000000000000000.000',
    '000000000000000000001',
  ];
  const refused = [
    '9007199254740993',
    '0.1000000000000000055511151231257827',
    '74.935881999999981',
    '1e400',
    '-1e400',
    '1e-400',
    '3e-324',
    '12345678901234567890',
    '1e999999999',
  ];
  for (const text of kept) {
    assert.equal(record({ ts: '1', volume: text }).fields['volume'], Number(text), text);
    if (!text.startsWith('00')) assert.equal(json(`{"ts":1,"volume":${text}}`).fields['volume'], Number(text), text);
  }
  for (const text of refused) {
    refuses(() => record({ ts: '1', volume: text }), 'event-number', text);
    refuses(() => json(`{"ts":1,"volume":${text}}`), 'event-number', text);
  }
  refuses(() => record({ ts: '1', volume: `+.${'1'.repeat(500)}` }), 'event-number');
});

test('digits in texts, in what is left out and in times are nobody’s loss', () => {
  const digits = '12345678901234567890123';
  assert.equal(json(`{"ts":1,"volume":1,"id":"${digits}","a \\" ${digits}":2}`).fields['id'], digits);
  assert.equal(record({ ts: '1', volume: '1', id: `no ${digits}` }).fields['id'], `no ${digits}`);
  assert.equal(json(`{"ts":1,"volume":1,"serial":${digits}}`, { skip: new Set(['serial']) }).fields['volume'], 1);
  assert.equal(record({ ts: '1', volume: '1', serial: digits }, { skip: new Set(['serial']) }).fields['volume'], 1);
  assert.equal(json('{"ts":1700000000123456789,"volume":1}', { timeUnit: 'ns' }).ts, 1_700_000_000_123);
});

test('a name that would change the object it is put into is refused', () => {
  refuses(() => json('{"ts":1,"volume":1,"__proto__":{"level":5}}'), 'event-field');
  refuses(() => json('{"ts":1,"volume":1,"__proto__":5}'), 'event-field');
  refuses(() => eventOfRecord(['ts', '__proto__'], ['1', '2'], OPTIONS), 'event-field');
  assert.deepEqual(json({ ts: 1, constructor: 5, toString: 6 }).fields, { constructor: 5, toString: 6 });
});

test('an event comes back from its line of JSON, and from its record of texts', (t) => {
  holds(t, 500, anyEvent, (event) => {
    const { ts, sensor, fields } = event;
    assert.deepEqual(json({ ts, sensor, fields }), { ts, sensor: sensor.trim(), fields: withoutMinusZero(fields) });
    const cells = Object.entries(fields).filter(([name, value]) => name.trim() === name && isCell(value));
    const columns = ['ts', 'sensor', ...cells.map(([name]) => name)];
    if (cells.length === 0 || new Set(columns).size < columns.length) return;
    const back = eventOfRecord(columns, [`${ts}`, sensor, ...cells.map(([, value]) => String(value))], OPTIONS);
    assert.deepEqual(
      back.fields,
      Object.fromEntries(cells.map(([name, value]) => [name, typeof value === 'number' ? value + 0 : String(value)])),
    );
  });
});

test('a row of any shape is an event that can be recorded, or is refused', (t) => {
  const anyRow = fc.oneof(
    fc
      .tuple(
        fc.dictionary(fc.oneof(fc.constantFrom('ts', 'sensor', 'volume', 'fields'), fc.string()), fc.jsonValue()),
        fc.integer(),
      )
      .map(([row, ts]) => JSON.stringify({ ts, ...row })),
    fc.string(),
    anyEvent
      .chain((event) => changed(Buffer.from(JSON.stringify(event))))
      .map((bytes) => Buffer.from(bytes).toString()),
  );
  let taken = 0;
  holds(t, 3_000, anyRow, (line) => {
    try {
      assert(createTableBuilder().add(json(line)));
      taken++;
    } catch (error) {
      assert(error instanceof CodecError && error.code.startsWith('event-'), `${line}: ${String(error)}`);
    }
  });
  assert(taken > 200, `${taken} were taken`);
});

/** JSON has none. */
function withoutMinusZero(fields: TelemetryEvent['fields']): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'number' ? value + 0 : value]),
  );
}

/** A text that is no number, and no blank. */
function isCell(value: unknown): boolean {
  return typeof value === 'number' || (typeof value === 'string' && !/^\s*$|\d/.test(value));
}
