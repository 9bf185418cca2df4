/** What has rotted in a database's files: put right, or told of, and never taken for what was stored. */
import assert from 'node:assert/strict';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { numberKey, numberOfKey } from '../../src/store/keys.ts';
import { openRocks, type Rocks } from '../../src/store/rocks.ts';
import { cleanUp, temporaryDirectory } from './queue-fixture.ts';
import { createRandom, seedOf } from './random.ts';

const COUNT = 3_000;
const key = (number: number) => numberKey(1, number);
const contentOf = (number: number) => Buffer.from(`${number}:`.padEnd(20 + (number % 60), 'abcdefg'));
const ALL = { gte: key(0), lt: key(COUNT) };

/** A closed database of some commits: in its log, or where it was opened once more, in a sorted file. */
async function filled(t: TestContext, where: 'log' | 'table'): Promise<string> {
  const path = join(await temporaryDirectory(t), 'database');
  const rocks = await openRocks(path);
  for (let first = 0; first < COUNT; first += 100) {
    await rocks.write(
      Array.from({ length: 100 }, (_, i) => ({ type: 'put', key: key(first + i), value: contentOf(first + i) })),
    );
  }
  await rocks.close();
  if (where === 'table') await (await openRocks(path)).close();
  return path;
}

async function fileOf(path: string, pattern: RegExp): Promise<string> {
  const [name] = (await readdir(path)).filter((one) => pattern.test(one));
  return join(path, name!);
}

/** A copy of the database in which the bytes of one file were changed. */
async function spoilt(t: TestContext, path: string, pattern: RegExp, change: (bytes: Buffer) => void): Promise<string> {
  const copy = join(await temporaryDirectory(t), 'database');
  await cp(path, copy, { recursive: true });
  const file = await fileOf(copy, pattern);
  const bytes = await readFile(file);
  change(bytes);
  await writeFile(file, bytes);
  return copy;
}

async function opened(t: TestContext, path: string, options?: Parameters<typeof openRocks>[1]): Promise<Rocks> {
  const rocks = await openRocks(path, options);
  cleanUp(t, () => rocks.close());
  return rocks;
}

async function numbers(rocks: Rocks, reverse = false): Promise<number[]> {
  const found: number[] = [];
  for await (const [at, value] of rocks.entries({ ...ALL, reverse })) {
    assert.ok(value.equals(contentOf(numberOfKey(at))));
    found.push(numberOfKey(at));
  }
  return found;
}

const EVERY = Array.from({ length: COUNT }, (_, i) => i);

for (const [what, where, pattern] of [
  ['a sorted file', 'table', /\.sst$/],
  ['the log', 'log', /\.log$/],
  ['the MANIFEST', 'table', /^MANIFEST/],
  ['CURRENT', 'table', /^CURRENT$/],
] as const) {
  test(`one flipped bit anywhere in ${what} changes nothing`, async (t) => {
    const random = createRandom(seedOf(t));
    const path = await filled(t, where);
    for (let round = 0; round < 9; round += 1) {
      let bit = 0;
      const copy = await spoilt(t, path, pattern, (bytes) => {
        // Every third time in what a file says of itself.
        const from = round % 3 === 0 ? Math.max(0, bytes.length - 3_000) * 8 : 0;
        bit = from + random(bytes.length * 8 - from);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
      });
      const rocks = await openRocks(copy);
      const values = round % 2 === 0 ? await rocks.getMany(EVERY.map(key)) : [];
      for (const [number, value] of values.entries()) assert.ok(value?.equals(contentOf(number)), `bit ${bit}`);
      assert.deepEqual(await numbers(rocks), EVERY, `bit ${bit}`);
      assert.deepEqual(await numbers(rocks, true), EVERY.toReversed(), `bit ${bit}`);
      assert.ok(rocks.mendedBits <= 1);
      await rocks.close();
      await rm(copy, { recursive: true });
    }
  });
}

test('a bit that is put right in a sorted file is right on disk', async (t) => {
  const path = await filled(t, 'table');
  const whole = await readFile(await fileOf(path, /\.sst$/));
  const copy = await spoilt(t, path, /\.sst$/, (bytes) => {
    bytes[40_000]! ^= 4;
  });
  const rocks = await opened(t, copy);
  assert.equal((await rocks.getMany(EVERY.map(key))).length, COUNT);
  assert.equal(rocks.mendedBits, 1);
  assert.ok((await readFile(await fileOf(copy, /\.sst$/))).equals(whole));
});

test('a block that is damaged further is corrupt before anything of it is given', async (t) => {
  const random = createRandom(seedOf(t));
  const path = await filled(t, 'table');
  for (let round = 0; round < 6; round += 1) {
    const copy = await spoilt(t, path, /\.sst$/, (bytes) => {
      const at = random(bytes.length - 20_000);
      for (let i = at; i < at + 30; i += 1) bytes[i] = random(256);
    });
    const rocks = await openRocks(copy);
    for (const reverse of [false, true]) await assert.rejects(numbers(rocks, reverse), { code: 'corrupt' });
    // By key everything can be had but what is in that block.
    let broken = 0;
    for (const number of EVERY) {
      const value = await rocks.get(key(number)).catch((error) => {
        assert.equal(error.code, 'corrupt');
        broken += 1;
        return contentOf(number);
      });
      assert.ok(value?.equals(contentOf(number)));
    }
    assert.ok(broken > 0 && broken < 300, `${broken} values in the block`);
    await rocks.close();
    await rm(copy, { recursive: true });
  }
});

test('a log that is damaged further is refused, or does without the broken commit', async (t) => {
  const path = await filled(t, 'log');
  const copy = await spoilt(t, path, /\.log$/, (bytes) => bytes.fill('?', 40_000, 40_010));
  for (let attempt = 0; attempt < 2; attempt += 1) await assert.rejects(openRocks(copy), { code: 'corrupt' });
  const rocks = await opened(t, copy, { broken: 'leave-out' });
  const found = await numbers(rocks);
  assert.equal(found.length, COUNT - 100, 'one commit, and none of its neighbours');
});

test('a database that nothing names any more is not made anew over what is there', async (t) => {
  for (const where of ['table', 'log'] as const) {
    const path = await filled(t, where);
    const before = (await readdir(path)).filter((name) => /sst$|^\d+\.log$/.test(name));
    await rm(join(path, 'CURRENT'));
    const manifest = await fileOf(path, /^MANIFEST/);
    const kept = await readFile(manifest);
    await rm(manifest);
    for (const create of [true, false]) await assert.rejects(openRocks(path, { create }), { code: 'corrupt' });
    assert.deepEqual(
      (await readdir(path)).filter((name) => before.includes(name)),
      before,
    );
    // Where there is but one that it can have been, it is named again.
    await writeFile(manifest, kept);
    assert.deepEqual(await numbers(await opened(t, path)), EVERY);
  }
});
