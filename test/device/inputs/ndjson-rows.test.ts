import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CodecError, createTableBuilder, type TelemetryEvent } from '../../../src/codec/index.ts';
import { Columns } from '../../../src/device/inputs/columns.ts';
import { NdjsonRows } from '../../../src/device/inputs/ndjson-rows.ts';
import { RowError } from '../../../src/device/inputs/refusal.ts';
import { type RowOptions, WITHOUT_VALUE } from '../../../src/device/inputs/row-reader.ts';
import { anyEvent } from '../../codec/events.ts';
import { changed, holds } from '../../codec/property.ts';
import { cpuMs, yardstickMs } from '../../processor-time.ts';
import { OPTIONS, readRows } from './rows.ts';

const json = (row: object | string, options: Partial<RowOptions> = {}): TelemetryEvent => {
  const all = { ...OPTIONS, ...options };
  const read = new NdjsonRows(all, new Columns(all)).read(typeof row === 'string' ? row : JSON.stringify(row));
  assert(read !== WITHOUT_VALUE);
  return read;
};
const refuses = (read: () => unknown, code: string, what?: string) => assert.throws(read, { code }, what);

test('a flat and a nested object are the same event', () => {
  const event = { ts: 5, sensor: 'a', fields: { volume: 1.5, state: 'on', open: true } };
  assert.deepEqual(json({ ts: 5, sensor: 'a', volume: 1.5, state: 'on', open: true, gone: null }), event);
  assert.deepEqual(json(event), event);
  assert.deepEqual(json({ ts: 5, sensor: 'a', open: true, fields: { volume: 1.5, state: 'on' } }), event);
  assert.deepEqual(json({ ts: 5, fields: null, volume: 1 }), { ts: 5, sensor: 'default', fields: { volume: 1 } });
});

test('Telegraf: objects within the object give names with dots', () => {
  const line = '{"fields":{"usage":1.5},"name":"cpu","tags":{"host":"a","cpu":"0"},"timestamp":1772323200}';
  const names = new Map(Object.entries({ timestamp: 'ts', 'tags.host': 'sensor' }));
  assert.deepEqual(json(line, { names, timeUnit: 's', skip: new Set(['name']) }), {
    ts: 1_772_323_200_000,
    sensor: 'a',
    fields: { usage: 1.5, 'tags.cpu': '0' },
  });
  assert.deepEqual(json(line, { names, timeUnit: 's', skip: new Set(['name', 'fields']) }).fields, { 'tags.cpu': '0' });
  refuses(() => json({ ts: 1, 'a.b': 1, a: { b: 2 } }), 'event-field');
  refuses(() => json(`{"ts":1,"a":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`), 'event-field');
});

test('what is no JSON object is refused', () => {
  for (const line of ['', 'nothing', '{"ts":1', '[1]', '"text"', 'null', '7', '{"ts":1}{"ts":2}']) {
    refuses(() => json(line), 'row-malformed', line);
  }
});

test('a name that is there twice is refused, at any depth and however it is written', () => {
  for (const line of [
    '{"ts":1,"volume":1,"volume":2}',
    '{"ts":1,"volume":1,"vol\\u0075me":2}',
    '{"ts":1,"ts":2,"volume":1}',
    '{"ts":1,"fields":{"a":1,"a":2}}',
    '{"ts":1,"volume":1,"skipped":{"a":[{"b":1,"b":2}]}}',
    '{"ts":1,"volume":1,"gone":null,"gone":null}',
    '{"ts":1,"__proto__":1,"volume":1,"__proto__":2}',
  ]) {
    const options = { skip: new Set(['skipped', '__proto__']) };
    refuses(() => json(line, options), 'row-name-twice', line);
  }
  for (const line of [
    '{"ts":1,"note":"a\\":1,\\"note\\":2"}',
    '{"ts":1,"note":"\\\\","x" : "\\\\\\""}',
    '{"ts":1,"a":"b","b":"a:","skipped":{"a":1,"b":[{"a":1},{"a":2}]}}',
  ]) {
    assert(json(line, { skip: new Set(['skipped']) }), line);
  }
});

test('a field that has held numbers holds numbers', () => {
  const rows = ['{"ts":1,"a":1}', '{"ts":2,"a":"ERR"}', '{"ts":3,"a":"1.5"}', '{"ts":4,"a":true}', '{"ts":5,"a":5}'];
  const text = `${rows.join('\n')}\n`;
  assert.deepEqual(readRows('ndjson', text).refused, [
    [2, 'row-kind'],
    [3, 'row-kind'],
    [4, 'row-kind'],
  ]);
  const values = (options: object) => readRows('ndjson', text, options).events.map(({ fields }) => fields['a']);
  assert.deepEqual(values({ mixed: new Set(['a']) }), [1, 'ERR', '1.5', true, 5]);
  assert.deepEqual(values({ texts: new Set(['a']) }), ['1', 'ERR', '1.5', 'true', '5']);
  assert.deepEqual(values({ numbers: new Set(['a']), missing: new Set(['ERR']) }), [1, 1.5, 5]);
  refuses(() => json('{"ts":1,"volume":"1.5"}'), 'row-kind', 'volume is a measure by its name');
});

test('texts and numbers do not mix, whichever comes first', () => {
  for (const first of ['"on"', '"ERR"', '"NaN"', '"1,5"', '"-"', 'true']) {
    const [text, number] = [`{"ts":1,"a":${first}}\n`, '{"ts":2,"a":1}\n'];
    assert.equal(readRows('ndjson', text + number).events.length, 1, first);
    assert.equal(readRows('ndjson', number + text).events.length, 1, first);
    assert.equal(readRows('ndjson', number + text, { mixed: new Set(['a']) }).events.length, 2, first);
  }
  const version = '{"ts":1,"fw":"1.10","n":"5"}\n';
  assert.deepEqual(
    readRows('ndjson', version).events[0]!.fields,
    { fw: '1.10', n: '5' },
    'JSON says that it is a text',
  );
  assert.deepEqual(readRows('ndjson', `${version}{"ts":2,"fw":1.1}\n`).refused, [[2, 'row-kind']]);
  refuses(() => json('{"ts":1,"a":"ERR"}'), 'row-kind', 'nobody knows whether numbers will follow');
  assert.equal(json('{"ts":1,"a":"ERR"}', { texts: new Set(['a']) }).fields['a'], 'ERR');
  assert.equal(readRows('ndjson', '{"ts":1,"a":"on"}\n{"ts":2,"a":"ERR"}\n').events.length, 2);
});

test('a number that is to be a text is the text that stands at its name', () => {
  const texts = new Set(['fw', 'tags.fw', 'a"b']);
  const text = (line: string, name = 'fw') => json(line, { texts, mixed: new Set(['s', 'x', 'l']) }).fields[name];
  assert.equal(text('{"ts":1,"fw":1.0,"count":1}'), '1.0');
  assert.equal(text('{"ts":1,"fw":1.10,"flow":1.1}'), '1.10');
  assert.equal(text('{"ts":1,"fw":1e3,"s":":1000,"}'), '1e3');
  assert.equal(text('{"ts":1,"fw" : -0 }'), '-0');
  assert.equal(text('{"s":"\\"fw\\":7,","ts":1,"tags":{"fw":2.0},"fields":{"fw":1.00},"x":3}'), '1.00');
  assert.equal(text('{"s":"x\\\\","ts":1,"tags":{"fw":2.0},"fw":1.00}', 'tags.fw'), '2.0');
  assert.equal(text('{"\\u0066w":1.50,"ts":1}'), '1.50');
  assert.equal(text('{"ts":1,"a\\"b":1.50}', 'a"b'), '1.50');
  assert.equal(text('{"ts":1,"fw":12345678901234567890}'), '12345678901234567890');
  const skipped = '{"l":[{"fw":9.0},[1,{"fw":8.0}]],"ts":1,"fw":1.20}';
  assert.equal(json(skipped, { texts, skip: new Set(['l']) }).fields['fw'], '1.20');
});

test('a sensor that is a number is called as it is written', () => {
  const sensors = ['1.1', '1.10', '1.100', '-0', '1e3', '12345678901234567890', '7'];
  assert.deepEqual(
    sensors.map((sensor) => json(`{"ts":1,"sensor":${sensor},"volume":1}`).sensor),
    sensors,
  );
  const names = new Map([['tags.ch', 'sensor']]);
  assert.equal(json('{"ts":1,"tags":{"ch":1.10},"ch":1.1}', { names }).sensor, '1.10');
  assert.equal(json({ ts: 1, sensor: ' 7 ', volume: 1 }).sensor, ' 7 ');
  refuses(() => json({ ts: 1, sensor: ' ', volume: 1 }), 'event-sensor');
});

test('a time of more digits than a double has is read by its digits', () => {
  const ns = '{"ts":1772323199999999999,"volume":1}';
  assert.equal(json(ns, { timeUnit: 'ns' }).ts, 1_772_323_199_999);
  assert.equal(json('{"ts":1772323199.999999999999,"volume":1}', { timeUnit: 's' }).ts, 1_772_323_199_999);
});

test('names are mapped, left out, and may not meet', () => {
  const names = new Map(Object.entries({ time: 'ts', meter: 'sensor', flow_m3: 'volume' }));
  const row = { time: 9, meter: 'm1', flow_m3: 2, note: 'no' };
  assert.deepEqual(json(row, { names, skip: new Set(['note']) }), { ts: 9, sensor: 'm1', fields: { volume: 2 } });
  refuses(() => json({ ...row, volume: 3 }, { names }), 'event-field');
  refuses(() => json({ ...row, ts: 3 }, { names }), 'event-field');
  refuses(() => json({ ...row, sensor: 'm2' }, { names }), 'event-field');
  refuses(() => json({ ts: 1, volume: 1, fields: { volume: 1 } }), 'event-field');
  refuses(() => json({ volume: 1 }), 'event-time');
  assert.equal(json({ ts: 1, sensor: 12, volume: 1 }).sensor, '12');
  refuses(() => json({ ts: 1, sensor: { id: 1 }, volume: 1 }), 'event-sensor');
});

test('numbers keep every digit, or are refused', () => {
  for (const text of ['0.1', '74.93588199999998', '9007199254740992', '5e-324', '1e300', '-0.10', '1E5']) {
    assert.equal(json(`{"ts":1,"volume":${text}}`).fields['volume'], Number(text), text);
  }
  for (const text of [
    '9007199254740993',
    '0.1000000000000000055511151231257827',
    '1e400',
    '1e-400',
    '3e-324',
    '12345678901234567890',
  ]) {
    refuses(() => json(`{"ts":1,"volume":${text}}`), 'event-number', text);
    refuses(() => json(`{"ts":1,"a":"x","volume": ${text} ,"b":"y"}`), 'event-number', text);
  }
  const digits = '12345678901234567890123';
  assert.equal(json(`{"ts":1,"volume":1,"id":"${digits}","a \\" ${digits}":2}`).fields['id'], digits);
  assert.equal(json(`{"ts":1,"volume":1,"serial":${digits}}`, { skip: new Set(['serial']) }).fields['volume'], 1);
});

test('a name that would change the object it is put into is refused', () => {
  refuses(() => json('{"ts":1,"volume":1,"__proto__":{"level":5}}'), 'event-field');
  refuses(() => json('{"ts":1,"volume":1,"__proto__":5}'), 'event-field');
  assert.deepEqual(json({ ts: 1, constructor: 5, toString: 6 }).fields, { constructor: 5, toString: 6 });
});

test('a row of any length is read or refused in a time that grows with its length, not with its square', () => {
  const half = 100_000;
  const yardMs = yardstickMs();
  const fields = (count: number, value: string) => Array.from({ length: count }, (_, i) => `"${i}":${value}`).join(',');
  for (const [what, line] of Object.entries({
    'long numbers in many fields': `{"ts":1,${fields(8_000, '1234567890.123456')}}`,
    'long numbers that are left out': `{"ts":1,"volume":1,"x":[${'1234567890.123456,'.repeat(40_000)}0]}`,
    'a time of digits that ends in a letter': `{"ts":"${'1'.repeat(half)}x","volume":1}`,
    'a long text': `{"ts":1,"note":"${'\\n'.repeat(half)}"}`,
    'many backslashes and quotes': `{"ts":1,"note":"${'\\\\\\"'.repeat(half)}"}`,
    'a text of many numbers': `{"v":1.5,"ts":1,"note":"${'1.5,'.repeat(half)}"}`,
    'names within names': `{"ts":1,"v":1.50,${'"a":{'.repeat(7)}${fields(20_000, '1')}${'}'.repeat(7)}}`,
    'a long number': `{"ts":1,"volume":${'1'.repeat(half)}}`,
    'lists in lists': `{"ts":1,"x":${'['.repeat(half)}${']'.repeat(half)},"volume":1}`,
  })) {
    const took = cpuMs(() => {
      try {
        json(line, { skip: new Set(['x', 'a']), texts: new Set(['v']) });
      } catch (error) {
        assert(error instanceof CodecError || error instanceof RowError, what);
      }
    });
    assert(took < 20 * yardMs, `${what}: ${took} ms`);
  }
});

test('an event comes back from its line of JSON', (t) => {
  holds(t, 500, anyEvent, (event) => {
    const { ts, sensor, fields } = event;
    const plain = Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [name, typeof value === 'number' ? value + 0 : value]),
    );
    const mixed = new Set(Object.keys(fields));
    if (sensor.trim() === '') return refuses(() => json(event, { mixed }), 'event-sensor', 'blanks name nothing');
    assert.deepEqual(json({ ts, sensor, fields }, { mixed }), { ts, sensor, fields: plain });
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
      const all = { ...OPTIONS };
      const read = new NdjsonRows(all, new Columns(all)).read(line);
      if (read === WITHOUT_VALUE) return;
      assert(createTableBuilder().add(read));
      taken++;
    } catch (error) {
      assert(
        error instanceof RowError || (error instanceof CodecError && error.code.startsWith('event-')),
        `${line}: ${String(error)}`,
      );
    }
  });
  assert(taken > 200, `${taken} were taken`);
});
