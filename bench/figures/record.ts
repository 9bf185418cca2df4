/**
 * Figure: how fast a device takes events on, each fsynced before its receipt.
 *
 * Owns the two ways in which programs call `record()`. Promises that what counts is what a fresh look at the disk
 * finds. Never has a link: nothing is delivered meanwhile.
 */
import { performance } from 'node:perf_hooks';
import { cpuSeconds } from '../../rig/programs.ts';
import type { Device } from '../../src/device/index.ts';
import { countedStatus, openBacklog, recordAwaiting, recordInBursts } from '../backlog.ts';
import { eventsPerSecond, type Figure, microsecondsPerEvent, type Stand } from '../harness.ts';
import { addTotals, assertSameTotals, NO_EVENTS } from '../totals.ts';
import { createWorkload, type Workload } from '../workload.ts';

const CALLERS = 1_000;

export const figure: Figure = {
  title: 'record(), fsynced, one process',
  async measure(stand) {
    await measureCalls(stand, 'not awaited each', 1_000_000, recordInBursts);
    await measureCalls(stand, `${CALLERS.toLocaleString('en')} callers, each awaiting`, 200_000, (device, workload) =>
      recordAwaiting(device, workload, CALLERS),
    );
  },
};

async function measureCalls(
  stand: Stand,
  name: string,
  events: number,
  record: (device: Device, workload: Workload) => Promise<void>,
): Promise<void> {
  const backlog = { deviceId: 'bench', data: await stand.folder(name.replaceAll(/\W+/g, '-')) };
  const device = await openBacklog(backlog);
  let expected = NO_EVENTS;
  let startSeconds = 0;
  try {
    await stand.repeat({ warmUps: 1, runs: 5 }, async () => {
      const workload = createWorkload({ events: stand.events(events), startSeconds });
      startSeconds += workload.durationSeconds;
      expected = addTotals(expected, workload.totals());
      const startedAt = performance.now();
      const cpuBefore = cpuSeconds(process.pid);
      await record(device, workload);
      const elapsedMs = performance.now() - startedAt;
      return {
        [name]: eventsPerSecond(workload.count, elapsedMs),
        [`${name}: CPU time`]: microsecondsPerEvent(cpuBefore, cpuSeconds(process.pid), workload.count),
      };
    });
    assertSameTotals(device.status().recorded, expected, 'the device');
  } finally {
    await device.close();
  }
  const again = await openBacklog(backlog);
  try {
    assertSameTotals((await countedStatus(again)).queued, expected, 'the disk');
  } finally {
    await again.close();
  }
}
