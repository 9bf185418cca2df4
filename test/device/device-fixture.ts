/** Devices in temporary directories, closed and removed with the test. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Device, type DeviceOptions, openDevice } from '../../src/device/index.ts';
import { CREDENTIAL, type ModelGateway } from './model-gateway.ts';

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tidegate-device-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A device on the directory (or a new one) that talks to the model and retries within milliseconds. */
export async function testDevice(
  t: TestContext,
  gateway: ModelGateway,
  options: Partial<DeviceOptions> = {},
): Promise<Device> {
  const device = await openDevice({
    gateway: 'http://gateway.invalid',
    id: 'pump-7',
    credential: CREDENTIAL,
    data: options.data ?? (await temporaryDirectory(t)),
    transport: gateway,
    lingerMs: 0,
    retryBaseMs: 1,
    retryMaxMs: 5,
    pauseMaxMs: 5,
    reserveBytes: 0,
    ...options,
  });
  t.after(() => device.close());
  return device;
}
