/**
 * Writer: a device process that lives through what a device does, and tells what it had written to its disk meanwhile.
 *
 * Owns the count: the system's own, of a queue whose reserve is there already, from its opening to its closing.
 * Promises that everything it has recorded is acknowledged by then. Counts no journal of the file system, nor what a
 * disk writes again.
 */
import assert from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownTask, writtenBytes } from '../rig/programs.ts';
import { type DeviceStatus, openDevice } from '../src/device/index.ts';
import { countedStatus, openBacklog, recordInBursts } from './backlog.ts';
import type { DrainTask } from './drainer.ts';
import { createWorkload } from './workload.ts';

export interface WriteTask extends DrainTask {
  readonly events: number;
  readonly lingerMs: number;
  /** Between two events, each waited for; undefined: at full speed, while the link is down. */
  readonly everyMs?: number;
}

export interface WriteReport {
  /** Undefined where the system does not tell. */
  readonly written: number | undefined;
  /** Of the blocks on disk before the link was up; 0 where it always was. */
  readonly blockBytes: number;
  readonly status: DeviceStatus;
}

const { events, everyMs, ...options } = ownTask<WriteTask>();
const workload = createWorkload({ events });
let blockBytes = 0;

// Once and for all a queue writes its reserve, 16 MiB; closing waits for it.
await (await openBacklog({ deviceId: options.id, data: options.data })).close();
const before = writtenBytes('self');
if (everyMs === undefined) {
  const offline = await openBacklog({ deviceId: options.id, data: options.data });
  await recordInBursts(offline, workload);
  blockBytes = offline.status().queueBytes;
  await offline.close();
}

const device = await openDevice(options);
if (everyMs !== undefined) {
  for (let at = 0; at < events; at++) {
    const { ts, sensor, fields } = workload.event(at);
    await device.record(fields, { sensor, at: ts });
    await sleep(everyMs);
  }
}
await device.drain();
const status = await countedStatus(device);
await device.close();
const after = writtenBytes('self');
assert.equal(status.delivered.events, events);
const written = before === undefined || after === undefined ? undefined : after - before;
const report: WriteReport = { written, blockBytes, status };
process.stdout.write(`${JSON.stringify(report)}\n`);
