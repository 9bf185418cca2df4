/** Which sorted files are a database's, and what becomes of those that are not: a killed process leaves some. */
import assert from 'node:assert/strict';
import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { numberKey, numberOfKey } from '../../src/store/keys.ts';
import { openRocks, type Rocks } from '../../src/store/rocks.ts';
import { examineLog } from '../../src/store/rocks-log.ts';
import { liveTables } from '../../src/store/rocks-manifest.ts';
import { cleanUp, temporaryDirectory } from './queue-fixture.ts';

const COUNT = 400;
const key = (number: number) => numberKey(1, number);
const ALL = { gte: key(0), lt: key(COUNT) };

/** A database that has written sorted files, put them together, and written more. */
async function grown(t: TestContext): Promise<string> {
  const path = join(await temporaryDirectory(t), 'database');
  const rocks = await openRocks(path, { writeBufferBytes: 64 << 10 });
  for (let number = 0; number < COUNT; number += 1) {
    await rocks.write([{ type: 'put', key: key(number), value: Buffer.alloc(2_000, number) }]);
    if (number === COUNT / 2) await rocks.compact(ALL);
  }
  await rocks.close();
  await (await openRocks(path)).close();
  return path;
}

async function tablesIn(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => name.endsWith('.sst')).sort();
}

async function numbers(rocks: Rocks): Promise<number[]> {
  const found: number[] = [];
  for await (const [at] of rocks.entries(ALL)) found.push(numberOfKey(at));
  return found;
}

const everything = Array.from({ length: COUNT }, (_, number) => number);

test('the MANIFEST names exactly the sorted files that are there', async (t) => {
  const path = await grown(t);
  const current = (await readFile(join(path, 'CURRENT'), 'latin1')).trim();
  const live = liveTables(examineLog(await readFile(join(path, current))).records);
  const there = (await tablesIn(path)).map((name) => Number.parseInt(name, 10));
  assert(there.length > 0);
  assert.deepEqual(
    [...(live?.levels.keys() ?? [])].sort((a, b) => a - b),
    there,
  );
});

test('records that are none are not guessed at', () => {
  assert.deepEqual(liveTables([]), { levels: new Map(), named: new Set(), changes: 0, logsFrom: 0 });
  for (const bytes of [[15], [6, 1], [1, 9, 65], [103, 0, 7], [2, 0x80]]) {
    assert.equal(liveTables([Buffer.from(bytes)]), undefined, `${bytes}`);
  }
});

for (const broken of ['refuse', 'leave-out'] as const) {
  test(`a sorted file that a killed process had begun is no damage, where damage is to ${broken}`, async (t) => {
    const path = await grown(t);
    const [some] = await tablesIn(path);
    const bytes = await readFile(join(path, some!));
    for (const [at, length] of [0, 100, bytes.length >> 1, bytes.length - 1].entries()) {
      await writeFile(join(path, `00${900 + at}.sst`), bytes.subarray(0, length));
    }
    const rocks = await openRocks(path, { broken });
    cleanUp(t, () => rocks.close());
    assert.deepEqual(await numbers(rocks), everything);
  });

  test(`a sorted file that is being written is left alone, where damage is to ${broken}`, async (t) => {
    const path = await grown(t);
    const rocks = await openRocks(path, { broken });
    cleanUp(t, () => rocks.close());
    const [some] = await tablesIn(path);
    const begun = join(path, '009999.sst');
    await writeFile(begun, (await readFile(join(path, some!))).subarray(0, 1_000));
    assert.deepEqual(await numbers(rocks), everything);
    await access(begun);
  });
}
