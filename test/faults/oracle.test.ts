/** The oracle: it must find whatever is wrong, and must share no code with what it judges. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exactOf, isLess, plus, textOf } from '../../faults/oracle/decimal.ts';
import { type AccountSays, askBuckets, type DeviceSays, type StoredEvent } from '../../faults/oracle/evidence.ts';
import type { Journal } from '../../faults/oracle/journal.ts';
import { type Hearing, judge } from '../../faults/oracle/verdict.ts';
import type { Reading } from '../../faults/telemetry.ts';

const DAY = Date.UTC(2026, 0, 1);
const STREAM = 'ab'.repeat(16);

function attempt(serial: number): Reading {
  const measures = { serial: String(serial), volume: `${serial}.1` };
  return { kind: 'attempt', serial, ts: DAY + serial * 1_000, sensor: 'inlet', measures, notes: { state: 'open' } };
}

function stored(serial: number): StoredEvent {
  const { ts, sensor } = attempt(serial);
  const fields = { serial, volume: Number(`${serial}.1`), state: 'open' };
  return { stream: STREAM, sequence: serial, ts, sensor, fields };
}

/** Three events that were recorded and counted, as everything should be. */
function fair(): { -readonly [Key in keyof Hearing]: Hearing[Key] } & { device: DeviceSays } {
  const serials = [1, 2, 3];
  const measures = {
    serial: { count: 3, sum: '6', min: 1, max: 3 },
    volume: { count: 3, sum: '6.3', min: 1.1, max: 3.1 },
  };
  const bucket = [{ start: new Date(DAY).toISOString(), events: 3, measures }];
  return {
    journal: {
      attempts: new Map(serials.map((serial) => [serial, attempt(serial)])),
      clocked: new Map(),
      resolved: new Map(
        serials.map((serial) => [serial, { kind: 'resolved', serial, stream: STREAM, sequence: serial }]),
      ),
      rejected: new Map(),
      lives: [{ streams: [STREAM], attempts: serials }],
    },
    device: {
      delivered: 3,
      gaps: 0,
      quarantined: 0,
      measures,
      sensors: [{ sensor: 'inlet', events: 3, measures }],
      declaredGaps: { quota: 0, damage: 0, unsummed: 0, sums: {} },
      streams: [{ stream: STREAM, events: 3, gaps: 0 }],
      queued: 0,
      missing: 0,
      earlier: 0,
    },
    events: serials.map(stored),
    buckets: { minute: bucket, hour: bucket, day: bucket },
    quarantine: [],
  };
}

/** A fourth event that is nowhere. */
function withFourth(journal: Journal, isResolved: boolean): Journal {
  const resolved = new Map(journal.resolved);
  if (isResolved) resolved.set(4, { kind: 'resolved', serial: 4, stream: STREAM, sequence: 4 });
  return {
    ...journal,
    attempts: new Map([...journal.attempts, [4, attempt(4)]]),
    resolved,
    lives: [{ streams: [STREAM], attempts: [1, 2, 3, 4] }],
  };
}

function declaring(device: DeviceSays, gaps: number, sums: Record<string, string>): DeviceSays {
  return {
    ...device,
    gaps,
    declaredGaps: { quota: gaps, damage: 0, unsummed: 0, sums },
    streams: device.streams.map((stream) => ({ ...stream, gaps })),
  };
}

test('what is as it should be has no problems', () => {
  const verdict = judge(fair());
  assert.deepEqual(verdict.problems, []);
  assert.deepEqual([verdict.attempted, verdict.resolved, verdict.counted], [3, 3, 3]);
});

test('a resolved event that is nowhere is lost, unless a gap declares it', () => {
  const case_ = fair();
  case_.journal = withFourth(case_.journal, true);
  assert.deepEqual(judge(case_).lost, [4]);
  const declares = (sums: Record<string, string>) => ({ ...case_, device: declaring(case_.device, 1, sums) });
  assert.deepEqual(judge(declares({ serial: '4', volume: '4.1' })).problems, []);
  assert.match(judge(declares({ serial: '4', volume: '4.2' })).problems[0]!, /the sum of volume/);
  assert.match(judge(declares({ serial: '4' })).problems[0]!, /the sum of volume/);
  assert.deepEqual(judge({ ...case_, quarantine: [{ event: stored(4) }] }).problems, []);
});

test('an event that was cut off before its receipt may be in a gap, and then its sums count', () => {
  const case_ = { ...fair(), idsStay: true };
  case_.journal = withFourth(case_.journal, false);
  assert.deepEqual(judge(case_).problems, []);
  const declares = (count: number, volume: string) => ({
    ...case_,
    device: declaring(case_.device, count, { serial: '4', volume }),
  });
  assert.deepEqual(judge(declares(1, '4.1')).problems, []);
  assert.match(judge(declares(1, '4.2')).problems[0]!, /the sum of volume/);
  assert.match(judge(declares(2, '4.1')).problems[0]!, /1 more than are missing/);
});

test('where ids stay, a gap of one life does not excuse a loss in another', () => {
  const other = 'cd'.repeat(16);
  const case_ = { ...fair(), idsStay: true };
  const journal = withFourth(case_.journal, true);
  case_.journal = {
    ...journal,
    attempts: new Map([...journal.attempts, [5, attempt(5)]]),
    lives: [...journal.lives, { streams: [other], attempts: [5] }],
  };
  const sums = { serial: '5', volume: '5.1' };
  case_.device = {
    ...declaring(case_.device, 1, sums),
    streams: [...case_.device.streams, { stream: other, events: 0, gaps: 1 }],
  };
  assert.deepEqual(judge(case_).lost, [4]);
  assert.deepEqual(judge({ ...case_, idsStay: false }).lost, []);
  const nobody = [...case_.device.streams, { stream: 'ef'.repeat(16), events: 0, gaps: 1 }];
  const more = { ...declaring(case_.device, 2, sums), streams: nobody };
  assert.match(judge({ ...case_, device: more }).problems.join(), /nothing was recorded under/);
});

test('an event that is stored under another id than its receipt says is found, where ids stay', () => {
  const case_ = fair();
  const events = case_.events.map((event) => ({ ...event, sequence: event.sequence + 1 }));
  assert.deepEqual(judge({ ...case_, events }).problems, []);
  assert.match(judge({ ...case_, events, idsStay: true }).problems[0]!, /has the receipt/);
});

test('the account of a device must be what is there', () => {
  const none = { events: 0, sums: {} };
  const all = { events: 3, sums: { serial: '6', volume: '6.3' } };
  const account: AccountSays = { recorded: all, delivered: all, queued: none, quarantined: none, gaps: none };
  const problemsOf = (changed: Partial<AccountSays>, device = fair().device) =>
    judge({ ...fair(), device, account: { ...account, ...changed } }).problems.join();
  assert.equal(problemsOf({}), '');
  assert.equal(problemsOf({ queued: { events: 0, sums: { volume: '0' } } }), '');
  assert.match(problemsOf({ delivered: { ...all, events: 2 } }), /2 events delivered, not 3/);
  assert.match(problemsOf({ delivered: { ...all, sums: { ...all.sums, volume: '6.4' } } }), /sum of volume delivered/);
  assert.match(problemsOf({ queued: { events: 1, sums: {} } }), /1 events queued, not 0/);
  assert.match(problemsOf({ gaps: { events: 1, sums: {} } }), /1 events gaps, not 0/);
  assert.match(problemsOf({}, { ...fair().device, missing: 2 }), /2 events of the device as missing/);
});

test('an event without a time of its own has one of those that the clock said when it was recorded', () => {
  const case_ = fair();
  const ts = attempt(1).ts;
  const attempts = new Map([...case_.journal.attempts, [1, { ...attempt(1), ts: null }]]);
  const between = (from: number, to: number) => {
    const clocked = new Map([[1, { kind: 'clocked' as const, serial: 1, from, to }]]);
    return judge({ ...case_, journal: { ...case_.journal, attempts, clocked } }).problems;
  };
  for (const [from, to] of [[ts, ts] as const, [ts - 5, ts + 3] as const]) assert.deepEqual(between(from, to), []);
  for (const [from, to] of [[ts + 1, ts + 3] as const, [ts - 5, ts - 1] as const]) {
    assert.match(between(from, to)[0] ?? '', /event 1 has changed/);
  }
});

test('buckets are asked for where there are events, however far apart', async (t) => {
  const times = [0, 5, 9_999 * 60_000, 10_000 * 60_000, -7 * 86_400_000, Date.UTC(2099, 5, 1)];
  const asked: [number, number][] = [];
  const server = createServer(({ url }, answer) => {
    const query = new URL(url ?? '', 'http://x').searchParams;
    const [from, to] = [Number(query.get('from')), Number(query.get('to'))];
    asked.push([from, to]);
    answer.end(JSON.stringify({ buckets: times.filter((ts) => ts >= from && ts < to).map((start) => ({ start })) }));
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const gateway = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const buckets = await askBuckets(gateway, 'pump-7', 'minute', times);
  const ascending = [...times].sort((a, b) => a - b);
  assert.deepEqual(
    buckets.map(({ start }) => Number(start)),
    ascending,
  );
  assert.equal(asked.length, 4);
  assert(asked.every(([from, to]) => to - from === 10_000 * 60_000));
});

test('an event counted twice is doubled', () => {
  const case_ = fair();
  const twice = [...case_.events, { ...stored(2), sequence: 9 }];
  assert.deepEqual(judge({ ...case_, events: twice }).doubled, [2]);
  assert.deepEqual(judge({ ...case_, quarantine: [{ event: stored(3) }] }).doubled, [3]);
});

for (const [what, change, expected] of [
  ['an event that nobody recorded', (c) => ({ events: [...c.events, stored(7)] }), /never recorded/],
  [
    'an event that was refused and counts',
    (c) => ({
      journal: {
        ...c.journal,
        resolved: new Map(),
        rejected: new Map([[1, { kind: 'rejected', serial: 1, code: 'x' }]]),
      },
    }),
    /was refused/,
  ],
  [
    'a value that has changed in its last digit',
    (c) => ({
      events: c.events.map((e) =>
        e.sequence === 1 ? { ...e, fields: { ...e.fields, volume: 1.1000000000000003 } } : e,
      ),
    }),
    /has changed/,
  ],
  [
    'a number that has become a text',
    (c) => ({ events: c.events.map((e) => ({ ...e, fields: { ...e.fields, volume: String(e.fields['volume']) } })) }),
    /has changed/,
  ],
  [
    'a field that is gone',
    (c) => ({ events: c.events.map(({ fields: { state: _, ...fields }, ...e }) => ({ ...e, fields })) }),
    /has changed/,
  ],
  ['a time that has changed', (c) => ({ events: c.events.map((e) => ({ ...e, ts: e.ts + 1 })) }), /has changed/],
  ['a count that is off by one', (c) => ({ device: { ...c.device, delivered: 4 } }), /counts 4 events/],
  ['a gap that hides nothing', (c) => ({ device: { ...c.device, gaps: 1 } }), /more than are missing/],
  [
    'an event that was given up and counts',
    (c) => ({ device: { ...c.device, declaredGaps: { quota: 1, damage: 0, unsummed: 0, sums: {} } } }),
    /given up on purpose, and count/,
  ],
  [
    'a loss by policy without sums',
    (c) => ({ device: { ...c.device, declaredGaps: { quota: 0, damage: 0, unsummed: 1, sums: {} } } }),
    /without sums/,
  ],
  ['a total that is off', (c) => ({ device: { ...c.device, measures: {} } }), /totals: serial/],
  ['a sensor that is off', (c) => ({ device: { ...c.device, sensors: [] } }), /sensor inlet/],
  ['a bucket that is not there', (c) => ({ buckets: { ...c.buckets, hour: [] } }), /hour: 0 buckets/],
  [
    'a bucket that is off',
    (c) => ({ buckets: { ...c.buckets, day: c.buckets.day.map((bucket) => ({ ...bucket, events: 2 })) } }),
    /day .*: 2 events/,
  ],
] as [string, (hearing: ReturnType<typeof fair>) => Partial<Hearing>, RegExp][]) {
  test(`${what} is found`, () => {
    const hearing = fair();
    const { problems } = judge({ ...hearing, ...change(hearing) });
    assert(
      problems.some((problem) => expected.test(problem)),
      JSON.stringify(problems),
    );
  });
}

test('decimals are exact', () => {
  assert.equal(textOf(plus(exactOf('0.1'), exactOf('0.2'))), '3e-1');
  assert.equal(textOf(plus(exactOf('1e21'), exactOf('-1e-7'))), `${10n ** 28n - 1n}e-7`);
  assert.equal(textOf(plus(exactOf('1200'), exactOf('-1200.0'))), textOf(exactOf('0')));
  assert(isLess(exactOf('-1e-300'), exactOf('0')));
  assert.throws(() => exactOf('NaN'));
});

test('the oracle imports nothing of what it judges', () => {
  const folder = fileURLToPath(new URL('../../faults/oracle/', import.meta.url));
  for (const name of readdirSync(folder)) {
    const imports = [...readFileSync(folder + name, 'utf8').matchAll(/from '([^']+)'/g)].map(
      ([, specifier]) => specifier!,
    );
    for (const specifier of imports) assert.match(specifier, /^(\.\/|node:)/, `${name} imports ${specifier}`);
  }
});
