/** How the tests, and the processes that they start, open the embedded gateway store. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type GatewayStore, openRocksGatewayStore, type RocksGatewayStoreOptions } from '../../src/store/index.ts';
import type { OpenStore } from './gateway-store-conformance.ts';
import { type Counter, counters } from './gateway-store-counter.ts';

export type Sizes = Pick<RocksGatewayStoreOptions<Counter>, 'cachedPagesMax' | 'cachedLedgersMax'>;

export function openStore(location: string): Promise<GatewayStore<Counter>> {
  return openRocksGatewayStore({ path: location, operator: counters });
}

/** A new directory; `beforeRemoval` lets go of what is in it. */
export async function temporaryDirectory(t: TestContext, beforeRemoval = async () => {}): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tidegate-gateway-'));
  t.after(async () => {
    await beforeRemoval();
    await rm(path, { recursive: true, force: true });
  });
  return path;
}

/** Opens stores in a new directory, with these sizes. */
export function rocksWith(sizes: Sizes): OpenStore {
  return async (t, operator = counters) => {
    const opened: GatewayStore<Counter>[] = [];
    const folder = await temporaryDirectory(t, async () => {
      for (const store of opened) await store.close();
    });
    // Something of it lies beside the database.
    const path = join(folder, 'store');
    const reopen = async () => {
      const store = await openRocksGatewayStore({ path, operator, ...sizes });
      opened.push(store);
      return store;
    };
    return { store: await reopen(), reopen, elsewhere: { module: import.meta.url, location: path } };
  };
}
