/** What a queue has lost before its device is opened is told once there is somebody to tell. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DeclaredGap } from '../../src/codec/index.ts';
import { until } from '../until.ts';
import { parts, SILENT, temporaryDirectory, testDevice } from './device-fixture.ts';

for (const [what, pattern] of [
  ['log', /\.log$/],
  ['sorted file', /\.sst$/],
] as const) {
  test(`events that were lost with a ${what} are told of as a gap, counted once`, async (t) => {
    const data = await temporaryDirectory(t);
    // The second opening puts the log of the first into a sorted file.
    for (let start = 0; start < 2; start += 1) {
      const device = await testDevice(t, SILENT, { data });
      for (let i = 0; i < 5; i += 1) await device.record({ volume: i });
      await device.close();
    }
    const database = join(data, 'queue', 'db-1');
    for (const name of await readdir(database)) if (pattern.test(name)) await rm(join(database, name));
    const device = await testDevice(t, SILENT, { data });
    const faults: unknown[] = [];
    device.on('fault', (error) => faults.push((error as NodeJS.ErrnoException).code));
    const lost: DeclaredGap[] = [];
    device.on('gap', (gap) => lost.push(gap));
    await once(device, 'gap');
    await until(() => !device.status().counting);
    const [recorded, , queued, , gaps] = parts(device);
    assert.deepEqual([recorded, queued, gaps], [10, 5, 5]);
    assert.equal(
      lost.reduce((sum, { first, last }) => sum + last - first + 1, 0),
      5,
    );
    assert.ok(lost.every(({ reason }) => reason === 'damage'));
    assert.deepEqual(faults, what === 'log' ? [] : ['corrupt']);
  });
}
