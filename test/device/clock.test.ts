import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGatewayClock } from '../../src/device/clock.ts';

test('timestamps are the clock, and never the same twice', () => {
  let now = 5_000;
  const clock = createGatewayClock(() => now);
  assert.equal(clock.timestamp(), 5_000);
  assert.equal(clock.timestamp(), 5_001, 'the clock stands still');
  assert.equal(clock.timestamp(), 5_002);
  now = 5_001;
  assert.equal(clock.timestamp(), 5_003, 'or steps back');
  now = 5_500.4;
  assert.equal(clock.timestamp(), 5_500, 'whole milliseconds');
});

test('a clock that steps back by less than a minute is stepped on, one that steps back further is believed', () => {
  let now = 1_000_000;
  const clock = createGatewayClock(() => now);
  assert.equal(clock.timestamp(), 1_000_000);
  now = 1_000_000 - 59_999;
  assert.equal(clock.timestamp(), 1_000_001);
  now = 1_000_001 - 60_000;
  assert.equal(clock.timestamp(), 940_001);
});

test('a correction shifts timestamps from then on, decades back and forth', () => {
  const now = 1_000;
  const clock = createGatewayClock(() => now);
  assert.equal(clock.offsetMs, 0);
  clock.correct(1_700_000_000_000.5);
  assert.equal(clock.offsetMs, 1_699_999_999_001);
  assert.equal(clock.timestamp(), 1_700_000_000_001);
  assert.equal(clock.timestamp(), 1_700_000_000_002);
  clock.correct(900_000_000_000);
  assert.equal(clock.timestamp(), 900_000_000_000, 'a clock that was far ahead is believed to be');
});

test('a correction is believed however little it is: a gateway’s window may be a second', () => {
  const clock = createGatewayClock(() => 1_700_000_000_000);
  for (const [gatewayClock, backMs] of [
    [1_700_000_000_000, 0],
    [1_699_999_970_000, 30_000],
    [1_699_999_969_000, 31_000],
  ] as const) {
    clock.correct(gatewayClock);
    assert.equal(clock.timestamp(), 1_700_000_000_000 - backMs);
    assert.equal(clock.timestamp(), 1_700_000_000_001 - backMs);
  }
});

test('a correction by little, or by nothing, gives no timestamp again', () => {
  const clock = createGatewayClock(() => 7);
  clock.correct(5_000);
  const given = [clock.timestamp(), clock.timestamp()];
  for (const gatewayClock of [5_000, 5_002, 5_001, 4_990]) {
    clock.correct(gatewayClock);
    given.push(clock.timestamp(), clock.timestamp());
  }
  assert.equal(new Set(given).size, given.length, given.join());
});
