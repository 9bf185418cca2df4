/** What a gateway says of its visitors, and what it keeps to itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVisitorLog } from '../../src/gateway/visitor-log.ts';

const refusal = (code: 'clock-skew' | 'overloaded', message = 'no') => ({ code, message }) as const;

function visitorLog() {
  const lines: Record<string, unknown>[] = [];
  const add = (said: object, msg: string) => void lines.push({ ...said, msg });
  let now = 5;
  const log = createVisitorLog({ logger: { info: add, warn: add } as never, clock: () => now });
  const pass = (ms: number) => {
    now += ms;
  };
  return { log, lines, pass };
}

test('of a device and code one line a minute is said, with how often it was in the minute before', () => {
  const { log, lines, pass } = visitorLog();
  for (let i = 0; i < 7; i++) log.refused({ deviceId: 'd', address: 'a' }, refusal('clock-skew'));
  log.refused({ deviceId: 'd', address: 'a' }, refusal('overloaded'));
  log.refused({ deviceId: 'e', address: 'a' }, refusal('clock-skew'));
  log.refused({ address: 'a' }, refusal('clock-skew'));
  assert.equal(lines.length, 4);
  pass(59_999);
  log.refused({ deviceId: 'd', address: 'a' }, refusal('clock-skew'));
  assert.equal(lines.length, 4);
  pass(1);
  log.refused({ deviceId: 'd', address: 'a' }, refusal('clock-skew'));
  assert.equal(lines.at(-1)!['timesInMinuteBefore'], 8);
  pass(120_000);
  log.refused({ deviceId: 'd', address: 'a' }, refusal('clock-skew'));
  assert.equal(lines.at(-1)!['timesInMinuteBefore'], undefined);
});

test('however many are refused, there are a hundred lines a minute, and what was left out is counted', () => {
  const { log, lines, pass } = visitorLog();
  for (let i = 0; i < 5_000; i++) log.refused({ deviceId: `d${i}`, address: 'a' }, refusal('clock-skew'));
  assert.equal(lines.length, 100);
  pass(60_000);
  log.refused({ address: 'a' }, refusal('clock-skew'));
  assert.deepEqual(
    lines.slice(100).map(({ code, times }) => [code, times]),
    [
      ['refusals-unsaid', 4_900],
      ['clock-skew', undefined],
    ],
  );
  pass(60_000);
  log.refused({ address: 'a' }, refusal('clock-skew'));
  assert.equal(lines.at(-2)!['code'], 'clock-skew', 'what was counted once is not counted again');
});

test('a device is said to have come once, and a name that would move the cursor is escaped', () => {
  const { log, lines } = visitorLog();
  for (let i = 0; i < 3; i++) log.accepted({ deviceId: 'd', address: 'a' });
  assert.equal(lines.length, 1);
  log.refused({ address: 'a' }, refusal('overloaded', 'x\u009b2J\u202ey'));
  assert.doesNotMatch(String(lines[1]!['msg']), /[\u0080-\u009f\u202e]/);
});
