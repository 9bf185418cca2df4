/** Ledgers between commits: how much of them stays in memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdingsKey } from '../../src/store/gateway-keys.ts';
import { holdingsPut, NOTHING_HELD } from '../../src/store/holdings.ts';
import { createLiveLedgers, type LiveLedger } from '../../src/store/live-ledgers.ts';
import { SHARED_TURNS } from '../../src/store/time-slicing.ts';
import { streamKey } from './gateway-store-counter.ts';

/** As many of the largest as take more than there is room for: 64 bytes a range, 64 MiB. */
const RANGES = 50_000;
const LEDGERS = 22;

test('ledgers that grow make each other leave, once what they changed is committed', async () => {
  let reads = 0;
  let committed = 0;
  const ledgers = createLiveLedgers({
    ledgersMax: 100,
    read: async (keys) => {
      reads += 1;
      return keys.map(() => undefined);
    },
    chunks: async function* () {},
    isCommitted: (group) => group <= committed,
    turns: SHARED_TURNS,
  });
  const give = (number: number) =>
    new Promise<LiveLedger>((take, fail) => ledgers.give(streamKey('a', number), { take, fail }));
  const all = await Promise.all(Array.from({ length: LEDGERS }, (_, number) => give(number)));
  assert.equal(reads, 1, 'all are read together');
  const grow = (live: LiveLedger, ranges: number) => {
    const from = live.ledger.ranges;
    for (let i = from; i < from + ranges; i += 1) live.ledger.addGap({ first: 2 * i + 1, last: 2 * i + 1 });
    live.changedIn = 1;
    ledgers.changed(live);
  };
  for (const live of all) grow(live, RANGES);
  await give(0);
  assert.equal(reads, 1, 'what is not committed yet stays');
  committed = 1;
  grow(all[1]!, 1_000);
  await give(0);
  assert.equal(reads, 1, 'what was asked for last stays');
  assert.notEqual(await give(2), all[2]);
  assert.equal(reads, 2);
});

test('what was read of a device before it left is read again, since commits may have come between', async () => {
  const at = holdingsKey('a');
  let events = 1;
  let reads = 0;
  const ledgers = createLiveLedgers({
    ledgersMax: 100,
    read: async (keys) => {
      const values = keys.map((key) => (key.equals(at) ? putOf(at, events) : undefined));
      reads += 1;
      if (reads === 1) {
        // Another ledger of the device was in memory, its commit is on disk, and it makes room.
        events = 2;
        ledgers.clear();
      }
      return values;
    },
    chunks: async function* () {},
    isCommitted: () => true,
    turns: SHARED_TURNS,
  });
  const { device } = await new Promise<LiveLedger>((take, fail) => ledgers.give(streamKey('a', 1), { take, fail }));
  assert.equal(device.holdings.events, 2);
  assert.equal(reads, 2);
});

function putOf(key: Buffer, events: number): Buffer {
  const put = holdingsPut(key, { ...NOTHING_HELD, events });
  assert(put.type === 'put');
  return put.value;
}
