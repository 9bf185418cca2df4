import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporaryDirectory, testDevice } from './device-fixture.ts';
import { createModelGateway } from './model-gateway.ts';

test('what is recorded arrives once, and the account balances', async (t) => {
  const gateway = createModelGateway();
  const device = await testDevice(t, gateway);
  const receipts = [];
  for (let i = 0; i < 1000; i++)
    receipts.push(device.record({ volume: i / 100, ok: i % 2 === 0 }, { sensor: `s${i % 3}`, at: 1e12 + i }));
  const all = await Promise.all(receipts);
  assert.deepEqual(
    all.map(({ sequence }) => sequence),
    Array.from({ length: 1000 }, (_, i) => i + 1),
  );
  await device.drain();
  assert.equal(gateway.events.size, 1000);
  const { recorded, delivered, queued } = device.status();
  assert.equal(recorded.events, 1000);
  assert.equal(delivered.events, 1000);
  assert.equal(queued.events, 0);
  assert.equal(delivered.sums['volume'], '4995');
});

test('events recorded before a restart are sent after it under their own stream', async (t) => {
  const gateway = createModelGateway();
  const data = await temporaryDirectory(t);
  gateway.before = () => new Error('ECONNRESET');
  const first = await testDevice(t, gateway, { data });
  const a = await first.record({ volume: 1 });
  await first.close();
  gateway.before = () => undefined;
  const second = await testDevice(t, gateway, { data });
  const b = await second.record({ volume: 2 });
  await second.drain();
  assert.notEqual(a.stream, b.stream);
  assert.deepEqual([...gateway.events.keys()].sort(), [`${a.stream}/1`, `${b.stream}/2`].sort());
  assert.equal(second.status().recorded.events, 2);
  assert.equal(second.status().queued.events, 0);
});
