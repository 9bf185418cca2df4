/**
 * Provision: whether this machine has what a peer needs, and the command that brings it.
 *
 * Owns the looking, and the versions of what is there. Promises that what is missing is told as a command that can be
 * pasted. Never installs anything.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
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

const installed = fileURLToPath(new URL('./node_modules', import.meta.url));

export const THIS_MACHINE: Surroundings = {
  platform: process.platform,
  hasPackage: (name) => existsSync(join(installed, name, 'package.json')),
  hasCommand: (name) => PROGRAM_PATH.split(delimiter).some((folder) => existsSync(join(folder, name))),
};

/** The command that brings what is missing; undefined where nothing is. */
export function missingFor({ packages, server }: Peer, surroundings: Surroundings): string | undefined {
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

/** What a peer was measured with, as `name version`. */
export function versionsFor({ packages, server }: Peer): string[] {
  const versions = packages.map((name) => `${name} ${packageVersion(name)}`);
  return typeof server === 'string' ? versions : [`${server.package} ${debianVersion(server.package)}`, ...versions];
}

function packageVersion(name: string): string {
  const manifest = readFileSync(join(installed, name, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}

function debianVersion(name: string): string {
  try {
    return execFileSync('dpkg-query', ['-W', `-f=\${Version}`, name], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return 'of unknown version';
  }
}

/** Puts this checkout's packages of peers beside a build of it, if they are installed. */
export async function linkPackages(build: string): Promise<void> {
  if (existsSync(installed)) await symlink(installed, join(build, 'bench/peers/node_modules'), 'dir');
}
