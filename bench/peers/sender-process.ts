/**
 * SenderProcess: the client half of a peer, in a process of its own as a device would be.
 *
 * Owns the time from the first row that is sent to the last acknowledgement, and what is used on the way. Promises that
 * its status is 0 only where the other side holds what was sent, by its own account.
 */
import { performance } from 'node:perf_hooks';
import { cpuSeconds, ownTask } from '../../rig/programs.ts';
import { countWireBytes, type WireBytes, wireBytesSince } from '../wire-bytes.ts';
import { createWorkload } from '../workload.ts';
import { assertArrived } from './arrival.ts';
import type { OpenClient } from './peer.ts';
import { rowsOf } from './rows.ts';

export interface SenderTask {
  readonly client: string;
  readonly settings: object;
  readonly port: number;
  readonly serverPid: number;
  /** Empty. */
  readonly folder: string;
  readonly events: number;
}

export interface SenderReport {
  readonly elapsedMs: number;
  readonly wire: WireBytes;
  /** Of both processes, while it was sent. */
  readonly cpuSeconds: number;
}

const { client: file, settings, port, serverPid, folder, events } = ownTask<SenderTask>();
const wireBytes = countWireBytes();
const { open } = (await import(`./${file}.js`)) as { open: OpenClient };
const workload = createWorkload({ events });
const client = await open({ port, folder, settings, rows: rowsOf(workload) });

const [wireBefore, cpuBefore, startedAt] = [wireBytes(), cpuOfBoth(), performance.now()];
await client.send();
const elapsedMs = performance.now() - startedAt;
const report: SenderReport = {
  elapsedMs,
  wire: wireBytesSince(wireBefore, wireBytes()),
  cpuSeconds: cpuOfBoth() - cpuBefore,
};
assertArrived(await client.arrived(), workload.totals());
await client.close();
process.stdout.write(`${JSON.stringify(report)}\n`);

function cpuOfBoth(): number {
  const { user, system } = process.cpuUsage();
  return cpuSeconds(serverPid)! + (user + system) / 1e6;
}
