/**
 * A small disk that can be filled up.
 *
 * Owns nothing of the store. Promises that the disk is gone with the test, and that a test which cannot have one says
 * so instead of passing.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { cleanUp, temporaryDirectory } from './queue-fixture.ts';

export const MIB = 1 << 20;
const MOUNT = 'mount -t tmpfs -o size=24m tmpfs DIRECTORY';

/** Its path; undefined, with the test skipped, where it cannot be mounted. */
export async function smallDisk(t: TestContext, mebibytes: number): Promise<string | undefined> {
  const path = await temporaryDirectory(t);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path], { stdio: 'pipe' });
  } catch (error) {
    t.skip(`NOT RUN: a full disk needs root and \`${MOUNT}\` (${String(error).split('\n')[0]})`);
    return undefined;
  }
  cleanUp(t, () => execFileSync('umount', [path]));
  return path;
}

export async function freeBytes(disk: string): Promise<number> {
  const { bavail, bsize } = await statfs(disk);
  return bavail * bsize;
}

/** Somebody else's data on the same disk: all there is but `leave` bytes. */
export async function fill(disk: string, leave = 0): Promise<void> {
  const file = await open(join(disk, 'filler'), 'a');
  try {
    for (let size = MIB; size >= 4_096; ) {
      const room = (await freeBytes(disk)) - leave;
      if (room < size) size >>= 1;
      else await file.write(Buffer.alloc(size));
    }
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
  } finally {
    await file.close();
  }
}

export async function makeRoom(disk: string): Promise<void> {
  await rm(join(disk, 'filler'));
}
