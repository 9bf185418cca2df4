/** What kept batches say of ids: nothing where they cannot be read, and nothing that the ledger did not count. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BATCH_EVENTS_MAX, decodeBatch, digestOf, sliceTable } from '../../src/codec/index.ts';
import { createArchive, LOOKED_UP_MAX } from '../../src/gateway/archive.ts';
import { type RetainedBatch, StoreError } from '../../src/store/index.ts';
import { batchBytes, DEVICE, eventOf, STREAM_HEX } from './gateway-fixture.ts';

const KEY = { deviceId: DEVICE, stream: STREAM_HEX };

function retained(first: number, count: number, parts: Partial<RetainedBatch> = {}): RetainedBatch {
  const body = batchBytes({ first, count });
  return {
    ...KEY,
    first,
    last: first + count - 1,
    tsMin: 0,
    tsMax: 0,
    receivedAt: first,
    encoding: 'identity',
    body,
    ...parts,
  };
}

const storeOf = (...batches: RetainedBatch[]) => ({
  retained: async (_key: unknown, first: number, last: number) =>
    batches.filter((batch) => batch.first <= last && batch.last >= first),
});

test('findings cover what is kept, and no more', async () => {
  const archive = createArchive(storeOf(retained(1, 10), retained(21, 10)));
  const findings = await archive.find(KEY, [
    { first: 5, last: 25 },
    { first: 28, last: 28 },
  ]);
  assert.deepEqual(
    findings.map(({ first, last }) => [first, last]),
    [
      [5, 10],
      [21, 25],
      [28, 28],
    ],
  );
  const { table } = decodeBatch(batchBytes({ first: 1, count: 10 }));
  assert.equal(findings[0]!.digest(6, 7), digestOf(sliceTable(table, 5, 7), 6)(0, 2));
});

test('of two batches with one id the earlier one says what was counted', async () => {
  const other = batchBytes({ first: 1, events: [eventOf(1, { sensor: 'other' })] });
  const late = retained(1, 10, { receivedAt: 9 });
  const early = { ...retained(1, 1, { receivedAt: 5 }), body: other };
  const findings = await createArchive(storeOf(late, early)).find(KEY, [{ first: 1, last: 3 }]);
  assert.deepEqual(
    findings.map(({ first, last }) => [first, last]),
    [
      [1, 1],
      [2, 3],
    ],
  );
  assert.equal(findings[0]!.digest(1, 1), digestOf(decodeBatch(other).table, 1)(0, 1));
});

test('a look-up reads a bounded number of events, with turns for others between batches', async () => {
  const events = Array.from({ length: BATCH_EVENTS_MAX }, () => ({ ts: 0, sensor: 's', fields: { volume: 1 } }));
  // Each reaches one event further than all before it.
  const batches = Array.from({ length: 40 }, (_, i) =>
    retained(100 - i, BATCH_EVENTS_MAX, { receivedAt: i, body: batchBytes({ first: 100 - i, events }) }),
  );
  let turns = 0;
  let isOver = false;
  const others = (async () => {
    while (!isOver) {
      await nextTurn();
      turns++;
    }
  })();
  const findings = await createArchive(storeOf(...batches)).find(KEY, [{ first: 50, last: 110 }]);
  isOver = true;
  await others;
  assert.deepEqual(
    findings.map(({ first, last }) => [first, last]),
    [
      [100, 110],
      [99, 99],
      [98, 98],
      [97, 97],
    ],
  );
  assert(turns >= findings.length);
});

test('a batch that cannot be read says nothing; a store that cannot is an error, and the next look-up goes on', async () => {
  const corrupt = retained(1, 10, { body: Buffer.from('no') });
  assert.deepEqual(await createArchive(storeOf(corrupt)).find(KEY, [{ first: 1, last: 5 }]), []);
  const batches: RetainedBatch[] | Error[] = [new StoreError('io', 'no')];
  const archive = createArchive({
    retained: async () => {
      const [first] = batches;
      if (first instanceof Error) throw first;
      return [];
    },
  });
  await assert.rejects(archive.find(KEY, [{ first: 1, last: 1 }]), { code: 'io' });
  batches.length = 0;
  assert.deepEqual(await archive.find(KEY, [{ first: 1, last: 1 }]), []);
});

test('what only too many batches can tell is refused before any is unpacked, and its parts are not', async () => {
  let unpacked = 0;
  const batches = Array.from({ length: LOOKED_UP_MAX + 1 }, (_, i) => {
    const batch = retained(i + 1, 1);
    const { body } = batch;
    return Object.defineProperty(batch, 'body', {
      get() {
        unpacked += 1;
        return body;
      },
    });
  });
  const archive = createArchive(storeOf(...batches));
  await assert.rejects(archive.find(KEY, [{ first: 1, last: LOOKED_UP_MAX + 1 }]), { code: 'batch-limit' });
  assert.equal(unpacked, 0);
  assert.equal((await archive.find(KEY, [{ first: 1, last: LOOKED_UP_MAX }])).length, LOOKED_UP_MAX);
  // However many batches hold one id, the first that was accepted tells.
  const again = batches.map((batch, i) => ({ ...batch, first: 1, last: 1, receivedAt: 5_000 - i }));
  assert.equal((await createArchive(storeOf(...again)).find(KEY, [{ first: 1, last: 1 }])).length, 1);
});
