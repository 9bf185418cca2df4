/** Devices in temporary directories, closed and removed with the test. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { TelemetryEvent } from '../../src/codec/index.ts';
import { type Device, type DeviceOptions, openDevice, type Transport } from '../../src/device/index.ts';
import { openQueue, type Queue, type QueueOptions } from '../../src/store/index.ts';
import { openRocks } from '../../src/store/rocks.ts';
import { cleanUp } from '../store/queue-fixture.ts';
import { CREDENTIAL } from './model-gateway.ts';

export { cleanUp };

export const DEVICE_ID = 'pump-7';

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tidegate-device-'));
  cleanUp(t, () => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A device on the directory (or a new one) that retries within milliseconds and sends at once. */
export async function testDevice(
  t: TestContext,
  /** Undefined for HTTP. */
  transport: Transport | undefined,
  options: Partial<DeviceOptions> = {},
): Promise<Device> {
  const device = await openDevice({
    gateway: 'http://gateway.invalid',
    id: DEVICE_ID,
    credential: CREDENTIAL,
    data: options.data ?? (await temporaryDirectory(t)),
    ...(transport && { transport }),
    lingerMs: 0,
    retryBaseMs: 1,
    retryMaxMs: 5,
    pauseMaxMs: 5,
    reserveBytes: 0,
    ...options,
  });
  cleanUp(t, () => device.close());
  return device;
}

/** How many events are recorded, delivered, queued, in quarantine and in gaps. */
export function parts(device: Device): number[] {
  const { recorded, delivered, queued, quarantined, gaps } = device.status();
  return [recorded, delivered, queued, quarantined, gaps].map(({ events }) => events);
}

/** The queue of a device that is closed (or was never opened), in the same directory. */
export async function queueOf(
  t: TestContext,
  data: string,
  options: Partial<QueueOptions> = {},
  open: typeof openRocks = openRocks,
): Promise<Queue> {
  const queue = await openQueue({ path: join(data, 'queue'), deviceId: DEVICE_ID, reserveBytes: 0, ...options }, open);
  cleanUp(t, () => queue.close());
  return queue;
}

/** Never answers; an attempt ends with the device. */
export const SILENT: Transport = {
  post: ({ signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    }),
  close: async () => {},
};

/** Has no link at all: there is no connection that anything could leave on. */
export const DEAD: Transport = {
  reach: async () => {
    throw Object.assign(new Error('no route'), { code: 'ENETUNREACH' });
  },
  post: async () => {
    throw Object.assign(new Error('no route'), { code: 'ENETUNREACH' });
  },
  close: async () => {},
};

/** Events with volumes 0.01, 0.02, … (from `start`), a second apart, of three sensors that take turns. */
export function readings(count: number, start = 1): TelemetryEvent[] {
  return Array.from({ length: count }, (_, i) => ({
    ts: 1_700_000_000_000 + (start + i) * 1_000,
    sensor: `s${(start + i) % 3}`,
    fields: { volume: (start + i) / 100 },
  }));
}

/** The exact sum of the volumes of such events. */
export function volumeOf(count: number, start = 1): string {
  const hundredths = ((start + start + count - 1) * count) / 2;
  const cents = String(hundredths % 100).padStart(2, '0');
  return `${Math.floor(hundredths / 100)}.${cents}`.replace(/\.?0+$/, '') || '0';
}

export { until } from '../until.ts';
