/** Back pressure: what is taken on, what waits, what is turned away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createFlow, type Upload } from '../../src/gateway/flow.ts';

const OPTIONS = { bytesMax: 100, strangersBytesMax: 0, bodyBytesMax: 100, growingBytesMax: 100 };

function upload(change: Partial<Upload> = {}): Upload {
  return { deviceId: 'd', network: 'n', isAuthentic: true, isLate: () => false, drop() {}, ...change };
}

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
  const flow = createFlow(OPTIONS);
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
  const flow = createFlow(OPTIONS);
  const dropped: string[] = [];
  const named = (name: string, isLate: boolean) =>
    upload({ isLate: () => isLate, drop: () => void dropped.push(name) });
  const here = flow.take(20, named('here', true))!;
  here.resize(20);
  for (const [name, isLate] of [
    ['first', true],
    ['in time', false],
    ['second', true],
    ['third', true],
  ] as const) {
    assert(flow.take(20, named(name, isLate)));
  }
  assert.equal(flow.take(61, upload()), undefined);
  assert.deepEqual(dropped, [], 'dropped for nothing');
  assert(flow.take(30, upload()));
  assert.deepEqual(dropped, ['first', 'second']);
  assert.equal(flow.bytes, 90);
  assert(flow.take(30, upload()));
  assert.deepEqual(dropped, ['first', 'second', 'third']);
  assert.equal(flow.take(1, upload()), undefined);
});

test('what may grow waits until it fits beside what is growing, in order', async () => {
  const flow = createFlow(OPTIONS);
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
  const flow = createFlow(OPTIONS);
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

test('what a device has grown to has its own wait, and nobody refused', async () => {
  const flow = createFlow(OPTIONS);
  const load = flow.take(1, upload())!;
  load.resize(1);
  load.grow(60);
  assert.equal(flow.bytes, 61);
  const [own, other] = [task(), task()];
  const done = [flow.inTurn(10, own.run, { deviceId: 'd' }), flow.inTurn(10, other.run, { deviceId: 'other' })];
  assert(flow.take(99, upload({ deviceId: 'other' })), 'bodies do not count what others have grown to');
  await nextTurn();
  assert.deepEqual([own.begun, other.begun], [false, true]);
  load.grow(30);
  load.release();
  await nextTurn();
  assert(own.begun);
  for (const { end } of [own, other]) end();
  await Promise.all(done);
  assert.equal(flow.bytes, 99);
});

test('of one device only so much grows at once, though there is room; a single batch always does', async () => {
  const flow = createFlow(OPTIONS);
  const [first, second, other] = [task(), task(), task()];
  const done = [
    flow.inTurn(60, first.run, { deviceId: 'd' }),
    flow.inTurn(10, second.run, { deviceId: 'd' }),
    flow.inTurn(40, other.run, { deviceId: 'other' }),
  ];
  await nextTurn();
  assert.deepEqual([first.begun, second.begun, other.begun], [true, false, true]);
  first.end();
  await nextTurn();
  assert(second.begun);
  for (const { end } of [second, other]) end();
  await Promise.all(done);
});

test('nothing grows while devices have grown to more than there is room for', async () => {
  const flow = createFlow(OPTIONS);
  const loads = ['a', 'b'].map((deviceId) => flow.take(1, upload({ deviceId }))!);
  for (const load of loads) load.grow(60);
  const waiting = task();
  const done = flow.inTurn(1, waiting.run, { deviceId: 'c' });
  await nextTurn();
  assert(!waiting.begun);
  loads[0]!.release();
  await nextTurn();
  assert(waiting.begun);
  waiting.end();
  await done;
});

test('who is gone while waiting is left out, and holds up nobody', async () => {
  const flow = createFlow(OPTIONS);
  const [first, other] = [task(), task()];
  const client = new AbortController();
  const done = flow.inTurn(60, first.run);
  const left = flow.inTurn(100, async () => assert.fail('nobody is there'), { gone: client.signal });
  const next = flow.inTurn(40, other.run, { gone: new AbortController().signal });
  await nextTurn();
  assert.equal(other.begun, false);
  client.abort(new RangeError('gone'));
  await assert.rejects(left, RangeError);
  await nextTurn();
  assert.equal(other.begun, true);
  await assert.rejects(flow.inTurn(1, first.run, { gone: client.signal }), RangeError);
  first.end();
  other.end();
  await Promise.all([done, next]);
});

test('work that fails gives its turn on', async () => {
  const flow = createFlow(OPTIONS);
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

test('strangers crowd out one another, and nobody whose head is signed', () => {
  const flow = createFlow({ bytesMax: 100, strangersBytesMax: 40, bodyBytesMax: 5, growingBytesMax: 100 });
  const stranger = (deviceId: string, network: string) => upload({ isAuthentic: false, deviceId, network });
  assert(flow.take(10, stranger('a', '1')));
  assert.equal(flow.take(1, stranger('a', '2')), undefined, 'a device has a quarter');
  assert.equal(flow.take(1, stranger('b', '1')), undefined, 'a network has a quarter');
  for (const name of ['b', 'c', 'd']) assert(flow.take(10, stranger(name, name)));
  assert.equal(flow.take(1, stranger('e', 'e')), undefined, 'they have their part and no more');
  assert(flow.take(30, upload({ deviceId: 'a' })));
  assert.equal(flow.take(1, upload({ deviceId: 'a' })), undefined, 'one device has half of the rest');
  assert(flow.take(30, upload({ deviceId: 'b' })));
  assert.equal(flow.take(1, upload({ deviceId: 'c' })), undefined);
});

test('a body that is here makes room for the next, and counts among what is worked on', () => {
  const flow = createFlow({ bytesMax: 100, strangersBytesMax: 40, bodyBytesMax: 5, growingBytesMax: 100 });
  const stranger = upload({ isAuthentic: false });
  const load = flow.take(10, stranger)!;
  assert.equal(flow.take(10, stranger), undefined);
  load.resize(60);
  assert(flow.take(10, stranger));
  assert.equal(flow.take(1, upload()), undefined);
  load.release();
  assert(flow.take(1, upload()));
  assert.equal(flow.bytes, 11);
});

test('a late body gives way within its own part only, and only where that helps', () => {
  const flow = createFlow({ bytesMax: 100, strangersBytesMax: 40, bodyBytesMax: 5, growingBytesMax: 100 });
  const dropped: string[] = [];
  const late = (deviceId: string, isAuthentic: boolean) =>
    upload({ deviceId, network: deviceId, isAuthentic, isLate: () => true, drop: () => void dropped.push(deviceId) });
  for (const name of ['a', 'b', 'c', 'd']) assert(flow.take(10, late(name, false)));
  assert(flow.take(30, late('x', true)));
  assert(flow.take(30, late('y', true)));
  assert(flow.take(10, upload({ isAuthentic: false, deviceId: 'c', network: 'e' })));
  assert.deepEqual(dropped, ['c'], 'one that makes room for the device and in the part');
  assert(flow.take(20, upload({ deviceId: 'y' })));
  assert.deepEqual(dropped, ['c', 'y']);
});

test('where all of the room is wanted a stranger has no late body of a known device give way', () => {
  const flow = createFlow({ bytesMax: 100, strangersBytesMax: 40, bodyBytesMax: 40, growingBytesMax: 100 });
  const late = upload({ isLate: () => true, drop: () => assert.fail('dropped for a stranger') });
  assert(flow.take(10, late));
  flow.take(10)!.resize(70);
  assert.equal(flow.take(30, upload({ isAuthentic: false })), undefined, 'there is room in the part, and none in all');
  assert.equal(flow.bytes, 80);
  assert(flow.take(20, upload({ isAuthentic: false })));
});
