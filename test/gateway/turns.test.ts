/** Long work in pieces: it comes to the same, and lets others have their turn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Steps } from '../../src/codec/index.ts';
import { createWork, inTurns } from '../../src/gateway/turns.ts';

/** So many steps of that weight; the result is how many there were. */
function* steps(count: number, weight: number): Steps<number> {
  for (let done = 0; done < count; done++) yield weight;
  return count;
}

test('what weighs less than a piece is done at once', async () => {
  const work = createWork(steps(100, 1_000));
  assert.throws(() => work.result);
  assert.equal(work.advance(), true);
  assert.deepEqual([work.isDone, work.result], [true, 100]);
  assert.equal(work.advance(), true, 'there is nothing left to do');
  let turns = 0;
  const counting = nextTurn().then(() => turns++);
  assert.equal(await inTurns(steps(100, 1_000)), 100);
  assert.equal(turns, 0);
  await counting;
});

test('what weighs more is put down after each piece', async () => {
  const work = createWork(steps(1_000, 10_000));
  let pieces = 1;
  while (!work.advance()) pieces++;
  // The end is found by a piece of its own where the last one was full.
  assert(pieces >= 1_000 / 14 && pieces <= 1_000 / 14 + 1, `${pieces} pieces`);
  let turns = 0;
  let isDone = false;
  const others = (async () => {
    while (!isDone) {
      await nextTurn();
      turns++;
    }
  })();
  assert.equal(await inTurns(steps(1_000, 10_000)), 1_000);
  isDone = true;
  await others;
  assert(turns >= pieces - 2, `${turns} turns`);
});

test('what is thrown in a step is thrown to whoever takes it', async () => {
  const wrong = new Error('wrong');
  const failing = function* (): Steps<never> {
    yield 1_000_000;
    throw wrong;
  };
  const work = createWork(failing());
  assert.equal(work.advance(), false);
  await assert.rejects(work.finish(), wrong);
  await assert.rejects(inTurns(failing()), wrong);
});
