import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode } from '@msgpack/msgpack';
import {
  BATCH_CELLS_MAX,
  BATCH_EVENTS_MAX,
  BATCH_TEXT_BYTES_MAX,
  BATCH_TEXTS_MAX,
  COLUMNS_MAX,
  type CodecErrorCode,
  decodeColumns,
  encodeColumns,
  FIELDS_MAX,
  SENSORS_MAX,
  TEXT_BYTES_MAX,
} from '../../src/codec/index.ts';
import { encodeIntegers } from '../../src/codec/integers.ts';
import { anyEvents, coded, eventsIn, isTaken, recoded, tableOf } from './events.ts';
import { changed, holds } from './property.ts';

const integers = (...values: number[]): Uint8Array => encodeIntegers(Float64Array.from(values));
const zeros = Uint8Array.of(0);
const bits = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);

/** A measure column of `count` ones. */
const ones = (name: string, present: Uint8Array | null = null): unknown[] => [
  name,
  0,
  present,
  0,
  Uint8Array.of(0x10, 2),
  null,
  null,
  null,
];

/** Columns of two events, with one part or another put in. */
function columnsOf({
  count = 2 as unknown,
  sensors = ['a'] as unknown,
  order = null as unknown,
  times = zeros as unknown,
  fields = [ones('volume')] as unknown,
} = {}): Uint8Array {
  return encode([count, sensors, order, times, fields]);
}

function refuses(code: CodecErrorCode, cases: Record<string, Uint8Array>): void {
  for (const [name, bytes] of Object.entries(cases)) assert.throws(() => decodeColumns(bytes), coded(code), name);
}

test('a table without events has nothing in it', () => {
  const empty = recoded(tableOf([]));
  assert.deepEqual([empty.count, empty.sensors, empty.columns, eventsIn(empty)], [0, [], [], []]);
});

test('a constant column takes a few bytes whatever its length', () => {
  const table = tableOf(Array.from({ length: 60_000 }, (_, ts) => ({ ts, sensor: 'a', fields: { volume: 12.5 } })));
  const bytes = packedBytes(table);
  assert(bytes < 60, `${bytes} bytes`);
});

test('one event stays small', () => {
  const table = tableOf([{ ts: 1_700_000_000_000, sensor: 'inlet', fields: { volume: 1.25 } }]);
  assert.equal(packedBytes(table), 38);
});

test('what another encoder may write is taken', () => {
  const expected = [
    { ts: 0, sensor: 'a', fields: { volume: 1 } },
    { ts: 0, sensor: 'a', fields: { volume: 1 } },
  ];
  for (const [name, bytes] of Object.entries({
    'as it is': columnsOf(),
    'an order for one sensor': columnsOf({ order: integers(0, 0) }),
    'bits for every row': columnsOf({ fields: [ones('volume', bits(3))] }),
    'empty odd values': columnsOf({ fields: [['volume', 0, null, 0, integers(1, 1), null, zeros, bits()]] }),
    'nudges of zero': columnsOf({ fields: [['volume', 0, null, 0, integers(1, 1), zeros, null, null]] }),
    'a larger scale': columnsOf({ fields: [['volume', 0, null, 1, integers(10, 10), null, null, null]] }),
  })) {
    assert.deepEqual(eventsIn(decodeColumns(bytes)), expected, name);
  }
  const texts = decodeColumns(columnsOf({ fields: [['t', 1, null, ['x', 'x', 'unused'], integers(0, 1)]] }));
  assert.deepEqual(
    eventsIn(texts).map((event) => event.fields['t']),
    ['x', 'x'],
  );
  const wide = Array.from({ length: FIELDS_MAX }, (_, i) => ones(`f${i}`));
  assert.equal(decodeColumns(columnsOf({ fields: wide })).columns.length, FIELDS_MAX);
});

test('two columns may share a name where no event has both', () => {
  const fields = [ones('x', bits(1)), ['x', 1, bits(2), ['on'], zeros]];
  const values = eventsIn(decodeColumns(columnsOf({ fields }))).map((event) => event.fields['x']);
  assert.deepEqual(values, [1, 'on']);
});

test('what is not the structure of columns is refused', () => {
  refuses('batch-malformed', {
    nil: encode(null),
    'a map': encode({}),
    'four parts': encode([0, [], null, zeros]),
    'six parts': encode([0, [], null, zeros, [], null]),
    'a negative count': columnsOf({ count: -1 }),
    'half an event': columnsOf({ count: 1.5 }),
    'a count of text': columnsOf({ count: '2' }),
    'a count of 2^53': columnsOf({ count: 2 ** 53 }),
    'sensors of nil': columnsOf({ sensors: null }),
    'events without a sensor': columnsOf({ sensors: [] }),
    'a sensor of no name': columnsOf({ sensors: [''] }),
    'a sensor of binary': columnsOf({ sensors: [bits(65)] }),
    'a sensor too long': columnsOf({ sensors: ['x'.repeat(129)] }),
    'a sensor twice': columnsOf({ sensors: ['a', 'a'], order: integers(0, 1) }),
    'a sensor without an event': columnsOf({ sensors: ['a', 'b'], order: integers(0, 0) }),
    'a sensor and no events': columnsOf({ count: 0, fields: [] }),
    'sensors without an order': columnsOf({ sensors: ['a', 'b'] }),
    'an order of text': columnsOf({ order: 'x' }),
    'times of nil': columnsOf({ times: null }),
    'times of a list': columnsOf({ times: [0, 0] }),
    'fields of nil': columnsOf({ fields: null }),
    'a field of nil': columnsOf({ fields: [null] }),
    'a field without parts': columnsOf({ fields: [[]] }),
    'a field without a name': columnsOf({ fields: [['', 0, null, 0, zeros, null, null, null]] }),
    'a name of binary': columnsOf({ fields: [[bits(65), 0, null, 0, zeros, null, null, null]] }),
    'the name that no object can carry': columnsOf({ fields: [ones('__proto__')] }),
    'a kind that is not known': columnsOf({ fields: [['x', 3, null, zeros]] }),
    'a kind of nil': columnsOf({ fields: [['x', null, null, zeros]] }),
    'presence of text': columnsOf({ fields: [['x', 2, 'no', bits(0)]] }),
    'a flag column of two parts': columnsOf({ fields: [['x', 2, null, bits(0), bits(0)]] }),
    'a text column of one part': columnsOf({ fields: [['x', 1, null, ['a']]] }),
    'flags of nil': columnsOf({ fields: [['x', 2, null, null]] }),
    'a dictionary of nil': columnsOf({ fields: [['x', 1, null, null, zeros]] }),
    'a dictionary of numbers': columnsOf({ fields: [['x', 1, null, [1], zeros]] }),
    'a text too long': columnsOf({ fields: [['x', 1, null, ['x'.repeat(TEXT_BYTES_MAX + 1)], zeros]] }),
    'a text too long in bytes': columnsOf({ fields: [['x', 1, null, ['é'.repeat(TEXT_BYTES_MAX / 2 + 1)], zeros]] }),
    'text indices of nil': columnsOf({ fields: [['x', 1, null, ['a'], null]] }),
    'two columns of a name and kind': columnsOf({ fields: [ones('x'), ones('x')] }),
    'an event with one field twice': columnsOf({ fields: [ones('x', bits(1)), ['x', 2, null, bits(0)]] }),
    'events without fields': columnsOf({ fields: [] }),
    'one event without fields': columnsOf({ fields: [ones('x', bits(1))] }),
    'a column without a value': columnsOf({ fields: [ones('x'), ones('y', bits(0))] }),
    'a column and no events': columnsOf({ count: 0, sensors: [], fields: [ones('x')] }),
    'an event of too many fields': columnsOf({
      fields: Array.from({ length: FIELDS_MAX + 1 }, (_, i) => ones(`f${i}`)),
    }),
  });
});

test('what passes a count is refused before anything is made of it', () => {
  const sparse = (i: number): unknown[] => ones(`f${i}`, i === 0 ? null : bits(1));
  const texts = (name: string, count: number, length: number): unknown[] => {
    const dictionary = Array.from({ length: count }, (_, i) => `${name}${i}`.padStart(length, '.'));
    return [name, 1, null, dictionary, zeros];
  };
  refuses('batch-limit', {
    'too many events': columnsOf({ count: BATCH_EVENTS_MAX + 1 }),
    'more events than any': columnsOf({ count: Number.MAX_SAFE_INTEGER }),
    'too many sensors': columnsOf({
      sensors: Array.from({ length: SENSORS_MAX + 1 }, (_, i) => `s${i}`),
      order: zeros,
    }),
    'too many columns': columnsOf({ fields: Array.from({ length: COLUMNS_MAX + 1 }, (_, i) => sparse(i)) }),
    'too many values': columnsOf({
      count: BATCH_EVENTS_MAX,
      fields: Array.from({ length: BATCH_CELLS_MAX / BATCH_EVENTS_MAX + 1 }, (_, i) => ones(`f${i}`)),
    }),
    'too many texts': columnsOf({
      fields: [texts('x', BATCH_TEXTS_MAX / 2, 1), texts('y', BATCH_TEXTS_MAX / 2 + 1, 1)],
    }),
    'too many bytes of text': columnsOf({
      fields: [texts('x', BATCH_TEXT_BYTES_MAX / TEXT_BYTES_MAX, TEXT_BYTES_MAX), ['y', 1, null, ['x'], zeros]],
    }),
  });
});

test('bytes that are not the column they should be are refused', () => {
  refuses('batch-column', {
    'times cut short': columnsOf({ times: bits(0x0f, 0) }),
    'a time out of range': columnsOf({ times: Buffer.from('10ffffffffffffff0f', 'hex') }),
    'an order cut short': columnsOf({ order: bits(0x01, 0) }),
    'an order of a sensor that is not there': columnsOf({ order: integers(0, 1) }),
    'an order below zero': columnsOf({ order: integers(0, -1) }),
    'an order without sensors': columnsOf({ count: 0, sensors: [], order: bits(0, 0), fields: [] }),
    'presence too short': columnsOf({ fields: [ones('x', bits())] }),
    'presence past the end': columnsOf({ fields: [ones('x', bits(7))] }),
    'flags too long': columnsOf({ fields: [['x', 2, null, bits(0, 0)]] }),
    'a text that is not there': columnsOf({ fields: [['x', 1, null, ['a'], integers(0, 1)]] }),
    'a text below zero': columnsOf({ fields: [['x', 1, null, ['a'], integers(0, -1)]] }),
    'a text of none': columnsOf({ fields: [['x', 1, null, [], zeros]] }),
    'mantissas cut short': columnsOf({ fields: [['x', 0, null, 0, bits(0x0f, 0), null, null, null]] }),
  });
});

function packedBytes(table: ReturnType<typeof tableOf>): number {
  const bytes = encodeColumns(table);
  assert.deepEqual(eventsIn(decodeColumns(bytes)), eventsIn(table));
  return bytes.length;
}

test('columns that are changed are a table, whose bytes give it back, or are refused', (t) => {
  const anyChanged = anyEvents.chain((events) => changed(encodeColumns(tableOf(events))));
  const codes = ['batch-malformed', 'batch-limit', 'batch-column'] as const;
  let taken = 0;
  holds(t, 2_000, anyChanged, (bytes) => {
    let table = tableOf([]);
    if (!isTaken(() => (table = decodeColumns(bytes)), ...codes)) return;
    taken++;
    assert.deepEqual(eventsIn(recoded(table)), eventsIn(table));
    for (const { fields } of eventsIn(table)) assert(Object.keys(fields).length > 0);
  });
  assert(taken > 50, `${taken} were taken`);
});
