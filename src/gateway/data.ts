/**
 * Data: the folder in which a gateway keeps everything.
 *
 * Owns the layout: `store/` is the embedded database, `keys.json` the devices' keys. Promises a folder that only its owner
 * can enter. Never looks into either.
 */
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { type GatewayStore, openRocksGatewayStore } from '../store/index.ts';
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

/** Rejects with a StoreError, or with a KeyFileError `keys-unreadable`. */
export async function openData(folder: string, logger?: FastifyBaseLogger): Promise<GatewayData> {
  const store = await openStore(folder);
  try {
    const keys = await watchKeyFile({ path: keyFilePath(folder), ...(logger && { logger }) });
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
