/**
 * Small disks: file systems of a few megabytes, to be filled up, made read-only, or otherwise let down.
 *
 * Owns the mounts. Promises that none outlives the process that made it, however that ends: a janitor waits for its
 * pipe to close. Never decides what happens to a disk, nor when.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, rm, statfs, truncate, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface SmallDisk {
  readonly path: string;
  /** Somebody else's data: all there is but so many bytes. */
  fill(leaveBytes?: number): Promise<void>;
  makeRoom(): Promise<void>;
  /** As after an error of the device: what is open stays open, and nothing more is written. Of `ext4` only. */
  fail(): Promise<void>;
  /** Mounted anew, for reading only or for everything. Whoever had files open must be gone. */
  remount(how: 'ro' | 'rw'): Promise<void>;
  close(): Promise<void>;
}

export type DiskKind = 'tmpfs' | 'ext4';

const run = promisify(execFile);
const MIB = 1 << 20;
const FILLER_BYTES = [MIB, 64 << 10, 4_096];
/** Where the system's administrator has them, whoever starts us. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
/** What is unmounted already is no reason to complain. */
const JANITOR = 'read -r _; umount -l "$0" 2>/dev/null; true';
const NEEDS = {
  tmpfs: 'needs root and `mount -t tmpfs`',
  ext4: 'needs root, loop devices and `apt-get install -y e2fsprogs`',
} as const;

/** Why there is no such disk on this machine, and what would provide it. */
export class NoDisk extends Error {}

/** @param folder where it is mounted, and its image lies; made where it does not exist */
export async function mountSmallDisk(folder: string, kind: DiskKind, mebibytes: number): Promise<SmallDisk> {
  const disk = new MountedDisk(join(folder, 'disk'), join(folder, 'disk.img'), kind, mebibytes);
  try {
    await disk.make();
    return disk;
  } catch (error) {
    await disk.close().catch(() => {});
    throw new NoDisk(`${NEEDS[kind]} (${(error as Error).message.split('\n')[0]})`);
  }
}

class MountedDisk implements SmallDisk {
  readonly path: string;
  readonly #image: string;
  readonly #kind: DiskKind;
  readonly #mebibytes: number;
  #janitor: ChildProcess | undefined;
  #isMounted = false;

  constructor(path: string, image: string, kind: DiskKind, mebibytes: number) {
    this.path = path;
    this.#image = image;
    this.#kind = kind;
    this.#mebibytes = mebibytes;
  }

  async make(): Promise<void> {
    await mkdir(this.path, { recursive: true });
    this.#watch();
    if (this.#kind === 'tmpfs') {
      await command('mount', '-t', 'tmpfs', '-o', `size=${this.#mebibytes}m,mode=0700`, 'tmpfs', this.path);
    } else {
      await writeFile(this.#image, '');
      await truncate(this.#image, this.#mebibytes * MIB);
      await command('mkfs.ext4', '-q', '-F', '-m', '0', '-E', 'lazy_itable_init=0,lazy_journal_init=0', this.#image);
      await command('mount', '-o', 'loop', this.#image, this.path);
    }
    this.#isMounted = true;
  }

  async fill(leaveBytes = 0): Promise<void> {
    const filler = await open(this.#filler, 'a');
    try {
      for (const size of FILLER_BYTES) {
        while ((await freeBytes(this.path)) - leaveBytes >= size) await filler.write(Buffer.alloc(size));
      }
    } catch (error) {
      // Others are writing, too.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      await filler.close();
    }
  }

  async makeRoom(): Promise<void> {
    await rm(this.#filler, { force: true });
  }

  async fail(): Promise<void> {
    await command('mount', '-o', 'remount,abort', this.path);
  }

  async remount(how: 'ro' | 'rw'): Promise<void> {
    await command('umount', this.path);
    this.#isMounted = false;
    if (how === 'ro') {
      // What is left in its journal can only be written back where it may be written to.
      await command('mount', '-o', 'loop', this.#image, this.path);
      await command('umount', this.path);
    }
    await command('mount', '-o', `loop,${how}`, this.#image, this.path);
    this.#isMounted = true;
  }

  async close(): Promise<void> {
    if (this.#isMounted) await command('umount', '-l', this.path);
    this.#isMounted = false;
    await rm(this.#image, { force: true });
    const janitor = this.#janitor;
    if (janitor === undefined) return;
    janitor.ref();
    const gone = once(janitor, 'exit');
    janitor.stdin?.end();
    await gone;
  }

  get #filler(): string {
    return join(this.path, 'filler');
  }

  /** Its own session: what ends us by a signal to the group does not end it. It waits for us, not we for it. */
  #watch(): void {
    this.#janitor = spawn('/bin/sh', ['-c', JANITOR, this.path], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH },
    });
    this.#janitor.unref();
    (this.#janitor.stdin as Socket | null)?.unref();
  }
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

async function command(name: string, ...args: readonly string[]): Promise<void> {
  await run(name, args, { env: { ...process.env, PATH } });
}
