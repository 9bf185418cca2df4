/** What kept batches say of ids: nothing where they cannot be read, and nothing that the ledger did not count. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BATCH_EVENTS_MAX, decodeBatch, digestOf, sliceTable } from '../../src/codec/index.ts';
import { createArchive, LOOKED_UP_MAX } from '../../src/gateway/archive.ts';
import { type BatchBody, type BatchExtent, StoreError } from '../../src/store/index.ts';
import { batchBytes, DEVICE, eventOf, STREAM_HEX } from './gateway-fixture.ts';

const KEY = { deviceId: DEVICE, stream: STREAM_HEX };

interface Kept extends BatchExtent {
  readonly batch: BatchBody;
}

function retained(first: number, count: number, parts: Partial<BatchExtent & BatchBody> = {}): Kept {
  const { encoding = 'identity', body = batchBytes({ first, count }), ...extent } = parts;
  const bodyBytes = body.length;
  const last = first + count - 1;
  const known = { ...KEY, first, last, tsMin: 0, tsMax: 0, receivedAt: 0, number: first, bodyBytes, ...extent };
  return { ...known, batch: { encoding, body } };
}

/** Tells by their numbers which bodies were read. */
function storeOf(...batches: Kept[]) {
  const read: number[] = [];
  return {
    read,
    async *extents(_key: unknown, first: number, last: number) {
      yield* batches.filter((batch) => batch.first <= last && batch.last >= first);
    },
    async bodyOf({ number }: BatchExtent) {
      read.push(number);
      return batches.find((batch) => batch.number === number)?.batch;
    },
  };
}

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
  // Whatever the clock showed.
  const late = retained(1, 10, { number: 9, receivedAt: 5 });
  const early = retained(1, 1, { number: 5, receivedAt: 9, body: other });
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

test('a look-up reads a bounded number of events and bytes, and what needs more is refused unread', async () => {
  const MIB = 1024 * 1024;
  for (const [size, parts] of [
    [BATCH_EVENTS_MAX, {}],
    [100, { bodyBytes: 4 * MIB }],
  ] as const) {
    const body = batchBytes({ first: 1, count: 1 });
    // Each reaches one event further than all before it.
    const batches = Array.from({ length: 40 }, (_, i) => retained(100 - i, size, { number: i, body, ...parts }));
    const store = storeOf(...batches);
    const archive = createArchive(store);
    await assert.rejects(archive.find(KEY, [{ first: 50, last: 110 }]), { code: 'batch-limit' });
    assert.deepEqual(store.read, []);
    await archive.find(KEY, [{ first: 97, last: 110 }]);
    assert.deepEqual(store.read, [0, 1, 2, 3]);
    // One that cannot be read is no way around it.
    const rotten = batches.map((batch) => ({ ...batch, batch: { encoding: 'identity', body: Buffer.from('no') } }));
    const other = storeOf(...rotten);
    assert.deepEqual(await createArchive(other).find(KEY, [{ first: 100, last: 100 }]), []);
    assert.deepEqual(other.read, [0, 1, 2, 3]);
  }
});

test('each kept body that tells something is read once, and what is kept beside them not at all', async () => {
  const padded = Array.from({ length: 15 }, (_, i) => retained(1, 201 + i, { number: 1_000 + i, bodyBytes: 2 ** 22 }));
  const store = storeOf(retained(1, 100), retained(101, 100, { number: 2 }), ...padded);
  const ranges = Array.from({ length: 100 }, (_, i) => ({ first: 2 * i + 1, last: 2 * i + 1 }));
  const findings = await createArchive(store).find(KEY, ranges);
  assert.deepEqual(
    findings.map(({ first, last }) => ({ first, last })),
    ranges,
  );
  assert.deepEqual(store.read, [1, 2]);
});

test('a device waits for one look-up of another one at most, besides that under way', async () => {
  const begun: string[] = [];
  const store = {
    async *extents({ deviceId }: { deviceId: string }) {
      await nextTurn();
      begun.push(deviceId);
      yield* [];
    },
    bodyOf: async () => undefined,
  };
  const archive = createArchive(store);
  const find = (deviceId: string) => archive.find({ ...KEY, deviceId }, [{ first: 1, last: 1 }]);
  await Promise.all(['a', 'a', 'a', 'b', 'c', 'b'].map(find));
  assert.deepEqual(begun, ['a', 'a', 'b', 'c', 'a', 'b']);
  await find('a');
  assert.equal(begun.length, 7);
});

test('an unreadable batch says nothing; an unreadable store is an error, and the next look-up goes on', async () => {
  const corrupt = retained(1, 10, { body: Buffer.from('no') });
  assert.deepEqual(await createArchive(storeOf(corrupt)).find(KEY, [{ first: 1, last: 5 }]), []);
  const store = storeOf();
  let isBroken = true;
  const archive = createArchive({
    ...store,
    async *extents(key, first, last) {
      if (isBroken) throw new StoreError('io', 'no');
      yield* store.extents(key, first, last);
    },
  });
  await assert.rejects(archive.find(KEY, [{ first: 1, last: 1 }]), { code: 'io' });
  isBroken = false;
  assert.deepEqual(await archive.find(KEY, [{ first: 1, last: 1 }]), []);
});

test('what only too many batches can tell is refused before any is read, and its parts are not', async () => {
  const batches = Array.from({ length: LOOKED_UP_MAX + 1 }, (_, i) => retained(i + 1, 1));
  const store = storeOf(...batches);
  const archive = createArchive(store);
  await assert.rejects(archive.find(KEY, [{ first: 1, last: LOOKED_UP_MAX + 1 }]), { code: 'batch-limit' });
  assert.deepEqual(store.read, []);
  assert.equal((await archive.find(KEY, [{ first: 1, last: LOOKED_UP_MAX }])).length, LOOKED_UP_MAX);
  // However many batches hold one id, the first that was accepted tells.
  const again = batches.map((batch, i) => ({ ...batch, first: 1, last: 1, number: 5_000 - i }));
  assert.equal((await createArchive(storeOf(...again)).find(KEY, [{ first: 1, last: 1 }])).length, 1);
});
