/**
 * Trial: one run of a peer or of Tidegate, from a device's process to a server's with nothing in it yet.
 *
 * Owns the starting and ending of both sides. Promises the same quantities of each, and that they stand for events which
 * have arrived: a run whose counts or sums do not agree rejects.
 */
import assert from 'node:assert';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { outputOf, taskArguments } from '../../rig/programs.ts';
import { formatCredential } from '../../src/codec/index.ts';
import { openBacklog, recordInBursts } from '../backlog.ts';
import type { DrainReport, DrainTask } from '../drainer.ts';
import { startGateway } from '../gateway.ts';
import { bytesPerEvent, eventsPerSecond, microsecondsPerEvent, type Quantity, type Stand } from '../harness.ts';
import { assertSameTotals } from '../totals.ts';
import type { WireBytes } from '../wire-bytes.ts';
import { createWorkload, type Workload } from '../workload.ts';
import type { Peer } from './peer.ts';
import { startReceiver } from './receiver.ts';
import type { SenderReport, SenderTask } from './sender-process.ts';
import { startServer } from './server.ts';

export interface Outcome {
  readonly speed: Quantity;
  /** In both directions, with all that the protocol adds. */
  readonly wire: Quantity;
  /** Of both processes. */
  readonly cpuTime: Quantity | undefined;
}

/** One run; `label` names its folders. */
export type Trial = (label: string) => Promise<Outcome>;

const DEVICE_ID = 'bench';

export function peerTrial(stand: Stand, { client, settings = {}, server }: Peer, events: number): Trial {
  return async (label) => {
    const serverFolder = await stand.folder(`${label}-server`);
    const running =
      typeof server === 'string'
        ? await startReceiver(stand.programs, { receiver: server, folder: serverFolder })
        : await startServer(server, serverFolder);
    try {
      const { port, pid: serverPid } = running;
      const folder = await stand.folder(`${label}-client`);
      const task: SenderTask = { client, settings, port, serverPid, folder, events };
      const sender = stand.programs.start('sender', 'bench/peers/sender-process.js', taskArguments(task));
      const report = JSON.parse(await outputOf(sender)) as SenderReport;
      return outcomeOf(events, report, microsecondsPerEvent(0, report.cpuSeconds, events));
    } finally {
      await running.stop();
    }
  };
}

/** Records the backlog once; every run gets a copy of it. */
export async function tidegateTrial(stand: Stand, events: number): Promise<Trial> {
  const workload = createWorkload({ events });
  const backlog = await stand.folder('tidegate-backlog');
  await record(backlog, workload);
  const expected = workload.totals();
  return async (label) => {
    const data = join(await stand.folder(`${label}-client`), 'data');
    await cp(backlog, data, { recursive: true });
    const gateway = await startGateway(stand, { name: `${label}-server`, deviceIds: [DEVICE_ID] });
    const cpuBefore = gateway.cpuSeconds();
    const credential = formatCredential(gateway.keys.get(DEVICE_ID)!);
    const task: DrainTask = { gateway: gateway.url, id: DEVICE_ID, credential, data };
    const device = stand.programs.start('device', 'bench/drainer.js', taskArguments(task));
    const report = JSON.parse(await outputOf(device)) as DrainReport;
    const cpuAfter = gateway.cpuSeconds();
    const { duplicates, ...totals } = await gateway.totals();
    await gateway.stop();

    assertSameTotals(report.status.delivered, expected, 'the device');
    assertSameTotals(totals, expected, 'the gateway');
    assert.equal(duplicates, 0);
    const ofGateway = microsecondsPerEvent(cpuBefore, cpuAfter, events);
    const ofDevice = microsecondsPerEvent(0, report.cpuSeconds, events)!;
    const both = ofGateway && { ...ofGateway, value: ofGateway.value + ofDevice.value };
    return outcomeOf(events, report, both);
  };
}

async function record(data: string, workload: Workload): Promise<void> {
  const device = await openBacklog({ deviceId: DEVICE_ID, data });
  try {
    await recordInBursts(device, workload);
  } finally {
    await device.close();
  }
}

function outcomeOf(
  events: number,
  { elapsedMs, wire }: { readonly elapsedMs: number; readonly wire: WireBytes },
  cpuTime: Quantity | undefined,
): Outcome {
  return { speed: eventsPerSecond(events, elapsedMs), wire: bytesPerEvent(wire.sent + wire.received, events), cpuTime };
}
