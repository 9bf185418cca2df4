/**
 * Figure: end to end. A device process delivers a backlog to a gateway process.
 *
 * Owns the whole way of an event, from one disk to the other, and the memory that both take on it. Promises that device,
 * gateway and what was generated agree to the last digit.
 */
import assert from 'node:assert';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { outputOf, taskArguments } from '../../rig/programs.ts';
import { formatCredential } from '../../src/codec/index.ts';
import { openBacklog, recordInBursts } from '../backlog.ts';
import type { DrainReport, DrainTask } from '../drainer.ts';
import { startGateway } from '../gateway.ts';
import {
  bytesPerEvent,
  eventsPerSecond,
  type Figure,
  megabytes,
  microsecondsPerEvent,
  type Stand,
} from '../harness.ts';
import { assertSameTotals, type Totals } from '../totals.ts';
import { createWorkload } from '../workload.ts';

const DEVICE_ID = 'bench';

export const figure: Figure = {
  title: 'end to end, device process → gateway process',
  async measure(stand) {
    const backlog = await stand.folder('backlog');
    const expected = await record(backlog, stand.events(stand.settings.backlogEvents));
    await stand.repeat({ warmUps: 1, runs: 3 }, (run) => drain(stand, run, backlog, expected));
  },
};

async function record(data: string, events: number): Promise<Totals> {
  const workload = createWorkload({ events });
  const device = await openBacklog({ deviceId: DEVICE_ID, data });
  try {
    await recordInBursts(device, workload);
  } finally {
    await device.close();
  }
  return workload.totals();
}

async function drain(stand: Stand, run: number, backlog: string, expected: Totals) {
  const data = join(await stand.folder(`device-${run}`), 'data');
  await cp(backlog, data, { recursive: true });
  const gateway = await startGateway(stand, { name: `gateway-${run}`, deviceIds: [DEVICE_ID] });
  const credential = formatCredential(gateway.keys.get(DEVICE_ID)!);
  const cpuBefore = gateway.cpuSeconds();
  const task: DrainTask = { gateway: gateway.url, id: DEVICE_ID, credential, data };
  const device = stand.programs.start('device', 'bench/drainer.js', taskArguments(task));
  const { elapsedMs, status, ...used } = JSON.parse(await outputOf(device)) as DrainReport;
  const cpuAfter = gateway.cpuSeconds();
  const memory = gateway.peakMemoryBytes();
  const { duplicates, ...totals } = await gateway.totals();
  await gateway.stop();

  assertSameTotals(status.delivered, expected, 'the device');
  assertSameTotals(totals, expected, 'the gateway');
  const { queued, quarantined, gaps, session } = status;
  assert.deepEqual(
    [queued, quarantined, gaps].map(({ events }) => events),
    [0, 0, 0],
  );
  assert.deepEqual([session.inserted, session.duplicates, duplicates], [expected.events, 0, 0]);
  const { events } = expected;
  return {
    [`backlog of ${events.toLocaleString('en')}`]: eventsPerSecond(events, elapsedMs),
    'peak memory of the device': megabytes(used.peakMemoryBytes),
    'peak memory of the gateway': megabytes(memory),
    'CPU time of the device': microsecondsPerEvent(0, used.cpuSeconds, events),
    'CPU time of the gateway': microsecondsPerEvent(cpuBefore, cpuAfter, events),
    'request bodies': bytesPerEvent(session.bodyBytes, events),
  };
}
