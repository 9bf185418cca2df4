/**
 * A key ring that follows its key file.
 *
 * Owns when the file is read again. Promises that a change is in force within about a second, that a file which cannot
 * be read leaves the keys as they were and is tried again until it can, and that this is said once for each reason.
 * Never changes the file.
 */
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { KeyFileError } from './key-errors.ts';
import { type KeyTable, readKeyTable } from './key-file.ts';
import type { Key, KeyRing } from './keyring.ts';

export interface WatchedKeyRing extends KeyRing {
  /** Whether there has been a file. */
  readonly hasFile: boolean;
  /** Reads the file now, changed or not. */
  reload(): Promise<void>;
  /** Stops following. */
  close(): void;
}

export interface KeyWatchOptions {
  readonly path: string;
  readonly logger?: FastifyBaseLogger;
  /** How often to look, where the file system does not tell. */
  readonly pollMs?: number;
}

const POLL_MS = 1_000;

/**
 * Rejects with `keys-unreadable` where there is a file and it holds no keys: a gateway that refuses every device should
 * not come up.
 */
export async function watchKeyFile(options: KeyWatchOptions): Promise<WatchedKeyRing> {
  const ring = new FileKeyRing(options);
  await ring.load();
  ring.follow(options.pollMs ?? POLL_MS);
  return ring;
}

class FileKeyRing implements WatchedKeyRing {
  readonly #path: string;
  readonly #logger: FastifyBaseLogger | undefined;
  #keys: ReadonlyMap<string, ReadonlyMap<string, Key>> = new Map();
  /** What tells one version of the file from another: of the one that the keys are from. */
  #version = '';
  /** Why the file could last not be read. */
  #failure = '';
  #checking: Promise<void> | undefined;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ path, logger }: KeyWatchOptions) {
    this.#path = path;
    this.#logger = logger;
  }

  get hasFile(): boolean {
    return this.#version !== '';
  }

  lookup(deviceId: string, keyId: string): Key | undefined {
    return this.#keys.get(deviceId)?.get(keyId);
  }

  async load(): Promise<void> {
    // In this order: a change between the two is seen as one at the next look. Remembered only once it was read.
    const version = await versionOf(this.#path);
    this.#keys = ringOf(await readKeyTable(this.#path, async () => this.#assertNeverThere()));
    this.#version = version;
    this.#failure = '';
  }

  follow(pollMs: number): void {
    this.#timer = setInterval(() => this.#check(), pollMs);
    this.#timer.unref();
    const name = basename(this.#path);
    try {
      // The folder, since every change puts another file in its place.
      this.#watcher = watch(dirname(this.#path), { persistent: false }, (_event, changed) => {
        if (changed === name) this.#check();
      });
      this.#watcher.on('error', (err) =>
        this.#logger?.warn({ err }, 'not told of key changes; looking once in a while'),
      );
    } catch (err) {
      this.#logger?.warn({ err }, 'not told of key changes; looking once in a while');
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watcher?.close();
  }

  async reload(): Promise<void> {
    await this.#checking;
    await this.#read();
  }

  #check(): void {
    this.#checking ??= this.#look().finally(() => {
      this.#checking = undefined;
    });
  }

  async #look(): Promise<void> {
    const version = await versionOf(this.#path).catch(() => 'unknown');
    // Looked for again when there is one: where it was always gone nothing has changed.
    if (version !== this.#version && version !== '') await this.#read();
  }

  /** A file that is gone is no order to forget every key. */
  #assertNeverThere(): void {
    if (this.hasFile) throw new KeyFileError('keys-unreadable', `${this.#path} is gone`);
  }

  async #read(): Promise<void> {
    const before = this.#version;
    try {
      await this.load();
      const isChanged = this.#version !== before;
      this.#logger?.info({ devices: this.#keys.size }, isChanged ? 'keys changed' : 'keys are as they were');
    } catch (err) {
      const { code, message } = err as KeyFileError;
      if (this.#failure === message) return;
      this.#failure = message;
      this.#logger?.error(
        { code, err },
        'the key file cannot be read; the keys stay as they were, and it is tried again',
      );
    }
  }
}

/** Empty where there is no file. */
async function versionOf(path: string): Promise<string> {
  try {
    const { ino, mtimeNs, ctimeNs, size } = await stat(path, { bigint: true });
    return `${ino} ${mtimeNs} ${ctimeNs} ${size}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function ringOf(table: KeyTable): Map<string, Map<string, Key>> {
  const ring = new Map<string, Map<string, Key>>();
  for (const [deviceId, keys] of table) {
    const entries = keys.map(
      ({ keyId, secret, revokedAt }) => [keyId, { secret, revoked: revokedAt !== null }] as const,
    );
    ring.set(deviceId, new Map(entries));
  }
  return ring;
}
