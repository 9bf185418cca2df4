/**
 * Data: the folder in which a gateway keeps everything.
 *
 * Owns the layout: `store/` is the embedded database, `keys.json` the devices' keys. Promises that a folder it makes is
 * its owner's alone, and that others who can look into one that was there are spoken of. Never looks into either but
 * for whether it is empty.
 */
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import {
  type GatewayStore,
  type GatewayStoreView,
  lookAtGatewayStore,
  openRocksGatewayStore,
  StoreError,
  type StoreReport,
} from '../store/index.ts';
import { KeyFileError } from './key-errors.ts';
import { privateMode } from './key-file-disk.ts';
import { type WatchedKeyRing, watchKeyFile } from './key-watch.ts';
import { type Page, pageOperator } from './pages.ts';

export interface GatewayData {
  readonly store: GatewayStore<Page>;
  readonly keys: WatchedKeyRing;
  close(): Promise<void>;
}

export function keyFilePath(folder: string): string {
  return join(folder, 'keys.json');
}

/** The store alone. Rejects with a StoreError, `locked` where a gateway runs on it. */
export function openStore(folder: string, onRot?: (report: StoreReport) => void): Promise<GatewayStore<Page>> {
  return openRocksGatewayStore({ path: join(folder, 'store'), operator: pageOperator, ...(onRot && { onRot }) });
}

/** The store as it is on disk, beside a gateway or none. Changes nothing. Rejects with StoreError, as `not-found`. */
export function lookAtStore<T>(folder: string, look: (store: GatewayStoreView<Page>) => Promise<T>): Promise<T> {
  return lookAtGatewayStore({ path: join(folder, 'store'), operator: pageOperator }, look);
}

/**
 * Rejects with a StoreError, or with a KeyFileError `keys-unreadable`: also where the file is gone beside a database
 * that has devices, for without it every one of them would be refused, and wait.
 */
export async function openData(folder: string, logger?: FastifyBaseLogger): Promise<GatewayData> {
  const store = await openStore(folder, (report) => logRot(folder, report, logger));
  try {
    const path = keyFilePath(folder);
    await guard(folder, path, logger);
    const keys = await watchKeyFile({ path, ...(logger && { logger }) });
    const isNew = !(await holdsDevice(store));
    if (!keys.hasFile && !isNew) {
      keys.close();
      throw keysGone(path);
    }
    if (isNew) {
      const elsewhere =
        'Where this gateway has counted before, --data names another folder, or store and store.witness want to ' +
        'be put back from a copy: stop it for that';
      const said = keys.hasFile
        ? `the database in ${folder} has counted nothing yet: it begins at zero. ${elsewhere}`
        : `${folder} is a new gateway, which knows no device: tidegate-gateway keys add makes a key. ${elsewhere}`;
      logger?.warn({ code: keys.hasFile ? 'store-new' : 'gateway-new', folder }, said);
    }
    return {
      store,
      keys,
      async close() {
        keys.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Says what was found, and what to do about it: a disk that rots is replaced by somebody who hears of it. */
function logRot(folder: string, report: StoreReport, logger?: FastifyBaseLogger): void {
  if ('trouble' in report) {
    const { trouble } = report;
    logger?.error(
      { code: 'corrupt', trouble, folder },
      'the database is damaged and takes no more batches; devices keep theirs. Stop the gateway, ' +
        'copy the folder to a ' +
        'sound disk, and put back the latest whole copy of store and store.witness',
    );
    return;
  }
  if ('unwitnessed' in report) {
    logger?.warn({ code: 'unwitnessed', folder }, report.unwitnessed);
    return;
  }
  const { mendedBits } = report;
  logger?.warn(
    { code: 'rot', mendedBits, folder },
    'bits of the database had flipped on disk and were put right: check the disk, and copy the folder to another',
  );
}

/**
 * Secrets that everybody can read are made private at once, and said to have been open, since only a person can tell
 * who has read them. The folder may hold other things of its owner's, so its mode is theirs to change.
 */
async function guard(folder: string, keys: string, logger: FastifyBaseLogger | undefined): Promise<void> {
  // Windows has no such bits.
  if (process.platform === 'win32') return;
  const open = async (path: string) => {
    const mode = await stat(path).then(
      (found) => found.mode & 0o777,
      () => 0,
    );
    return (mode & 0o007) === 0 ? undefined : mode;
  };
  const mode = await open(keys);
  if (mode !== undefined) {
    const now = await chmod(keys, privateMode(mode)).then(
      () => 'now they cannot',
      (error: Error) => `that cannot be mended (${error.message}): run chmod 600`,
    );
    const said =
      `every user of this machine could read the keys of all devices in ${keys}; ${now}. Rotate keys ` +
      'that others may have read';
    logger?.warn({ code: 'keys-exposed', mode: mode.toString(8) }, said);
  }
  const folderMode = await open(folder);
  if (folderMode !== undefined) {
    const said = `every user of this machine can look into ${folder}: run chmod 700`;
    logger?.warn({ code: 'data-exposed', mode: folderMode.toString(8) }, said);
  }
}

/** Rejects with a KeyFileError `keys-unreadable` where the database has devices: a new file would shut them all out. */
export async function assertNoDevices(folder: string): Promise<void> {
  const hasDevice = await lookAtStore(folder, holdsDevice).catch((error) => {
    if (error instanceof StoreError && error.code === 'not-found') return false;
    throw error;
  });
  if (hasDevice) throw keysGone(keyFilePath(folder));
}

function keysGone(path: string): KeyFileError {
  return new KeyFileError('keys-unreadable', `${path} is gone, and the database has devices: put back a copy of it`);
}

async function holdsDevice(store: Pick<GatewayStoreView<Page>, 'devices'>): Promise<boolean> {
  for await (const _ of store.devices({ limit: 1 })) return true;
  return false;
}
