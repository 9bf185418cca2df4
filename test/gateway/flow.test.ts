/** Back pressure: what is taken on, what waits, what is turned away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createFlow } from '../../src/gateway/flow.ts';

/** Work that ends when it is told to. */
function task() {
  let end!: () => void;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const run = () => {
    state.begun = true;
    return ended;
  };
  const state = { begun: false, end, run };
  return state;
}

test('bytes are taken while there is room, and given back once', () => {
  const flow = createFlow({ bytesMax: 100, growingBytesMax: 100 });
  const load = flow.take(60);
  assert(load);
  assert.equal(flow.take(41), undefined);
  assert(flow.take(40));
  assert.equal(flow.bytes, 100);
  load.resize(10);
  assert.equal(flow.bytes, 50);
  load.release();
  load.release();
  assert.equal(flow.bytes, 40);
  assert.throws(() => load.resize(1), { code: 'ERR_ASSERTION' });
});

test('late bodies give way, the oldest first and no more than need be', () => {
  const flow = createFlow({ bytesMax: 100, growingBytesMax: 100 });
  const dropped: string[] = [];
  const upload = (name: string, isLate: boolean) => ({ isLate: () => isLate, drop: () => void dropped.push(name) });
  const here = flow.take(20, upload('here', true))!;
  here.resize(20);
  for (const [name, isLate] of [
    ['first', true],
    ['in time', false],
    ['second', true],
    ['third', true],
  ] as const) {
    assert(flow.take(20, upload(name, isLate)));
  }
  assert.equal(flow.take(61), undefined);
  assert.deepEqual(dropped, [], 'dropped for nothing');
  assert(flow.take(30));
  assert.deepEqual(dropped, ['first', 'second']);
  assert.equal(flow.bytes, 90);
  assert(flow.take(30));
  assert.deepEqual(dropped, ['first', 'second', 'third']);
  assert.equal(flow.take(1), undefined);
});

test('what may grow waits until it fits beside what is growing, in order', async () => {
  const flow = createFlow({ bytesMax: 100, growingBytesMax: 100 });
  const [first, large, small] = [task(), task(), task()];
  const done = [flow.inTurn(60, first.run), flow.inTurn(50, large.run), flow.inTurn(10, small.run)];
  await nextTurn();
  assert.deepEqual([first.begun, large.begun, small.begun], [true, false, false]);
  first.end();
  await nextTurn();
  assert.deepEqual([large.begun, small.begun], [true, true]);
  large.end();
  small.end();
  await Promise.all(done);
});

test('nothing grows while what has grown is more than there is room for', async () => {
  const flow = createFlow({ bytesMax: 100, growingBytesMax: 100 });
  const load = flow.take(10)!;
  load.resize(500);
  assert.equal(flow.take(1), undefined);
  const waiting = task();
  const done = flow.inTurn(10, waiting.run);
  await nextTurn();
  assert(!waiting.begun);
  load.release();
  await nextTurn();
  assert(waiting.begun);
  waiting.end();
  await done;
});

test('work that fails gives its turn on', async () => {
  const flow = createFlow({ bytesMax: 100, growingBytesMax: 100 });
  await assert.rejects(
    flow.inTurn(100, () => Promise.reject(new RangeError('no'))),
    RangeError,
  );
  assert.equal(await flow.inTurn(100, async () => 7), 7);
  await assert.rejects(
    flow.inTurn(101, async () => 7),
    { code: 'ERR_ASSERTION' },
  );
});
