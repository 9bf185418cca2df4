/** What a queue does without a file of its database: what intact files hold goes on, and the rest becomes a gap. */
import assert from 'node:assert/strict';
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Gap, lookAtQueue, type StoreError } from '../../src/store/index.ts';
import { block, collect, contents, openTestQueue, temporaryDirectory } from './queue-fixture.ts';

/** A closed queue of blocks of ten, one sorted file for each text but the last, whose blocks are in the log. */
async function filled(t: TestContext, texts: readonly string[]): Promise<string> {
  const path = await temporaryDirectory(t);
  for (const text of texts) {
    const queue = await openTestQueue(t, path);
    for (const letter of text) await queue.append([block(10, letter)]);
    await queue.close();
  }
  return path;
}

async function tablesIn(path: string): Promise<string[]> {
  const names = (await readdir(join(path, 'db-1'))).filter((name) => name.endsWith('.sst')).sort();
  return names.map((name) => join(path, 'db-1', name));
}

const ranges = (gaps: readonly Gap[]) => gaps.map(({ first, last, reason }) => `${first}-${last} ${reason}`);

for (const [what, breakFile] of [
  ['missing', (file: string) => rm(file)],
  ['empty', (file: string) => truncate(file, 0)],
  ['cut short', async (file: string) => await truncate(file, (await stat(file)).size - 20)],
  [
    'zeroed at its end',
    async (file: string) => {
      const bytes = await readFile(file);
      await writeFile(file, bytes.fill(0, bytes.length - 100));
    },
  ],
] as const) {
  test(`a sorted file that is ${what} costs its own events, whichever it is, and is told of`, async (t) => {
    const texts = ['ab', 'cd', 'ef', 'gh'];
    const count = (await tablesIn(await filled(t, texts))).length;
    assert.ok(count > 1);
    for (let index = 0; index < count; index += 1) {
      const path = await filled(t, texts);
      const broken = (await tablesIn(path))[index]!;
      await breakFile(broken);
      await assert.rejects(
        lookAtQueue(path, async () => {}),
        { code: 'corrupt' },
      );
      const told: StoreError[] = [];
      const queue = await openTestQueue(t, path, { onRot: (error) => told.push(error) });
      assert.equal(told.length, 1);
      assert.equal(told[0]!.code, 'corrupt');
      assert.match(told[0]!.message, new RegExp(broken.slice(-10)));
      assert.equal(queue.next, 81);
      assert.equal(queue.unsent, 81, 'nobody knows what of it was sent');
      const blocks = await collect(queue.blocks());
      assert.ok(blocks.length >= 4, `${blocks.length} blocks of 8`);
      const lost = (await queue.gaps()).reduce((sum, { first, last }) => sum + last - first + 1, 0);
      assert.equal(lost + 10 * blocks.length, 80, ranges(await queue.gaps()).join());
      assert.equal((await queue.append([block(10, 'i')])).first, 81);
      await queue.close();
      const again = await openTestQueue(t, path, { onRot: () => assert.fail('it is told once') });
      assert.equal((await contents(again)).length, blocks.length + 1);
    }
  });
}

test('all sorted files may be gone', async (t) => {
  const path = await filled(t, ['ab', 'cd']);
  for (const file of await tablesIn(path)) await rm(file);
  const queue = await openTestQueue(t, path);
  assert.deepEqual(await contents(queue), ['21+10 c', '31+10 d']);
  await assert.rejects(openTestQueue(t, path, { deviceId: 'pump-2' }), { code: 'locked' });
  await queue.close();
  await assert.rejects(openTestQueue(t, path, { deviceId: 'pump-2' }), { code: 'other-device' });
});

test('what lost the record of its owner stays the queue of who recorded it', async (t) => {
  const path = await filled(t, ['ab', 'cd']);
  for (const file of await tablesIn(path)) await rm(file);
  await assert.rejects(openTestQueue(t, path, { deviceId: 'pump-2' }), { code: 'other-device' });
  assert.equal((await openTestQueue(t, path)).deviceId, 'pump-1');
});
