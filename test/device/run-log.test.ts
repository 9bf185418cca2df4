import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { createLogger } from '../../src/cli/index.ts';
import type { Device, DeviceEvents, LinkState } from '../../src/device/index.ts';
import { createRepeats } from '../../src/device/repeats.ts';
import { createRunLog } from '../../src/device/run-log.ts';

/** A log about a device that is whatever the test says, over minutes that pass when it says so. */
function testLog(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  const stream = new PassThrough();
  const log = createLogger('test', { logLevel: undefined, verbose: false }, stream);
  const events = new EventEmitter<DeviceEvents>();
  const link = { state: 'connecting' as LinkState, code: null as string | null, reason: null, detail: null };
  const status = () => ({
    gateway: 'http://h:1',
    queued: { events: 3 },
    link: { ...link, since: 0, nextAttemptAt: null },
  });
  const device = Object.assign(events, { status }) as unknown as Device;
  const runLog = createRunLog(device, log);
  const become = (state: LinkState, code: string | null) => {
    Object.assign(link, { state, code, reason: code });
    events.emit('link', device.status().link);
  };
  const lines = (): { level: number; code?: string; link?: string; msg: string; events?: number }[] =>
    String(stream.read() ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  return { become, lines, runLog, events, pass: (ms: number) => t.mock.timers.tick(ms) };
}

test('an outage is told at once, when its reason changes, and then about every minute', (t) => {
  const { become, lines, pass, runLog } = testLog(t);
  become('offline', 'ECONNREFUSED');
  become('offline', 'ETIMEDOUT');
  const first = lines();
  assert.deepEqual(
    first.map(({ level, code }) => [level, code]),
    [
      [40, 'ECONNREFUSED'],
      [40, 'ETIMEDOUT'],
    ],
  );
  assert.match(first[0]!.msg, /^cannot reach http:\/\/h:1 \(.*; 3 events safe on disk; next try/);
  for (let s = 0; s < 600; s++) pass(1_000);
  const later = lines();
  assert(later.length >= 8 && later.length <= 10, `${later.length} lines in ten minutes`);
  assert(later.every(({ code }) => code === 'ETIMEDOUT'));
  runLog.stop();
  pass(600_000);
  assert.deepEqual(lines(), []);
});

test('a link that comes and goes twice a second makes a few lines a minute, and the last one is true', (t) => {
  const { become, lines, pass } = testLog(t);
  for (let i = 0; i < 1_200; i++) {
    become('offline', i % 3 === 0 ? 'ETIMEDOUT' : 'ECONNRESET');
    pass(250);
    become('online', null);
    pass(250);
  }
  const count = lines().length;
  assert(count <= 3 * 11, `${count} lines in ten minutes`);
  become('offline', 'ECONNREFUSED');
  become('online', null);
  pass(60_000);
  const last = lines().at(-1)!;
  assert.deepEqual([last.link, last.code, last.level], ['online', undefined, 30]);
  pass(600_000);
  assert.deepEqual(lines(), [], 'what is well needs no line');
});

test('what the disk refuses again and again is told about once a minute, by its code', (t) => {
  const { events, lines, pass, runLog } = testLog(t);
  for (let s = 0; s < 120; s++) {
    const full = Object.assign(new Error('no space'), { code: 'disk-full' });
    events.emit('fault', full);
    runLog.waiting(full);
    pass(1_000);
  }
  assert.deepEqual(
    lines().map(({ code }) => code),
    Array(4).fill('disk-full'),
  );
});

test('of what is refused for good or given up every event is in a count', (t) => {
  const { events, lines, pass } = testLog(t);
  const refused = { code: 'sensor-limit', detail: 'too many' } as DeviceEvents['quarantined'][0][number];
  for (let i = 0; i < 100; i++) events.emit('quarantined', [refused, refused]);
  pass(60_000);
  events.emit('quarantined', [refused]);
  events.emit('gap', { first: 1, last: 5, reason: 'quota', sums: null });
  const told = lines();
  assert.deepEqual(
    told.map(({ code, events: count }) => [code, count]),
    [
      ['sensor-limit', 2],
      ['sensor-limit', 199],
      ['gap-quota', 5],
    ],
  );
});

test('no number of kinds fills the memory, and a clock that is set back silences nothing', () => {
  let now = 1e6;
  const repeats = createRepeats({ everyMs: 60_000, now: () => now });
  for (let i = 0; i < 5_000; i++) assert.equal(repeats.take(`kind ${i}`), 1);
  assert.equal(repeats.take('kind 4999'), 0);
  now = 0;
  assert.equal(repeats.take('kind 4999'), 2);
});

test('of more kinds than are remembered the first are told again sooner than they would be', () => {
  const repeats = createRepeats({ everyMs: 60_000, now: () => 1e6 });
  for (let i = 0; i < 5_000; i++) repeats.take(`kind ${i}`);
  assert.equal(repeats.take('kind 0'), 1);
});
