/**
 * Rack: disks whose power can be cut.
 *
 * Owns the mounts. A disk is a file system (ext4, mostly) in an image file, mounted over a loop device, and the image
 * lies on an XFS that shares blocks between files (itself an image over a loop device). Cutting the power clones the
 * image by reflink, under load, with nothing stopped and nothing flushed. XFS holds the image's lock meanwhile, so the
 * clone is the block device between two of its writes: all that ext4 had handed over, and nothing of what it still held
 * in memory.
 *
 * That was tried before it was relied on. A clone makes ext4 write nothing (its device's count of writes stays, what
 * was written and not fsynced is absent from the clone); it does make the XFS below write, which only stands for the
 * disk. And 19 clones taken while two programs wrote, fsynced and removed files held all that had been fsynced before,
 * and nothing for `e2fsck` to repair.
 *
 * Promises that no mount outlives the process that made it, however that ends: a janitor waits for its pipe to close.
 * Never syncs anything.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, copyFileSync, renameSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Rack {
  /** A blank one, mounted. */
  disk(format?: DiskFormat): Promise<Disk>;
  /** Unmounts everything. Programs that have files open must have ended. */
  close(): Promise<void>;
}

/**
 * A file system and how it is mounted; `ext4` alone is ext4 as it is by default. With `nodelalloc` a file grows sooner,
 * with `data=journal` all that it holds goes through the journal, with `fast_commit` an fsync need not write the whole
 * journal. `xfs` orders its writes in its own way altogether.
 */
export type DiskFormat = keyof typeof FORMATS;

export interface Disk {
  /** Where it is mounted; the same over cuts. */
  readonly path: string;
  /**
   * From now on, this is what is on the disk. Synchronous, so that nothing that this process forwards or notes comes
   * between. What runs on the disk goes on, on a disk that is already lost: it is the caller's to kill.
   */
  cut(): void;
  /** Mounts what was there at the cut. Whoever had files open must be gone. */
  restore(): Promise<void>;
  remove(): Promise<void>;
}

const run = promisify(execFile);

/** All of these are sparse. `mkfs.xfs` makes nothing smaller than 300 MiB. */
const RACK_BYTES = 8 * 2 ** 30;
const DISK_BYTES = 320 << 20;

// Nothing is left for the kernel to do behind our back.
const EXT4 = ['mkfs.ext4', '-q', '-F', '-b', '4096', '-E', 'lazy_itable_init=0,lazy_journal_init=0'] as const;
const XFS = ['mkfs.xfs', '-q', '-m', 'reflink=1'] as const;

const FORMATS = {
  ext4: { make: EXT4, mount: 'loop' },
  'ext4 nodelalloc': { make: EXT4, mount: 'loop,nodelalloc' },
  'ext4 data=journal': { make: EXT4, mount: 'loop,data=journal' },
  'ext4 fast_commit': { make: [...EXT4, '-O', 'fast_commit'], mount: 'loop' },
  xfs: { make: XFS, mount: 'loop' },
} as const;

export const DISK_FORMATS = Object.keys(FORMATS) as DiskFormat[];

/** What is unmounted or gone already is no reason to leave the rest. */
const JANITOR = `read -r _; umount -l "$0"; rm -rf --one-file-system "$0" "$0.img"`;

/** Where the system's administrator has them, whoever starts us. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** Why there can be no rack on this machine, and what would provide it; undefined where there can be one. */
export async function rackObstacle(): Promise<string | undefined> {
  const why = (reason: string): string =>
    `power cuts need Linux, root, loop devices and XFS: \`apt-get install -y xfsprogs e2fsprogs\` (${reason})`;
  if (process.platform !== 'linux') return why(`this is ${process.platform}`);
  if (process.getuid?.() !== 0) return why('not root');
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-rack-'));
  try {
    const rack = await openRack(folder);
    try {
      const disk = await rack.disk();
      disk.cut();
      await disk.restore();
    } finally {
      await rack.close();
    }
    return undefined;
  } catch (error) {
    return why((error as Error).message);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param folder where it may take space; it is empty again after `close()` */
export async function openRack(folder: string): Promise<Rack> {
  const rack = new LoopRack(join(folder, 'rack'));
  try {
    await rack.open();
    return rack;
  } catch (error) {
    await rack.close();
    throw error;
  }
}

class LoopRack implements Rack {
  readonly #path: string;
  readonly #janitor: ChildProcess;
  readonly #disks = new Set<LoopDisk>();
  #made = 0;

  constructor(path: string) {
    this.#path = path;
    // Its own session: what ends us by a signal to the group does not end it.
    this.#janitor = spawn('/bin/sh', ['-c', JANITOR, path], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH },
    });
    // It waits for us, not we for it.
    this.#janitor.unref();
    (this.#janitor.stdin as Socket | null)?.unref();
  }

  async open(): Promise<void> {
    const image = `${this.#path}.img`;
    await mkdir(this.#path);
    await makeImage(image, RACK_BYTES, XFS);
    await command('mount', '-o', 'loop,discard', image, this.#path);
  }

  async disk(format: DiskFormat = 'ext4'): Promise<Disk> {
    const path = join(this.#path, `disk-${++this.#made}`);
    const disk = new LoopDisk(path, FORMATS[format], () => this.#disks.delete(disk));
    this.#disks.add(disk);
    await disk.make();
    return disk;
  }

  async close(): Promise<void> {
    for (const disk of this.#disks) await disk.remove().catch(() => {});
    this.#janitor.ref();
    const ended = once(this.#janitor, 'exit');
    this.#janitor.stdin?.end();
    await ended;
  }
}

class LoopDisk implements Disk {
  readonly path: string;
  readonly #format: (typeof FORMATS)[DiskFormat];
  readonly #onRemoved: () => void;

  constructor(path: string, format: (typeof FORMATS)[DiskFormat], onRemoved: () => void) {
    this.path = path;
    this.#format = format;
    this.#onRemoved = onRemoved;
  }

  get #image(): string {
    return `${this.path}.img`;
  }

  get #cut(): string {
    return `${this.path}.cut`;
  }

  async make(): Promise<void> {
    await mkdir(this.path);
    await makeImage(this.#image, DISK_BYTES, this.#format.make);
    await this.#mount();
  }

  cut(): void {
    clone(this.#image, this.#cut);
  }

  async restore(): Promise<void> {
    // Whatever this still writes goes to an image that is thrown away.
    await command('umount', this.path);
    await rename(this.#cut, this.#image);
    await this.#mount();
  }

  async remove(): Promise<void> {
    await command('umount', this.path);
    for (const path of [this.path, this.#image, this.#cut]) await rm(path, { recursive: true, force: true });
    this.#onRemoved();
  }

  async #mount(): Promise<void> {
    await command('mount', '-o', this.#format.mount, this.#image, this.path);
  }
}

/** Fails rather than copy. */
function clone(from: string, to: string): void {
  const draft = `${to}.new`;
  copyFileSync(from, draft, constants.COPYFILE_FICLONE_FORCE);
  renameSync(draft, to);
}

async function makeImage(path: string, bytes: number, [file, ...args]: readonly [string, ...string[]]): Promise<void> {
  await writeFile(path, '', { mode: 0o600 });
  await truncate(path, bytes);
  await command(file, ...args, path);
}

async function command(file: string, ...args: readonly string[]): Promise<void> {
  try {
    await run(file, args, { env: { PATH } });
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    throw new Error(`${file}: ${stderr.trim().split('\n')[0] || message}`, { cause: error });
  }
}
