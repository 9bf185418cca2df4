/** Changes that failed, on a disk that then did not open, and that had come to disk all the same. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type DeviceOptions, openDevice } from '../../src/device/index.ts';
import { openQueue, StoreError } from '../../src/store/index.ts';
import { QUEUE } from '../../src/store/keys.ts';
import { type Operation, openRocks } from '../../src/store/rocks.ts';
import { blocksOf, garbage } from './blocks.ts';
import { cleanUp, DEVICE_ID, parts, queueOf, temporaryDirectory, until } from './device-fixture.ts';
import { CREDENTIAL, createModelGateway, type ModelGateway, refusing } from './model-gateway.ts';

/** A device whose disk loses the answer to the next write that `strikes` likes, and then does not open once. */
async function unluckyDevice(t: TestContext, gateway: ModelGateway, options: Partial<DeviceOptions> = {}) {
  const disk = { strikes: (_: readonly Operation[]): boolean => false, failsToOpen: false, struck: 0 };
  const open: typeof openRocks = async (path, rocksOptions) => {
    if (disk.failsToOpen) {
      disk.failsToOpen = false;
      throw new StoreError('io', 'the disk is gone');
    }
    const rocks = await openRocks(path, rocksOptions);
    const write = rocks.write.bind(rocks);
    rocks.write = async (operations) => {
      const strikes = disk.struck === 0 && disk.strikes(operations);
      await write(operations);
      if (!strikes) return;
      disk.struck += 1;
      disk.failsToOpen = true;
      throw new StoreError('io', 'the answer got lost');
    };
    return rocks;
  };
  const data = options.data ?? (await temporaryDirectory(t));
  const fixed = { gateway: 'http://gateway.invalid', id: DEVICE_ID, credential: CREDENTIAL, transport: gateway, data };
  const quick = { lingerMs: 0, retryBaseMs: 1, retryMaxMs: 5, reserveBytes: 0 };
  const device = await openDevice({ ...fixed, ...quick, ...options }, (queueOptions) => openQueue(queueOptions, open));
  device.on('fault', () => {});
  cleanUp(t, () => device.close());
  return { device, disk };
}

const puts = (family: number) => (operations: readonly Operation[]) =>
  operations.some(({ type, key }) => type === 'put' && key[0] === family && key.length > 1);

test('events given up by a drop that failed are declared, and the account has them', async (t) => {
  const gateway = createModelGateway();
  let isUp = false;
  gateway.before = () => (isUp ? undefined : new Error('no link'));
  const options = { queueBytesMax: 600, whenFull: 'drop-oldest', batchEventsMax: 1, inFlightMax: 1 } as const;
  const { device, disk } = await unluckyDevice(t, gateway, options);
  disk.strikes = puts(QUEUE.gap);
  let refused = 0;
  for (let i = 0; i < 40; i++) await device.record({ volume: i }, { at: i }).catch(() => refused++);
  assert.deepEqual([disk.struck, refused], [1, 1]);
  isUp = true;
  await device.drain();
  await until(() => !device.status().counting);
  const [recorded, delivered, queued, quarantined, gaps] = parts(device);
  assert.deepEqual([recorded, queued, quarantined], [39, 0, 0]);
  assert.equal(delivered, gateway.events.size);
  assert.equal(delivered! + gaps!, 39);
  const declared = [...gateway.gaps.values()].reduce((sum, { first, last }) => sum + last - first + 1, 0);
  assert.equal(declared, gaps);
});

test('a damaged block that was set aside by a write that failed is declared, and the account has it', async (t) => {
  const gateway = createModelGateway();
  const data = await temporaryDirectory(t);
  const queue = await queueOf(t, data);
  await queue.append([...blocksOf(3), garbage(4), ...blocksOf(2)]);
  await queue.close();
  let isUp = false;
  gateway.before = () => (isUp ? undefined : new Error('no link'));
  // The first batch waits for the link, so it is the census that meets the block.
  const { device, disk } = await unluckyDevice(t, gateway, { data, batchEventsMax: 1, inFlightMax: 1 });
  disk.strikes = puts(QUEUE.gap);
  await until(() => disk.struck === 1 && !device.status().counting);
  isUp = true;
  await device.drain();
  assert.deepEqual(parts(device), [9, 5, 0, 0, 4]);
  assert.deepEqual(
    [...gateway.gaps.values()].map(({ first, last, reason }) => [first, last, reason]),
    [[4, 7, 'damage']],
  );
});

test('what a failed request to send refused events again has left on disk is done', async (t) => {
  const gateway = createModelGateway();
  gateway.judge = refusing(({ fields }) => fields['volume'] === 2);
  const { device, disk } = await unluckyDevice(t, gateway);
  for (const volume of [1, 2, 3]) await device.record({ volume }, { at: volume });
  await device.drain();
  assert.deepEqual(parts(device), [3, 2, 0, 1, 0]);
  disk.strikes = puts(QUEUE.quarantine);
  await assert.rejects(device.retryQuarantine(), { code: 'io' });
  gateway.judge = () => undefined;
  // Whatever is asked next has the database opened again.
  await device.mark('any');
  await until(() => device.status().delivered.events === 3);
  await device.drain();
  await until(() => !device.status().counting);
  assert.deepEqual(parts(device), [3, 3, 0, 0, 0]);
});

test('refused events whose release failed, and is on disk, are accounted for once', async (t) => {
  const gateway = createModelGateway();
  gateway.judge = refusing(({ fields }) => fields['volume'] === 2);
  const { device, disk } = await unluckyDevice(t, gateway);
  for (const volume of [1, 2, 3]) await device.record({ volume }, { at: volume });
  await device.drain();
  gateway.judge = () => undefined;
  disk.strikes = (operations) => operations.some(({ type, key }) => type === 'del' && key[0] === QUEUE.quarantine);
  assert.equal(await device.retryQuarantine(), 1);
  await device.drain();
  await until(() => !device.status().counting);
  assert.equal(disk.struck, 1);
  assert.deepEqual(parts(device), [3, 3, 0, 0, 0]);
  assert.equal(gateway.events.size, 3);
});

test('the gateway is told of events that came to disk though their commit failed and nothing follows', async (t) => {
  const gateway = createModelGateway();
  let isUp = false;
  gateway.before = () => (isUp ? undefined : new Error('no link'));
  const { device, disk } = await unluckyDevice(t, gateway, { inFlightMax: 1 });
  await device.record({ volume: 1 }, { at: 1 });
  // Its batch is under way; the next commit's answer gets lost, and with the release of that batch the database is
  // opened again.
  await until(() => device.status().inFlight === 1);
  disk.strikes = puts(QUEUE.block);
  await assert.rejects(device.record({ volume: 2 }, { at: 2 }), { code: 'io' });
  isUp = true;
  await until(() => gateway.events.size === 2);
  await device.drain();
  await until(() => !device.status().counting);
  assert.deepEqual(parts(device), [2, 2, 0, 0, 0]);
  const { recorded } = gateway.batches.at(-1)!.queue;
  assert.equal(recorded, 2, 'the last that the gateway was told');
});
