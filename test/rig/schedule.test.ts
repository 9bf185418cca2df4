import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSchedule } from '../../rig/link/schedule.ts';
import { createRandom } from '../../rig/random.ts';

test('rates come out as often as they say, over many draws', () => {
  const schedule = createSchedule({ delay: 0.25, 'drop-answer': 0.05 }, createRandom(11));
  const draws = Array.from({ length: 20_000 }, () => schedule.next());
  const share = (name: string) => draws.filter((draw) => draw === name).length / draws.length;
  assert(Math.abs(share('delay') - 0.25) < 0.01, `delay: ${share('delay')}`);
  assert(Math.abs(share('drop-answer') - 0.05) < 0.005, `drop-answer: ${share('drop-answer')}`);
  assert(Math.abs(share('none') - 0.7) < 0.01, `none: ${share('none')}`);
});

test('rates that add up to one leave nothing in peace', () => {
  const schedule = createSchedule({ delay: 0.5, 'portal-200': 0.5 }, createRandom(2));
  assert(Array.from({ length: 5_000 }, () => schedule.next()).every((draw) => draw !== 'none'));
});

test('a script is followed, and then there is peace', () => {
  const schedule = createSchedule(['delay', 'none', 'portal-302'], () => assert.fail('a script draws nothing'));
  assert.deepEqual(
    Array.from({ length: 5 }, () => schedule.next()),
    ['delay', 'none', 'portal-302', 'none', 'none'],
  );
});

test('a healed schedule has no faults left', () => {
  const drawn = createSchedule({ delay: 1 }, createRandom(1));
  const scripted = createSchedule(['delay', 'delay'], createRandom(1));
  for (const schedule of [drawn, scripted]) {
    assert.equal(schedule.next(), 'delay');
    schedule.heal();
    assert.equal(schedule.next(), 'none');
  }
});

test('the random numbers are in range and the same for the same seed', () => {
  const [a, b] = [createRandom(0xffff_ffff), createRandom(0xffff_ffff)];
  for (let i = 0; i < 1_000; i++) {
    const value = a();
    assert(value >= 0 && value < 1);
    assert.equal(b(), value);
  }
  assert.notEqual(createRandom(1)(), createRandom(2)());
});
