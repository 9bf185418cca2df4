/**
 * Drain: a stored backlog, from a device's process to a gateway's with nothing in it yet.
 *
 * Owns the starting and ending of both. Promises that whatever is told of it stands for events which have arrived,
 * once: where counts or sums do not agree it rejects. Never changes the stored backlog.
 */
import { outputOf, taskArguments } from '../rig/programs.ts';
import { formatCredential } from '../src/codec/index.ts';
import { copyOfBacklog, type StoredBacklog } from './backlog.ts';
import { assertDelivered } from './balance.ts';
import type { DrainReport, DrainTask } from './drainer.ts';
import { startGateway } from './gateway.ts';
import { microsecondsPerEvent, type Quantity, type Stand } from './harness.ts';

export interface Drain extends DrainReport {
  readonly gatewayPeakMemoryBytes: number | undefined;
  readonly deviceCpuTime: Quantity | undefined;
  readonly gatewayCpuTime: Quantity | undefined;
}

/** `label` names the folders of this run. */
export async function drain(stand: Stand, backlog: StoredBacklog, label: string): Promise<Drain> {
  const { deviceId, totals: expected } = backlog;
  const { events } = expected;
  const data = await copyOfBacklog(stand, backlog, `${label}-device`);
  const gateway = await startGateway(stand, { name: `${label}-gateway`, deviceIds: [deviceId] });
  const credential = formatCredential(gateway.keys.get(deviceId)!);
  const cpuBefore = gateway.cpuSeconds();
  const task: DrainTask = { gateway: gateway.url, id: deviceId, credential, data };
  const device = stand.programs.start('device', 'bench/drainer.js', taskArguments(task));
  const report = JSON.parse(await outputOf(device)) as DrainReport;
  const gatewayCpuTime = microsecondsPerEvent(cpuBefore, gateway.cpuSeconds(), events);
  const gatewayPeakMemoryBytes = gateway.peakMemoryBytes();
  const totals = await gateway.totals();
  await gateway.stop();

  assertDelivered({ status: report.status, gateway: totals, expected });
  const deviceCpuTime = microsecondsPerEvent(0, report.cpuSeconds, events);
  return { ...report, gatewayPeakMemoryBytes, deviceCpuTime, gatewayCpuTime };
}
