/**
 * Scene: what all rounds of the network campaign have in common.
 *
 * Owns the keys of the devices, the stranger's gateway, which has other keys for them, and the certificates. Promises
 * that each round's gateways begin empty. Never takes part in a round.
 */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ground } from '../campaign.ts';
import { createGatewaySide, type GatewaySide } from '../sides.ts';
import { type Certified, createAuthority } from './certificates.ts';
import type { TlsRelayOptions } from './tls-relay.ts';

/** The first two go through the fault proxy, the third by TLS. */
export const DEVICES = ['pump-1', 'pump-2', 'pump-3'] as const;
export const TLS_DEVICE = DEVICES[2];

export interface Scene {
  readonly stranger: GatewaySide;
  /** What a device that goes by TLS is told to trust. */
  readonly caFile: string;
  /** Flags of a gateway that has the right certificate. */
  readonly tlsFlags: readonly string[];
  readonly impostors: TlsRelayOptions['impostors'];
  secretFile(deviceId: string): string;
  /** A gateway that knows the devices and has counted nothing. */
  gateway(folder: string, flags: readonly string[]): Promise<GatewaySide>;
}

export async function setScene({ folder, programs }: Pick<Ground, 'folder' | 'programs'>): Promise<Scene> {
  const own = join(folder, 'scene');
  const keys = await createGatewaySide({ programs, folder: own });
  const stranger = await createGatewaySide({ programs, folder: join(folder, 'stranger') });
  for (const id of DEVICES) await Promise.all([keys.addKey(id), stranger.addKey(id)]);
  await stranger.start();
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(own, name), text, { mode: 0o600 });
    return join(own, name);
  };
  const authority = createAuthority('the right authority');
  const right = authority.issue({ host: 'localhost', from: Date.now() - HOUR_MS, to: Date.now() + 24 * HOUR_MS });
  return {
    stranger,
    caFile: await file('ca.pem', authority.cert),
    tlsFlags: ['--tls-cert', await file('cert.pem', right.cert), '--tls-key', await file('key.pem', right.key)],
    impostors: {
      'tls-authority': certifiedBy('another authority', 'localhost', 24 * HOUR_MS),
      'tls-expired': authority.issue({ host: 'localhost', from: Date.now() - 48 * HOUR_MS, to: Date.now() - HOUR_MS }),
      'tls-host': authority.issue({
        host: 'another.invalid',
        from: Date.now() - HOUR_MS,
        to: Date.now() + 24 * HOUR_MS,
      }),
    },
    secretFile: (deviceId) => join(own, 'secrets', deviceId),
    async gateway(roundFolder, flags) {
      const side = await createGatewaySide({ programs, folder: roundFolder, flags });
      await mkdir(side.data, { recursive: true });
      await cp(join(keys.data, 'keys.json'), join(side.data, 'keys.json'));
      return side;
    },
  };
}

const HOUR_MS = 3_600_000;

function certifiedBy(authority: string, host: string, forMs: number): Certified {
  return createAuthority(authority).issue({ host, from: Date.now() - HOUR_MS, to: Date.now() + forMs });
}
