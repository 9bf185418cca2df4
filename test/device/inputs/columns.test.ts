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

test('behind the names that are remembered, fields hold numbers unless a flag says otherwise', () => {
  const rows = Array.from({ length: 1_100 }, (_, i) => `{"ts":1,"tag${i}":${i % 2 === 0 ? 1 : '"on"'}}\n`).join('');
  const more = '{"ts":2,"tag1090":"off"}\n{"ts":3,"tag1090":1}\n{"ts":4,"tag5":1}\n{"ts":5,"tag5":"off"}\n';
  const { refused } = readRows('ndjson', rows + more);
  const behind = Array.from({ length: 38 }, (_, i) => [1_026 + 2 * i, 'row-kind']);
  assert.deepEqual(refused, [...behind, [1_101, 'row-kind'], [1_103, 'row-kind']]);
  const mixed = new Set(Array.from({ length: 100 }, (_, i) => `tag${1_000 + i}`));
  assert.deepEqual(readRows('ndjson', rows + more, { mixed }).refused, [[1_103, 'row-kind']]);
});
