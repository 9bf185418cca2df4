/**
 * Trial: one run of a peer or of Tidegate, from a device's process to a server's with nothing in it yet.
 *
 * Owns the starting and ending of both sides. Promises the same quantities of each, and that they stand for events
 * which have arrived: a run whose counts or sums do not agree rejects.
 */
import { outputOf, taskArguments } from '../../rig/programs.ts';
import { storedBacklog } from '../backlog.ts';
import { drain } from '../drain.ts';
import { bytesPerEvent, eventsPerSecond, microsecondsPerEvent, type Quantity, type Stand } from '../harness.ts';
import type { WireBytes } from '../wire-bytes.ts';
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

/** Every run drains a copy of one backlog. */
export async function tidegateTrial(stand: Stand, events: number): Promise<Trial> {
  const backlog = await storedBacklog(stand, events);
  return async (label) => {
    const { deviceCpuTime, gatewayCpuTime, ...report } = await drain(stand, backlog, label);
    const both = gatewayCpuTime && { ...gatewayCpuTime, value: gatewayCpuTime.value + deviceCpuTime!.value };
    return outcomeOf(events, report, both);
  };
}

function outcomeOf(
  events: number,
  { elapsedMs, wire }: { readonly elapsedMs: number; readonly wire: WireBytes },
  cpuTime: Quantity | undefined,
): Outcome {
  return { speed: eventsPerSecond(events, elapsedMs), wire: bytesPerEvent(wire.sent + wire.received, events), cpuTime };
}
