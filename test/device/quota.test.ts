import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addDecimals,
  type DeclaredGap,
  decodeBatch,
  formatDecimal,
  parseDecimal,
  ZERO,
} from '../../src/codec/index.ts';
import { createAccount } from '../../src/device/account.ts';
import { createGaps } from '../../src/device/gaps.ts';
import type { Device } from '../../src/device/index.ts';
import { createQuota } from '../../src/device/quota.ts';
import { tallyOf } from '../../src/device/tally.ts';
import { turns } from '../until.ts';
import { blocksOf, garbage, tableOf } from './blocks.ts';
import { DEAD, queueOf, readings, SILENT, temporaryDirectory, testDevice, until, volumeOf } from './device-fixture.ts';
import { createModelGateway, type ModelGateway } from './model-gateway.ts';

/** Room for some ten commits: their readings are so regular that a block takes little more than its frame. */
const QUEUE_BYTES_MAX = 2_000;

const sum = (texts: readonly (string | undefined)[]): string =>
  formatDecimal(texts.reduce((all, text) => addDecimals(all, parseDecimal(text ?? '0')!), ZERO));

/** Events and volume by place. */
function balance(device: Device) {
  const { recorded, delivered, queued, quarantined, gaps } = device.status();
  const volume = [delivered, queued, quarantined, gaps].map(({ sums }) => sums['volume']);
  assert.equal(delivered.events + queued.events + quarantined.events + gaps.events, recorded.events);
  assert.equal(sum(volume), recorded.sums['volume'] ?? '0');
  return { recorded, delivered, queued, gaps };
}

/** Records so many commits of `size` readings, behind the first `from`. */
async function fill(device: Device, commits: number, from = 0, size = 50): Promise<void> {
  for (let i = 0; i < commits; i++) await device.recordAll(readings(size, from + size * i + 1));
}

const millionths = (text: string): bigint => BigInt(Math.round(Number(text) * 1e6));

/** What the gateway has counted and what it was told is lost make up everything. */
function assertComplete(gateway: ModelGateway, events: number): void {
  let lost = 0;
  let lostVolume = 0n;
  for (const { first, last, sums } of gateway.gaps.values()) {
    lost += last - first + 1;
    lostVolume += millionths(sums!['volume']!);
  }
  assert.equal(gateway.events.size + lost, events);
  assert.equal(gateway.volume() + lostVolume, millionths(volumeOf(events)));
}

const sequencesOf = (gateway: ModelGateway): number[] =>
  [...gateway.events.keys()].map((id) => Number(id.split('/')[1]));

const isWithin = (gaps: Iterable<DeclaredGap>, sequence: number): boolean =>
  [...gaps].some(({ first, last }) => sequence >= first && sequence <= last);

test('refuse: a full queue takes nothing more until something has left', async (t) => {
  const gateway = createModelGateway();
  let online = false;
  gateway.before = () => (online ? undefined : new Error('ENETUNREACH'));
  const device = await testDevice(t, gateway, { queueBytesMax: QUEUE_BYTES_MAX });
  const faults: unknown[] = [];
  device.on('fault', (error) => faults.push((error as { code?: unknown }).code));
  let stored = 0;
  for (let i = 0; ; i++) {
    const refused = await device.recordAll(readings(50, 50 * i + 1)).then(
      () => undefined,
      (error: { code: string }) => error.code,
    );
    if (refused !== undefined) {
      assert.equal(refused, 'queue-full');
      break;
    }
    stored += 50;
  }
  assert(device.status().queueBytes <= QUEUE_BYTES_MAX);
  assert.deepEqual(faults, ['queue-full']);
  assert.equal(balance(device).recorded.events, stored);
  online = true;
  await device.drain();
  await device.recordAll(readings(50, stored + 1));
  await device.drain();
  assert.equal(gateway.events.size, stored + 50);
  assert.deepEqual(balance(device).gaps, { events: 0, sums: {} });
});

test('drop-oldest: the newest are kept, and the loss is a gap whose exact sums reach the gateway', async (t) => {
  const data = await temporaryDirectory(t);
  const device = await testDevice(t, DEAD, {
    data,
    inFlightMax: 1,
    queueBytesMax: QUEUE_BYTES_MAX,
    whenFull: 'drop-oldest',
  });
  const said: DeclaredGap[] = [];
  device.on('gap', (gap) => said.push(gap));
  await fill(device, 30);
  // What was recorded while the queue was still being looked through is counted with what had been there.
  await until(() => !device.status().counting);
  const before = balance(device);
  assert.equal(before.recorded.events, 1_500);
  assert.equal(before.recorded.sums['volume'], volumeOf(1_500));
  assert(before.gaps.events > 500);
  assert.equal(
    said.reduce((events, { first, last }) => events + last - first + 1, 0),
    before.gaps.events,
  );
  assert(device.status().queueBytes <= QUEUE_BYTES_MAX);
  await device.close();
  // What is on disk says the same.
  const again = await testDevice(t, DEAD, { data });
  await until(() => !again.status().counting);
  assert.deepEqual(balance(again), before);
  await again.close();
  const gateway = createModelGateway();
  const last = await testDevice(t, gateway, { data });
  await last.drain();
  assertComplete(gateway, 1_500);
  assert(sequencesOf(gateway).includes(1_500));
  const after = balance(last);
  assert.deepEqual([after.queued.events, after.gaps], [0, before.gaps]);
  assert.equal(gateway.gaps.size, said.length, 'each gap once');
});

test('drop-oldest: a mark of what was sent that a crash left within a block costs that block nothing', async (t) => {
  const data = await temporaryDirectory(t);
  const queue = await queueOf(t, data);
  await queue.append(blocksOf(50, 50, 50));
  await queue.markSent(70);
  await queue.close();
  const options = { data, queueBytesMax: QUEUE_BYTES_MAX, whenFull: 'drop-oldest' } as const;
  const device = await testDevice(t, DEAD, options);
  const given: number[] = [];
  device.on('gap', ({ first }) => given.push(first));
  await fill(device, 30, 150);
  await until(() => !device.status().counting);
  assert.equal(given[0], 101, 'the oldest of which nothing was sent');
  assert.equal(balance(device).recorded.events, 1_650);
  await device.close();
  const gateway = createModelGateway();
  await (await testDevice(t, gateway, { data })).drain();
  assertComplete(gateway, 1_650);
});

test('a drain waits for the gaps, too', async (t) => {
  const gateway = createModelGateway();
  gateway.encodings = ['identity'];
  let declare!: () => void;
  const declared = new Promise<undefined>((resolve) => (declare = () => resolve(undefined)));
  gateway.before = ({ headers, body }) =>
    headers['content-encoding'] === 'identity' && decodeBatch(body).count === 0 ? declared : undefined;
  const data = await temporaryDirectory(t);
  const queue = await queueOf(t, data);
  await queue.append([...blocksOf(5), garbage(5)]);
  await queue.close();
  const device = await testDevice(t, gateway, { data });
  let drained = false;
  const drain = device.drain().then(() => {
    drained = true;
  });
  await until(() => device.status().delivered.events === 5 && device.status().queueBytes === 0);
  await turns();
  assert.equal(drained, false);
  declare();
  await drain;
  assert.equal(gateway.gaps.size, 1);
});

test('nothing is given up that the gateway may have', async (t) => {
  const gateway = createModelGateway();
  let online = false;
  // Counts whatever comes, and no answer ever gets back.
  gateway.after = (answer) => (online ? answer : new Error('ECONNRESET'));
  const device = await testDevice(t, gateway, {
    inFlightMax: 1,
    queueBytesMax: QUEUE_BYTES_MAX,
    whenFull: 'drop-oldest',
    batchEventsMax: 100,
  });
  const gaps: DeclaredGap[] = [];
  device.on('gap', (gap) => gaps.push(gap));
  await fill(device, 30);
  assert(gaps.length > 0);
  for (const sequence of sequencesOf(gateway)) assert(!isWithin(gaps, sequence), `${sequence} was sent`);
  online = true;
  await device.drain();
  assertComplete(gateway, 1_500);
  assert.equal(balance(device).delivered.events, gateway.events.size);
});

test('nor what it may have got from the run before', async (t) => {
  const data = await temporaryDirectory(t);
  const gateway = createModelGateway();
  gateway.after = () => new Error('ECONNRESET');
  const first = await testDevice(t, gateway, { data });
  await fill(first, 2, 0, 500);
  await until(() => gateway.events.size > 0);
  const { queueBytes } = first.status();
  await first.close();
  const sent = sequencesOf(gateway);
  const second = await testDevice(t, DEAD, {
    data,
    inFlightMax: 1,
    queueBytesMax: queueBytes + 2_000,
    whenFull: 'drop-oldest',
  });
  const gaps: DeclaredGap[] = [];
  second.on('gap', (gap) => gaps.push(gap));
  await fill(second, 20, 1_000);
  assert(gaps.length > 0, 'what was recorded in this run can go');
  for (const sequence of sent) assert(!isWithin(gaps, sequence), `${sequence} was sent`);
  await until(() => !second.status().counting);
  const { recorded } = balance(second);
  assert.deepEqual([recorded.events, recorded.sums['volume']], [2_000, volumeOf(2_000)]);
  await second.close();
  gateway.after = (answer) => answer;
  const last = await testDevice(t, gateway, { data });
  await last.drain();
  assertComplete(gateway, 2_000);
  assert.deepEqual(balance(last).recorded, recorded);
});

test('nor what it may have got from a run with a wider window', async (t) => {
  const data = await temporaryDirectory(t);
  const gateway = createModelGateway();
  const first = await testDevice(t, gateway, { data, inFlightMax: 6 });
  await fill(first, 1, 0, 4_096);
  await first.drain();
  gateway.after = () => new Error('ECONNRESET');
  await fill(first, 10, 4_096, 4_096);
  await until(() => gateway.events.size >= 5 * 4_096);
  const { queueBytes } = first.status();
  await first.close();
  const sent = sequencesOf(gateway);
  const queueBytesMax = Math.round(1.2 * queueBytes);
  const narrow = { data, inFlightMax: 1, queueBytesMax, whenFull: 'drop-oldest' } as const;
  // Not even after a run that had no need to give anything up.
  await (await testDevice(t, DEAD, narrow)).close();
  const third = await testDevice(t, DEAD, narrow);
  const gaps: DeclaredGap[] = [];
  third.on('gap', (gap) => gaps.push(gap));
  await fill(third, 12, 11 * 4_096, 4_096);
  assert(gaps.length > 0);
  for (const sequence of sent) assert(!isWithin(gaps, sequence), `${sequence} was sent`);
  await third.close();
  gateway.after = (answer) => answer;
  const last = await testDevice(t, gateway, { data });
  await last.drain();
  assertComplete(gateway, 23 * 4_096);
});

test('a queue full of old events goes on recording: the oldest give way, stream by stream', async (t) => {
  const data = await temporaryDirectory(t);
  let queueBytes = 0;
  for (let run = 0; run < 3; run++) {
    const device = await testDevice(t, DEAD, { data, inFlightMax: 1 });
    await fill(device, 3, run * 12_288, 4_096);
    queueBytes = device.status().queueBytes;
    await device.close();
  }
  const full = await testDevice(t, DEAD, {
    data,
    inFlightMax: 1,
    queueBytesMax: queueBytes,
    whenFull: 'drop-oldest',
  });
  const gaps: DeclaredGap[] = [];
  full.on('gap', (gap) => gaps.push(gap));
  await fill(full, 5, 36_864, 4_096);
  await until(() => !full.status().counting);
  assert.equal(balance(full).recorded.events, 57_344);
  assert(full.status().queueBytes <= queueBytes);
  const lost = gaps.reduce((events, { first, last }) => events + last - first + 1, 0);
  assert.deepEqual([gaps[0]!.first, gaps.at(-1)!.last], [1, lost], 'nothing but the oldest');
  assert(
    gaps.some(({ first }) => first === 12_289),
    'of more than one stream',
  );
  await full.close();
  const gateway = createModelGateway();
  const last = await testDevice(t, gateway, { data });
  await last.drain();
  assertComplete(gateway, 57_344);
});

test('what is larger than the whole queue is refused, and costs nobody his place', async (t) => {
  const device = await testDevice(t, DEAD, { queueBytesMax: 4_000, whenFull: 'drop-oldest' });
  await fill(device, 5);
  const large = readings(4_000).map((event, i) => ({ ...event, fields: { volume: Math.sin(i) } }));
  await assert.rejects(device.recordAll(large), { code: 'queue-full' });
  const { recorded, gaps } = balance(device);
  assert.deepEqual([recorded.events, gaps.events], [250, 0]);
});

test('where everything may have been sent, new events are refused rather than those given up', async (t) => {
  const data = await temporaryDirectory(t);
  const first = await testDevice(t, SILENT, { data });
  await fill(first, 1, 0, 2_000);
  await until(() => first.status().session.requests === 1);
  await first.close();
  const second = await testDevice(t, DEAD, { data, queueBytesMax: 1_000, whenFull: 'drop-oldest' });
  await assert.rejects(fill(second, 1, 2_000), { code: 'queue-full' });
  await until(() => !second.status().counting);
  assert.deepEqual(balance(second).queued.events, 2_000);
});

test('a block that does not decode gives way as damage', async (t) => {
  const data = await temporaryDirectory(t);
  const queue = await queueOf(t, data);
  // Beyond what is in doubt at the next start.
  await queue.append(Array.from({ length: 9 }, () => garbage(4_096, 1_000)));
  await queue.close();
  const device = await testDevice(t, DEAD, {
    data,
    inFlightMax: 1,
    queueBytesMax: 9_400,
    whenFull: 'drop-oldest',
  });
  await fill(device, 10);
  await until(() => !device.status().counting);
  const { recorded, gaps } = balance(device);
  assert.equal(recorded.events, 9 * 4_096 + 500);
  assert(gaps.events >= 9 * 4_096);
});

test('a block with a part in another stream stays where it is: a collision has moved it, so it was sent', async (t) => {
  const queue = await queueOf(t, await temporaryDirectory(t));
  await queue.append(blocksOf(10, 10, 10, 10));
  await queue.restream([
    { first: 4, last: 6 },
    { first: 25, last: 25 },
  ]);
  const queueBytesMax = queue.blockBytes;
  const account = createAccount(undefined);
  account.add('queued', tallyOf(tableOf(readings(40))));
  const dropped: DeclaredGap[] = [];
  let forgotten = 0;
  const quota = createQuota({
    queue,
    account,
    census: { counting: false, joined: () => true, cut: () => {}, leaving: ({ tally }) => tally, run: async () => {} },
    gaps: createGaps(),
    cutter: { cut: async () => undefined, forget: () => forgotten++ },
    sync: { withdraw: () => 1, standing: (work) => work() },
    queueBytesMax,
    whenFull: 'drop-oldest',
    onGap: ({ declared }) => dropped.push(declared),
  });
  await quota.makeRoom(queueBytesMax / 2);
  assert.deepEqual(
    dropped.map(({ first, last }) => [first, last]),
    [
      [11, 20],
      [31, 40],
    ],
  );
  assert.equal(account.events('gaps'), 20);
  assert.equal(forgotten, 2, 'what was read ahead is read again');
  await assert.rejects(quota.makeRoom(queueBytesMax), { code: 'queue-full' });
});

test('after restarts without a link it is the oldest that go: nothing of what was found has left', async (t) => {
  const data = await temporaryDirectory(t);
  const first = await testDevice(t, DEAD, { data });
  await fill(first, 90, 0, 100);
  const { queueBytes } = first.status();
  await first.close();
  const second = await testDevice(t, DEAD, { data, queueBytesMax: queueBytes, whenFull: 'drop-oldest' });
  const gaps: DeclaredGap[] = [];
  second.on('gap', (gap) => gaps.push(gap));
  await fill(second, 20, 9_000, 100);
  await until(() => !second.status().counting);
  const lost = balance(second).gaps.events;
  assert(lost >= 2_000 && lost < 2_600, `${lost} events are given up`);
  assert.deepEqual([gaps[0]!.first, gaps.at(-1)!.last], [1, lost]);
  await second.close();
  const gateway = createModelGateway();
  const last = await testDevice(t, gateway, { data });
  await last.drain();
  assertComplete(gateway, 11_000);
  assert.equal(sequencesOf(gateway).length, 11_000 - lost);
});

test('what left before the link went down is kept, and the oldest behind it go, also over restarts', async (t) => {
  const data = await temporaryDirectory(t);
  const gateway = createModelGateway();
  gateway.after = () => new Error('ECONNRESET');
  const first = await testDevice(t, gateway, { data, inFlightMax: 1, batchEventsMax: 100 });
  await fill(first, 1, 0, 100);
  await until(() => gateway.events.size === 100);
  await first.close();
  const second = await testDevice(t, DEAD, { data });
  await fill(second, 30, 100, 100);
  const { queueBytes } = second.status();
  await second.close();
  const third = await testDevice(t, DEAD, { data, queueBytesMax: queueBytes, whenFull: 'drop-oldest' });
  const gaps: DeclaredGap[] = [];
  third.on('gap', (gap) => gaps.push(gap));
  await fill(third, 5, 3_100, 100);
  assert.equal(gaps[0]!.first, 101);
  assert(gaps.at(-1)!.last < 1_000);
  await third.close();
  gateway.after = (answer) => answer;
  const last = await testDevice(t, gateway, { data });
  await last.drain();
  assertComplete(gateway, 3_600);
});
