/**
 * KeyFile: the keys of all devices, in one JSON file that only its owner can read.
 *
 * Owns the form of `keys.json` and every change to it. Promises that a reader sees the file before or after a change
 * and never between, that two writers change it one after another, that whoever could read it before a change can
 * afterwards, that a device has at most two live keys, and that a key which has changed on disk is no key. Never prints
 * or logs a secret.
 */
import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { readPlainFile, unreadable } from '../cli/index.ts';
import { type Credential, formatCredential, ID_PATTERN, parseCredential, SECRET_BYTES } from '../codec/index.ts';
import { syncDirectory } from '../store/index.ts';
import { KeyFileError } from './key-errors.ts';
import { acquire, foreign, writeDraft } from './key-file-disk.ts';

export interface KeyRecord extends Credential {
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly revokedAt: number | null;
}

/** Keys by device, in the order in which they were made. */
export type KeyTable = ReadonlyMap<string, readonly KeyRecord[]>;

export interface KeyFileOptions {
  readonly path: string;
  readonly clock: () => number;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Asked before a change makes the file, where there is none; what it rejects with refuses that. */
  readonly mayBegin?: () => Promise<void>;
}

/**
 * Hands a new key over before it is in force. Where it rejects, nothing is changed. What it resolves with takes the key
 * back, where it could not be put in force after all.
 */
export type DeliverKey = (key: KeyRecord) => Promise<(() => Promise<void>) | undefined>;

/** Each makes its change durable before it resolves. */
export interface KeyFile {
  list(): Promise<KeyTable>;
  /** A first key for a device that has none. */
  add(deviceId: string, deliver?: DeliverKey): Promise<KeyRecord>;
  /** A second live key, so that the device can go over from the first one. */
  rotate(deviceId: string, deliver?: DeliverKey): Promise<KeyRecord>;
  /** Revokes one key, or every live one; resolves with what was revoked. */
  revoke(deviceId: string, keyId?: string): Promise<readonly KeyRecord[]>;
}

export function createKeyFile(options: KeyFileOptions): KeyFile {
  return new JsonKeyFile(options);
}

const LIVE_KEYS_MAX = 2;

class JsonKeyFile implements KeyFile {
  readonly #options: KeyFileOptions;

  constructor(options: KeyFileOptions) {
    this.#options = options;
  }

  list(): Promise<KeyTable> {
    return readKeyTable(this.#options.path);
  }

  async add(deviceId: string, deliver?: DeliverKey): Promise<KeyRecord> {
    if (!ID_PATTERN.test(deviceId)) {
      throw new KeyFileError(
        'device-id-invalid',
        `"${deviceId}" is no id: letters, digits and . _ : - only, at most 64`,
      );
    }
    return this.#change((table) => {
      if (table.has(deviceId)) throw new KeyFileError('device-exists', `there is a device ${deviceId} already`);
      return this.#addKey(table, deviceId, []);
    }, deliver);
  }

  rotate(deviceId: string, deliver?: DeliverKey): Promise<KeyRecord> {
    return this.#change((table) => {
      const keys = keysOf(table, deviceId);
      const live = keys.filter(isLive);
      if (live.length >= LIVE_KEYS_MAX) {
        const names = live.map(({ keyId }) => keyId).join(' and ');
        throw new KeyFileError('two-keys-live', `keys ${names} of ${deviceId} are live; revoke one first`);
      }
      return this.#addKey(table, deviceId, keys);
    }, deliver);
  }

  revoke(deviceId: string, keyId?: string): Promise<readonly KeyRecord[]> {
    return this.#change((table) => {
      const keys = keysOf(table, deviceId);
      if (keyId !== undefined && !keys.some((key) => key.keyId === keyId)) {
        throw new KeyFileError('key-unknown', `${deviceId} has no key ${keyId}`);
      }
      const revokedAt = this.#options.clock();
      const changed = keys.map((key) =>
        isLive(key) && (keyId ?? key.keyId) === key.keyId ? { ...key, revokedAt } : key,
      );
      const revoked = changed.filter((key, i) => key !== keys[i]);
      if (revoked.length === 0) throw new KeyFileError('no-live-key', `no such key of ${deviceId} is live`);
      table.set(deviceId, changed);
      return revoked;
    });
  }

  #addKey(table: Map<string, readonly KeyRecord[]>, deviceId: string, keys: readonly KeyRecord[]): KeyRecord {
    const key = {
      keyId: `k${keys.length + 1}`,
      secret: this.#options.randomBytes(SECRET_BYTES),
      createdAt: this.#options.clock(),
      revokedAt: null,
    };
    table.set(deviceId, [...keys, key]);
    return key;
  }

  async #change<T>(
    change: (table: Map<string, readonly KeyRecord[]>) => T,
    deliver: (result: T) => Promise<(() => Promise<void>) | undefined> = async () => undefined,
  ): Promise<T> {
    const { path } = this.#options;
    const lock = await acquire(path).catch(unwritable(path));
    try {
      const table = new Map(await readKeyTable(path, this.#options.mayBegin));
      const result = change(table);
      const draft = await writeDraft(path, formatKeyTable(table)).catch(unwritable(path));
      try {
        // As late as can be: what fails after this has to take it back.
        const takeBack = await deliver(result);
        await rename(draft, path).catch(async (error: unknown) => {
          await takeBack?.();
          return unwritable(path)(error);
        });
      } finally {
        await rm(draft, { force: true });
      }
      await syncDirectory(dirname(path));
      return result;
    } finally {
      await lock.release();
    }
  }
}

/** What a disk says that takes nothing; nothing has changed then. */
const DISK_SAYS: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']);

function unwritable(path: string): (error: unknown) => never {
  return (error) => {
    if (!DISK_SAYS.has((error as NodeJS.ErrnoException).code)) throw error;
    throw new KeyFileError('keys-unwritable', `cannot write ${path}, and all keys are as they were`, error);
  };
}

/** An absent file holds no keys, where `absent` does not reject. */
export async function readKeyTable(path: string, absent = async (): Promise<void> => {}): Promise<KeyTable> {
  let text: string;
  try {
    text = await readPlainFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      await absent();
      return new Map();
    }
    if ((cause as NodeJS.ErrnoException).code === 'EACCES') throw await foreign(path, cause);
    throw new KeyFileError('keys-unreadable', unreadable(path, cause), cause);
  }
  try {
    return parseKeyTable(text);
  } catch (cause) {
    // The cause may quote the file, which is full of secrets.
    throw new KeyFileError(
      'keys-unreadable',
      `${path} does not hold keys`,
      cause instanceof z.ZodError ? cause : undefined,
    );
  }
}

const keyForm = z
  .object({
    /** As the device has it. */
    credential: z.string(),
    createdAt: z.iso.datetime(),
    revokedAt: z.iso.datetime().nullable(),
    /** A secret that has changed on disk is still a secret: only this tells. */
    checksum: z.string(),
  })
  .transform(({ credential, createdAt, revokedAt, checksum }, context) => {
    const parsed = parseCredential(credential);
    if (parsed !== undefined) {
      const key: KeyRecord = {
        ...parsed,
        createdAt: Date.parse(createdAt),
        revokedAt: revokedAt === null ? null : Date.parse(revokedAt),
      };
      return { key, checksum };
    }
    context.addIssue({ code: 'custom', message: 'not a credential' });
    return z.NEVER;
  });
const fileForm = z.object({ v: z.literal(1), devices: z.record(z.string().regex(ID_PATTERN), z.array(keyForm)) });

function parseKeyTable(text: string): KeyTable {
  const devices = Object.entries(fileForm.parse(JSON.parse(text)).devices);
  return new Map(
    devices.map(([deviceId, keys]) => {
      if (keys.some(({ key, checksum }) => checksum !== checksumOf(deviceId, key)))
        throw new Error('a key has changed');
      return [deviceId, keys.map(({ key }) => key)];
    }),
  );
}

function formatKeyTable(table: KeyTable): string {
  const devices = Object.fromEntries(
    Array.from(table, ([deviceId, keys]) => [
      deviceId,
      keys.map((key) => ({ ...textsOf(key), checksum: checksumOf(deviceId, key) })),
    ]),
  );
  return `${JSON.stringify({ v: 1, devices }, null, 2)}\n`;
}

function textsOf(key: KeyRecord): { credential: string; createdAt: string; revokedAt: string | null } {
  return {
    credential: formatCredential(key),
    createdAt: new Date(key.createdAt).toISOString(),
    revokedAt: key.revokedAt === null ? null : new Date(key.revokedAt).toISOString(),
  };
}

/** Of a key and of whose it is, 8 hex digits. */
function checksumOf(deviceId: string, key: KeyRecord): string {
  const { credential, createdAt, revokedAt } = textsOf(key);
  return crc32([deviceId, credential, createdAt, revokedAt].join(' ')).toString(16).padStart(8, '0');
}

function keysOf(table: KeyTable, deviceId: string): readonly KeyRecord[] {
  const keys = table.get(deviceId);
  if (keys === undefined) throw new KeyFileError('device-unknown', `there is no device ${deviceId}`);
  return keys;
}

function isLive(key: KeyRecord): boolean {
  return key.revokedAt === null;
}
