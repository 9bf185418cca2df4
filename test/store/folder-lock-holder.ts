/** Takes a lock, or opens a queue or a store, says how that went, and stays until it is ended. */
import { type FileHandle, open } from 'node:fs/promises';
import { parentPort } from 'node:worker_threads';
import { lockFolder, tryFlock } from '../../src/store/folder-lock.ts';
import { openQueue, openRocksGatewayStore, type StoreError } from '../../src/store/index.ts';
import { counters } from './gateway-store-counter.ts';

const [kind, path] = process.argv.slice(2) as ['lock' | 'flock' | 'queue' | 'store', string];
const tell = (answer: string) => (parentPort ? parentPort.postMessage(answer) : process.send?.(answer));

let file: FileHandle | undefined;
try {
  if (kind === 'lock') await lockFolder(path);
  else if (kind === 'flock') file = await openFlocked(path);
  else if (kind === 'queue') await openQueue({ path, deviceId: 'pump-1', reserveBytes: 0 });
  else await openRocksGatewayStore({ path, operator: counters });
  tell('held');
} catch (error) {
  tell(`${(error as StoreError).code} ${(error as StoreError).message}`);
}
setInterval(() => file, 1_000);

async function openFlocked(name: string): Promise<FileHandle> {
  const opened = await open(name, 'a+');
  if (!tryFlock(opened.fd)) throw new Error('locked');
  return opened;
}
