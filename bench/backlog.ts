/**
 * Backlog: a device whose link is down, and the recording of a workload on it.
 *
 * Owns the ways of calling `record()`, and the backlog that the figures of one bench share. Promises that every receipt
 * is waited for, and that what counts in the end is what the disk holds. Never sends anything: requests of this device
 * stay without an answer until it is closed.
 */
import assert from 'node:assert';
import { once } from 'node:events';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatCredential } from '../src/codec/index.ts';
import { type Device, type DeviceStatus, openDevice, type Receipt, type Transport } from '../src/device/index.ts';
import type { Stand } from './harness.ts';
import type { Totals } from './totals.ts';
import { createWorkload, type Workload } from './workload.ts';

export interface Backlog {
  readonly deviceId: string;
  readonly data: string;
}

/** A backlog that is already on disk. */
export interface StoredBacklog extends Backlog {
  readonly totals: Totals;
  /** What the blocks on disk take. */
  readonly blockBytes: number;
}

const BACKLOG_DEVICE = 'bench';

const DEAD_LINK: Transport = {
  async post({ signal }) {
    await once(signal, 'abort');
    throw signal.reason;
  },
  async close() {},
};

export function openBacklog({ deviceId, data }: Backlog): Promise<Device> {
  return openDevice({
    id: deviceId,
    data,
    gateway: 'http://127.0.0.1:9',
    credential: formatCredential({ keyId: 'k1', secret: new Uint8Array(32) }),
    transport: DEAD_LINK,
  });
}

/** The first figure that asks for so many events records them, later ones find them. To be copied, not opened. */
export async function storedBacklog({ shared }: Pick<Stand, 'shared'>, events: number): Promise<StoredBacklog> {
  const folder = join(shared, `backlog-${events}`);
  const data = join(folder, 'data');
  const account = join(folder, 'account.json');
  const known = await readFile(account, 'utf8').catch(() => undefined);
  if (known !== undefined) return JSON.parse(known) as StoredBacklog;
  await mkdir(folder);
  const workload = createWorkload({ events });
  const device = await openBacklog({ deviceId: BACKLOG_DEVICE, data });
  let blockBytes: number;
  try {
    await recordInBursts(device, workload);
    blockBytes = device.status().queueBytes;
  } finally {
    await device.close();
  }
  const stored: StoredBacklog = { deviceId: BACKLOG_DEVICE, data, totals: workload.totals(), blockBytes };
  await writeFile(account, JSON.stringify(stored));
  return stored;
}

/** A copy for one run, in a new folder of that name. */
export async function copyOfBacklog(stand: Stand, { data }: Backlog, name: string): Promise<string> {
  const copy = join(await stand.folder(name), 'data');
  await cp(data, copy, { recursive: true });
  return copy;
}

/** Calls between two looks at what is on disk. */
const BURST = 8_192;

/** Without waiting for each event: a burst of calls waits for the burst before the last. */
export async function recordInBursts(device: Device, workload: Workload): Promise<void> {
  const { recorded } = device.status();
  let last: Promise<Receipt> | undefined;
  for (let from = 0; from < workload.count; from += BURST) {
    const to = Math.min(workload.count, from + BURST);
    const before = last;
    for (let at = from; at < to; at++) {
      const { ts, sensor, fields } = workload.event(at);
      last = device.record(fields, { sensor, at: ts });
    }
    await before;
  }
  // Commits follow one another, so the last receipt speaks for all of them.
  assert.equal((await last)?.sequence, recorded.events + workload.count);
}

/** By so many callers at once, each of which waits for its own event before it records the next. */
export async function recordAwaiting(device: Device, workload: Workload, callers: number): Promise<void> {
  const { recorded } = device.status();
  let at = 0;
  let highest = 0;
  const caller = async () => {
    while (at < workload.count) {
      const { ts, sensor, fields } = workload.event(at++);
      const { sequence } = await device.record(fields, { sensor, at: ts });
      highest = Math.max(highest, sequence);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  assert.equal(highest, recorded.events + workload.count);
}

/** The device's own account, once it has counted its disk. */
export async function countedStatus(device: Device): Promise<DeviceStatus> {
  for (;;) {
    const status = device.status();
    if (!status.counting) return status;
    await sleep(10);
  }
}
