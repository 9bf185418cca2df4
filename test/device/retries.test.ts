/** Events that the gateway has refused, sent again. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { DeviceOptions } from '../../src/device/index.ts';
import { collect } from '../store/queue-fixture.ts';
import { parts, readings, temporaryDirectory, testDevice, until } from './device-fixture.ts';
import { createModelGateway, type ModelGateway, refusing } from './model-gateway.ts';

/** A device all of whose events were refused, and a gateway that has changed its mind. */
async function refusedDevice(t: TestContext, count: number, options: Partial<DeviceOptions> = {}) {
  const gateway = createModelGateway();
  gateway.judge = refusing(() => true);
  const device = await testDevice(t, gateway, options);
  await device.recordAll(readings(count));
  await device.drain();
  assert.equal(device.status().quarantined.events, count);
  gateway.judge = () => undefined;
  return { gateway, device };
}

/** Of the batches with events that were accepted. */
const sizes = (gateway: ModelGateway): number[] =>
  gateway.batches.map(({ count }) => count).filter((count) => count > 0);

test('a copy of the refused batch that comes after the retry counts nothing twice', async (t) => {
  const { gateway, device } = await refusedDevice(t, 8);
  const refused = [...gateway.requests];
  assert.equal(await device.retryQuarantine(), 8);
  await device.drain();
  assert.deepEqual(parts(device), [8, 8, 0, 0, 0]);
  const signal = AbortSignal.timeout(60_000);
  for (const request of refused) assert.equal((await gateway.post({ ...request, signal })).status, 200);
  assert.equal(gateway.events.size, 8);
  assert.equal(gateway.volume(), 360_000n);
});

test('neighbours are sent together, as far as a batch goes and under the stream that each has', async (t) => {
  const data = await temporaryDirectory(t);
  const { gateway, device } = await refusedDevice(t, 7, { data, batchEventsMax: 5 });
  await device.close();
  gateway.judge = refusing(({ sensor }) => sensor === 's1');
  const again = await testDevice(t, gateway, { data, batchEventsMax: 5 });
  // 8 to 16, of which 10, 13 and 16 are refused.
  await again.recordAll(readings(9, 8));
  await again.drain();
  gateway.judge = () => undefined;
  gateway.batches.length = 0;
  assert.equal(await again.retryQuarantine(), 10);
  await again.drain();
  assert.deepEqual(
    sizes(gateway).sort((a, b) => b - a),
    [5, 2, 1, 1, 1],
  );
  assert.deepEqual(parts(again), [16, 16, 0, 0, 0]);
  assert.equal(gateway.events.size, 16);
});

test('what was asked for outlasts a restart', async (t) => {
  const data = await temporaryDirectory(t);
  const { gateway, device } = await refusedDevice(t, 6, { data });
  gateway.before = () => new Error('no link');
  assert.equal(await device.retryQuarantine(), 6);
  await until(() => device.status().link.state === 'offline');
  await device.close();
  gateway.before = () => undefined;
  const again = await testDevice(t, gateway, { data });
  await again.drain();
  assert.deepEqual(parts(again), [6, 6, 0, 0, 0]);
  assert.equal(gateway.events.size, 6);
});

test('an id that has been given to another event meanwhile collides, and the event gets another stream', async (t) => {
  const data = await temporaryDirectory(t);
  const { gateway, device } = await refusedDevice(t, 5, { data });
  const { stream, sequence } = (await collect(device.quarantine()))[2]!;
  const id = `${stream}/${sequence}`;
  gateway.events.set(id, JSON.stringify({ ...readings(1, 900)[0] }));
  // Nobody hears that the last one was counted, so the new stream has to be remembered.
  gateway.after = (answer) => (gateway.events.size === 6 ? new Error('reset') : answer);
  assert.equal(await device.retryQuarantine(), 5);
  await until(() => gateway.events.size === 6);
  await device.close();
  gateway.after = (answer) => answer;
  const again = await testDevice(t, gateway, { data });
  await again.drain();
  assert.deepEqual(parts(again), [5, 5, 0, 0, 0]);
  assert.equal(gateway.events.size, 6);
});

test('new events go on while a retry is stuck, and a second request waits for it', async (t) => {
  const { gateway, device } = await refusedDevice(t, 3, { batchEventsMax: 1, inFlightMax: 2 });
  gateway.judge = refusing(({ ts }) => ts === readings(1)[0]!.ts);
  let answer: (() => void) | undefined;
  gateway.before = async () => {
    gateway.before = () => undefined;
    await new Promise<void>((resolve) => (answer = resolve));
    return undefined;
  };
  assert.equal(await device.retryQuarantine(), 3);
  await until(() => answer !== undefined);
  await device.recordAll(readings(20, 50));
  await until(() => device.status().delivered.events === 22);
  assert.equal(await device.retryQuarantine(), 0, 'asked for already');
  assert.deepEqual(parts(device), [23, 22, 0, 1, 0]);
  answer!();
  await device.drain();
  const left = await collect(device.quarantine());
  assert.deepEqual(
    left.map(({ sequence, retry }) => [sequence, retry]),
    [[1, false]],
  );
  gateway.judge = () => undefined;
  assert.equal(await device.retryQuarantine(), 1);
  await device.drain();
  assert.deepEqual(parts(device), [23, 23, 0, 0, 0]);
  assert.deepEqual(gateway.batches.at(-1)?.queue, { recorded: 23, queued: 0, quarantined: 0, gaps: 0 });
});
