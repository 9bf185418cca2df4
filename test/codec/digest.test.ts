import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { digestOf, type EventTable, sliceTable, type TelemetryEvent } from '../../src/codec/index.ts';
import { anyEvent, anyEvents, recoded, tableOf } from './events.ts';
import { holds } from './property.ts';

const MODULUS = 2n ** 64n;

const digest = (table: EventTable, first = 1): bigint => digestOf(table, first)(0, table.count);

test('a digest does not depend on packing, cutting, or the order of columns', (t) => {
  holds(t, 500, fc.tuple(anyEvents, fc.nat(40), fc.nat(2 ** 50)), ([events, at, before]) => {
    const first = before + 1;
    const cut = Math.min(at, events.length);
    const table = tableOf(events);
    const whole = digest(table, first);
    assert.equal(digest(recoded(table), first), whole);
    const left = digest(sliceTable(table, 0, cut), first);
    const right = digest(sliceTable(recoded(table), cut, events.length), first + cut);
    assert.equal((left + right) % MODULUS, whole);
    const range = digestOf(table, first);
    assert.equal((range(0, cut) + range(cut, events.length)) % MODULUS, whole);
    const turned = { ...table, columns: [...table.columns].reverse() };
    assert.equal(digest(turned, first), whole);
  });
});

test('any change of one event changes the digest', (t) => {
  const changed = (event: TelemetryEvent): TelemetryEvent[] => [
    { ...event, ts: event.ts === 0 ? 1 : -event.ts },
    { ...event, sensor: event.sensor === 'x' ? 'y' : 'x' },
    { ...event, fields: { ...event.fields, extra: 1 } },
    { ...event, fields: { ...event.fields, extra: '1' } },
    { ...event, fields: { ...event.fields, extra: true } },
    { ...event, fields: { ...event.fields, extra: false } },
    { ...event, fields: { ...event.fields, ertxa: 1 } },
  ];
  holds(t, 300, anyEvent, (event) => {
    const digests = [event, ...changed(event)].map((one) => digest(tableOf([one])));
    assert.equal(new Set(digests).size, digests.length, String(digests));
  });
});

test('the same content under another sequence has another digest', () => {
  const table = tableOf([{ ts: 5, sensor: 'a', fields: { volume: 1 } }]);
  const digests = [1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1].map((first) => digest(table, first));
  assert.equal(new Set(digests).size, digests.length);
});

test('events that change places change the digest', () => {
  const one = { ts: 5, sensor: 'a', fields: { volume: 1 } };
  const other = { ...one, fields: { volume: 2 } };
  assert.notEqual(digest(tableOf([one, other])), digest(tableOf([other, one])));
});

test('zero and minus zero are different content', () => {
  const [plus, minus] = [0, -0].map((volume) => digest(tableOf([{ ts: 5, sensor: 'a', fields: { volume } }])));
  assert.notEqual(plus, minus);
});

test('digests on disk stay comparable: the values are fixed', () => {
  const table = tableOf([
    { ts: 1_700_000_000_000, sensor: 'inlet', fields: { volume: 1.25, state: 'open', alarm: true } },
    { ts: 1_700_000_001_000, sensor: 'auslaß', fields: { volume: -0 } },
    { ts: -1, sensor: 'inlet', fields: { state: '💧' } },
  ]);
  assert.equal(digestOf(table, 1)(0, 1).toString(16), 'afcf05b118769fe9');
  assert.equal(digestOf(table, 2 ** 40)(0, 3).toString(16), '4cf87e8c8f72f78');
  assert.equal(digestOf(table, 1)(2, 2), 0n);
});

test('no two of a hundred thousand like events share a digest', () => {
  const events = Array.from({ length: 50_000 }, (_, i) => ({
    ts: 1_000 * (i % 50),
    sensor: `s${i % 7}`,
    fields: { volume: i % 3 },
  }));
  const range = digestOf(tableOf(events), 1);
  const digests = new Set(events.map((_, i) => range(i, i + 1)));
  assert.equal(digests.size, events.length);
});

test('the digest of any part is the sum of its events’, whatever the part', (t) => {
  holds(t, 300, fc.tuple(anyEvents, fc.nat(40), fc.nat(40)), ([events, a, b]) => {
    const [from, to] = [Math.min(a, b, events.length), Math.min(Math.max(a, b), events.length)];
    const range = digestOf(tableOf(events), 7);
    const sum = events.slice(from, to).reduce((all, event, i) => all + digest(tableOf([event]), 7 + from + i), 0n);
    assert.equal(range(from, to), sum % MODULUS);
  });
});
