import assert from 'node:assert/strict';
import { cp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BLOCK_EVENTS_MAX, openQueue, StoreError, type StoreErrorCode } from '../../src/store/index.ts';
import { numberKey, QUEUE } from '../../src/store/keys.ts';
import { openRocks } from '../../src/store/rocks.ts';
import {
  ALL,
  block,
  cleanUp,
  collect,
  contents,
  hex,
  openTestQueue,
  quarantined,
  temporaryDirectory,
  withDatabase,
} from './queue-fixture.ts';
import { createRandom, seedOf } from './random.ts';

test('gives blocks back in order, and after opening again', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  assert.equal(queue.next, 1);
  assert.equal(queue.head, 1);
  assert.deepEqual(await contents(queue), []);
  const appended = await queue.append([block(3, 'a'), block(1, 'b')]);
  assert.deepEqual([appended.first, appended.last], [1, 4]);
  assert.equal(appended.stream.length, 16);
  await queue.append([block(BLOCK_EVENTS_MAX, 'c')]);
  const expected = ['1+3 a', '4+1 b', `5+${BLOCK_EVENTS_MAX} c`];
  assert.deepEqual(await contents(queue), expected);
  await queue.close();

  const again = await openTestQueue(t, path);
  assert.equal(again.next, 5 + BLOCK_EVENTS_MAX);
  assert.equal(again.head, 1);
  assert.deepEqual(await contents(again), expected);
});

test('reads from a block on, up to a limit, at least one', async (t) => {
  const queue = await openTestQueue(t, await temporaryDirectory(t));
  for (const text of 'abcdef') await queue.append([block(2, text, 100)]);
  const first = async (from: number, bytesMax: number, blocksMax: number) =>
    (await queue.read(from, { bytesMax, blocksMax })).map((one) => one.first);
  const [{ storedBytes } = assert.fail()] = await queue.read(1, ALL);
  assert.deepEqual(await first(1, 1, 9), [1]);
  assert.deepEqual(await first(1, 3 * storedBytes, 9), [1, 3, 5]);
  assert.deepEqual(await first(1, 3 * storedBytes - 1, 9), [1, 3]);
  assert.deepEqual(await first(5, 1e9, 2), [5, 7]);
  assert.deepEqual(await first(11, 1e9, 9), [11]);
  assert.deepEqual(await first(13, 1e9, 9), []);
  assert.deepEqual(await first(99, 1e9, 9), []);
});

test('reads every block once whatever their counts', async (t) => {
  const random = createRandom(seedOf(t));
  const queue = await openTestQueue(t, await temporaryDirectory(t));
  const blocks = Array.from({ length: 600 }, (_, i) =>
    block(i % 200 < 100 ? 1 : 1 + random(9), `${i}`, 10 + random(200)),
  );
  await queue.append(blocks);
  const seen: string[] = [];
  for (let at = queue.head; at < queue.next; ) {
    const found = await queue.read(at, { bytesMax: 1 + random(5_000), blocksMax: 1 + random(90) });
    for (const { first, count, bytes } of found) {
      assert.equal(first, at);
      seen.push(Buffer.from(bytes).toString());
      at += count;
    }
  }
  assert.deepEqual(
    seen,
    blocks.map(({ bytes }) => bytes.toString()),
  );
});

test('numbers concurrent appends in the order of the calls, and shows none before it is done', async (t) => {
  const queue = await openTestQueue(t, await temporaryDirectory(t));
  const done = new Set<number>();
  const appends = Array.from({ length: 60 }, (_, i) =>
    queue.append([block(2, `${i}`)]).then(({ first }) => {
      assert.equal(first, 1 + 2 * i);
      done.add(first);
    }),
  );
  let seen = 0;
  while (done.size < appends.length) {
    const blocks = await queue.read(queue.head, ALL);
    // Whatever is read is committed: its append resolves without another commit.
    if (blocks.length > 0) assert.ok(blocks.at(-1)!.first <= 1 + 2 * done.size + 2);
    assert.ok(blocks.length >= seen, 'nothing that was read is gone');
    seen = blocks.length;
    await nextTurn();
  }
  await Promise.all(appends);
  assert.deepEqual(
    await contents(queue),
    Array.from({ length: 60 }, (_, i) => `${1 + 2 * i}+2 ${i}`),
  );
});

test('releases in any order: the head is the oldest that is left', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  for (const text of 'abcde') await queue.append([block(10, text)]);
  const { blockBytes } = queue;
  await queue.release({ blocks: [{ first: 21 }], totals: Buffer.from('t1') });
  assert.equal(queue.head, 1);
  assert.equal(queue.blockBytes, (blockBytes / 5) * 4);
  assert.deepEqual(await contents(queue), ['1+10 a', '11+10 b', '31+10 d', '41+10 e']);
  await queue.release({ blocks: [{ first: 11 }] });
  assert.equal(queue.head, 1);
  await queue.close();

  const again = await openTestQueue(t, path);
  assert.equal(again.head, 1);
  assert.deepEqual(Buffer.from(again.totals!), Buffer.from('t1'));
  assert.deepEqual(await contents(again), ['1+10 a', '31+10 d', '41+10 e']);
  await again.release({ blocks: [{ first: 1 }], totals: Buffer.from('t2') });
  assert.equal(again.head, 31);
  assert.deepEqual(await contents(again, 1), ['31+10 d', '41+10 e']);
  // A release that is repeated changes nothing.
  await again.release({ blocks: [{ first: 1 }, { first: 31 }], totals: Buffer.from('t2') });
  assert.equal(again.head, 41);
  assert.equal(again.blockBytes, blockBytes / 5);
});

test('never uses a sequence again, even with everything released', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  await queue.append([block(7, 'a'), block(5, 'b')]);
  // What is released last is not what is oldest, so the head says nothing about the end.
  await queue.release({ blocks: [{ first: 8 }] });
  await queue.close();
  const second = await openTestQueue(t, path);
  assert.equal(second.next, 13);
  await second.release({ blocks: [{ first: 1 }] });
  assert.deepEqual([second.head, second.next, second.blockBytes], [13, 13, 0]);
  await second.close();
  const third = await openTestQueue(t, path);
  assert.deepEqual([third.head, third.next, third.blockBytes], [13, 13, 0]);
  assert.equal((await third.append([block(1, 'c')])).first, 13);
});

test('works out where it is from everything else when the record of it is lost', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  for (const text of 'abcdef') await queue.append([block(10, text)]);
  await queue.release({
    blocks: [{ first: 1 }, { first: 51 }],
    quarantine: [quarantined(queue, 51, 60, 'refused')],
  });
  await queue.drop({ blocks: [{ first: 31 }], gaps: [{ first: 31, last: 40, sums: Buffer.from('s') }] });
  const before = await contents(queue);
  await queue.close();
  await withDatabase(path, (rocks) => rocks.write([{ type: 'del', key: positionKey }]));
  const damage: unknown[] = [];
  const again = await openTestQueue(t, path, { onDamage: (gap) => damage.push(gap) });
  assert.deepEqual([again.head, again.next], [11, 61]);
  assert.ok(again.blockBytes > 0);
  assert.deepEqual(await contents(again), before);
  assert.deepEqual(damage, [], 'the gap and the quarantine are no damage');
  await again.release({ blocks: before.map((text) => ({ first: Number.parseInt(text, 10) })) });
  assert.deepEqual([again.head, again.next, again.blockBytes], [61, 61, 0]);
});

const positionKey = Buffer.concat([Buffer.from([QUEUE.meta]), Buffer.from('position')]);

test('works out where it is also where nothing is queued any more', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  await queue.append([block(4, 'a')]);
  await queue.release({ blocks: [{ first: 1 }], quarantine: [quarantined(queue, 2)] });
  await queue.close();
  await withDatabase(path, (rocks) => rocks.write([{ type: 'del', key: positionKey }]));
  const again = await openTestQueue(t, path);
  assert.equal(again.head, again.next);
  assert.ok(again.next > 2, 'behind what is in quarantine');
});

test('works out where it is although gaps and quarantine are broken, too', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  await queue.append([block(4, 'a'), block(4, 'b')]);
  await queue.release({ blocks: [{ first: 1 }], quarantine: [quarantined(queue, 2, 3)] });
  await queue.drop({ blocks: [{ first: 5 }], gaps: [{ first: 5, last: 8, sums: Buffer.from('s') }] });
  await queue.close();
  await withDatabase(path, (rocks) =>
    rocks.write([
      { type: 'del', key: positionKey },
      { type: 'put', key: numberKey(QUEUE.quarantine, 2), value: Buffer.alloc(9) },
      { type: 'put', key: numberKey(QUEUE.gap, 5), value: Buffer.alloc(9) },
    ]),
  );
  await rm(join(path, 'witness'));
  const again = await openTestQueue(t, path);
  assert.deepEqual([again.head, again.next], [6, 6], 'behind what can still be told');
});

test('opens although RocksDB cannot read where it is; any other failure is told', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  await queue.append([block(4, 'a')]);
  await queue.release({ totals: Buffer.from('t') });
  await queue.close();
  let code: StoreErrorCode = 'io';
  const open: typeof openRocks = async (...where) => {
    const rocks = await openRocks(...where);
    const get = rocks.get.bind(rocks);
    rocks.get = (key) => (key.includes('identity') ? get(key) : Promise.reject(new StoreError(code, 'cannot read')));
    return rocks;
  };
  await assert.rejects(openTestQueue(t, path, {}, open), { code: 'io' });
  code = 'corrupt';
  const again = await openTestQueue(t, path, {}, open);
  assert.equal(again.totals, undefined);
  assert.equal(await again.mark('input'), undefined);
  assert.deepEqual(await contents(again), ['1+4 a']);
});

test('keeps refused events in quarantine, and tries them again in one commit', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  const { stream } = await queue.append([block(10, 'a')]);
  const quarantine = [
    { first: 3, last: 3, stream, bytes: Buffer.from('no 3') },
    { first: 7, last: 9, stream, bytes: Buffer.from('no 7') },
  ];
  await queue.release({ blocks: [{ first: 1 }], totals: Buffer.from('8 delivered'), quarantine });
  await queue.close();

  const again = await openTestQueue(t, path);
  const entries = await collect(again.quarantine());
  assert.deepEqual(
    entries.map((entry) => ({ ...entry, stream: hex(entry.stream), bytes: Buffer.from(entry.bytes) })),
    quarantine.map((entry) => ({ ...entry, stream: hex(stream) })),
  );
  await again.release({ quarantine: [{ ...quarantine[0]!, bytes: Buffer.from('no 3, once more') }] });
  assert.deepEqual(
    (await collect(again.quarantine())).map(({ first, bytes }) => [first, Buffer.from(bytes).toString()]),
    [
      [3, 'no 3, once more'],
      [7, 'no 7'],
    ],
  );
  await again.release({ removeQuarantine: [3, 7] });
  assert.deepEqual(await collect(again.quarantine()), []);
  assert.equal((await again.append([block(1, 'next')])).first, 11);
});

test('turns dropped blocks into gaps, which stay until they are declared', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  const { stream } = await queue.append([block(10, 'a'), block(10, 'b'), block(10, 'c'), block(10, 'd')]);
  await queue.drop({ blocks: [{ first: 1 }], gaps: [{ first: 1, last: 10, sums: Buffer.from('s1') }] });
  assert.equal(queue.head, 11);
  // A gap grows by what follows it.
  await queue.drop({
    blocks: [{ first: 11 }, { first: 21 }],
    gaps: [
      { first: 1, last: 20, sums: Buffer.from('s1 s2') },
      { first: 21, last: 30, sums: Buffer.from('s3') },
    ],
  });
  await queue.close();

  const again = await openTestQueue(t, path);
  assert.deepEqual([again.head, again.next], [31, 41]);
  const gaps = (await again.gaps()).map((gap) => ({
    ...gap,
    stream: hex(gap.stream),
    sums: Buffer.from(gap.sums).toString(),
  }));
  assert.deepEqual(gaps, [
    { first: 1, last: 20, stream: hex(stream), reason: 'quota', sums: 's1 s2' },
    { first: 21, last: 30, stream: hex(stream), reason: 'quota', sums: 's3' },
  ]);
  await again.release({ gapsDeclared: [1], totals: Buffer.from('t') });
  assert.deepEqual(
    (await again.gaps()).map(({ first }) => first),
    [21],
  );
  assert.deepEqual(await contents(again), ['31+10 d']);
});

test('a gap must be what was in the blocks', async (t) => {
  const queue = await openTestQueue(t, await temporaryDirectory(t));
  await queue.append([block(10, 'a'), block(10, 'b')]);
  const sums = new Uint8Array();
  for (const gaps of [[], [{ first: 1, last: 9, sums }], [{ first: 1, last: 20, sums }]]) {
    await assert.rejects(queue.drop({ blocks: [{ first: 1 }], gaps }), { code: 'ERR_ASSERTION' });
  }
  await queue.restream([{ first: 6, last: 8 }]);
  await assert.rejects(queue.drop({ blocks: [{ first: 1 }], gaps: [{ first: 1, last: 10, sums }] }), {
    code: 'ERR_ASSERTION',
  });
  assert.deepEqual(await contents(queue), ['1+10 a', '11+10 b']);
  const parts = [
    { first: 1, last: 5, sums },
    { first: 6, last: 8, sums },
    { first: 9, last: 10, sums },
  ];
  await queue.drop({ blocks: [{ first: 1 }], gaps: parts });
  assert.equal(queue.head, 11);
  // A drop that is repeated changes nothing.
  await queue.drop({ blocks: [{ first: 1 }], gaps: parts });
  assert.equal((await queue.gaps()).length, 3);
});

test('stores marks with the events beside them', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  assert.equal(await queue.mark('input'), undefined);
  await queue.append([block(1, 'a')], { marks: [{ name: 'input', value: Buffer.from('line 1') }] });
  await queue.append([block(1, 'b')], { marks: [{ name: 'input', value: Buffer.from('line 2') }] });
  await queue.close();
  const again = await openTestQueue(t, path);
  assert.equal(Buffer.from((await again.mark('input'))!).toString(), 'line 2');
});

test('a walk gives every block that was there when it began, also those released meanwhile', async (t) => {
  const queue = await openTestQueue(t, await temporaryDirectory(t));
  for (let i = 0; i < 20; i += 1) await queue.append([block(1, `${i}`, 100_000)]);
  const walk = queue.blocks();
  const seen = [(await walk.next()).value!.first];
  assert.deepEqual(seen, [1]);
  await queue.release({ blocks: [{ first: 1 }, { first: 2 }, { first: 19 }, { first: 20 }] });
  await queue.append([block(1, 'late')]);
  for await (const { first } of walk) seen.push(first);
  assert.equal(new Set(seen).size, seen.length, 'each one once');
  assert.deepEqual(
    seen.toSorted((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  assert.deepEqual(
    (await collect(queue.blocks(5))).map(({ first }) => first),
    [...Array.from({ length: 14 }, (_, i) => i + 5), 21],
  );
});

test('a walk ends with what was there when it began', async (t) => {
  const queue = await openTestQueue(t, await temporaryDirectory(t));
  await queue.append(Array.from({ length: 1_100 }, (_, i) => block(1, `${i}`)));
  let seen = 0;
  for await (const { first } of queue.blocks()) {
    seen += 1;
    assert.equal(first, seen);
    if (seen === 1) await queue.append([block(1, 'late')]);
  }
  assert.equal(seen, 1_100);
});

test('is bound to its device', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  await queue.append([block(1, 'a')]);
  await queue.close();
  await assert.rejects(openQueue({ path, deviceId: 'pump-2' }), { code: 'other-device' });
  const any = await openQueue({ path });
  cleanUp(t, () => any.close());
  assert.equal(any.deviceId, 'pump-1');
  assert.deepEqual(await contents(any), ['1+1 a']);
});

test('is open once', async (t) => {
  const path = await temporaryDirectory(t);
  await openTestQueue(t, path);
  await assert.rejects(openQueue({ path, deviceId: 'pump-1' }), { code: 'locked' });
});

test('is not made where that is not asked for, and leaves nothing behind', async (t) => {
  const path = await temporaryDirectory(t);
  await assert.rejects(openQueue({ path: join(path, 'none'), deviceId: 'pump-1', create: false }), {
    code: 'not-found',
  });
  await assert.rejects(openQueue({ path }), { code: 'not-found' });
  await assert.rejects(openQueue({ path: '/dev/null', deviceId: 'pump-1', create: false }), { code: 'io' });
  assert.deepEqual(await readdir(path), []);
});

test('refuses a database that is no queue, or of another format', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  await queue.close();
  const identity = Buffer.concat([Buffer.from([QUEUE.meta]), Buffer.from('identity')]);
  await withDatabase(path, async (rocks) => {
    const value = Buffer.from((await rocks.get(identity))!);
    value[7]! += 1;
    await rocks.write([{ type: 'put', key: identity, value }]);
  });
  await assert.rejects(openQueue({ path, deviceId: 'pump-1' }), { code: 'corrupt' });
  await withDatabase(path, (rocks) => rocks.write([{ type: 'del', key: identity }]));
  await rm(join(path, 'witness'));
  await assert.rejects(openQueue({ path, deviceId: 'pump-1' }), { code: 'corrupt' });
});

test('is private', async (t) => {
  const path = join(await temporaryDirectory(t), 'of', 'pump-1');
  await openTestQueue(t, path);
  for (const directory of [path, join(path, '..'), join(path, 'db-1')]) {
    assert.equal((await stat(directory)).mode & 0o777, 0o700);
  }
});

test('is closed after what was asked for before', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  const pending = [queue.append([block(1, 'a')]), queue.append([block(1, 'b')])];
  const closing = queue.close();
  assert.equal(queue.close(), closing);
  await assert.rejects(queue.append([block(1, 'c')]), { code: 'closed' });
  await Promise.all(pending);
  await closing;
  await assert.rejects(queue.read(1, ALL), { code: 'closed' });
  await assert.rejects(queue.release({}), { code: 'closed' });
  await assert.rejects(queue.gaps(), { code: 'closed' });
  await assert.rejects(queue.mark('input'), { code: 'closed' });
  await assert.rejects(collect(queue.quarantine()), { code: 'closed' });
  assert.deepEqual(await contents(await openTestQueue(t, path)), ['1+1 a', '2+1 b']);
});

test('takes only blocks that hold events', async (t) => {
  const queue = await openTestQueue(t, await temporaryDirectory(t));
  for (const count of [0, -1, 1.5, BLOCK_EVENTS_MAX + 1]) {
    await assert.rejects(async () => queue.append([block(count, 'a')]), { code: 'ERR_ASSERTION' });
  }
  await assert.rejects(async () => queue.append([]), { code: 'ERR_ASSERTION' });
  assert.equal(queue.next, 1);
});

test('a copy of yesterday and the queue itself never give one id to two events', async (t) => {
  const path = await temporaryDirectory(t);
  const backup = join(await temporaryDirectory(t), 'backup');
  const queue = await openTestQueue(t, path);
  await queue.append([block(2, 'yesterday')]);
  await queue.close();
  await cp(path, backup, { recursive: true });

  const original = await openTestQueue(t, path);
  const restored = await openTestQueue(t, backup);
  const today = await original.append([block(2, 'today')]);
  const otherToday = await restored.append([block(2, 'other today')]);
  assert.equal(today.first, otherToday.first);
  assert.notEqual(hex(today.stream), hex(otherToday.stream));
  assert.equal(hex(original.streamAt(1).stream), hex(restored.streamAt(1).stream), 'what was sent stays what it was');
});
