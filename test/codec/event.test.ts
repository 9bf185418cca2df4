import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import {
  type CodecErrorCode,
  createTableBuilder,
  FIELDS_MAX,
  INTEGER_MAX,
  isName,
  isText,
  NAME_BYTES_MAX,
  TEXT_BYTES_MAX,
  type TelemetryEvent,
} from '../../src/codec/index.ts';
import { coded, eventsIn, recoded, tableOf } from './events.ts';

const BOM = '\ufeff';

function fieldsOf(count: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, i]));
}

test('an event that cannot be kept exactly is refused by name, and leaves no trace', () => {
  const good = { ts: 1, sensor: 'a', fields: { volume: 1 } };
  const cases: readonly [CodecErrorCode, unknown][] = [
    ['event-time', { ...good, ts: 1.5 }],
    ['event-time', { ...good, ts: Number.NaN }],
    ['event-time', { ...good, ts: INTEGER_MAX + 1 }],
    ['event-time', { ...good, ts: '1' }],
    ['event-time', { ...good, ts: undefined }],
    ['event-sensor', { ...good, sensor: '' }],
    ['event-sensor', { ...good, sensor: 5 }],
    ['event-sensor', { ...good, sensor: undefined }],
    ['event-sensor', { ...good, sensor: 'a\nb' }],
    ['event-sensor', { ...good, sensor: '\u007f' }],
    ['event-sensor', { ...good, sensor: 'x'.repeat(NAME_BYTES_MAX + 1) }],
    ['event-sensor', { ...good, sensor: 'é'.repeat(NAME_BYTES_MAX / 2 + 1) }],
    ['event-sensor', { ...good, sensor: '\ud800' }],
    ['event-sensor', { ...good, sensor: `${BOM}a` }],
    ['event-field', { ...good, fields: {} }],
    ['event-field', { ...good, fields: { volume: null, other: undefined } }],
    ['event-field', { ...good, fields: { '': 1 } }],
    ['event-field', { ...good, fields: { 'a\tb': 1 } }],
    ['event-field', { ...good, fields: JSON.parse('{"__proto__": 1}') }],
    ['event-field', { ...good, fields: { ['x'.repeat(NAME_BYTES_MAX + 1)]: 1 } }],
    ['event-field', { ...good, fields: { volume: 1n } }],
    ['event-field', { ...good, fields: { volume: [1] } }],
    ['event-field', { ...good, fields: { volume: { value: 1 } } }],
    ['event-field', { ...good, fields: fieldsOf(FIELDS_MAX + 1) }],
    ['event-number', { ...good, fields: { volume: Number.NaN } }],
    ['event-number', { ...good, fields: { volume: Number.POSITIVE_INFINITY } }],
    ['event-text', { ...good, fields: { state: 'x'.repeat(TEXT_BYTES_MAX + 1) } }],
    ['event-text', { ...good, fields: { state: '流'.repeat(TEXT_BYTES_MAX / 2) } }],
    ['event-text', { ...good, fields: { state: '\udc00' } }],
    ['event-text', { ...good, fields: { state: BOM } }],
  ];
  const builder = createTableBuilder();
  builder.add(good);
  for (const [code, event] of cases) {
    assert.throws(() => builder.add(event as never), coded(code), inspect(event));
  }
  assert.deepEqual([builder.count, builder.cells], [1, 1]);
  assert.deepEqual(eventsIn(builder.build()), [good]);
});

test('a refused event is refused whole, whatever stands before the fault', () => {
  const builder = createTableBuilder();
  assert.throws(
    () => builder.add({ ts: 1, sensor: 'new', fields: { fresh: 1, state: 'on', volume: Number.NaN } }),
    coded('event-number'),
  );
  builder.add({ ts: 1, sensor: 'a', fields: { volume: 1 } });
  const table = builder.build();
  assert.deepEqual(table.sensors, ['a']);
  assert.deepEqual(
    table.columns.map((column) => column.name),
    ['volume'],
  );
});

test('events at the limits come back', () => {
  const events: TelemetryEvent[] = [
    { ts: INTEGER_MAX, sensor: 'x'.repeat(NAME_BYTES_MAX), fields: fieldsOf(FIELDS_MAX) },
    { ts: -INTEGER_MAX, sensor: 'é'.repeat(NAME_BYTES_MAX / 2), fields: { [`${'x'.repeat(NAME_BYTES_MAX)}`]: 1 } },
    { ts: 0, sensor: '__proto__', fields: { state: 'x'.repeat(TEXT_BYTES_MAX), empty: '', inner: `a${BOM}` } },
    {
      ts: 0,
      sensor: 'constructor',
      fields: JSON.parse('{"constructor":1,"toString":"text","valueOf":true,"hasOwnProperty":-0}'),
    },
  ];
  assert.deepEqual(eventsIn(recoded(tableOf(events))), events);
});

test('minus zero is a time like zero', () => {
  const [event] = eventsIn(tableOf([{ ts: -0, sensor: 'a', fields: { volume: 1 } }]));
  assert(Object.is(event?.ts, 0));
});

test('names are text of one line without a byte order mark', () => {
  for (const name of ['a', ' ', 'a b', 'ä', '\u0080', '🌊', `a${BOM}`]) assert(isName(name), name);
  for (const name of ['', '\0', 'a\r', BOM, '\ud83c', 5, null, undefined, ['a']]) assert(!isName(name));
  assert(isText('', 0));
  assert(!isText('é', 1));
});
