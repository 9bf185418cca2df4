/**
 * Parties: the processes whose clocks are set, a gateway and its devices.
 *
 * Owns how each is started with a clock of its own, and the setting of it. Promises that a setting holds when `set` has
 * resolved. Never decides when.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Program, Programs } from '../../rig/programs.ts';
import { formatCredential } from '../../src/codec/index.ts';
import { createKeyFile } from '../../src/gateway/index.ts';
import {
  createDeviceSide,
  createGatewaySide,
  type DeviceRun,
  type DeviceSide,
  firstOf,
  type GatewaySide,
} from '../sides.ts';
import { type ClockName, type ClockScope, type ClockSetting, startWith } from './settings.ts';

export interface Party<Side, Name extends ClockName> {
  readonly side: Side;
  readonly program: Program;
  /** The clock that it has now. */
  readonly clock: Name;
  /** Gives it its next clock. */
  set(): Promise<void>;
}

export interface PartyOptions<Name extends ClockName> {
  readonly programs: Programs;
  readonly folder: string;
  /** The clocks that it has, one after the other. */
  readonly settings: readonly ClockSetting<Name>[];
}

export type GatewayParty<Name extends ClockName> = Party<GatewaySide, Name>;
export type DeviceParty<Name extends ClockName> = Party<DeviceSide, Name>;

/** A gateway that knows the devices. */
export async function startGateway<Name extends ClockName>(
  options: PartyOptions<Name> & { readonly devices: readonly string[]; readonly flags: readonly string[] },
): Promise<GatewayParty<Name>> {
  const { programs, folder, settings, devices, flags } = options;
  const side = await createGatewaySide({ programs, folder, flags });
  await mkdir(side.data, { recursive: true, mode: 0o700 });
  const keys = createKeyFile({ path: join(side.data, 'keys.json'), clock: Date.now, randomBytes });
  for (const id of devices) {
    const key = await keys.add(id);
    await writeFile(secretFile(folder, id), formatCredential(key), { mode: 0o600 });
  }
  return partyOf(side, await side.start(startWith(settings, 'process')), settings);
}

export async function startDevice<Name extends ClockName>(
  options: PartyOptions<Name> & { readonly id: string; readonly run: DeviceRun; readonly scope: ClockScope },
): Promise<DeviceParty<Name>> {
  const { programs, folder, settings, id, run, scope } = options;
  const side = createDeviceSide({ programs, folder, id, secretFile: secretFile(folder, id) });
  return partyOf(side, await side.start(run, startWith(settings, scope)), settings);
}

function partyOf<Side, Name extends ClockName>(
  side: Side,
  program: Program,
  settings: readonly ClockSetting<Name>[],
): Party<Side, Name> {
  let at = 0;
  return {
    side,
    program,
    get clock() {
      return settings[at]!.name;
    },
    async set() {
      at += 1;
      const isSet = firstOf(program, ({ clock }) => (clock === at ? true : undefined));
      program.kill('SIGUSR2');
      await isSet;
    },
  };
}

function secretFile(folder: string, deviceId: string): string {
  return join(folder, `${deviceId}.secret`);
}
