import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createAccount } from '../../src/device/account.ts';
import { type Census, createCensus } from '../../src/device/census.ts';
import { reportOf, tallyOf } from '../../src/device/tally.ts';
import { type Queue, StoreError } from '../../src/store/index.ts';
import { numberKey, QUEUE } from '../../src/store/keys.ts';
import { withDatabase } from '../store/queue-fixture.ts';
import { blockOf, blocksOf, garbage, tableOf } from './blocks.ts';
import { DEAD, queueOf, readings, temporaryDirectory, testDevice, until, volumeOf } from './device-fixture.ts';
import { createManualTimer } from './manual-timer.ts';
import { createModelGateway } from './model-gateway.ts';
import { bent } from './sync-fixture.ts';

/** A census of these blocks that takes a step each time the test says so. */
async function testCensus(t: TestContext, counts: readonly number[], bend?: (queue: Queue) => Partial<Queue>) {
  const disk = await queueOf(t, await temporaryDirectory(t), { onDamage: () => damaged() });
  await disk.append(blocksOf(...counts));
  const queue = bend ? bent(disk, bend(disk)) : disk;
  const faults: unknown[] = [];
  const timer = createManualTimer();
  const account = createAccount(undefined);
  const stop = new AbortController();
  const steps: (() => void)[] = [];
  const census = createCensus({
    queue,
    account,
    signal: stop.signal,
    timer,
    onFault: (error) => faults.push(error),
    takeStock: async () => () => {},
    async standing(work) {
      await new Promise<void>((resolve) => steps.push(resolve));
      return await work();
    },
  });
  let runs: Promise<unknown>[] = [];
  const damaged = (): void => {
    runs.push(census.run());
  };
  const begin = (): void => {
    runs.push(census.run());
  };
  /** Takes one step. */
  const step = async (): Promise<void> => {
    await until(() => steps.length > 0);
    steps.shift()!();
    while (steps.length === 0 && census.counting) await timer.advance(100);
  };
  const finish = async (): Promise<void> => {
    for (let known = 0; known !== runs.length; ) {
      known = runs.length;
      const done = Promise.all(runs).then(() => true);
      for (let ended = false; !ended; ) {
        await timer.advance(100);
        for (const go of steps.splice(0)) go();
        ended = await Promise.race([done, new Promise<false>((resolve) => setImmediate(() => resolve(false)))]);
      }
    }
    runs = [];
  };
  const counted = () => [account.events('queued'), account.report().queued.sums['volume']];
  return { queue, account, census, stop, faults, timer, begin, step, finish, counted };
}

function cutOf(first: number, last: number) {
  const table = tableOf(readings(last - first + 1, first));
  return { first, last, table, tally: tallyOf(table) };
}

function leaving(census: Census, first: number, last: number) {
  const { events, sums } = reportOf(census.leaving(cutOf(first, last)));
  return [events, sums['volume']];
}

test('every block is counted once, however many steps it takes', async (t) => {
  const { census, begin, finish, counted } = await testCensus(t, Array(200).fill(7));
  assert.equal(census.counting, true);
  assert.deepEqual(counted(), [1_400, undefined], 'how many there are is known before');
  begin();
  await finish();
  assert.equal(census.counting, false);
  assert.deepEqual(counted(), [1_400, volumeOf(1_400)]);
});

test('what leaves is taken from the account as far as it was counted', async (t) => {
  const { queue, census, begin, step, finish, counted } = await testCensus(t, Array(130).fill(10));
  begin();
  // The line is drawn, then 64 blocks are counted.
  await step();
  await step();
  assert.deepEqual(counted(), [1_300, volumeOf(640)]);
  assert.deepEqual(leaving(census, 1, 640), [640, volumeOf(640)], 'counted');
  assert.deepEqual(leaving(census, 641, 1_300), [660, undefined], 'not counted yet');
  assert.deepEqual(leaving(census, 601, 700), [100, volumeOf(40, 601)], 'the line runs through it');
  assert.deepEqual(leaving(census, 1_301, 1_310), [0, undefined], 'on disk, but not known to the account');
  const appended = await queue.append([blockOf(readings(10, 1_301))]);
  assert.equal(census.joined(appended), true);
  assert.deepEqual(leaving(census, 1_301, 1_310), [10, volumeOf(10, 1_301)], 'recorded since');
  assert.deepEqual(leaving(census, 1_291, 1_310), [20, volumeOf(10, 1_301)], 'half not counted, half recorded since');
  await finish();
  assert.deepEqual(counted(), [1_300, volumeOf(1_300)]);
  assert.deepEqual(leaving(census, 601, 700), [100, volumeOf(100, 601)]);
});

test('what has left before its turn is not counted', async (t) => {
  const { queue, census, account, begin, step, finish, counted } = await testCensus(t, Array(130).fill(10));
  begin();
  await step();
  await step();
  for (const first of [641, 1, 901]) account.remove('queued', census.leaving(cutOf(first, first + 9)));
  await queue.release({ blocks: [{ first: 641 }, { first: 1 }, { first: 901 }] });
  await finish();
  assert.deepEqual(counted(), [1_270, '8300.85']);
});

test('a cut at the line counts for it', async (t) => {
  const { queue, census, account, begin, step, finish, counted } = await testCensus(t, Array(130).fill(10));
  const cut = (first: number, last: number) => census.cut(cutOf(first, last));
  begin();
  await step();
  cut(1, 100);
  cut(201, 300);
  cut(101, 150);
  assert.deepEqual(counted(), [1_300, volumeOf(150)], 'one elsewhere counts when it is its turn');
  assert.deepEqual(leaving(census, 1, 100), [100, volumeOf(100)]);
  cut(151, 200);
  assert.deepEqual(counted(), [1_300, volumeOf(200)]);
  await queue.release({ blocks: Array.from({ length: 20 }, (_, at) => ({ first: 10 * at + 1 })) });
  account.remove('queued', census.leaving(cutOf(1, 200)));
  await finish();
  assert.deepEqual(counted(), [1_100, volumeOf(1_100, 201)]);
});

test('where other blocks came to disk than the account knows, it counts anew', async (t) => {
  const { queue, account, census, begin, finish, counted } = await testCensus(t, [10, 10]);
  begin();
  await finish();
  // As by a write that failed, and was found on disk after all.
  await queue.append([blockOf(readings(5, 21))]);
  const appended = await queue.append([blockOf(readings(5, 26))]);
  account.add('queued', tallyOf(tableOf(readings(5, 26))));
  assert.equal(census.joined(appended), false);
  begin();
  await finish();
  assert.deepEqual(counted(), [30, volumeOf(30)]);
});

test('a block that does not decode is set aside, and the rest is counted', async (t) => {
  const { queue, account, census, begin, finish } = await testCensus(t, [10]);
  census.joined(await queue.append([garbage(10), blockOf(readings(10, 21))]));
  begin();
  await finish();
  assert.equal(account.events('queued'), 20);
  assert.deepEqual(
    (await queue.gaps()).map(({ first, last }) => [first, last]),
    [[11, 20]],
  );
});

test('a read that fails is tried again, and nothing is counted twice', async (t) => {
  const broken = new StoreError('io', '');
  let reads = 0;
  const { timer, faults, begin, finish, counted } = await testCensus(t, Array(100).fill(2), (queue) => ({
    read: (from, limit) => (++reads === 2 ? Promise.reject(broken) : queue.read(from, limit)),
  }));
  begin();
  const finished = finish();
  await until(() => faults.length === 1);
  await timer.advance(1_000);
  await finished;
  assert.deepEqual(faults, [broken]);
  assert.deepEqual(counted(), [200, volumeOf(200)]);
});

test('it ends when the device closes', async (t) => {
  const { census, stop, begin, finish } = await testCensus(t, Array(130).fill(1));
  begin();
  stop.abort();
  await finish();
  assert.equal(census.counting, true);
});

test('a restart with a backlog counts exactly while the first batches leave', async (t) => {
  const data = await temporaryDirectory(t);
  const first = await testDevice(t, DEAD, { data });
  for (let i = 0; i < 150; i++) await first.recordAll(readings(20, 20 * i + 1));
  await first.close();
  const gateway = createModelGateway();
  const device = await testDevice(t, gateway, { data, batchEventsMax: 20 });
  assert.equal(device.status().counting, true);
  const inBetween: number[] = [];
  device.on('acknowledged', () => {
    const { counting, recorded } = device.status();
    if (!counting) inBetween.push(recorded.events);
  });
  await until(() => gateway.batches.length > 5);
  await device.recordAll(readings(7, 3_001));
  await device.drain();
  await until(() => !device.status().counting);
  const { recorded, delivered, queued } = device.status();
  assert.deepEqual([recorded.events, recorded.sums['volume']], [3_007, volumeOf(3_007)]);
  assert.deepEqual([delivered.events, delivered.sums['volume']], [3_007, volumeOf(3_007)]);
  assert.deepEqual(queued, { events: 0, sums: { volume: '0' } });
  for (const events of inBetween) assert(events === 3_000 || events === 3_007, `${events}`);
  assert.equal(gateway.events.size, 3_007);
});

test('what a device reports of itself is right from its first batch on, also with events out of order', async (t) => {
  const data = await temporaryDirectory(t);
  const before = await testDevice(t, DEAD, { data });
  for (let i = 0; i < 150; i++) await before.recordAll(readings(20, 20 * i + 1));
  await before.close();
  const queue = await queueOf(t, data);
  const account = createAccount(undefined);
  account.add('delivered', tallyOf(tableOf(readings(40, 1_001))));
  await queue.release({ blocks: [{ first: 1_001 }, { first: 1_021 }], totals: account.settled() });
  await queue.close();
  const gateway = createModelGateway();
  const device = await testDevice(t, gateway, { data, batchEventsMax: 20, inFlightMax: 1 });
  const { counting, recorded, queued } = device.status();
  assert.deepEqual([counting, recorded.events, queued.events], [true, 3_000, 2_960]);
  await device.drain();
  const reports = gateway.batches.map((batch) => batch.queue.recorded);
  assert.equal(reports.length, 148);
  assert.deepEqual([...new Set(reports)], [3_000]);
});

/** Changes one byte of the block that begins at a sequence; the device is closed. */
async function spoil(data: string, first: number): Promise<void> {
  await withDatabase(join(data, 'queue'), async (rocks) => {
    const key = numberKey(QUEUE.block, first);
    const value = Buffer.from((await rocks.get(key))!);
    value[value.length - 1]! ^= 0x40;
    await rocks.write([{ type: 'put', key, value }]);
  });
}

test('damage becomes a gap that is declared once, and the counts balance after every restart', async (t) => {
  const data = await temporaryDirectory(t);
  const first = await testDevice(t, DEAD, { data });
  for (let i = 0; i < 5; i++) await first.recordAll(readings(10, 10 * i + 1));
  await first.close();
  await spoil(data, 21);
  const balance = (device: Awaited<ReturnType<typeof testDevice>>) => {
    const { recorded, delivered, queued, quarantined, gaps } = device.status();
    return [recorded, delivered, queued, quarantined, gaps].map(({ events }) => events);
  };
  // Found while nobody answers.
  const second = await testDevice(t, DEAD, { data });
  const found: unknown[] = [];
  second.on('gap', (gap) => found.push(gap));
  await until(() => found.length === 1 && !second.status().counting);
  assert.deepEqual(found, [{ first: 21, last: 30, reason: 'damage', sums: null }]);
  assert.deepEqual(balance(second), [50, 0, 40, 0, 10]);
  assert.equal(second.status().recorded.sums['volume'], '10.2', 'what was lost is not in the sums');
  await second.close();
  // Not declared yet.
  const third = await testDevice(t, DEAD, { data });
  await until(() => !third.status().counting);
  assert.deepEqual(balance(third), [50, 0, 40, 0, 10]);
  await third.close();
  // Declared and delivered.
  const gateway = createModelGateway();
  const fourth = await testDevice(t, gateway, { data });
  await fourth.drain();
  await until(() => !fourth.status().counting);
  assert.deepEqual(balance(fourth), [50, 40, 0, 0, 10]);
  assert.deepEqual([...gateway.gaps.values()], [{ first: 21, last: 30, reason: 'damage', sums: null }]);
  const declarations = gateway.batches.filter(({ gaps }) => gaps.length > 0).length;
  await fourth.close();
  // Declared before.
  const fifth = await testDevice(t, gateway, { data });
  await fifth.drain();
  await until(() => !fifth.status().counting);
  assert.deepEqual(balance(fifth), [50, 40, 0, 0, 10]);
  assert.equal(gateway.batches.filter(({ gaps }) => gaps.length > 0).length, declarations);
  assert.equal(declarations, 1);
});
