import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTableBuilder, parseDecimal } from '../../src/codec/index.ts';
import { minus, NOTHING, plus, reportOf, type Tally, tallyFrom, tallyOf } from '../../src/device/tally.ts';

function tally(events: number, sums: Record<string, string> = {}): Tally {
  return { events, sums: new Map(Object.entries(sums).map(([name, sum]) => [name, parseDecimal(sum)!])) };
}

test('the tally of a table counts its events and sums its measures exactly, over all sensors', () => {
  const builder = createTableBuilder();
  builder.add({ ts: 1, sensor: 'a', fields: { volume: 0.1, state: 'on', open: true } });
  builder.add({ ts: 2, sensor: 'b', fields: { volume: 0.2, level: 1e21 } });
  builder.add({ ts: 3, sensor: 'a', fields: { volume: -0.3, level: 1 } });
  assert.deepEqual(reportOf(tallyOf(builder.build())), {
    events: 3,
    sums: { volume: '0', level: '1000000000000000000001' },
  });
});

test('what was added can be taken away without a trace', () => {
  const a = tally(2, { volume: '0.1' });
  const b = tally(3, { volume: `1${'0'.repeat(300)}.5`, level: '7' });
  assert.deepEqual(reportOf(minus(plus(a, b), b)), { events: 2, sums: { volume: '0.1', level: '0' } });
  assert.equal(plus(a, NOTHING), a);
  assert.deepEqual(reportOf(plus(NOTHING, a)), reportOf(a));
});

test('a report reads back, and nothing else does', () => {
  const report = { events: 5, sums: { volume: '-12.5', 'a b': '0' } };
  assert.deepEqual(reportOf(tallyFrom(JSON.parse(JSON.stringify(report)))!), report);
  for (const wrong of [
    null,
    1,
    {},
    { events: 1 },
    { events: 1.5, sums: {} },
    { events: 1, sums: null },
    { events: 1, sums: 'none' },
    { events: 1, sums: { volume: 1 } },
    { events: 1, sums: { volume: '1e5' } },
  ]) {
    assert.equal(tallyFrom(wrong), undefined, JSON.stringify(wrong));
  }
});
