/** Space that is held back: its bytes are on the disk before anybody counts on them. */
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openReserve } from '../../src/store/reserve.ts';
import { onOpen } from '../opened-files.ts';
import { temporaryDirectory } from './queue-fixture.ts';

const BYTES = 3 << 20;

test('a reserve is made whole and flushed to the disk, and spent once', async (t) => {
  const path = join(await temporaryDirectory(t), 'reserve');
  const steps: string[] = [];
  onOpen(t, (file) => {
    const { sync, close } = file;
    file.sync = async () => {
      steps.push(`sync of ${(await file.stat()).size}`);
      await sync.call(file);
    };
    file.close = async () => {
      steps.push('close');
      await close.call(file);
    };
  });
  const reserve = await openReserve({
    path,
    bytes: BYTES,
    randomBytes: (count) => Buffer.alloc(count, 7),
    now: () => 0,
  });
  assert.equal(await reserve.isLow(0), false);
  await reserve.close();
  assert.deepEqual(steps, [`sync of ${BYTES}`, 'close']);
  assert.equal((await stat(path)).size, BYTES);
  assert.equal(await reserve.spend(), true);
  await assert.rejects(stat(path), { code: 'ENOENT' });
  assert.equal(await reserve.spend(), false);
});
