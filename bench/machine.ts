/**
 * Machine: what the figures were measured on.
 *
 * Owns the facts without which a figure says nothing, among them how busy the machine was with other things. Never
 * measures anything.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface Machine {
  readonly measuredAt: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** Processes that wanted to run, averaged over the last minute, before the bench began. */
  readonly load: number;
  readonly system: string;
  readonly fileSystem: string;
  /** False where nothing survives a power cut, so that an fsync is for free. */
  readonly durable: boolean;
  /** Versions by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** Undefined outside a git checkout. */
  readonly commit: string | undefined;
}

/** Magic numbers of statfs(2). */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'ext2/3/4',
  1481003842: 'XFS',
  2435016766: 'Btrfs',
  2035054128: 'overlayfs',
  801189825: 'ZFS',
  16914836: 'tmpfs',
  2240043254: 'ramfs',
  26985: 'NFS',
};
const VOLATILE = ['tmpfs', 'ramfs'];

const PACKAGES = ['rocksdb', 'level-rocksdb', 'fastify', 'undici', '@msgpack/msgpack'];

const root = fileURLToPath(new URL('..', import.meta.url));

/** @param disk the folder whose disk is measured */
export function describeMachine(disk: string): Machine {
  const { type } = statfsSync(disk);
  const fileSystem = FILE_SYSTEMS[type] ?? `file system 0x${type.toString(16)}`;
  return {
    measuredAt: new Date().toISOString(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: loadavg()[0]!,
    system: `${process.platform} ${release()} ${process.arch}`,
    fileSystem,
    durable: !VOLATILE.includes(fileSystem),
    versions: {
      Node: process.versions.node,
      V8: process.versions.v8,
      RocksDB: rocksDbVersion(),
      ...Object.fromEntries(PACKAGES.map((name) => [name, packageVersion(name)])),
    },
    commit: commitOf(),
  };
}

/** The header of the table. */
export function machineLines(machine: Machine): string[] {
  const { measuredAt, processor, cores, memoryGiB, load, system, fileSystem, durable, versions, commit } = machine;
  const busy = load >= 0.5 ? '  (others are using it: absolute figures are too low)' : '';
  return [
    `measured   ${measuredAt}, commit ${commit ?? 'unknown: no git here'}`,
    `machine    ${processor}, ${cores} cores, ${memoryGiB} GiB, ${system}`,
    `load       ${load.toFixed(2)} before the bench${busy}`,
    `disk       ${fileSystem}${durable ? '' : '  (IN MEMORY: an fsync costs nothing here, so figures mean little)'}`,
    `versions   ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
  ];
}

function packageVersion(name: string): string {
  return (JSON.parse(readFileSync(`${root}node_modules/${name}/package.json`, 'utf8')) as { version: string }).version;
}

/** Of the library inside the package. */
function rocksDbVersion(): string {
  try {
    const header = readFileSync(`${root}node_modules/rocksdb/deps/rocksdb/rocksdb/include/rocksdb/version.h`, 'utf8');
    return ['MAJOR', 'MINOR', 'PATCH'].map((part) => new RegExp(`ROCKSDB_${part} (\\d+)`).exec(header)?.[1]).join('.');
  } catch {
    return 'unknown';
  }
}

function commitOf(): string | undefined {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' }).trim();
  try {
    const changed = git('status', '--porcelain', '--', 'src').length > 0;
    return git('rev-parse', '--short', 'HEAD') + (changed ? ' with changes in src' : '');
  } catch {
    return undefined;
  }
}
