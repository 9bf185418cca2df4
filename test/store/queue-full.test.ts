import assert from 'node:assert/strict';
import { open, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Queue, StoreError } from '../../src/store/index.ts';
import { ALL, block, collect, contents, openTestQueue, temporaryDirectory } from './queue-fixture.ts';
import { fill, freeBytes, MIB, makeRoom, smallDisk } from './queue-small-disk.ts';

/** Appends until the disk is full; how many blocks are queued then. */
async function appendUntilFull(queue: Queue, bytes = 7_000): Promise<number> {
  for (let i = 0; ; i += 1) {
    const { next } = queue;
    try {
      await queue.append([block(1, `${next}`, bytes)]);
    } catch (error) {
      assert.ok(error instanceof StoreError && error.code === 'disk-full', String(error));
      assert.equal(queue.next, next, 'no sequence is used up');
      return queue.next - queue.head;
    }
    assert.ok(i < 10_000, 'the disk is full at some time');
  }
}

/** Releases everything, oldest first, as a device that drains does. */
async function drain(queue: Queue): Promise<number> {
  let released = 0;
  while (queue.head < queue.next) {
    const blocks = await queue.read(queue.head, { bytesMax: MIB, blocksMax: 100 });
    for (const { first, bytes } of blocks) assert.equal(Number.parseInt(`${bytes}`, 10), first);
    await queue.release({ blocks, totals: Buffer.from(`${queue.head}`) });
    released += blocks.length;
  }
  return released;
}

test('stops appending while there is still room to drain with, and goes on when there is more', async (t) => {
  const disk = await smallDisk(t, 40);
  if (disk === undefined) return;
  const path = join(disk, 'queue');
  const queue = await openTestQueue(t, path, { reserveBytes: 8 * MIB, now: measureAlways() });
  const queued = await appendUntilFull(queue);
  assert.ok(queued > 500, `${queued} blocks are on the disk`);
  assert.ok((await freeBytes(disk)) > 2 * MIB);
  assert.equal((await stat(join(path, 'reserve'))).size, 8 * MIB, 'nobody needed it');
  assert.equal((await stat(join(path, 'reserve'))).blocks * 512, 8 * MIB, 'it takes what it says');
  assert.equal(await drain(queue), queued);
  // What is released has to come back to the disk: nothing else frees it.
  const again = await appendUntilFull(queue);
  assert.ok(again > queued * 0.7, `${again} blocks after ${queued}`);
});

test('a disk that others have filled up is drained with the reserve, which is made again later', async (t) => {
  const disk = await smallDisk(t, 48);
  if (disk === undefined) return;
  const path = join(disk, 'queue');
  const queue = await openTestQueue(t, path, { reserveBytes: 8 * MIB, now: measureAlways() });
  for (let i = 0; i < 1_500; i += 1) await queue.append([block(1, `${queue.next}`, 7_000)]);
  await fill(disk);
  await assert.rejects(queue.append([block(1, 'x')]), { code: 'disk-full' });
  assert.equal(await drain(queue), 1_500);
  assert.equal(queue.head, 1_501);
  assert.equal(Buffer.from(queue.totals!).toString().length > 0, true);
  await queue.close();
  // Even opening writes.
  const again = await openTestQueue(t, path, { reserveBytes: 8 * MIB, now: measureAlways() });
  assert.equal(again.head, 1_501);
  await makeRoom(disk);
  await again.append([block(1, `${again.next}`)]);
  assert.deepEqual(await contents(again), ['1501+1 1501']);
  await again.close();
  assert.equal((await stat(join(path, 'reserve'))).size, 8 * MIB);
});

test('opens, reads and drains on a disk that was filled up while it was closed', async (t) => {
  const disk = await smallDisk(t, 40);
  if (disk === undefined) return;
  const path = join(disk, 'queue');
  const before = await openTestQueue(t, path, { reserveBytes: 8 * MIB, now: measureAlways() });
  for (let i = 0; i < 900; i += 1) await before.append([block(1, `${before.next}`, 7_000)]);
  await before.close();
  await fill(disk);
  assert.equal(await freeBytes(disk), 0);
  const queue = await openTestQueue(t, path, { reserveBytes: 8 * MIB, now: measureAlways() });
  await assert.rejects(stat(join(path, 'reserve')), { code: 'ENOENT' }, 'opening has spent it');
  assert.equal((await collect(queue.blocks())).length, 900);
  assert.equal(await drain(queue), 900);
});

test('without a reserve a full disk refuses, loses nothing, and is well again with more room', async (t) => {
  const disk = await smallDisk(t, 24);
  if (disk === undefined) return;
  const queue = await openTestQueue(t, join(disk, 'queue'));
  await fill(disk, 6 * MIB);
  const queued = await appendUntilFull(queue);
  assert.ok(queued > 100);
  const { next } = queue;
  await makeRoom(disk);
  assert.equal((await collect(queue.blocks())).length, queued);
  assert.equal(queue.next, next);
  assert.equal((await queue.append([block(1, `${next}`)])).first, next);
  assert.equal(await drain(queue), queued + 1);
});

test('measures the disk now and then, not at every append', async (t) => {
  let timeMs = 0;
  const path = await temporaryDirectory(t);
  // A reserve that no disk has room for: every measure finds too little.
  const low = await openTestQueue(t, join(path, 'low'), { reserveBytes: 2 ** 50, now: () => timeMs });
  await assert.rejects(low.append([block(1, 'x')]), { code: 'disk-full' });
  await assert.rejects(low.append([block(1, 'x')]), { code: 'disk-full' });
  assert.equal(low.next, 1);

  const disk = await smallDisk(t, 32);
  if (disk === undefined) return;
  const queue = await openTestQueue(t, join(disk, 'queue'), { reserveBytes: 4 * MIB, now: () => timeMs });
  await queue.append([block(1, 'a')]);
  await fill(disk, 3 * MIB);
  for (const text of ['b', 'c']) await queue.append([block(1, text, 400_000)]);
  await assert.rejects(queue.append([block(1, 'd', 400_000)]), { code: 'disk-full' }, 'a MiB is reason to measure');
  await makeRoom(disk);
  timeMs = 249;
  await assert.rejects(queue.append([block(1, 'e')]), { code: 'disk-full' }, 'not measured again yet');
  timeMs = 250;
  await queue.append([block(1, 'f')]);
  assert.deepEqual(
    (await queue.read(1, ALL)).map(({ bytes }) => `${bytes}`[0]),
    ['a', 'b', 'c', 'f'],
  );
});

test('makes the reserve anew where it is missing, too small, or full of holes', async (t) => {
  const path = await temporaryDirectory(t);
  const reserve = join(path, 'reserve');
  for (const spoil of [
    () => rm(reserve),
    () => writeFile(reserve, 'short'),
    async () => {
      await rm(reserve);
      const file = await open(reserve, 'w');
      await file.truncate(MIB);
      await file.close();
    },
    () => {},
  ]) {
    await (await openTestQueue(t, path, { reserveBytes: MIB })).close();
    const { size, blocks, mode } = await stat(reserve);
    assert.deepEqual([size, blocks * 512, mode & 0o777], [MIB, MIB, 0o600]);
    await spoil();
  }
});

test('goes on without a reserve that cannot be made', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path, {
    reserveBytes: MIB,
    randomBytes: (count) => {
      if (count > 16) throw new Error('no randomness today');
      return Buffer.alloc(count, 1);
    },
  });
  await queue.append([block(1, 'a')]);
  await queue.close();
  await assert.rejects(stat(join(path, 'reserve')), { code: 'ENOENT' });
});

/** A clock by which every question is a new measure. */
function measureAlways(): () => number {
  let timeMs = 0;
  return () => {
    timeMs += 1_000;
    return timeMs;
  };
}
