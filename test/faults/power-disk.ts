/**
 * A disk whose power a test can cut.
 *
 * Promises that the disk is gone with the test, and that a test which cannot have one says so instead of passing.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Disk, type DiskFormat, openRack, rackObstacle } from '../../faults/power/rack.ts';

/** Undefined, with the test skipped, where there can be none. */
export async function powerDisk(t: TestContext, format?: DiskFormat): Promise<Disk | undefined> {
  const obstacle = await rackObstacle();
  if (obstacle !== undefined) {
    t.skip(`NOT RUN: ${obstacle}`);
    return undefined;
  }
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-power-disk-'));
  const rack = await openRack(folder);
  t.after(async () => {
    await rack.close();
    await rm(folder, { recursive: true, force: true });
  });
  return rack.disk(format);
}
