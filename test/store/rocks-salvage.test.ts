/** What is read from the files of a database without RocksDB, held against what RocksDB reads from them. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createRandom } from '../../rig/random.ts';
import { numberKey } from '../../src/store/keys.ts';
import { type Operation, openRocks } from '../../src/store/rocks.ts';
import { salvage } from '../../src/store/rocks-salvage.ts';
import { collect, temporaryDirectory } from './queue-fixture.ts';

const SEED = Number(process.env.SEED ?? 7);
const KEYS = 300;
const EVERYTHING = { gte: numberKey(1, 0), lt: numberKey(1, KEYS) };

/** Written over, removed, merged and opened anew, many times; what is in it, by RocksDB's own account. */
async function grown(t: TestContext, seed: number): Promise<{ path: string; held: string[] }> {
  const path = join(await temporaryDirectory(t), 'database');
  const random = createRandom(seed);
  let held: string[] = [];
  for (let opening = 0; opening < 6; opening += 1) {
    const rocks = await openRocks(path, { writeBufferBytes: 64 << 10 });
    for (let commit = 0; commit < 60; commit += 1) {
      const operations = Array.from({ length: 1 + Math.floor(random() * 8) }, (): Operation => {
        const key = numberKey(1, Math.floor(random() * KEYS));
        if (random() < 0.3) return { type: 'del', key };
        return { type: 'put', key, value: Buffer.alloc(Math.floor(random() * 2_000), `${opening}.${commit} `) };
      });
      await rocks.write(operations);
    }
    if (opening === 2) await rocks.compact(EVERYTHING);
    held = (await collect(rocks.entries(EVERYTHING))).map(told);
    await rocks.close();
  }
  return { path, held };
}

const told = ([key, value]: readonly [Buffer, Buffer]): string => `${key.toString('hex')} ${value}`;

for (const seed of [SEED, SEED + 1, SEED + 2]) {
  test(`of every key the newest value is found, and none that was removed (seed ${seed})`, async (t) => {
    const { path, held } = await grown(t, seed);
    const found = await salvage(path);
    assert.ok((await readdir(path)).filter((name) => name.endsWith('.sst')).length > 1, 'there is something to merge');
    assert.deepEqual((await collect(found.entries())).map(told), held);
    assert.deepEqual([...found.damaged], []);
  });
}

/** A closed database of a hundred numbered entries, each of a commit of its own; all are in its log. */
async function hundred(t: TestContext): Promise<string> {
  const path = join(await temporaryDirectory(t), 'database');
  const rocks = await openRocks(path);
  for (let number = 0; number < 100; number += 1)
    await rocks.write([{ type: 'put', key: numberKey(1, number), value: Buffer.alloc(2_000, `<${number}>`) }]);
  await rocks.close();
  return path;
}

/** The numbers that are found once the entry of 50 is damaged, in the first file of its kind. */
async function numbersWithout50(path: string, ending: string): Promise<number[]> {
  const [name] = (await readdir(path)).filter((one) => one.endsWith(ending));
  const bytes = await readFile(join(path, name!));
  const at = bytes.indexOf('<50>');
  assert.ok(at >= 0, `it is in ${name}`);
  bytes.fill(0, at, at + 100);
  await writeFile(join(path, name!), bytes);
  const found = await salvage(path);
  const numbers = (await collect(found.entries())).map(([, value]) => Number(/<(\d+)>/.exec(`${value}`)?.[1]));
  assert.deepEqual([...found.damaged], [name]);
  assert.ok(!numbers.includes(50));
  return numbers;
}

test('a damaged block costs its own entries, and its file is named', async (t) => {
  const path = await hundred(t);
  await (await openRocks(path)).close();
  const numbers = await numbersWithout50(path, '.sst');
  assert.ok(numbers.length >= 95, `${numbers.length} of 100`);
});

test('a damaged commit of a log costs no more than itself and what follows it, and the log is named', async (t) => {
  const numbers = await numbersWithout50(await hundred(t), '.log');
  assert.ok(numbers.length >= 50, `${numbers.length} of 100`);
});
