/**
 * Figure: end to end. A device process delivers a backlog to a gateway process.
 *
 * Owns the whole way of an event, from one disk to the other, and the memory that both take on it. Promises that device,
 * gateway and what was generated agree to the last digit.
 */
import { outputOf, taskArguments } from '../../rig/programs.ts';
import { formatCredential } from '../../src/codec/index.ts';
import { copyOfBacklog, type StoredBacklog, storedBacklog } from '../backlog.ts';
import { assertDelivered } from '../balance.ts';
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

export const figure: Figure = {
  title: 'end to end, device process → gateway process',
  async measure(stand) {
    const events = stand.events(stand.settings.backlogEvents);
    const backlog = await storedBacklog(stand, events);
    stand.state('events of the backlog', { value: events, unit: 'events' });
    // No warm-up: every run has new processes on both sides.
    await stand.repeat({ warmUps: 0, runs: 3 }, (run) => drain(stand, run, backlog));
  },
};

async function drain(stand: Stand, run: number, backlog: StoredBacklog) {
  const { deviceId, totals: expected } = backlog;
  const data = await copyOfBacklog(stand, backlog, `device-${run}`);
  const gateway = await startGateway(stand, { name: `gateway-${run}`, deviceIds: [deviceId] });
  const credential = formatCredential(gateway.keys.get(deviceId)!);
  const cpuBefore = gateway.cpuSeconds();
  const task: DrainTask = { gateway: gateway.url, id: deviceId, credential, data };
  const device = stand.programs.start('device', 'bench/drainer.js', taskArguments(task));
  const { elapsedMs, status, ...used } = JSON.parse(await outputOf(device)) as DrainReport;
  const cpuAfter = gateway.cpuSeconds();
  const memory = gateway.peakMemoryBytes();
  const totals = await gateway.totals();
  await gateway.stop();

  assertDelivered({ status, gateway: totals, expected });
  const { events } = expected;
  return {
    'backlog on disk → acknowledged': eventsPerSecond(events, elapsedMs),
    'peak memory of the device': megabytes(used.peakMemoryBytes),
    'peak memory of the gateway': megabytes(memory),
    'CPU time of the device': microsecondsPerEvent(0, used.cpuSeconds, events),
    'CPU time of the gateway': microsecondsPerEvent(cpuBefore, cpuAfter, events),
    'request bodies': bytesPerEvent(status.session.bodyBytes, events),
  };
}
