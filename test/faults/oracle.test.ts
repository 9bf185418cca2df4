/** The oracle: it must find whatever is wrong, and must share no code with what it judges. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exactOf, isLess, plus, textOf } from '../../faults/oracle/decimal.ts';
import type { DeviceSays, StoredEvent } from '../../faults/oracle/evidence.ts';
import type { AttemptLine } from '../../faults/oracle/journal.ts';
import { type Hearing, judge } from '../../faults/oracle/verdict.ts';

const DAY = Date.UTC(2026, 0, 1);
const STREAM = 'ab'.repeat(16);

function attempt(serial: number): AttemptLine {
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
      resolved: new Map(
        serials.map((serial) => [serial, { kind: 'resolved', serial, stream: STREAM, sequence: serial }]),
      ),
      rejected: new Map(),
    },
    device: {
      delivered: 3,
      gaps: 0,
      quarantined: 0,
      measures,
      sensors: [{ sensor: 'inlet', events: 3, measures }],
      declaredGaps: { sums: {} },
    },
    events: serials.map(stored),
    buckets: { minute: bucket, hour: bucket, day: bucket },
    quarantine: [],
  };
}

test('what is as it should be has no problems', () => {
  const verdict = judge(fair());
  assert.deepEqual(verdict.problems, []);
  assert.deepEqual([verdict.attempted, verdict.resolved, verdict.counted], [3, 3, 3]);
});

test('a resolved event that is nowhere is lost, unless a gap declares it', () => {
  const case_ = fair();
  case_.journal = {
    ...case_.journal,
    attempts: new Map([...case_.journal.attempts, [4, attempt(4)]]),
    resolved: new Map([...case_.journal.resolved, [4, { kind: 'resolved', serial: 4, stream: STREAM, sequence: 4 }]]),
  };
  assert.deepEqual(judge(case_).lost, [4]);
  const gap = { gaps: 1, declaredGaps: { sums: { volume: '4.1' } } };
  assert.deepEqual(judge({ ...case_, device: { ...case_.device, ...gap } }).problems, []);
  const wrong = { gaps: 1, declaredGaps: { sums: { volume: '4.2' } } };
  assert.match(judge({ ...case_, device: { ...case_.device, ...wrong } }).problems[0]!, /the sum of volume/);
  assert.deepEqual(judge({ ...case_, quarantine: [{ event: stored(4) }] }).problems, []);
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
  ['a time that has changed', (c) => ({ events: c.events.map((e) => ({ ...e, ts: e.ts + 1 })) }), /has changed/],
  ['a count that is off by one', (c) => ({ device: { ...c.device, delivered: 4 } }), /counts 4 events/],
  ['a gap that hides nothing', (c) => ({ device: { ...c.device, gaps: 1 } }), /more than are missing/],
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
