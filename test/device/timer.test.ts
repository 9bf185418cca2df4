import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pause, systemTimer } from '../../src/device/timer.ts';
import { createManualTimer } from './manual-timer.ts';

test('the system timer waits at least as long as asked, and can be called off', async () => {
  const begun = systemTimer.now();
  let calledOff = false;
  const cancel = systemTimer.after(1, () => {
    calledOff = true;
  });
  cancel();
  await new Promise<void>((resolve) => systemTimer.after(5, resolve));
  // Timers may be a fraction of a millisecond early by this clock.
  assert(systemTimer.now() - begun >= 4);
  assert.equal(calledOff, false);
});

test('a delay beyond what a timer holds does not come back at once', async () => {
  let called = false;
  const cancel = systemTimer.after(2 ** 40, () => {
    called = true;
  });
  await new Promise<void>((resolve) => systemTimer.after(20, resolve));
  cancel();
  assert.equal(called, false);
});

test('a pause ends with its delay or with the signal, and leaves nothing behind', async () => {
  const timer = createManualTimer();
  const stop = new AbortController();
  const ended = pause(timer, 10, stop.signal);
  await timer.advance(10);
  await ended;
  const aborted = pause(timer, 1_000, stop.signal);
  stop.abort();
  await aborted;
  await pause(timer, 1_000, stop.signal);
  assert.equal(timer.waiting, 0);
});
