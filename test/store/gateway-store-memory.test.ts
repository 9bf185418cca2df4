/** How much the embedded gateway store holds in memory, and what it must not let go of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLedger, encodeLedger } from '../../src/store/index.ts';
import { GATEWAY } from '../../src/store/keys.ts';
import { createLiveLedgers, type LiveLedger } from '../../src/store/live-ledgers.ts';
import { createLru } from '../../src/store/lru.ts';
import { createPageCache, decodePage } from '../../src/store/page-cache.ts';
import { seal } from '../../src/store/seal.ts';
import { SHARED_TURNS } from '../../src/store/time-slicing.ts';
import { counters, devicePage, streamKey } from './gateway-store-counter.ts';

test('what was not used goes first, but for what is kept', () => {
  const lru = createLru<number>(3);
  for (const value of [1, 2, 3, 4, 5]) lru.set(String(value), value);
  assert.equal(lru.get('1'), 1);
  assert.equal(lru.get('6'), undefined);
  lru.trim((value) => value === 2);
  assert.deepEqual(
    ['1', '2', '3', '4', '5'].map((key) => lru.get(key)),
    [1, 2, undefined, undefined, 5],
  );
  lru.trim();
  assert.equal(lru.size, 3);
  lru.set('7', 7);
  lru.trim(() => true);
  assert.equal(lru.size, 4, 'what is kept may be above the bound');
  lru.trim();
  assert.equal(lru.size, 3);
  // All have been looked at by now, so one use more is what tells them apart.
  lru.get('7');
  for (const value of [8, 9]) lru.set(String(value), value);
  lru.trim();
  assert.equal(lru.get('7'), 7);
  assert.equal(lru.size, 3);
  lru.clear();
  assert.equal(lru.size, 0);
});

test('what weighs more than the bound allows makes room, what was not used first', () => {
  const lru = createLru<string>(10, 100);
  for (const [key, weight] of [
    ['a', 40],
    ['b', 40],
    ['c', 20],
  ] as const)
    lru.set(key, key, weight);
  lru.trim();
  assert.equal(lru.size, 3);
  lru.set('a', 'a', 41);
  lru.trim();
  assert.deepEqual([lru.get('b'), lru.get('a'), lru.get('c')], [undefined, 'a', 'c']);
  lru.set('d', 'd', 500);
  lru.trim((value) => value === 'c');
  assert.deepEqual([lru.get('d'), lru.get('c')], [undefined, 'c'], 'what is larger than the bound alone goes too');
  lru.clear();
  lru.set('e', 'e', 100);
  lru.trim();
  assert.equal(lru.get('e'), 'e', 'nothing of what was cleared weighs any more');
});

/** Live ledgers over a disk that holds nothing, and what was read from it. */
function ledgersOver(ledgersMax: number, committed = new Set<number>([0])) {
  const reads: number[] = [];
  let failWith: Error | undefined;
  const ledgers = createLiveLedgers({
    ledgersMax,
    isCommitted: (group) => committed.has(group),
    read: async (keys) => {
      reads.push(keys.length);
      await new Promise((resolve) => setImmediate(resolve));
      if (failWith !== undefined) throw failWith;
      return keys.map((key) => (key[0] === GATEWAY.ledger ? seal(key, encodeLedger(createLedger())) : undefined));
    },
    async *chunks() {},
    turns: SHARED_TURNS,
  });
  const give = (device: number) =>
    new Promise<LiveLedger>((take, fail) => ledgers.give(streamKey(`d${device}`, 1), { take, fail }));
  return { ledgers, give, reads, committed, fail: (error: Error | undefined) => (failWith = error) };
}

test('ledgers wanted together are read together, each once', async () => {
  const { give, reads } = ledgersOver(10);
  const [one, same, other] = await Promise.all([give(1), give(1), give(2)]);
  assert.equal(one, same);
  assert.notEqual(one, other);
  assert.equal(await give(1), one);
  assert.deepEqual(reads, [4], 'two ledgers, and the holdings of two devices');
});

test('of a hundred thousand streams only so many stay', async () => {
  const { give, reads } = ledgersOver(100);
  const before = await give(0);
  for (let device = 1; device < 100_000; device += 1_000) {
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => give(device + i)));
  }
  const read = reads.length;
  for (let device = 99_951; device <= 100_000; device += 1) await give(device);
  assert.equal(reads.length, read, 'the latest are still there');
  assert.notEqual(await give(0), before, 'the first one was read again');
  assert.equal(reads.length, read + 1);
});

test('a ledger with changes that are not committed stays, and is let go of after', async () => {
  const { give, committed } = ledgersOver(1);
  const changed = await give(1);
  changed.changedIn = 7;
  for (let device = 2; device < 10; device += 1) await give(device);
  assert.equal(await give(1), changed);
  committed.add(7);
  for (let device = 2; device < 10; device += 1) await give(device);
  assert.notEqual(await give(1), changed);
});

test('who waits for a read that fails hears of it, and the next one reads again', async () => {
  const { give, fail, ledgers } = ledgersOver(1);
  const wrong = new Error('wrong');
  fail(wrong);
  const results = await Promise.allSettled([give(1), give(1), give(2)]);
  assert.deepEqual(
    results.map((result) => result.status === 'rejected' && result.reason === wrong),
    [true, true, true],
  );
  fail(undefined);
  await give(1);
  await ledgers.idle();
});

test('cold pages of a commit are read together, warm ones not at all', async () => {
  const cache = createPageCache(counters, 2, SHARED_TURNS);
  const reads: number[] = [];
  const disk = {
    getMany: async (keys: readonly Buffer[]) => {
      if (keys.length > 0) reads.push(keys.length);
      return keys.map(() => undefined);
    },
  };
  const change = (device: string) => ({ key: devicePage(device), delta: { events: 1n } });
  const { writes, growth } = await cache.merge(disk, ['a', 'b', 'c', 'a', 'b', 'a'].map(change));
  assert.deepEqual(
    writes.map((write) => write.type === 'put' && decodePage(counters, 'device', write.key, write.value).events),
    [3n, 2n, 1n],
    'one write for each page',
  );
  assert.deepEqual(
    [...growth].map(([device, { pages }]) => `${device} ${pages}`),
    ['a 1', 'b 1', 'c 1'],
  );
  assert.deepEqual(reads, [3]);
  await cache.merge(disk, ['b', 'c'].map(change));
  assert.deepEqual(reads, [3]);
  await cache.merge(disk, ['a', 'c'].map(change));
  assert.deepEqual(reads, [3, 1]);
  cache.clear();
  await cache.merge(disk, ['a', 'c'].map(change));
  assert.deepEqual(reads, [3, 1, 2]);
});

test('pages are kept as long as they take little memory, however little they take on disk', async () => {
  const reads: number[] = [];
  const disk = {
    getMany: async (keys: readonly Buffer[]) => {
      reads.push(keys.length);
      return keys.map(() => undefined);
    },
  };
  const cache = createPageCache({ ...counters, bytesOf: () => 100 << 20 }, 1_000, SHARED_TURNS);
  const merge = (...devices: string[]) =>
    cache.merge(
      disk,
      devices.map((device) => ({ key: devicePage(device), delta: { events: 1n } })),
    );
  await merge('a');
  await merge('a');
  assert.deepEqual(reads, [1]);
  await merge('b');
  await merge('a', 'b');
  assert.deepEqual(reads.slice(0, 2), [1, 1]);
  assert.equal(reads.length, 3, 'only one of the two was kept');
});
