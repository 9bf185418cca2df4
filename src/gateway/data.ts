/**
 * Data: the folder in which a gateway keeps everything.
 *
 * Owns the layout: `store/` is the embedded database, `keys.json` the devices' keys. Promises a folder that only its owner
 * can enter. Never looks into either but for whether it is empty.
 */
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { type GatewayStore, openRocksGatewayStore, type RotReport } from '../store/index.ts';
import { KeyFileError } from './key-file.ts';
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
export function openStore(folder: string, onRot?: (report: RotReport) => void): Promise<GatewayStore<Page>> {
  return openRocksGatewayStore({ path: join(folder, 'store'), operator: pageOperator, ...(onRot && { onRot }) });
}

/**
 * Rejects with a StoreError, or with a KeyFileError `keys-unreadable`: also where the file is gone beside a database that
 * has devices, for without it every one of them would be refused, and wait.
 */
export async function openData(folder: string, logger?: FastifyBaseLogger): Promise<GatewayData> {
  const store = await openStore(folder, (report) => logRot(folder, report, logger));
  try {
    const path = keyFilePath(folder);
    const keys = await watchKeyFile({ path, ...(logger && { logger }) });
    if (!keys.hasFile && (await holdsDevice(store))) {
      keys.close();
      throw new KeyFileError('keys-unreadable', `${path} is gone, and the database has devices: put back a copy of it`);
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
function logRot(folder: string, report: RotReport, logger?: FastifyBaseLogger): void {
  if ('trouble' in report) {
    const { trouble } = report;
    logger?.error(
      { code: 'corrupt', trouble, folder },
      'the database is damaged and takes no more batches; devices keep theirs. Stop the gateway, copy the folder to a ' +
        'sound disk, and put back the latest whole copy of store and store.witness',
    );
    return;
  }
  const { mendedBits } = report;
  logger?.warn(
    { code: 'rot', mendedBits, folder },
    'bits of the database had flipped on disk and were put right: check the disk, and copy the folder to another',
  );
}

async function holdsDevice(store: GatewayStore<Page>): Promise<boolean> {
  for await (const _ of store.devices({ limit: 1 })) return true;
  return false;
}
