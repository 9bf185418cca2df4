/**
 * Figure: how long one event takes from `record()` to its acknowledgement, on an idle link, without lingering.
 *
 * Owns a device in this process and a gateway in another, with one event under way at a time. Promises that the end of
 * the time is the gateway's signed answer, which follows an fsync on either side. Never sends two events together.
 */
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatCredential } from '../../src/codec/index.ts';
import { openDevice } from '../../src/device/index.ts';
import { countedStatus } from '../backlog.ts';
import { assertDelivered } from '../balance.ts';
import { distributionOf } from '../distribution.ts';
import { startGateway } from '../gateway.ts';
import { type Figure, milliseconds } from '../harness.ts';
import { createWorkload } from '../workload.ts';

const DEVICE_ID = 'bench';
const EVENTS = 400;
const ROUNDS_MAX = 6;

/** Between two events, so that the link and both disks are idle. */
const PAUSE_MS = 5;

export const figure: Figure = {
  title: 'one event at a time, lingering off, from record() on',
  async measure(stand) {
    const gateway = await startGateway(stand, { name: 'gateway', deviceIds: [DEVICE_ID] });
    const device = await openDevice({
      gateway: gateway.url,
      id: DEVICE_ID,
      credential: formatCredential(gateway.keys.get(DEVICE_ID)!),
      data: await stand.folder('device'),
      lingerMs: 0,
    });
    const events = stand.events(EVENTS);
    const workload = createWorkload({ events: ROUNDS_MAX * events });
    let at = 0;
    try {
      await stand.repeat({ warmUps: 1, runs: 3 }, async () => {
        const onDisk: number[] = [];
        const acknowledged: number[] = [];
        for (const end = at + events; at < end; at++) {
          const { ts, sensor, fields } = workload.event(at);
          const startedAt = performance.now();
          const acknowledgement = once(device, 'acknowledged');
          await device.record(fields, { sensor, at: ts });
          onDisk.push(performance.now() - startedAt);
          await acknowledgement;
          acknowledged.push(performance.now() - startedAt);
          await device.drain();
          await sleep(PAUSE_MS);
        }
        const [disk, whole] = [distributionOf(onDisk), distributionOf(acknowledged)];
        return {
          'record → on disk, p50': milliseconds(disk.percentile(0.5)),
          'record → on disk, p99': milliseconds(disk.percentile(0.99)),
          'record → acknowledged, p50': milliseconds(whole.percentile(0.5)),
          'record → acknowledged, p99': milliseconds(whole.percentile(0.99)),
          'record → acknowledged, max': milliseconds(whole.max),
        };
      });
      const status = await countedStatus(device);
      assertDelivered({ status, gateway: await gateway.totals(), expected: workload.totals(0, at) });
    } finally {
      await device.close();
    }
    await gateway.stop();
  },
};
