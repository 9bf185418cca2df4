import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { StoreError, toStoreError } from '../../src/store/errors.ts';
import { familyRange, numberKey, numberOfKey } from '../../src/store/keys.ts';
import { type KeyRange, type Operation, openRocks, type Rocks, type RocksOptions } from '../../src/store/rocks.ts';
import { CALM_MAX_MS } from '../../src/store/rocks-calm.ts';
import { cleanUp, temporaryDirectory } from './queue-fixture.ts';
import { fill, MIB, makeRoom, smallDisk } from './queue-small-disk.ts';

async function openTestRocks(t: TestContext, path: string, options?: RocksOptions): Promise<Rocks> {
  const rocks = await openRocks(path, options);
  cleanUp(t, () => rocks.close());
  return rocks;
}

const key = (number: number) => numberKey(1, number);
const put = (number: number, text = `${number}`): Operation => ({
  type: 'put',
  key: key(number),
  value: Buffer.from(text),
});

async function numbers(rocks: Rocks, range: KeyRange): Promise<number[]> {
  const found: number[] = [];
  for await (const [one, value] of rocks.entries(range)) {
    assert.equal(value.toString(), `${numberOfKey(one)}`);
    found.push(numberOfKey(one));
  }
  return found;
}

test('keeps the order of numbers, small and large', () => {
  const all = [0, 1, 255, 256, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER];
  assert.deepEqual(all.map(numberKeyOfTwo).toSorted(Buffer.compare).map(numberOfKey), all);
  for (const number of [-1, 0.5, Number.MAX_SAFE_INTEGER + 1, Number.NaN]) {
    assert.throws(() => numberKey(2, number), { code: 'ERR_ASSERTION' });
  }
});

const numberKeyOfTwo = (number: number) => numberKey(2, number);

test('stores, finds and deletes', async (t) => {
  const path = join(await temporaryDirectory(t), 'a', 'b');
  const rocks = await openTestRocks(t, path, { compression: true, cacheBytes: 1 << 20, writeBufferBytes: 1 << 20 });
  await rocks.write([put(1), put(2), { type: 'put', key: key(3), value: Buffer.alloc(0) }]);
  await rocks.write([{ type: 'del', key: key(1) }, put(2, 'two')]);
  assert.equal(await rocks.get(key(1)), undefined);
  assert.deepEqual(await rocks.getMany([]), []);
  const values = await rocks.getMany([key(3), key(1), key(2), key(2)]);
  assert.deepEqual(
    values.map((value) => value?.toString()),
    ['', undefined, 'two', 'two'],
  );
  await rocks.write([]);
  await rocks.close();
  const again = await openTestRocks(t, path, { create: false });
  assert.equal((await again.get(key(2)))?.toString(), 'two');
  assert.equal((await stat(path)).mode & 0o777, 0o700);
});

test('a large write is one write, and lets others run meanwhile', async (t) => {
  const path = await temporaryDirectory(t);
  const rocks = await openTestRocks(t, path);
  await rocks.write([put(0)]);
  let written = false;
  const operations = Array.from({ length: 5_000 }, (_, i) => put(i + 1));
  const writing = rocks.write([...operations, { type: 'del', key: key(0) }]).then(() => {
    written = true;
  });
  for (let turns = 0; !written; turns += 1) {
    const [first, last] = await rocks.getMany([key(1), key(5_000)]);
    assert.equal(first === undefined, last === undefined, 'all or nothing');
    if (turns === 0) assert.equal(first, undefined);
  }
  await writing;
  const all = await numbers(rocks, familyRange(1));
  assert.deepEqual([all.length, all[0], all.at(-1)], [5_000, 1, 5_000]);
  const late = assert.rejects(rocks.write(operations), { code: 'closed' });
  await rocks.close();
  await late;
});

test('gives entries of a range', async (t) => {
  const rocks = await openTestRocks(t, await temporaryDirectory(t));
  await rocks.write([1, 2, 3, 4, 5].map((number) => put(number)));
  await rocks.write([{ type: 'put', key: numberKey(2, 1), value: Buffer.from('1') }]);
  assert.deepEqual(await numbers(rocks, familyRange(1)), [1, 2, 3, 4, 5]);
  assert.deepEqual(await numbers(rocks, familyRange(2)), [1]);
  assert.deepEqual(await numbers(rocks, familyRange(3)), []);
  assert.deepEqual(await numbers(rocks, { gt: key(2), lt: key(5) }), [3, 4]);
  assert.deepEqual(await numbers(rocks, { gte: key(2), lte: key(5), limit: 2 }), [2, 3]);
  assert.deepEqual(await numbers(rocks, { ...familyRange(1), reverse: true, limit: 3 }), [5, 4, 3]);
});

test('an iteration sees what was there when its first entry was asked for', async (t) => {
  const rocks = await openTestRocks(t, await temporaryDirectory(t));
  await rocks.write([1, 2, 3].map((number) => put(number)));
  const entries = rocks.entries(familyRange(1));
  await rocks.write([put(4)]);
  await entries.next();
  await rocks.write([put(5), { type: 'del', key: key(2) }]);
  const rest: number[] = [];
  for await (const [one] of entries) rest.push(numberOfKey(one));
  assert.deepEqual(rest, [2, 3, 4]);
});

test('tells how much a range takes, and gives the space of what is deleted back', async (t) => {
  const path = await temporaryDirectory(t);
  const rocks = await openTestRocks(t, path);
  const value = Buffer.alloc(10_000, 7);
  for (let i = 0; i < 900; i += 100) {
    await rocks.write(Array.from({ length: 100 }, (_, j) => ({ type: 'put', key: key(i + j), value })));
  }
  const all = { gte: key(0), lt: key(900) };
  assert.ok(rocks.unsortedBytes > 10_000);
  await rocks.compact(all);
  const bytes = await rocks.bytesIn(all);
  assert.ok(bytes > 8_500_000 && bytes < 9_500_000, `${bytes} bytes`);
  assert.ok((await rocks.bytesIn({ gte: key(0), lt: key(450) })) < bytes * 0.6);
  await rocks.write(Array.from({ length: 900 }, (_, i) => ({ type: 'del', key: key(i) })));
  await rocks.compact(all);
  assert.ok((await rocks.bytesIn(all)) < 1_000);
  assert.equal(rocks.failures, 0);
});

test('opens what is there, and makes only where asked to', async (t) => {
  const path = await temporaryDirectory(t);
  await assert.rejects(openRocks(join(path, 'none'), { create: false }), { code: 'not-found' });
  await assert.rejects(openRocks(path, { create: false }), { code: 'not-found' });
  assert.deepEqual(await readdir(path), []);
  await writeFile(join(path, 'file'), '');
  await assert.rejects(openRocks(join(path, 'file')), { code: 'not-a-folder' });
});

test('is open once, in this process and in any other', async (t) => {
  const path = await temporaryDirectory(t);
  await openTestRocks(t, path);
  await assert.rejects(openRocks(path), { code: 'locked' });
  const program = `
    const { openRocks } = await import(${JSON.stringify(new URL('../../src/store/rocks.ts', import.meta.url).href)});
    await openRocks(${JSON.stringify(path)}).catch((error) => console.log(error.code));
  `;
  const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program]);
  assert.equal(stdout.toString(), 'locked\n');
});

test('a database whose lock file could not be opened is no longer locked once it can', async (t) => {
  const path = await temporaryDirectory(t);
  await (await openRocks(path)).close();
  const lock = join(path, 'LOCK');
  const chattr = (flag: string) => spawnSync('chattr', [flag, lock], { encoding: 'utf8' });
  // Not even root may write to it then, as on a file system that has turned read-only.
  const { status, stderr } = chattr('+i');
  if (status !== 0) return t.skip(`NOT RUN: needs root, and \`chattr +i FILE\` on the disk of ${path} (${stderr})`);
  try {
    for (let attempt = 0; attempt < 2; attempt += 1) await assert.rejects(openRocks(path), { code: 'io' });
  } finally {
    chattr('-i');
  }
  const rocks = await openTestRocks(t, path);
  await rocks.write([put(1)]);
});

test('a broken database is corrupt', async (t) => {
  const path = await temporaryDirectory(t);
  const rocks = await openTestRocks(t, path);
  await rocks.write([put(1)]);
  await rocks.close();
  const [manifest] = (await readdir(path)).filter((name) => name.startsWith('MANIFEST'));
  await writeFile(join(path, manifest!), 'nonsense, and enough of it to be no write that was cut off '.repeat(9));
  await assert.rejects(openRocks(path), (error) => {
    assert.ok(error instanceof StoreError);
    assert.equal(error.code, 'corrupt');
    assert.ok(error.cause instanceof Error);
    return true;
  });
});

test('says closed once it is closed', async (t) => {
  const rocks = await openTestRocks(t, await temporaryDirectory(t));
  await rocks.write(Array.from({ length: 3_000 }, (_, i) => put(i)));
  const entries = rocks.entries(familyRange(1));
  await entries.next();
  const written = rocks.write([put(1)]);
  const closed = rocks.close();
  assert.equal(rocks.close(), closed);
  await written;
  await closed;
  await assert.rejects(
    (async () => {
      for await (const _ of entries);
    })(),
    { code: 'closed' },
  );
  await assert.rejects(rocks.write([put(1)]), { code: 'closed' });
  await assert.rejects(rocks.get(key(1)), { code: 'closed' });
  await assert.rejects(rocks.entries(familyRange(1)).next(), { code: 'closed' });
  assert.throws(() => rocks.failures, { code: 'closed' });
});

test('on a full disk it goes on reading, and says when it can be closed', async (t) => {
  const disk = await smallDisk(t, 24);
  if (disk === undefined) return;
  const rocks = await openTestRocks(t, join(disk, 'database'));
  assert.equal(await rocks.calm(0), true);
  // Room for the log of what is in memory, but not for the sorted file that comes of it.
  await fill(disk, 6 * MIB);
  const value = Buffer.alloc(50_000, 1);
  let written = 0;
  await assert.rejects(
    (async () => {
      for (; ; written += 1) await rocks.write([{ type: 'put', key: key(written), value }]);
    })(),
    { code: 'disk-full' },
  );
  assert.equal(await rocks.calm(1), false);
  assert.deepEqual(await rocks.get(key(written - 1)), value);
  assert.equal(await rocks.get(key(written)), undefined, 'what failed is not seen');
  await makeRoom(disk);
  assert.equal(await rocks.calm(CALM_MAX_MS), true);
  await rocks.close();
  assert.equal(await rocks.calm(0), true);
});

test('gives every answer of the disk one of a few codes', () => {
  const codes = {
    'IO error: No space left on deviceWhile appending to file: /q/000015.log: No space left on device': 'disk-full',
    "ENOSPC: no space left on device, mkdir '/q'": 'disk-full',
    'IO error: While appending to file: /q/1.log: Disk quota exceeded': 'disk-full',
    'IO error: lock hold by current process, acquire time 1 acquiring thread 2: /q/LOCK: No locks available': 'locked',
    'IO error: While lock file: /q/LOCK: Resource temporarily unavailable': 'locked',
    'IO error: While open a file for appending: /data/LOCK/q/1.log: Permission denied': 'io',
    'Invalid argument: /q/CURRENT: does not exist (create_if_missing is false)': 'not-found',
    "ENOENT: no such file or directory, access '/q/CURRENT'": 'not-found',
    'IO error: No such file or directoryWhile open a file for random read: /q/8.ldb: No such file': 'corrupt',
    'Corruption: block checksum mismatch: stored = 1, computed = 2  in /q/000008.sst offset 9 size 7': 'corrupt',
    'IO error: Input/output error': 'io',
  };
  for (const [text, code] of Object.entries(codes)) {
    const cause = new Error('outer', { cause: new Error(text) });
    const error = toStoreError(cause, 'write');
    assert.equal(error.code, code, text);
    assert.equal(error.cause, cause);
    assert.equal(toStoreError(error, 'again'), error);
  }
  assert.equal(toStoreError('just text', 'write').code, 'io');
});
