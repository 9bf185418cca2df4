/**
 * Provision: whether this machine has what a peer needs, and the command that brings it.
 *
 * Owns the looking. Promises that what is missing is told as a command that can be pasted. Never installs anything.
 */
import { existsSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Peer } from './peer.ts';
import { PROGRAM_PATH } from './server.ts';

export interface Surroundings {
  readonly platform: NodeJS.Platform;
  hasPackage(name: string): boolean;
  hasCommand(name: string): boolean;
}

const packages = fileURLToPath(new URL('./node_modules', import.meta.url));

export const THIS_MACHINE: Surroundings = {
  platform: process.platform,
  hasPackage: (name) => existsSync(join(packages, name, 'package.json')),
  hasCommand: (name) => PROGRAM_PATH.split(delimiter).some((folder) => existsSync(join(folder, name))),
};

/** The command that brings what is missing; undefined where nothing is. */
export function missingFor({ packages, server }: Peer, surroundings = THIS_MACHINE): string | undefined {
  const commands: string[] = [];
  if (!packages.every(surroundings.hasPackage)) commands.push('npm ci --prefix bench/peers');
  if (typeof server !== 'string') {
    if (surroundings.platform !== 'linux') return 'its server is run only on Linux';
    if (!surroundings.hasCommand(server.command)) {
      commands.push(`apt-get install -y --no-install-recommends ${server.package}`);
    }
  }
  return commands.length === 0 ? undefined : commands.join(' && ');
}

/** Puts this checkout's packages of peers beside a build of it, if they are installed. */
export async function linkPackages(build: string): Promise<void> {
  if (existsSync(packages)) await symlink(packages, join(build, 'bench/peers/node_modules'), 'dir');
}
