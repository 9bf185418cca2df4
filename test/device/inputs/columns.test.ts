import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readRows } from './rows.ts';

test('nothing is learnt of a column from a row that is refused', () => {
  const csv = readRows('csv', 'ts,a,b\n1,open,ERR\n2,,1\n3,5,1\n4,shut,1\n');
  assert.deepEqual(
    csv.events.map(({ fields }) => fields),
    [{ b: 1 }, { a: 5, b: 1 }],
  );
  assert.deepEqual(csv.refused, [
    [2, 'row-kind'],
    [5, 'row-kind'],
  ]);
  const json = readRows('ndjson', '{"ts":1,"a":5,"b":[]}\n{"ts":2,"b":1}\n{"ts":3,"a":"open"}\n{"ts":4,"a":6}\n');
  assert.deepEqual(json.refused.map(([line]) => line)[0], 1);
  assert.deepEqual(json.events[1]?.fields, { a: 'open' });
});
