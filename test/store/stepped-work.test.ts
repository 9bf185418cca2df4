/** Long work in slices: it comes to the same, and lets others have their turn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Steps } from '../../src/codec/index.ts';
import { createTurns, createWork, inTurns } from '../../src/store/index.ts';

/** A clock that goes on by 1 ms with each look, so that a slice is over at the fourth look behind its first. */
function lookTurns() {
  let looks = 0;
  return createTurns(() => ++looks);
}

/** So many steps of that weight; the result is how many there were. */
function* steps(count: number, weight: number): Steps<number> {
  for (let done = 0; done < count; done++) yield weight;
  return count;
}

test('what takes less than a slice is done at once', async () => {
  const turns = lookTurns();
  const work = createWork(steps(100, 10), turns);
  assert.throws(() => work.result);
  assert.equal(work.advance(), true);
  assert.deepEqual([work.isDone, work.result], [true, 100]);
  assert.equal(work.advance(), true, 'there is nothing left to do');
  await nextTurn();
  let others = 0;
  const counting = nextTurn().then(() => others++);
  assert.equal(await inTurns(steps(100, 10), turns), 100);
  assert.equal(others, 0);
  await counting;
});

test('what takes more is put down after each slice, with a look at the clock per thousand of weight', async () => {
  const turns = lookTurns();
  const work = createWork(steps(1_000, 512), turns);
  assert.equal(work.advance(), false);
  let isDone = false;
  let others = 0;
  const counting = (async () => {
    while (!isDone) {
      await nextTurn();
      others++;
    }
  })();
  await work.finish();
  isDone = true;
  await counting;
  assert.equal(work.result, 1_000);
  // 500 looks, some four of them a slice.
  assert(others >= 100 && others <= 200, `${others} turns for others`);
});

test('all that is worked on shares a slice, and turns come first come, first served', async () => {
  const turns = lookTurns();
  const order: string[] = [];
  const slow = async (name: string) => {
    await inTurns(steps(40, 1_024), turns);
    order.push(name);
  };
  let most = 0;
  let inThisTurn = 0;
  const counted = createTurns(() => {
    most = Math.max(most, ++inThisTurn);
    return inThisTurn;
  });
  let isDone = false;
  const loop = (async () => {
    while (!isDone) {
      await nextTurn();
      inThisTurn = 0;
    }
  })();
  await Promise.all(Array.from({ length: 20 }, () => inTurns(steps(200, 1_024), counted)));
  isDone = true;
  await loop;
  assert(most <= 40, `${most} looks in one turn of the loop: twenty pieces of work had a slice each`);
  await Promise.all(['a', 'b', 'c'].map(slow));
  assert.deepEqual(order, ['a', 'b', 'c']);
});

test('work comes to an end though the slice is always over', async () => {
  let now = 0;
  const turns = createTurns(() => (now += 1_000));
  assert.equal(turns.isOver(), false);
  assert.equal(await inTurns(steps(20, 5_000), turns), 20);
});

test('what is thrown in a step is thrown to whoever takes it', async () => {
  const wrong = new Error('wrong');
  const failing = function* (): Steps<never> {
    yield 1_000_000;
    throw wrong;
  };
  await assert.rejects(inTurns(failing(), lookTurns()), wrong);
  const turns = lookTurns();
  for (let look = 0; look < 6; look++) turns.isOver();
  const work = createWork(failing(), turns);
  assert.equal(work.advance(), false);
  await assert.rejects(work.finish(), wrong);
});
