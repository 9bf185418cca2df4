/** Directories: made for their owner only, and there under their names after a power cut. */
import assert from 'node:assert/strict';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertWritable } from '../../src/store/directories.ts';
import { makeDirectory, openQueue, syncDirectory } from '../../src/store/index.ts';
import { powerDisk } from '../faults/power-disk.ts';
import { temporaryDirectory } from './queue-fixture.ts';

test('directories are made for their owner only, and existing ones left as they are', async (t) => {
  const folder = await temporaryDirectory(t);
  await mkdir(join(folder, 'a'), { mode: 0o755 });
  await makeDirectory(join(folder, 'a/b/c'));
  await makeDirectory(join(folder, 'a/b/c'));
  const modes = await Promise.all(['a', 'a/b', 'a/b/c'].map(async (at) => (await stat(join(folder, at))).mode & 0o777));
  assert.deepEqual(modes, [0o755, 0o700, 0o700]);
});

test('what is no directory is an error, wherever it stands in the way', async (t) => {
  const folder = await temporaryDirectory(t);
  await writeFile(join(folder, 'file'), '');
  await assert.rejects(makeDirectory(join(folder, 'file')), { code: 'not-a-folder' });
  await assert.rejects(makeDirectory(join(folder, 'file/a/b')), { code: 'not-a-folder' });
  await assert.rejects(openQueue({ path: join(folder, 'file'), deviceId: 'pump-7' }), { code: 'not-a-folder' });
});

test('trying whether a directory can be written in leaves nothing there', async (t) => {
  const folder = await temporaryDirectory(t);
  for (let i = 0; i < 2; i += 1) await assertWritable(folder);
  assert.deepEqual(await readdir(folder), []);
  await writeFile(join(folder, 'file'), '');
  await assert.rejects(assertWritable(join(folder, 'file')), { code: 'io' });
});

test('directories that were made are there after a power cut', async (t) => {
  const disk = await powerDisk(t);
  if (disk === undefined) return;
  await makeDirectory(join(disk.path, 'var/lib/tidegate'));
  disk.cut();
  await disk.restore();
  assert((await stat(join(disk.path, 'var/lib/tidegate'))).isDirectory());
});

test('so is one that somebody had made before, and was killed', async (t) => {
  const disk = await powerDisk(t);
  if (disk === undefined) return;
  await mkdir(join(disk.path, 'data'));
  await makeDirectory(join(disk.path, 'data'));
  disk.cut();
  await disk.restore();
  assert((await stat(join(disk.path, 'data'))).isDirectory());
});

test('and the names in a directory that was synced', async (t) => {
  const disk = await powerDisk(t);
  if (disk === undefined) return;
  await mkdir(join(disk.path, 'lost'));
  disk.cut();
  await disk.restore();
  // The cut does take what was not synced: otherwise none of these tests could fail.
  await assert.rejects(stat(join(disk.path, 'lost')), { code: 'ENOENT' });
  await mkdir(join(disk.path, 'kept'));
  await syncDirectory(disk.path);
  disk.cut();
  await disk.restore();
  assert((await stat(join(disk.path, 'kept'))).isDirectory());
});
