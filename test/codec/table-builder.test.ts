import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  BATCH_BYTES_MAX,
  BATCH_CELLS_MAX,
  BATCH_EVENTS_MAX,
  BATCH_TEXT_BYTES_MAX,
  BATCH_TEXTS_MAX,
  COLUMNS_MAX,
  createTableBuilder,
  decodeBatch,
  encodeBatch,
  encodeColumns,
  FIELDS_MAX,
  GAPS_MAX,
  NAME_BYTES_MAX,
  SENSORS_MAX,
  sliceTable,
  TEXT_BYTES_MAX,
  type TelemetryEvent,
} from '../../src/codec/index.ts';
import { anyEvents, eventsIn, headerOf, recoded, tableOf } from './events.ts';
import { createRandom, holds, seedOf } from './property.ts';

test('a part of a table is the table of those events', (t) => {
  holds(t, 300, fc.tuple(anyEvents, fc.nat(40), fc.nat(40)), ([events, a, b]) => {
    const from = Math.min(a, b, events.length);
    const to = Math.min(Math.max(a, b), events.length);
    const part = sliceTable(recoded(tableOf(events)), from, to);
    assert.deepEqual(eventsIn(part), events.slice(from, to));
  });
});

test('tables added up are the table of all their events', (t) => {
  holds(t, 300, fc.array(anyEvents, { maxLength: 4 }), (runs) => {
    const builder = createTableBuilder();
    for (const run of runs) assert(builder.addTable(recoded(tableOf(run))));
    const all = builder.build();
    assert.deepEqual(eventsIn(all), runs.flat());
  });
});

test('the whole of a table is the table itself', () => {
  const table = tableOf([{ ts: 0, sensor: 'a', fields: { volume: 1 } }]);
  assert.equal(sliceTable(table, 0, 1), table);
});

test('a builder is empty after building, and what it built stays', () => {
  const builder = createTableBuilder();
  builder.add({ ts: 0, sensor: 'a', fields: { t: 'x' } });
  const first = builder.build();
  assert.deepEqual([builder.count, builder.cells], [0, 0]);
  builder.add({ ts: 1, sensor: 'b', fields: { t: 'y', u: 1 } });
  const second = builder.build();
  assert.deepEqual(first.sensors, ['a']);
  assert.deepEqual(eventsIn(first), [{ ts: 0, sensor: 'a', fields: { t: 'x' } }]);
  assert.deepEqual(eventsIn(second), [{ ts: 1, sensor: 'b', fields: { t: 'y', u: 1 } }]);
  assert.deepEqual(eventsIn(builder.build()), []);
});

/** Fills a builder until it refuses, and gives how many it took. */
function filled(eventAt: (i: number) => TelemetryEvent): { taken: number; fits: () => boolean } {
  const builder = createTableBuilder();
  let taken = 0;
  while (builder.add(eventAt(taken))) taken++;
  const table = builder.build();
  assert.equal(table.count, taken);
  // What a builder builds, every decoder takes.
  const bytes = encodeColumns(table);
  return { taken, fits: () => bytes.length <= BATCH_BYTES_MAX && recoded(table).count === taken };
}

test('a table takes events up to each limit of a batch, and is taken by the decoder', () => {
  const cases: readonly [name: string, expected: number, (i: number) => TelemetryEvent][] = [
    ['events', BATCH_EVENTS_MAX, (i) => ({ ts: i, sensor: 'a', fields: { x: 1 } })],
    ['sensors', SENSORS_MAX, (i) => ({ ts: i, sensor: `s${i}`, fields: { x: 1 } })],
    ['columns', COLUMNS_MAX, (i) => ({ ts: i, sensor: 'a', fields: { [`f${i}`]: 1 } })],
    ['texts', BATCH_TEXTS_MAX / 2, (i) => ({ ts: i, sensor: 'a', fields: { x: `t${i}`, y: `t${i}` } })],
    [
      'bytes of texts',
      BATCH_TEXT_BYTES_MAX / TEXT_BYTES_MAX,
      (i) => ({ ts: i, sensor: 'a', fields: { x: String(i).padStart(TEXT_BYTES_MAX) } }),
    ],
  ];
  for (const [name, expected, eventAt] of cases) {
    const { taken, fits } = filled(eventAt);
    assert.equal(taken, expected, name);
    assert(fits(), name);
  }
});

test('the heaviest table there can be still makes a batch', (t) => {
  const random = createRandom(seedOf(t));
  const bits = new DataView(new ArrayBuffer(8));
  const anyDouble = (): number => {
    bits.setUint32(0, random() * 0x7ff00000);
    bits.setUint32(4, random() * 2 ** 32);
    return bits.getFloat64(0);
  };
  const builder = createTableBuilder();
  const names = Array.from({ length: COLUMNS_MAX - 2 }, (_, i) => `${i}`.padStart(NAME_BYTES_MAX, 'm'));
  const valuesEach = Math.floor(BATCH_CELLS_MAX / BATCH_EVENTS_MAX) - 2;
  for (let i = 0; i < BATCH_EVENTS_MAX; i++) {
    const fields: Record<string, number | string | boolean> = { text: `${i}`.padStart(64, 't'), flag: random() < 0.5 };
    for (let f = 0; f < valuesEach; f++) fields[names[(i * valuesEach + f) % names.length]!] = anyDouble();
    const sensor = `${i % SENSORS_MAX}`.padStart(NAME_BYTES_MAX, 's');
    const taken = builder.add({ ts: Math.floor((random() - 0.5) * 2 ** 53), sensor, fields });
    assert(taken, `event ${i}`);
  }
  const table = builder.build();
  const sums = Object.fromEntries(
    names.concat('a', 'b').map((name) => [name, `-${'9'.repeat(340)}.${'9'.repeat(340)}`]),
  );
  const gaps = Array.from({ length: GAPS_MAX }, (_, i) => ({
    first: i + 1,
    last: i + 1,
    reason: 'quota' as const,
    sums,
  }));
  const bytes = encodeBatch(headerOf(table.count, { gaps }), encodeColumns(table));
  assert(bytes.length <= BATCH_BYTES_MAX, `${bytes.length} bytes`);
  assert.equal(decodeBatch(bytes).table.count, BATCH_EVENTS_MAX);
});

test('an empty builder takes the heaviest event', () => {
  const text = (i: number): string => `${i}`.padStart(TEXT_BYTES_MAX, 'x');
  const fields = Object.fromEntries(
    Array.from({ length: FIELDS_MAX }, (_, i) => [text(i).slice(-NAME_BYTES_MAX), text(i)]),
  );
  const event = { ts: 0, sensor: 'a', fields };
  assert.deepEqual(eventsIn(recoded(tableOf([event]))), [event]);
});

test('a table that does not fit beside what is there is left out whole', () => {
  const builder = createTableBuilder();
  const most = tableOf(Array.from({ length: 300 }, (_, i) => ({ ts: i, sensor: 'a', fields: { [`f${i}`]: `t${i}` } })));
  assert(builder.addTable(most));
  const other = tableOf(Array.from({ length: 300 }, (_, i) => ({ ts: i, sensor: 'b', fields: { [`g${i}`]: i } })));
  assert.equal(builder.addTable(other), false);
  assert.equal(builder.count, 300);
  // What is known already takes no further room.
  assert(builder.addTable(most));
  assert.deepEqual(eventsIn(builder.build()), [...eventsIn(most), ...eventsIn(most)]);
});
