import assert from 'node:assert/strict';
import { test } from 'node:test';
import { persist } from '../../src/device/persistence.ts';
import { createManualTimer } from './manual-timer.ts';

function testPersistence(failures: number) {
  const timer = createManualTimer();
  const stop = new AbortController();
  const faults: unknown[] = [];
  let tries = 0;
  const work = async (): Promise<string> => {
    if (++tries <= failures) throw new Error(`try ${tries}`);
    return 'done';
  };
  const persisted = persist({ timer, signal: stop.signal, onFault: (error) => faults.push(error) }, work);
  return { timer, stop, faults, persisted, tries: () => tries };
}

test('it tries until it succeeds, a second apart, and reports each refusal', async () => {
  const { timer, faults, persisted, tries } = testPersistence(2);
  await timer.advance(999);
  assert.deepEqual([tries(), faults.length], [1, 1]);
  await timer.advance(1);
  assert.deepEqual([tries(), faults.length], [2, 2]);
  await timer.advance(1_000);
  assert.equal(await persisted, 'done');
});

test('closing ends it after one more try, whose failure is no fault', async () => {
  const { timer, stop, faults, persisted, tries } = testPersistence(9);
  await timer.advance(0);
  stop.abort();
  assert.equal(await persisted, undefined);
  assert.deepEqual([tries(), faults.length, timer.waiting], [2, 1, 0]);
});
