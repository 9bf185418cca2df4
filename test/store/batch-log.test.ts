/** Accepted batches: what looking for the oldest costs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBatchLog } from '../../src/store/batch-log.ts';
import type { Operation, Rocks } from '../../src/store/rocks.ts';
import type { RocksHandle } from '../../src/store/rocks-handle.ts';
import { streamKey } from './gateway-store-counter.ts';

/** A log over records in memory, of which every read is counted. */
function countedLog() {
  const records = new Map<string, Buffer>();
  let reads = 0;
  const rocks = {
    async getMany(keys: readonly Buffer[]) {
      reads += keys.length;
      return keys.map((key) => records.get(key.toString('hex')));
    },
  } as unknown as Rocks;
  const handle = { use: <T>(task: (one: Rocks) => Promise<T>) => task(rocks) } as unknown as RocksHandle;
  const write = (operations: readonly Operation[]): void => {
    for (const operation of operations) {
      const key = operation.key.toString('hex');
      if (operation.type === 'put') records.set(key, operation.value);
      else records.delete(key);
    }
  };
  return { log: createBatchLog(handle), write, reads: () => reads };
}

test('looking for batches that are too many begins behind those that have gone', async () => {
  const { log, write, reads } = countedLog();
  const key = streamKey('a', 1);
  for (let first = 1; first <= 3_000; first += 1) {
    const batch = { first, last: first, tsMin: 0, tsMax: 0, receivedAt: first, encoding: 'br', body: Buffer.alloc(10) };
    write(log.accept(key, batch));
  }
  let gone = 0;
  for (;;) {
    const expired = await log.expired({ bytesMax: 1_000 }, 0);
    if (expired.length === 0) break;
    write(log.drop(expired));
    gone += expired.length;
  }
  assert.deepEqual([gone, log.tally], [2_900, { batches: 100, bytes: 1_000 }]);
  assert.ok(reads() < 2 * 3_000, `${reads()} records were read to let go of ${gone}`);
});
