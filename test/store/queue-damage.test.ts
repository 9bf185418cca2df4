import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { BLOCK_EVENTS_MAX, type Gap, lookAtQueue, openQueue, type StoreError } from '../../src/store/index.ts';
import { numberKey, QUEUE } from '../../src/store/keys.ts';
import { queueFiles } from '../../src/store/queue-files.ts';
import { openRocks, type Rocks } from '../../src/store/rocks.ts';
import {
  ALL,
  block,
  cleanUp,
  collect,
  contents,
  countingBytes,
  hex,
  openTestQueue,
  quarantined,
  temporaryDirectory,
  withDatabase,
} from './queue-fixture.ts';

const ranges = (gaps: readonly Gap[]) => gaps.map(({ first, last, reason }) => `${first}-${last} ${reason}`);

/** Changes the stored value of the block at `first`; undefined takes it away. */
async function spoil(path: string, first: number, change: (value: Buffer) => Buffer | undefined): Promise<Buffer> {
  return await withDatabase(path, async (rocks) => {
    const key = numberKey(QUEUE.block, first);
    const value = Buffer.from((await rocks.get(key))!);
    const spoilt = change(Buffer.from(value));
    await rocks.write([spoilt ? { type: 'put', key, value: spoilt } : { type: 'del', key }]);
    return value;
  });
}

const flip = (at: number) => (value: Buffer) => {
  value[at]! ^= 0x10;
  return value;
};

async function filled(t: Parameters<typeof openTestQueue>[0], texts: string, count = 10): Promise<string> {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path, { randomBytes: countingBytes() });
  for (const text of texts) await queue.append([block(count, text, 40)]);
  await queue.close();
  return path;
}

const names = (texts: readonly string[]) => texts.map((text) => text.replaceAll('.', ''));

for (const [where, at] of [
  ['first byte', 0],
  ['bytes', 20],
] as const) {
  test(`a block with a flipped bit in its ${where} becomes a gap of its events, and reading goes on`, async (t) => {
    const path = await filled(t, 'abcd');
    const value = await spoil(path, 11, flip(at));
    const damage: Gap[] = [];
    const queue = await openTestQueue(t, path, { onDamage: (gap) => damage.push(gap) });
    const bytes = queue.blockBytes;
    assert.deepEqual(names(await contents(queue, 1)), ['1+10 a'], 'what comes before it');
    assert.equal(damage.length, 0);
    assert.deepEqual(names(await contents(queue, 11)), ['21+10 c', '31+10 d']);
    assert.deepEqual(ranges(damage), ['11-20 damage']);
    assert.equal(damage[0]!.sums.length, 0);
    assert.equal(hex(damage[0]!.stream), '01'.repeat(16));
    assert.deepEqual(ranges(await queue.gaps()), ['11-20 damage']);
    assert.equal(queue.blockBytes, (bytes / 4) * 3);
    const [damaged] = await collect(queue.damaged());
    assert.equal(damaged!.first, 11);
    assert.deepEqual(flip(at)(Buffer.from(damaged!.value)), value);
    await queue.close();
    const again = await openTestQueue(t, path, { onDamage: () => assert.fail('it is set aside once') });
    assert.deepEqual(names(await contents(again)), ['1+10 a', '21+10 c', '31+10 d']);
    assert.equal(again.head, 1);
    await again.release({ blocks: [{ first: 1 }] });
    assert.equal(again.head, 21);
  });
}

test('a block whose count is broken loses what is up to the next block', async (t) => {
  const path = await filled(t, 'abcd');
  // 10 becomes 26: that would run into the next one.
  await spoil(path, 11, flip(7));
  const queue = await openTestQueue(t, path);
  assert.deepEqual(names(await contents(queue, 11)), ['21+10 c', '31+10 d']);
  assert.deepEqual(ranges(await queue.gaps()), ['11-20 damage']);
});

test('the newest block, too, may be broken', async (t) => {
  for (const [count, gaps] of [
    [10, ['31-40 damage']],
    // What cannot be right says nothing: one event at least was there, and the witness knows of the others.
    [BLOCK_EVENTS_MAX + 1, ['31-31 damage', '32-40 damage']],
  ] as const) {
    const path = await filled(t, 'abcd');
    await spoil(path, 31, (value) => {
      value.writeUInt32BE(count, 4);
      return flip(20)(value);
    });
    const queue = await openTestQueue(t, path);
    assert.equal(queue.next, 41);
    const { first } = await queue.append([block(1, 'e')]);
    assert.equal(first, 41);
    assert.deepEqual(await contents(queue, 31), [`${first}+1 e`]);
    assert.deepEqual(ranges(await queue.gaps()), gaps);
  }
});

test('a block that is cut short, or under another key, is damage', async (t) => {
  const path = await filled(t, 'abcd');
  await spoil(path, 1, (value) => value.subarray(0, 3));
  const c = await spoil(path, 21, (value) => value);
  await spoil(path, 11, () => c);
  const queue = await openTestQueue(t, path);
  assert.deepEqual(names(await contents(queue)), ['21+10 c', '31+10 d']);
  assert.deepEqual(ranges(await queue.gaps()), ['1-10 damage', '11-20 damage']);
});

test('all of it may be broken, and a key that cannot be right leads nowhere', async (t) => {
  const path = await filled(t, 'ab');
  for (const first of [1, 11]) await spoil(path, first, flip(30));
  await withDatabase(path, (rocks) =>
    rocks.write([{ type: 'put', key: numberKey(QUEUE.block, 2 ** 40), value: Buffer.from('no block') }]),
  );
  const queue = await openTestQueue(t, path);
  assert.deepEqual([queue.head, queue.next], [1, 21]);
  assert.deepEqual(await contents(queue), []);
  assert.deepEqual(ranges(await queue.gaps()), ['1-10 damage', '11-20 damage']);
  assert.equal(queue.head, 21);
});

test('blocks that the disk has lost become a gap', async (t) => {
  const path = await filled(t, 'abcdef');
  const before = await openTestQueue(t, path);
  // A release stores where the queue ends; without one, what is lost at the end was never known.
  await before.release({});
  await before.close();
  for (const first of [11, 21, 51]) await spoil(path, first, () => undefined);
  const queue = await openTestQueue(t, path);
  assert.deepEqual(names(await contents(queue, 1)), ['1+10 a']);
  assert.deepEqual(names(await contents(queue, 11)), ['31+10 d', '41+10 e']);
  assert.deepEqual(await contents(queue, 51), []);
  assert.deepEqual(ranges(await queue.gaps()), ['11-30 damage', '51-60 damage']);
  assert.deepEqual(await collect(queue.damaged()), [], 'there is nothing to keep');
});

test('a hole larger than any block is taken in pieces', async (t) => {
  const path = await filled(t, 'abcd', 40_000);
  for (const first of [40_001, 80_001]) await spoil(path, first, () => undefined);
  const queue = await openTestQueue(t, path);
  assert.deepEqual(names(await contents(queue, 40_001)), ['120001+40000 d']);
  assert.deepEqual(ranges(await queue.gaps()), ['40001-105536 damage', '105537-120000 damage']);
});

test('what was released out of order is no damage, and does not become part of one', async (t) => {
  const path = await filled(t, 'abcdef');
  const before = await openTestQueue(t, path);
  await before.release({ blocks: [{ first: 11 }, { first: 31 }] });
  await before.close();
  await spoil(path, 21, () => undefined);
  const queue = await openTestQueue(t, path);
  assert.deepEqual(names(await collectWalk(queue)), ['1+10 a', '41+10 e', '51+10 f']);
  assert.deepEqual(ranges(await queue.gaps()), ['21-30 damage']);
});

async function collectWalk(queue: Awaited<ReturnType<typeof openTestQueue>>): Promise<string[]> {
  return (await collect(queue.blocks())).map(({ first, count, bytes }) => `${first}+${count} ${Buffer.from(bytes)}`);
}

test('damage over two streams is a gap in each', async (t) => {
  const path = await filled(t, 'abc');
  const before = await openTestQueue(t, path, { randomBytes: countingBytes(1) });
  await before.restream([{ first: 14, last: 16 }]);
  await before.close();
  await spoil(path, 11, flip(30));
  const queue = await openTestQueue(t, path);
  await contents(queue, 11);
  assert.deepEqual(
    (await queue.gaps()).map(({ first, last, stream }) => `${first}-${last} ${hex(stream).slice(0, 2)}`),
    ['11-13 01', '14-16 02', '17-20 01'],
  );
});

test('never takes the middle of a block for a hole', async (t) => {
  const queue = await openTestQueue(t, await filled(t, 'ab'));
  await assert.rejects(queue.read(5, ALL), { code: 'ERR_ASSERTION' });
  assert.deepEqual(await queue.gaps(), []);
  assert.deepEqual(names(await contents(queue)), ['1+10 a', '11+10 b']);
});

test('readers that meet the same damage at once set it aside once', async (t) => {
  const path = await filled(t, 'abc');
  await spoil(path, 1, flip(12));
  const damage: Gap[] = [];
  const queue = await openTestQueue(t, path, { onDamage: (gap) => damage.push(gap) });
  const reads = await Promise.all([1, 2, 3].map(() => contents(queue, 1)));
  for (const read of reads) assert.deepEqual(names(read), ['11+10 b', '21+10 c']);
  assert.deepEqual(ranges(damage), ['1-10 damage']);
});

test('a block that rots before it is released becomes a gap', async (t) => {
  const path = await filled(t, 'abc');
  await spoil(path, 11, flip(12));
  const queue = await openTestQueue(t, path);
  await queue.release({ blocks: [{ first: 1 }, { first: 11 }] });
  assert.equal(queue.head, 21);
  assert.deepEqual(ranges(await queue.gaps()), ['11-20 damage']);
});

test('sets aside a block that its reader cannot make sense of', async (t) => {
  const path = await filled(t, 'abc');
  const damage: Gap[] = [];
  const queue = await openTestQueue(t, path, { onDamage: (gap) => damage.push(gap) });
  await queue.setAside({ first: 11 });
  await queue.setAside({ first: 11 });
  assert.deepEqual(ranges(damage), ['11-20 damage']);
  assert.deepEqual(
    (await collect(queue.damaged())).map(({ first }) => first),
    [11],
  );
  assert.deepEqual(names(await contents(queue)), ['1+10 a', '21+10 c']);
});

test('gaps and quarantined events whose records are broken become gaps, and that is told', async (t) => {
  const path = await filled(t, 'abcd');
  const before = await openTestQueue(t, path);
  await before.release({
    blocks: [{ first: 1 }],
    totals: Buffer.from('t'),
    quarantine: [1, 2].map((first) => quarantined(before, first)),
  });
  for (const first of [11, 21]) {
    await before.drop({ blocks: [{ first }], gaps: [{ first, last: first + 9, sums: new Uint8Array() }] });
  }
  await before.close();
  await withDatabase(path, async (rocks) => {
    const keys = [numberKey(QUEUE.gap, 11), numberKey(QUEUE.quarantine, 1), totalsKey];
    for (const key of keys) await rocks.write([{ type: 'put', key, value: flip(0)((await rocks.get(key))!) }]);
  });
  const told: Gap[] = [];
  const lost = ['1-1 damage', '11-20 damage'];
  assert.deepEqual(ranges(await lookAtQueue(path, (view) => view.gaps())), [
    '1-1 damage',
    '11-20 damage',
    '21-30 quota',
  ]);
  const queue = await openTestQueue(t, path, { onDamage: (gap) => told.push(gap) });
  assert.deepEqual(ranges(told).sort(), lost);
  assert.deepEqual(ranges(await queue.gaps()), [...lost, '21-30 quota']);
  assert.deepEqual(
    (await collect(queue.quarantine())).map(({ first }) => first),
    [2],
  );
  assert.equal(queue.totals, undefined);
  assert.equal(`${queue.witnessedTotals}`, 't');
  assert.deepEqual(names(await contents(queue)), ['31+10 d']);
});

const totalsKey = Buffer.concat([Buffer.from([QUEUE.meta]), Buffer.from('totals')]);

/** Flips bytes in the sorted files of a closed database, `every` so many. */
async function rot(path: string, every: number): Promise<void> {
  for (const name of (await readdir(path)).filter((file) => file.endsWith('.sst'))) {
    const bytes = await readFile(join(path, name));
    // The last block is the index: without that the whole file is lost.
    for (let at = every; at < bytes.length - 100_000; at += every) bytes[at]! ^= 0xff;
    await writeFile(join(path, name), bytes);
  }
}

test('what RocksDB itself cannot read becomes a gap', async (t) => {
  const path = await temporaryDirectory(t);
  const before = await openTestQueue(t, path);
  for (let i = 0; i < 800; i += 1) await before.append([block(3, `${i}`, 7_000)]);
  await before.close();
  await rot(join(path, 'db-1'), 1_000_000);
  const damage: Gap[] = [];
  const queue = await openTestQueue(t, path, { onDamage: (gap) => damage.push(gap) });
  const read = await collect(queue.blocks());
  assert.ok(damage.length >= 3, 'some blocks are lost');
  for (const gap of damage) assert.equal(gap.last - gap.first, 2, 'one block each');
  assert.equal(read.length + damage.length, 800);
  assert.deepEqual(await collect(queue.damaged()), []);
});

test('a database that has lost a whole file goes on with the others, and says so', async (t) => {
  const path = await temporaryDirectory(t);
  const before = await openTestQueue(t, path);
  for (let i = 0; i < 800; i += 1) await before.append([block(3, `${i}`, 7_000)]);
  await before.close();
  const [file] = (await readdir(join(path, 'db-1'))).filter((name) => name.endsWith('.sst')).sort();
  await writeFile(join(path, 'db-1', file!), Buffer.alloc((await stat(join(path, 'db-1', file!))).size));
  const told: string[] = [];
  const queue = await openTestQueue(t, path, { onRot: ({ code }) => told.push(code) });
  assert.deepEqual(told, ['corrupt']);
  const read = await collect(queue.blocks());
  assert.ok(read.length > 0 && read.length < 800);
  const lost = (await queue.gaps()).reduce((sum, { first, last }) => sum + last - first + 1, 0);
  assert.equal(3 * read.length + lost, 2_400);
});

test('a database that keeps failing at its files is replaced by one with all that is good', async (t) => {
  const path = await temporaryDirectory(t);
  const before = await openTestQueue(t, path);
  const { stream } = await before.append([block(3, '0', 7_000)], {
    marks: [{ name: 'input', value: Buffer.from('line 9') }],
  });
  for (let i = 1; i < 800; i += 1) await before.append([block(3, `${i}`, 7_000)]);
  await before.release({
    blocks: [{ first: 4 }],
    totals: Buffer.from('t'),
    quarantine: [quarantined(before, 5)],
  });
  await before.drop({ blocks: [{ first: 1 }], gaps: [{ first: 1, last: 3, sums: Buffer.from('s') }] });
  await before.close();
  await rot(join(path, 'db-1'), 1_500_000);
  const damage: Gap[] = [];
  const queue = await openTestQueue(t, path, { onDamage: (gap) => damage.push(gap) });
  // RocksDB tries to merge its files, fails, and would hold back every write in the end.
  let appended = 800;
  while (!(await readdir(path)).includes('db-2')) {
    assert.ok(appended < 12_000, 'it is replaced in time');
    await queue.append(Array.from({ length: 50 }, (_, i) => block(3, `${appended + i}`, 7_000)));
    appended += 50;
  }
  assert.deepEqual(
    (await readdir(path)).filter((name) => name.startsWith('db-')),
    ['db-2'],
  );
  assert.ok(damage.length >= 2);
  const first = queue.head;
  assert.equal(first, 7);
  const next = 1 + 3 * appended;
  assert.equal(queue.next, next);
  const check = async () => {
    const read = await collect(queue.blocks());
    assert.equal(read.length + damage.length, appended - 2);
    for (const { first, bytes } of read) assert.equal(Number.parseInt(`${bytes}`, 10), (first - 1) / 3);
  };
  await check();
  await queue.append([block(3, `${appended}`, 7_000)]);
  appended += 1;
  await check();
  assert.deepEqual(ranges(await queue.gaps()).slice(0, 2), ['1-3 quota', ranges(damage)[0]]);
  assert.equal((await collect(queue.quarantine())).length, 1);
  assert.equal(Buffer.from((await queue.mark('input'))!).toString(), 'line 9');
  assert.equal(Buffer.from(queue.totals!).toString(), 't');
  await queue.close();
  const again = await openTestQueue(t, path);
  assert.equal(again.next, queue.next);
  assert.equal(hex(again.streamAt(7).stream), hex(stream));
});

test('a database is replaced once the disk has room for another, and it has failed as often again', async (t) => {
  const path = await filled(t, 'ab');
  let [failures, isFull] = [0, true];
  const open: typeof openRocks = async (...args) =>
    Object.defineProperty(await openRocks(...args), 'failures', { get: () => failures });
  const openReserve: typeof queueFiles.openReserve = async (options) => {
    const reserve = await queueFiles.openReserve(options);
    // Bytes that nothing is pending for are those of another database.
    reserve.isLow = async (bytes, pending) => isFull && bytes > 0 && pending === undefined;
    return reserve;
  };
  const queue = await openQueue({ path, deviceId: 'pump-1', reserveBytes: 0 }, open, { ...queueFiles, openReserve });
  cleanUp(t, () => queue.close());
  failures = 1;
  await queue.append([block(10, 'c')]);
  assert((await readdir(path)).includes('db-1'));
  isFull = false;
  failures = 2;
  await queue.append([block(10, 'd')]);
  assert((await readdir(path)).includes('db-1'), 'not as often again');
  failures = 3;
  await queue.append([block(10, 'e')]);
  assert((await readdir(path)).includes('db-2'));
  assert.deepEqual(names(await contents(queue)), ['1+10 a', '11+10 b', '21+10 c', '31+10 d', '41+10 e']);
});

test('what a replacement left unfinished, or behind, is removed', async (t) => {
  const path = await filled(t, 'abc');
  const open = async (directory: string): Promise<Rocks> => await openRocks(join(path, directory));
  for (const name of ['db-unfinished', 'db-0', 'db-x']) await (await open(name)).close();
  const queue = await openTestQueue(t, path);
  assert.deepEqual((await readdir(path)).sort(), ['db-0', 'db-1', 'db-x', 'marks', 'owner.lock', 'witness']);
  assert.deepEqual(names(await contents(queue)), ['1+10 a', '11+10 b', '21+10 c']);
});

test('a queue that is replaced while it is in use keeps nothing in files that are gone, and goes on', async (t) => {
  const path = await filled(t, 'ab');
  const queue = await openTestQueue(t, path);
  await queue.append([block(10, 'c')]);
  const copy = join(await temporaryDirectory(t), 'copy');
  await cp(path, copy, { recursive: true });
  await rm(path, { recursive: true });
  await cp(copy, path, { recursive: true });
  await assert.rejects(queue.append([block(10, 'd')]), { code: 'io' });
  await queue.append([block(10, 'e')]);
  await queue.close();
  const again = await openTestQueue(t, path);
  assert.deepEqual(names(await contents(again)), ['1+10 a', '11+10 b', '21+10 c', '31+10 e']);
  assert.deepEqual(await again.gaps(), []);
});

test('a queue over whose files a copy is written while it is in use records nothing twice', async (t) => {
  const path = await filled(t, 'a');
  const queue = await openTestQueue(t, path);
  const copy = join(await temporaryDirectory(t), 'copy');
  await cp(path, copy, { recursive: true, preserveTimestamps: true });
  await queue.append([block(10, 'b')]);
  await cp(copy, path, { recursive: true, preserveTimestamps: true });
  const next = await queue.append([block(10, 'c')]).then(
    () => 31,
    () => 21,
  );
  assert.equal(queue.next, next, 'what was refused is not there, and what is there was not refused');
  await queue.append([block(10, 'd')]);
  assert.equal(queue.next, next + 10);
});

for (const [what, put] of [
  ['an empty folder', (path: string) => mkdir(join(path, 'db-2'))],
  ['another database', async (path: string) => await (await openRocks(join(path, 'db-2'))).close()],
  ['a copy', (path: string) => cp(join(path, 'db-1'), join(path, 'db-2'), { recursive: true })],
] as const) {
  test(`${what} of a higher number does not take the place of the queue`, async (t) => {
    const path = await filled(t, 'abc');
    await put(path);
    await assert.rejects(openTestQueue(t, path), { code: 'corrupt' });
    await assert.rejects(
      lookAtQueue(path, async () => {}),
      { code: 'corrupt' },
    );
    assert.ok((await readdir(path)).includes('db-1'));
    await rm(join(path, 'db-2'), { recursive: true });
    assert.deepEqual(names(await contents(await openTestQueue(t, path))), ['1+10 a', '11+10 b', '21+10 c']);
  });
}

test('a queue that has taken the place of others goes on wherever their removal was cut off', async (t) => {
  const path = await filled(t, 'abc');
  const replace = async (generation: number) => {
    await cp(join(path, `db-${generation - 1}`), await queueFiles.clearUnfinished(path), { recursive: true });
    await rm(join(path, 'db-unfinished', 'FOLLOWS'), { force: true });
    await queueFiles.publishUnfinished(path, generation);
  };
  await replace(2);
  await rm(join(path, 'db-1', 'IDENTITY'));
  await replace(3);
  assert.equal(await queueFiles.newestGeneration(path), 3);
  const queue = await openTestQueue(t, path);
  assert.deepEqual(
    (await readdir(path)).filter((name) => name.startsWith('db-')),
    ['db-3'],
  );
  assert.deepEqual(names(await contents(queue)), ['1+10 a', '11+10 b', '21+10 c']);
});

test('a device is told that its disk rots, also where everything was put right', async (t) => {
  const path = await filled(t, 'abcdefgh');
  // Opened once more, its events are in a sorted file.
  await (await openTestQueue(t, path)).close();
  const [name] = (await readdir(join(path, 'db-1'))).filter((one) => one.endsWith('.sst')).sort();
  const file = join(path, 'db-1', name!);
  const bytes = await readFile(file);
  bytes[bytes.indexOf('cccc') + 2]! ^= 1;
  await writeFile(file, bytes);
  const told: StoreError[] = [];
  const queue = await openTestQueue(t, path, { onRot: (error) => void told.push(error) });
  const before = await contents(queue);
  await queue.append([block(10, 'i', 40)]);
  assert.deepEqual(
    told.map(({ code }) => code),
    ['corrupt'],
  );
  assert.equal(before.length, 8);
  await queue.append([block(10, 'j', 40)]);
  assert.equal(told.length, 1, 'once');
});
