import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RunFacts, runEnd } from '../../src/device/run-end.ts';

const FINISHED: RunFacts = {
  cutShortBy: undefined,
  endedBy: undefined,
  queuedEvents: 0,
  counting: false,
  isWhole: true,
};

test('only what is recorded, acknowledged and not cut short is called done', () => {
  const endOf = (facts: Partial<RunFacts>) => {
    const { end, level } = runEnd({ ...FINISHED, ...facts });
    return [end, level];
  };
  assert.deepEqual(endOf({}), ['done', 'info']);
  assert.deepEqual(endOf({ endedBy: 'SIGTERM' }), ['done', 'info'], 'a pipe that was told to end');
  assert.deepEqual(endOf({ cutShortBy: 'SIGINT', endedBy: 'SIGINT' }), ['interrupted', 'warn']);
  assert.deepEqual(endOf({ cutShortBy: 'SIGINT', endedBy: 'SIGINT', isWhole: false }), ['interrupted', 'warn']);
  assert.deepEqual(endOf({ queuedEvents: 3 }), ['queued', 'info']);
  assert.deepEqual(endOf({ counting: true }), ['queued', 'info']);
  assert.deepEqual(endOf({ isWhole: false }), ['incomplete', 'warn']);
  assert.deepEqual(endOf({ isWhole: false, queuedEvents: 3 }), ['incomplete', 'warn'], 'with --no-drain');
});
