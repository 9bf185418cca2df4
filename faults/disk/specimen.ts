/**
 * Specimen: the data of a device and of its gateway, with some history in them, to be damaged in copies.
 *
 * Owns how that history comes about: real programs, several lives each, so that there are sorted files and a log on
 * both sides, events that were delivered, events that wait, and some in quarantine. Promises that the two belong
 * together: what the device still has, the gateway has not counted. Never damages anything.
 */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import type { Programs } from '../../rig/programs.ts';
import { createDeviceSide, createGatewaySide, firstOf } from '../sides.ts';

export interface Specimen {
  readonly deviceId: string;
  readonly secretFile: string;
  readonly journal: string;
  /** Folder of the device's data. */
  readonly device: string;
  /** Folder of the gateway's data. */
  readonly gateway: string;
}

/** Few enough that some events are refused for good. */
export const SENSORS_MAX = 6;
/** Small, since a copy of it is made for every damage. */
export const RESERVE_BYTES = 64 << 10;

const EVENTS = 120;
const STRAYS = 0.06;
const ID = 'pump-7';
const DRAIN_MS = 60_000;

export async function makeSpecimen(programs: Programs, folder: string, seed: number): Promise<Specimen> {
  const gateway = await createGatewaySide({ programs, folder, flags: ['--sensors-max', `${SENSORS_MAX}`] });
  const secretFile = await gateway.addKey(ID);
  const device = createDeviceSide({ programs, folder, id: ID, secretFile });
  const run = { options: { reserveBytes: RESERVE_BYTES } };
  for (const life of [1, 2]) {
    await gateway.start();
    const start = { ...run, gateway: gateway.url, seed: seed + life, strays: STRAYS };
    await device.start({ ...start, events: EVENTS });
    await device.drain(start, DRAIN_MS);
    await gateway.stop();
  }
  for (const life of [3, 4]) {
    const program = device.launch({ ...run, gateway: gateway.url, seed: seed + life, events: EVENTS });
    // It waits for a gateway that is not there, with everything recorded.
    await firstOf(program, ({ recorded }) => recorded as number | undefined);
    await device.kill();
  }
  const { journal, data, id: deviceId } = device;
  return { deviceId, secretFile, journal, device: data, gateway: gateway.data };
}

/** Copies of both sides' data, of which one is to be damaged. */
export async function copySpecimen(
  { device, gateway }: Specimen,
  folder: string,
): Promise<{ device: string; gateway: string }> {
  const copies = { device: join(folder, 'device'), gateway: join(folder, 'gateway') };
  await Promise.all([
    cp(device, copies.device, { recursive: true, preserveTimestamps: true }),
    cp(gateway, copies.gateway, { recursive: true, preserveTimestamps: true }),
  ]);
  return copies;
}
