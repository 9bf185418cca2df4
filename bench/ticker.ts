/**
 * Ticker: a device process whose 1 kHz timer records an event at each tick, whatever else the device is doing.
 *
 * Owns the ideal schedule, and how late each tick was against it. Promises that no tick is left out or put off: those
 * that were due while the event loop was held are made up for in one go, each with its own lateness. Never waits for a
 * receipt.
 */
import assert from 'node:assert';
import { performance } from 'node:perf_hooks';
import { ownTask } from '../rig/programs.ts';
import { type DeviceStatus, keepHeapSmall, openDevice, type Receipt } from '../src/device/index.ts';
import { countedStatus } from './backlog.ts';
import type { DrainTask } from './drainer.ts';
import { createWorkload } from './workload.ts';

export interface TickTask extends DrainTask {
  /** Ticks until so many events are acknowledged … */
  readonly backlogEvents: number;
  /** … and so much time is over. */
  readonly atLeastMs: number;
  /** How many events there are to record; running out of them is a failure. */
  readonly ticksMax: number;
}

export interface TickReport {
  /** Milliseconds, tick by tick: behind its due time, and in `record()`. */
  readonly lateness: readonly number[];
  readonly calls: readonly number[];
  readonly elapsedMs: number;
  readonly status: DeviceStatus;
}

const TICK_MS = 1;

keepHeapSmall();
const { backlogEvents, atLeastMs, ticksMax, ...options } = ownTask<TickTask>();
const workload = createWorkload({ events: ticksMax });
const device = await openDevice(options);
let acknowledged = 0;
device.on('acknowledged', ({ inserted }) => {
  acknowledged += inserted;
});
const lateness: number[] = [];
const calls: number[] = [];
let last: Promise<Receipt> | undefined;
const startedAt = performance.now();
await new Promise<void>((done) => {
  const timer = setInterval(() => {
    for (;;) {
      const at = lateness.length;
      const late = performance.now() - (startedAt + (at + 1) * TICK_MS);
      if (late < 0) break;
      const { sensor, fields } = workload.event(at);
      const calledAt = performance.now();
      last = device.record(fields, { sensor });
      calls.push(performance.now() - calledAt);
      lateness.push(late);
    }
    if (acknowledged < backlogEvents || performance.now() - startedAt < atLeastMs) return;
    clearInterval(timer);
    done();
  }, TICK_MS);
});
const elapsedMs = performance.now() - startedAt;
await last;
await device.drain();
const status = await countedStatus(device);
await device.close();
assert.equal(status.recorded.events, backlogEvents + lateness.length);
process.stdout.write(`${JSON.stringify({ lateness, calls, elapsedMs, status } satisfies TickReport)}\n`);
