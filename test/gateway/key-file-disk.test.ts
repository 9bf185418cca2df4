/** The next content of a key file: whole and flushed before it gets the file's name. */
import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { privateMode, writeDraft } from '../../src/gateway/key-file-disk.ts';
import { onOpen } from '../opened-files.ts';
import { turns } from '../until.ts';
import { temporaryFolder } from './gateway-fixture.ts';

test('a draft is written to its end, then flushed, then closed, and private', async (t) => {
  const path = join(await temporaryFolder(t), 'keys.json');
  const steps: string[] = [];
  let isFlushed = false;
  onOpen(t, (file) => {
    const { writeFile, sync, close } = file;
    file.writeFile = async (...given) => {
      // A slow disk: whoever does not wait for it flushes before there is anything.
      for (let i = 0; i < 200 && !isFlushed; i += 1) await turns();
      await writeFile.apply(file, given);
      steps.push('written');
    };
    file.sync = async () => {
      isFlushed = true;
      await sync.call(file);
      steps.push('flushed');
    };
    file.close = async () => {
      await close.call(file);
      steps.push('closed');
    };
  });
  const text = 'x'.repeat(100_000);
  const draft = await writeDraft(path, text);
  assert.deepEqual(steps, ['written', 'flushed', 'closed']);
  assert.equal(await readFile(draft, 'utf8'), text);
  assert.equal((await stat(draft)).mode & 0o777, 0o600);
});

test('what a group may is kept, and nothing where everybody may anything', () => {
  for (const mode of [0o600, 0o640, 0o660, 0o400]) assert.equal(privateMode(0o100_000 | mode), mode);
  for (const mode of [0o644, 0o666, 0o661, 0o662, 0o604]) assert.equal(privateMode(0o100_000 | mode), 0o600);
});
