import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTableBuilder, encodeColumns, problemOf } from '../../src/codec/index.ts';
import { createGaps, encodeGapSums, type Gaps } from '../../src/device/gaps.ts';
import { quarantineEntry } from '../../src/device/quarantine.ts';
import { NOTHING } from '../../src/device/tally.ts';
import { type Queue, StoreError } from '../../src/store/index.ts';
import { numberKey, QUEUE } from '../../src/store/keys.ts';
import { openRocks } from '../../src/store/rocks.ts';
import { contents } from '../store/queue-fixture.ts';
import { turns } from '../until.ts';
import { blockOf, blocksOf, garbage } from './blocks.ts';
import { queueOf, readings, temporaryDirectory, until } from './device-fixture.ts';
import { bent, testSync } from './sync-fixture.ts';

const IO = new StoreError('io', 'the disk says no');

const spans = (flights: readonly { first: number; last: number }[]) =>
  flights.map(({ first, last }) => `${first}-${last}`);

/** The first sequences of the blocks that are on disk. */
const onDisk = async (queue: Queue) => (await contents(queue, queue.head)).map((text) => Number.parseInt(text, 10));

test('a bounded window of batches is under way, each of the next events', async (t) => {
  const { sync, queue, flights, calm } = await testSync(t);
  await queue.append(blocksOf(10, 10, 10, 10, 10));
  sync.wake();
  await calm();
  assert.deepEqual(spans(flights), ['1-10', '11-20', '21-30']);
  assert.deepEqual([sync.inFlight, sync.cursor], [3, 31]);
  flights[1]!.settle();
  await calm();
  assert.deepEqual(spans(flights), ['1-10', '21-30', '31-40']);
});

test('what is settled leaves the disk, in whatever order, and nothing else does', async (t) => {
  const { sync, queue, flights, account, calm, stop, data } = await testSync(t);
  await queue.append(blocksOf(10, 10, 10, 10));
  account.add('queued', { events: 40, sums: new Map() });
  sync.wake();
  await calm();
  assert.deepEqual(await onDisk(queue), [1, 11, 21, 31], 'sent is not released');
  flights[2]!.settle();
  await calm();
  assert.deepEqual(await onDisk(queue), [1, 11, 31]);
  flights[0]!.settle();
  await calm();
  assert.deepEqual(await onDisk(queue), [11, 31]);
  assert.deepEqual([account.events('queued'), account.events('delivered')], [20, 20]);
  await stop();
  await queue.close();
  const again = await queueOf(t, data);
  assert.deepEqual(await onDisk(again), [11, 31]);
  const stored = JSON.parse(Buffer.from(again.totals!).toString());
  assert.equal(stored.delivered.events, 20, 'the count of what has left is stored with its leaving');
});

test('everything that settles while one release is being written shares the next', async (t) => {
  let releases = 0;
  let write: (() => void) | undefined;
  const { sync, queue, flights, calm } = await testSync(t, {
    bend: (disk) => ({
      async release(change) {
        if (++releases === 1) await new Promise<void>((resolve) => (write = resolve));
        await disk.release(change);
      },
    }),
  });
  await queue.append(blocksOf(...Array(10).fill(10)));
  sync.wake();
  await until(() => flights.length === 3);
  flights[0]!.settle();
  await until(() => write !== undefined);
  for (let i = 0; i < 3; i++) {
    const known = flights.length;
    flights[0]!.settle();
    if (i < 2) await until(() => flights.length >= known);
  }
  write!();
  await calm();
  assert.equal(releases, 2);
  assert.equal((await onDisk(queue)).length, 6);
});

test('a disk that is slow to release bounds how far ahead is sent', async (t) => {
  let write!: () => void;
  const written = new Promise<void>((resolve) => (write = resolve));
  const { sync, queue, flights, calm } = await testSync(t, {
    bend: (disk) => ({ release: (change) => written.then(() => disk.release(change)) }),
  });
  await queue.append(blocksOf(...Array(20).fill(10)));
  sync.wake();
  const sent = new Set<number>();
  await until(() => {
    for (const flight of [...flights]) {
      sent.add(flight.first);
      flight.settle();
    }
    return sent.size >= 6;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual([sent.size, flights.length], [6, 0], 'two windows, and no more');
  write();
  await calm();
  assert.equal(flights.length, 3);
});

test('events linger for company, a full batch does not', async (t) => {
  const { sync, queue, flights, timer, calm } = await testSync(t, { lingerMs: 1_000 });
  await queue.append(blocksOf(3));
  sync.wake();
  await calm();
  assert.deepEqual(spans(flights), []);
  await timer.advance(600);
  await queue.append([blockOf(readings(3, 4))]);
  sync.wake();
  await timer.advance(399);
  await calm();
  assert.deepEqual(spans(flights), []);
  await timer.advance(1);
  await calm();
  assert.deepEqual(spans(flights), ['1-6']);
  await queue.append([blockOf(readings(10, 7)), blockOf(readings(2, 17))]);
  sync.wake();
  await calm();
  assert.deepEqual(spans(flights), ['1-6', '7-16'], 'the two that are left linger again');
  await timer.advance(1_000);
  await calm();
  assert.deepEqual(spans(flights), ['1-6', '7-16', '17-18']);
});

test('hurry sends without lingering, for as long as it is asked for', async (t) => {
  const { sync, queue, flights, timer, calm } = await testSync(t, { lingerMs: 1_000 });
  await queue.append(blocksOf(3));
  sync.wake();
  await calm();
  const calmDown = sync.hurry();
  await timer.advance(1);
  await calm();
  assert.deepEqual(spans(flights), ['1-3']);
  calmDown();
  await queue.append([blockOf(readings(3, 4))]);
  sync.wake();
  await calm();
  assert.deepEqual(spans(flights), ['1-3']);
});

test('a backlog of an earlier run does not linger', async (t) => {
  const data = await temporaryDirectory(t);
  const before = await queueOf(t, data);
  await before.append(blocksOf(3));
  await before.close();
  const { flights, calm } = await testSync(t, { data, lingerMs: 1_000 });
  await calm();
  assert.deepEqual(spans(flights), ['1-3']);
});

test('a release that the disk refuses is tried until it succeeds, and drawn up anew each time', async (t) => {
  let refuse = 2;
  const { sync, queue, account, flights, faults, timer, calm } = await testSync(t, {
    bend: (disk) => ({
      release: (change) => (refuse-- > 0 ? Promise.reject(IO) : disk.release(change)),
    }),
  });
  await queue.append(blocksOf(10, 10));
  sync.wake();
  await until(() => flights.length === 2);
  flights[0]!.settle();
  await until(() => faults.length === 1);
  assert.deepEqual(await onDisk(queue), [1, 11]);
  flights[0]!.settle();
  await timer.advance(999);
  assert.equal(faults.length, 1);
  await timer.advance(1);
  await until(() => faults.length === 2);
  await timer.advance(1_000);
  await calm();
  assert.deepEqual(await onDisk(queue), []);
  assert.equal(account.events('delivered'), 20);
  assert.deepEqual(faults, [IO, IO]);
});

test('a read that fails is tried again', async (t) => {
  let refuse = 1;
  const { sync, queue, flights, faults, timer, calm } = await testSync(t, {
    bend: (disk) => ({
      read: (from, limit) => (refuse-- > 0 ? Promise.reject(IO) : disk.read(from, limit)),
    }),
  });
  await queue.append(blocksOf(10));
  sync.wake();
  await until(() => faults.length === 1);
  assert.deepEqual(spans(flights), []);
  await timer.advance(1_000);
  await calm();
  assert.deepEqual(spans(flights), ['1-10']);
});

test('a delivery that the disk broke off begins anew', async (t) => {
  const { sync, queue, flights, faults, timer, calm } = await testSync(t);
  await queue.append(blocksOf(10));
  sync.wake();
  await calm();
  flights[0]!.fail(IO);
  await until(() => faults.length === 1);
  assert.equal(sync.inFlight, 1, 'it keeps its place');
  await timer.advance(1_000);
  await calm();
  assert.deepEqual(spans(flights), ['1-10']);
  flights[0]!.settle();
  await calm();
  assert.deepEqual(await onDisk(queue), []);
});

test('refused events go to quarantine in the release of their batch', async (t) => {
  const { sync, queue, account, flights, quarantined, calm } = await testSync(t);
  await queue.append(blocksOf(3));
  account.add('queued', { events: 3, sums: new Map() });
  sync.wake();
  await calm();
  const builder = createTableBuilder();
  builder.add(readings(1, 2)[0]!);
  const table = builder.build();
  const { stream } = queue.streamAt(2);
  const parcel = { first: 2, count: 1, table, columns: encodeColumns(table) };
  flights[0]!.settle({ quarantine: [quarantineEntry(parcel, stream, problemOf('sensor-limit', ''), 5)] });
  await calm();
  assert.deepEqual(quarantined, [2]);
  const entries = [];
  for await (const entry of queue.quarantine()) entries.push(entry.first);
  assert.deepEqual(entries, [2]);
  assert.deepEqual([account.events('delivered'), account.events('quarantined'), account.events('queued')], [2, 1, 0]);
});

test('work that needs everything to stand still waits for the cut under way, and none begins meanwhile', async (t) => {
  let answerRead: (() => void) | undefined;
  const { sync, queue, flights } = await testSync(t, {
    bend: (disk) => ({
      async read(from, limit) {
        await new Promise<void>((resolve) => (answerRead = resolve));
        return await disk.read(from, limit);
      },
    }),
  });
  await queue.append(blocksOf(10, 10));
  sync.wake();
  await until(() => answerRead !== undefined);
  let cursor = 0;
  let finish: (() => void) | undefined;
  const stood = sync.standing(async () => {
    cursor = sync.cursor;
    await new Promise<void>((resolve) => (finish = resolve));
  });
  await turns();
  assert.equal(finish, undefined);
  answerRead!();
  answerRead = undefined;
  await until(() => finish !== undefined);
  assert.equal(cursor, 11);
  assert.equal(sync.inFlight, 1, 'the cut that was under way is off');
  sync.wake();
  await turns();
  assert.equal(answerRead, undefined, 'no other has begun');
  finish!();
  await stood;
  await until(() => flights.length === 2);
  await assert.rejects(
    sync.standing(() => Promise.reject(IO)),
    IO,
  );
  await sync.standing(async () => {});
});

test('gaps are declared until the gateway has them, and leave the disk then', async (t) => {
  const { sync, queue, account, gaps, declarations, calm } = await testSync(t);
  await queue.append([garbage(4), ...blocksOf(6)]);
  account.add('gaps', { events: 4, sums: new Map() });
  sync.wake();
  await calm();
  assert.deepEqual(
    declarations.map(({ gaps }) => gaps),
    [[{ first: 1, last: 4, reason: 'damage', sums: null }]],
  );
  assert.equal((await queue.gaps()).length, 1);
  declarations[0]!.settle(true);
  await calm();
  assert.deepEqual(await queue.gaps(), []);
  assert.equal(gaps.idle, true);
  assert.equal(JSON.parse(Buffer.from(queue.totals!).toString()).gaps.events, 4);
});

test('gaps that the gateway refuses stay on disk and are not declared again', async (t) => {
  const { sync, queue, gaps, declarations, calm } = await testSync(t);
  await queue.append([garbage(4), ...blocksOf(6)]);
  sync.wake();
  await calm();
  declarations[0]!.settle(false);
  await calm();
  assert.equal((await queue.gaps()).length, 1);
  assert.deepEqual([gaps.idle, declarations.length], [true, 0]);
});

test('gaps whose declaration the disk cannot note are counted once all the same', async (t) => {
  let refuse = 1;
  const { sync, queue, account, gaps, declarations, faults, timer, calm } = await testSync(t, {
    bend: (disk) => ({
      release: (change) =>
        change.gapsDeclared !== undefined && refuse-- > 0 ? Promise.reject(IO) : disk.release(change),
    }),
  });
  const sums = encodeGapSums({ ...NOTHING, events: 10 });
  await queue.append(blocksOf(10, 10));
  await queue.drop({ blocks: [{ first: 11 }], gaps: [{ first: 11, last: 20, sums }] });
  account.add('gaps', { events: 10, sums: new Map() });
  gaps.add((await queue.gaps())[0]!);
  sync.wake();
  await until(() => declarations.length === 1);
  declarations[0]!.settle(true);
  await until(() => faults.length === 1);
  assert.equal(gaps.idle, false);
  await timer.advance(1_000);
  await calm();
  assert.equal(gaps.idle, true);
  assert.deepEqual(await queue.gaps(), []);
  assert.equal(JSON.parse(Buffer.from(queue.totals!).toString()).gaps.events, 10);
});

test('what is appended while the loop finds only damage is sent', async (t) => {
  let appended = false;
  const { sync, queue, flights, calm } = await testSync(t, {
    bend: (disk) => ({
      async read(from, limit) {
        const blocks = await disk.read(from, limit);
        if (from === 5 && !appended) {
          appended = true;
          await disk.append([blockOf(readings(3, 5))]);
        }
        return blocks;
      },
    }),
  });
  await queue.append([garbage(4)]);
  sync.wake();
  await until(() => appended);
  await calm();
  assert.deepEqual(spans(flights), ['5-7']);
});

test('a call that comes just as the loop has found nothing to do is not lost', async (t) => {
  const real = createGaps();
  let isDue: () => boolean = () => real.due;
  const gaps: Gaps = {
    ...real,
    get due() {
      return isDue();
    },
    get idle() {
      return real.idle;
    },
  };
  const { sync, declarations, timer } = await testSync(t, { gaps });
  // Asked at the beginning of a step; the gap comes right behind.
  isDue = () => {
    isDue = () => real.due;
    queueMicrotask(() => {
      real.add({ first: 1, last: 3, stream: Buffer.alloc(16), reason: 'damage', sums: new Uint8Array() });
      sync.wake();
    });
    return false;
  };
  sync.wake();
  await timer.advance(0);
  assert.equal(declarations.length, 1);
});

test('nothing is sent that is not on disk', async (t) => {
  const onDisk = new Set<string>();
  const slowly: typeof openRocks = async (path, options) => {
    const rocks = await openRocks(path, options);
    return bent(rocks, {
      async write(operations) {
        await new Promise((resolve) => setTimeout(resolve, 3));
        await rocks.write(operations);
        for (const { key } of operations) onDisk.add(Buffer.from(key).toString('hex'));
      },
    });
  };
  const { sync, queue, flights } = await testSync(t, { inFlightMax: 6, open: slowly });
  const appended = Promise.all(Array.from({ length: 20 }, (_, i) => queue.append([blockOf(readings(10, 10 * i + 1))])));
  let sent = 0;
  while (sent < 20) {
    sync.wake();
    await new Promise((resolve) => setImmediate(resolve));
    for (const flight of [...flights]) {
      assert(onDisk.has(numberKey(QUEUE.block, flight.first).toString('hex')), `${flight.first} is on disk`);
      sent++;
      flight.settle();
    }
  }
  await appended;
});

test('closing ends every wait: for the linger, for the disk, for a delivery', async (t) => {
  const { sync, queue, flights, faults, stop } = await testSync(t, {
    lingerMs: 1_000,
    bend: () => ({ release: () => Promise.reject(IO) }),
  });
  await queue.append(blocksOf(10, 10, 3));
  sync.wake();
  await until(() => flights.length === 2);
  const [released, broken] = [...flights];
  released!.settle();
  await until(() => faults.length === 1);
  const stopped = stop();
  broken!.fail(IO);
  await stopped;
  assert.deepEqual(faults, [IO], 'what fails because of the closing is no fault');
});
