/**
 * Data: the folder in which a gateway keeps everything.
 *
 * Owns the layout: `store/` is the embedded database, `keys.json` the devices' keys. Promises a folder that only its owner
 * can enter. Never looks into either but for whether it is empty.
 */
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { type GatewayStore, openRocksGatewayStore } from '../store/index.ts';
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
export function openStore(folder: string): Promise<GatewayStore<Page>> {
  return openRocksGatewayStore({ path: join(folder, 'store'), operator: pageOperator });
}

/**
 * Rejects with a StoreError, or with a KeyFileError `keys-unreadable`: also where the file is gone beside a database that
 * has devices, for without it every one of them would be refused, and wait.
 */
export async function openData(folder: string, logger?: FastifyBaseLogger): Promise<GatewayData> {
  const store = await openStore(folder);
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

async function holdsDevice(store: GatewayStore<Page>): Promise<boolean> {
  for await (const _ of store.devices({ limit: 1 })) return true;
  return false;
}
