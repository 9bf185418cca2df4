/** Takes a lock, or opens a queue or a store, says how that went, and stays until it is ended. */
import { parentPort } from 'node:worker_threads';
import { lockFolder } from '../../src/store/folder-lock.ts';
import { openQueue, openRocksGatewayStore, type StoreError } from '../../src/store/index.ts';
import { counters } from './gateway-store-counter.ts';

const [kind, path] = process.argv.slice(2) as ['lock' | 'queue' | 'store', string];
const tell = (answer: string) => (parentPort ? parentPort.postMessage(answer) : process.send?.(answer));

try {
  if (kind === 'lock') await lockFolder(path);
  else if (kind === 'queue') await openQueue({ path, deviceId: 'pump-1', reserveBytes: 0 });
  else await openRocksGatewayStore({ path, operator: counters });
  tell('held');
} catch (error) {
  tell(`${(error as StoreError).code} ${(error as StoreError).message}`);
}
setInterval(() => {}, 1_000);
