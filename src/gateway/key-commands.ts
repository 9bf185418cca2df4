/**
 * The commands `tidegate-gateway keys …`.
 *
 * Owns what they print. Promises that a secret is printed once, when it is made, and never again. Never asks whether a
 * gateway runs: one that does picks changes up.
 */
import { randomBytes } from 'node:crypto';
import { access, rm } from 'node:fs/promises';
import { CommandError, printable, type SettingValues, writeSecretFile } from '../cli/index.ts';
import { formatCredential } from '../codec/index.ts';
import { makeDirectory } from '../store/index.ts';
import { assertNoDevices, keyFilePath } from './data.ts';
import { KeyFileError } from './key-errors.ts';
import { createKeyFile, type DeliverKey, type KeyFile, type KeyRecord } from './key-file.ts';
import type { addKeySettings, keySettings } from './settings.ts';
import { isoTime } from './views.ts';

type AddValues = SettingValues<typeof addKeySettings>;
type KeyValues = SettingValues<typeof keySettings>;

export async function addKey(values: AddValues, deviceId: string): Promise<void> {
  await handOver(values, deviceId, (file, deliver) => file.add(deviceId, deliver));
}

export async function rotateKey(values: AddValues, deviceId: string): Promise<void> {
  await assertKeyFile(values.data);
  await handOver(values, deviceId, (file, deliver) => file.rotate(deviceId, deliver));
}

export async function revokeKeys(values: KeyValues, deviceId: string, keyId?: string): Promise<void> {
  await assertKeyFile(values.data);
  const file = keyFileIn(values.data);
  const revoked = await file.revoke(deviceId, keyId);
  if (values.json) print(JSON.stringify(revoked.map((key) => keyView(deviceId, key))));
  else for (const key of revoked) print(`revoked ${key.keyId} of ${deviceId}`);
}

export async function listKeys(values: KeyValues): Promise<void> {
  await assertKeyFile(values.data);
  const file = keyFileIn(values.data);
  const keys = [...(await file.list())].flatMap(([deviceId, records]) => records.map((key) => keyView(deviceId, key)));
  if (values.json) {
    print(JSON.stringify(keys));
    return;
  }
  const width = Math.max(6, ...keys.map(({ device }) => device.length));
  print(`${'DEVICE'.padEnd(width)}  KEY    CREATED                   REVOKED`);
  for (const { device, key, createdAt, revokedAt } of keys) {
    print(`${printable(device).padEnd(width)}  ${key.padEnd(5)}  ${createdAt}  ${revokedAt ?? '-'}`);
  }
}

/**
 * The credential is handed over before the key is in force: a file that is taken, or an output that takes nothing,
 * leaves no key behind, and a key that could not be put in force no file.
 */
async function handOver(
  values: AddValues,
  deviceId: string,
  make: (file: KeyFile, deliver: DeliverKey) => Promise<KeyRecord>,
): Promise<void> {
  const { secretFile } = values;
  const key = await make(await openKeyFile(values.data), async (made) => {
    const credential = formatCredential(made);
    if (secretFile === undefined) {
      await printed(values.json ? JSON.stringify({ device: deviceId, key: made.keyId, credential }) : credential);
      return undefined;
    }
    await writeSecretFile(secretFile, credential).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EEXIST') {
        const said = `--secret-file: ${secretFile} is there, and may be the secret of another key: name a new file`;
        throw new CommandError('secret-exists', said);
      }
      throw new CommandError('secret-unwritable', `--secret-file: cannot make ${secretFile}; no key was made`, {
        cause,
      });
    });
    return () => rm(secretFile, { force: true });
  });
  if (values.json && secretFile !== undefined) print(JSON.stringify({ device: deviceId, key: key.keyId, secretFile }));
}

/** Only a first key makes a folder: anything else that is asked of a mistyped one is a mistake. */
async function openKeyFile(folder: string): Promise<KeyFile> {
  await makeDirectory(folder);
  return keyFileIn(folder);
}

function keyFileIn(folder: string): KeyFile {
  return createKeyFile({
    path: keyFilePath(folder),
    clock: Date.now,
    randomBytes,
    mayBegin: () => assertNoDevices(folder),
  });
}

async function assertKeyFile(folder: string): Promise<void> {
  const path = keyFilePath(folder);
  await access(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT' && cause.code !== 'ENOTDIR') return;
    throw new KeyFileError(
      'keys-not-found',
      `there is no ${path}: --data names the gateway's folder; keys add makes it`,
    );
  });
}

function keyView(device: string, { keyId, createdAt, revokedAt }: KeyRecord) {
  const revoked = revokedAt === null ? null : isoTime(revokedAt);
  return { device, key: keyId, createdAt: isoTime(createdAt), revokedAt: revoked };
}

/** Resolves once the line has left this process. */
function printed(line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.once('error', reject);
    process.stdout.write(`${line}\n`, (error) => (error ? reject(error) : resolve()));
  });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
