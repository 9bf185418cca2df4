/**
 * Drainer: a device process that does nothing but deliver what is queued.
 *
 * Owns the time from opening the queue to the last acknowledgement. Promises to say what the device itself counted, as
 * one line of JSON. Never records anything.
 */
import { performance } from 'node:perf_hooks';
import { ownTask, peakMemoryBytes } from '../rig/programs.ts';
import { type DeviceStatus, keepHeapSmall, openDevice } from '../src/device/index.ts';
import { countedStatus } from './backlog.ts';
import { countWireBytes, type WireBytes } from './wire-bytes.ts';

export interface DrainTask {
  readonly gateway: string;
  readonly id: string;
  readonly credential: string;
  readonly data: string;
}

export interface DrainReport {
  readonly elapsedMs: number;
  readonly peakMemoryBytes: number | undefined;
  /** Of all threads, from start to end. */
  readonly cpuSeconds: number;
  readonly status: DeviceStatus;
  readonly wire: WireBytes;
}

keepHeapSmall();
const wireBytes = countWireBytes();
const startedAt = performance.now();
const device = await openDevice(ownTask<DrainTask>());
await device.drain();
const elapsedMs = performance.now() - startedAt;
const status = await countedStatus(device);
await device.close();
const { user, system } = process.cpuUsage();
const report: DrainReport = {
  elapsedMs,
  peakMemoryBytes: peakMemoryBytes('self'),
  cpuSeconds: (user + system) / 1e6,
  status,
  wire: wireBytes(),
};
process.stdout.write(`${JSON.stringify(report)}\n`);
