import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventsInRows, eventsOf, rowsInSequence, valueAt, valueCount } from '../../src/codec/index.ts';
import { anyEvents, eventsIn, recoded, tableOf } from './events.ts';
import { holds } from './property.ts';

test('every event comes back as it was, from the table and from its bytes', (t) => {
  holds(t, 500, anyEvents, (events) => {
    const table = tableOf(events);
    assert.deepEqual(eventsIn(table), events);
    assert.deepEqual(eventsIn(recoded(table)), events);
  });
});

test('rows stand by sensor, and lead back to the sequence', () => {
  const events = [
    { ts: 10, sensor: 'b', fields: { volume: 1 } },
    { ts: 20, sensor: 'a', fields: { volume: 2 } },
    { ts: 30, sensor: 'b', fields: { volume: 3 } },
  ];
  const table = tableOf(events);
  assert.deepEqual(table.sensors, ['b', 'a']);
  assert.deepEqual([...table.order], [0, 1, 0]);
  assert.deepEqual([...table.starts], [0, 2, 3]);
  assert.deepEqual([...table.times], [10, 30, 20]);
  assert.deepEqual([...rowsInSequence(table)], [0, 2, 1]);
  assert.deepEqual([...eventsInRows(table)], [0, 2, 1]);
  assert.deepEqual([...eventsOf(table, 1, 2)], events.slice(1, 2));
});

test('a column gives its values by position', () => {
  const table = tableOf([
    { ts: 0, sensor: 'a', fields: { m: -0, t: 'x', f: true } },
    { ts: 0, sensor: 'a', fields: { m: 2, t: 'y' } },
    { ts: 0, sensor: 'a', fields: { m: 3, t: 'x', f: false } },
  ]);
  const [m, t, f] = table.columns;
  assert.deepEqual(
    [0, 1, 2].map((at) => valueAt(m!, at)),
    [-0, 2, 3],
  );
  assert.deepEqual(
    [0, 1, 2].map((at) => valueAt(t!, at)),
    ['x', 'y', 'x'],
  );
  assert.deepEqual(
    [0, 1].map((at) => valueAt(f!, at)),
    [true, false],
  );
  assert.deepEqual(
    [m, t, f].map((column) => valueCount(column!)),
    [3, 3, 2],
  );
  assert.deepEqual([...f!.rows!], [0, 2]);
  assert.equal(m!.rows, null);
});

test('a field that changes its kind has a column of each', () => {
  const events = [1, 'one', true, 2].map((value, ts) => ({ ts, sensor: 'a', fields: { x: value } }));
  const table = recoded(tableOf(events));
  assert.deepEqual(
    table.columns.map((column) => column.kind),
    ['measure', 'text', 'flag'],
  );
  assert.deepEqual(eventsIn(table), events);
});
