import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { problemOf } from '../../src/codec/index.ts';
import { type LinkStatus, openDevice } from '../../src/device/index.ts';
import { collect } from '../store/queue-fixture.ts';
import { DEAD, queueOf, readings, SILENT, temporaryDirectory, testDevice, until } from './device-fixture.ts';
import { CREDENTIAL, createModelGateway, page, refusing } from './model-gateway.ts';

test('what is recorded arrives once, and the account balances', async (t) => {
  const gateway = createModelGateway();
  const device = await testDevice(t, gateway);
  const receipts = await Promise.all(
    Array.from({ length: 1_000 }, (_, i) =>
      device.record({ volume: i / 100, ok: i % 2 === 0 }, { sensor: `s${i % 3}`, at: 1e12 + i }),
    ),
  );
  assert.deepEqual(
    receipts.map(({ sequence }) => sequence),
    receipts.map((_, i) => i + 1),
  );
  await device.drain();
  assert.equal(gateway.events.size, 1_000);
  for (const { stream, sequence } of receipts) assert(gateway.events.has(`${stream}/${sequence}`));
  const { recorded, delivered, queued, queueBytes, inFlight, session } = device.status();
  assert.deepEqual([recorded.events, delivered.events, queued.events], [1_000, 1_000, 0]);
  assert.equal(delivered.sums['volume'], '4995');
  assert.deepEqual([queueBytes, inFlight], [0, 0]);
  assert.deepEqual([session.inserted, session.duplicates, session.retries], [1_000, 0, 0]);
  assert.equal(session.requests, gateway.requests.length);
  assert.equal(
    session.bodyBytes,
    gateway.requests.reduce((sum, { body }) => sum + body.length, 0),
  );
  assert(Math.abs(session.lastAcknowledgedAt! - Date.now()) < 60_000);
});

test('an event has the device’s clock and the default sensor where nothing else is said', async (t) => {
  const gateway = createModelGateway();
  const device = await testDevice(t, gateway, { clock: () => 1_700_000_000_000 });
  gateway.clock = () => 1_700_000_000_000;
  await device.record({ volume: 1 });
  await device.record({ volume: 2 }, { at: new Date(5), sensor: 'a' });
  await device.drain();
  assert.deepEqual(
    [...gateway.events.values()].map((event) => JSON.parse(event)),
    [
      { ts: 1_700_000_000_000, sensor: 'default', fields: { volume: 1 } },
      { ts: 5, sensor: 'a', fields: { volume: 2 } },
    ],
  );
});

test('a clock that was corrected is not the clock of events', async (t) => {
  const gateway = createModelGateway();
  const device = await testDevice(t, gateway, { clock: () => 1_000 });
  await device.record({ volume: 1 });
  await device.drain();
  await device.record({ volume: 2 });
  await device.drain();
  assert(Math.abs(device.status().clockOffsetMs - Date.now()) < 60_000);
  for (const event of gateway.events.values()) assert.equal(JSON.parse(event).ts, 1_000);
});

test('events recorded before a restart are sent after it under their own stream', async (t) => {
  const gateway = createModelGateway();
  const data = await temporaryDirectory(t);
  const first = await testDevice(t, DEAD, { data });
  const a = await first.record({ volume: 1 });
  await first.close();
  const second = await testDevice(t, gateway, { data });
  const b = await second.record({ volume: 2 });
  await second.drain();
  assert.notEqual(a.stream, b.stream);
  assert.deepEqual([...gateway.events.keys()].sort(), [`${a.stream}/1`, `${b.stream}/2`].sort());
  await until(() => !second.status().counting);
  assert.deepEqual([second.status().recorded.events, second.status().queued.events], [2, 0]);
});

test('the batch tells the gateway the device’s account', async (t) => {
  const gateway = createModelGateway();
  gateway.judge = refusing(({ fields }) => fields['volume'] === 0.02);
  const device = await testDevice(t, gateway);
  await device.recordAll(readings(4));
  await device.drain();
  gateway.judge = () => undefined;
  await device.recordAll(readings(3, 5));
  await device.drain();
  assert.deepEqual(gateway.batches.at(-1)!.queue, { recorded: 7, queued: 3, quarantined: 1, gaps: 0 });
});

test('a refused event rejects with its code, and is neither counted nor a fault', async (t) => {
  const device = await testDevice(t, createModelGateway());
  const faults: Error[] = [];
  device.on('fault', (error) => faults.push(error));
  await assert.rejects(device.record({ volume: Number.NaN }), { code: 'event-number' });
  await assert.rejects(device.record({}), { code: 'event-field' });
  await assert.rejects(device.record({ volume: 1 }, { at: new Date(Number.NaN) }), { code: 'event-time' });
  await assert.rejects(device.recordAll([]), { code: 'event-field' });
  await device.drain();
  assert.deepEqual(faults, []);
  assert.equal(device.status().recorded.events, 0);
});

test('a mark is stored with the events beside it, and outlives the device', async (t) => {
  const data = await temporaryDirectory(t);
  const device = await testDevice(t, DEAD, { data });
  assert.equal(await device.mark('input'), undefined);
  await device.recordAll(readings(2), [{ name: 'input', value: Buffer.from('2') }]);
  assert.equal(String(await device.mark('input')), '2');
  await device.note([{ name: 'input', value: Buffer.from('3') }]);
  assert.equal(device.status().recorded.events, 2);
  await device.close();
  const again = await testDevice(t, DEAD, { data });
  assert.equal(String(await again.mark('input')), '3', 'without events, too');
});

test('what is refused for its options or its queue opens nothing', async (t) => {
  const data = await temporaryDirectory(t);
  await assert.rejects(testDevice(t, DEAD, { data, inFlightMax: 9 }), { code: 'options-invalid' });
  const device = await testDevice(t, DEAD, { data });
  await assert.rejects(testDevice(t, DEAD, { data }), { code: 'locked' });
  await device.close();
  await assert.rejects(testDevice(t, DEAD, { data, id: 'pump-8' }), { code: 'other-device' });
  await (await testDevice(t, DEAD, { data })).close();
});

test('totals that cannot be read leave the queue closed', async (t) => {
  const data = await temporaryDirectory(t);
  const queue = await queueOf(t, data);
  await queue.release({ totals: Buffer.from('{}') });
  await queue.close();
  for (let i = 0; i < 2; i++) await assert.rejects(testDevice(t, DEAD, { data }), /not readable/);
});

test('drain resolves once what was recorded before is acknowledged, whatever is recorded meanwhile', async (t) => {
  const gateway = createModelGateway();
  const device = await testDevice(t, gateway, { lingerMs: 60_000 });
  await device.recordAll(readings(10));
  let busy = true;
  const others = (async () => {
    for (let i = 0; busy; i++) await device.recordAll(readings(5, 11 + 5 * i));
  })();
  await device.drain();
  assert(gateway.events.size >= 10);
  busy = false;
  await others;
});

test('drain ends with its signal, or with the device', async (t) => {
  const device = await testDevice(t, DEAD);
  await device.recordAll(readings(1));
  const stop = new AbortController();
  const drained = device.drain({ signal: stop.signal });
  const closed = device.drain();
  stop.abort();
  await assert.rejects(drained, { code: 'ABORT_ERR' });
  const rejected = assert.rejects(closed, { code: 'ABORT_ERR' });
  await device.close();
  await rejected;
});

test('without hurry events linger, and hurry ends with the drain', async (t) => {
  const gateway = createModelGateway();
  const device = await testDevice(t, gateway, { lingerMs: 60_000 });
  await device.recordAll(readings(1));
  await device.drain();
  await device.recordAll(readings(1, 2));
  await device.recordAll(readings(1, 3));
  assert.equal(gateway.events.size, 1);
  await device.drain();
  assert.deepEqual([gateway.events.size, gateway.requests.length], [3, 2], 'one waited for the other');
});

test('close commits what is pending, and refuses what comes after; calling it twice is harmless', async (t) => {
  const data = await temporaryDirectory(t);
  const device = await testDevice(t, DEAD, { data });
  const receipts = readings(5).map(({ ts, sensor, fields }) => device.record(fields, { at: ts, sensor }));
  await Promise.all([device.close(), device.close()]);
  assert.equal((await Promise.all(receipts)).at(-1)!.sequence, 5);
  await assert.rejects(device.record({ volume: 1 }), { code: 'closed' });
  await assert.rejects(device.retryQuarantine(), { code: 'closed' });
  await assert.rejects(device.mark('x'), { code: 'closed' });
  const again = await testDevice(t, DEAD, { data });
  await until(() => !again.status().counting);
  assert.equal(again.status().recorded.events, 5);
});

test('closing in the middle of everything is no fault and no news about the link', async (t) => {
  const gateway = createModelGateway();
  const device = await testDevice(t, gateway, { batchEventsMax: 10 });
  await device.recordAll(readings(10));
  await device.drain();
  const links: LinkStatus[] = [];
  const faults: Error[] = [];
  device.on('link', (status) => links.push(status));
  device.on('fault', (error) => faults.push(error));
  gateway.before = () => SILENT.post(gateway.requests.at(-1)!);
  for (let i = 1; i < 8; i++) await device.recordAll(readings(10, 10 * i + 1));
  await until(() => device.status().inFlight === 4);
  await device.close();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([links, faults], [[], []]);
});

test('a transport that cannot be closed does not keep the queue locked', async (t) => {
  const data = await temporaryDirectory(t);
  const broken = new Error('stuck');
  const device = await testDevice(t, { post: DEAD.post, close: () => Promise.reject(broken) }, { data });
  const faults: Error[] = [];
  device.on('fault', (error) => faults.push(error));
  await device.close();
  assert.deepEqual(faults, [broken]);
  await testDevice(t, DEAD, { data });
});

test('what a listener throws disturbs nothing', async (t) => {
  const gateway = createModelGateway();
  gateway.judge = refusing(({ fields }) => fields['volume'] === 0.02);
  const device = await testDevice(t, gateway);
  const uncaught: Error[] = [];
  // The test runner listens, too.
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error));
  try {
    for (const name of ['link', 'acknowledged', 'quarantined'] as const) {
      device.on(name, () => {
        throw new Error(name);
      });
    }
    await device.recordAll(readings(3));
    await device.drain();
    await until(() => uncaught.length >= 3);
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
  assert.equal(gateway.events.size, 2);
  assert.deepEqual(new Set(uncaught.map(({ message }) => message)), new Set(['link', 'acknowledged', 'quarantined']));
});

test('the link’s changes are told: connecting, offline, online, paused', async (t) => {
  const gateway = createModelGateway();
  gateway.before = (_, attempt) => (attempt === 1 ? page(200) : undefined);
  const device = await testDevice(t, gateway);
  assert(device instanceof EventEmitter);
  assert.equal(device.status().link.state, 'connecting');
  const states: string[] = [];
  device.on('link', ({ state, code }) => states.push(`${state} ${code}`));
  await device.recordAll(readings(1));
  await device.drain();
  gateway.judge = () => problemOf('key-revoked', '');
  await device.recordAll(readings(1, 2));
  await until(() => device.status().link.state === 'paused');
  assert.equal(device.status().queued.events, 1, 'keeps everything');
  await device.recordAll(readings(5, 3));
  gateway.judge = () => undefined;
  await device.drain();
  assert.deepEqual(states, ['offline unsigned-200', 'online null', 'paused key-revoked', 'online null']);
  assert.equal(gateway.events.size, 7);
});

test('probe ends a long wait', async (t) => {
  const gateway = createModelGateway();
  gateway.before = (_, attempt) => (attempt === 1 ? new Error('ENETUNREACH') : undefined);
  const device = await testDevice(t, gateway, { retryBaseMs: 3_600_000, retryMaxMs: 3_600_000 });
  await device.recordAll(readings(1));
  await until(() => device.status().link.state === 'offline');
  device.probe();
  await device.drain();
  assert.equal(gateway.events.size, 1);
});

test('a captive portal that answers everything releases and condemns nothing', async (t) => {
  const gateway = createModelGateway();
  let portal = true;
  const statuses = [200, 400, 401, 403, 409, 413, 422, 302, 503];
  gateway.before = (_, attempt) =>
    portal ? page(statuses[attempt % statuses.length]!, { 'retry-after': '0' }) : undefined;
  const device = await testDevice(t, gateway, { batchEventsMax: 8 });
  await device.recordAll(readings(20));
  await until(() => gateway.requests.length > 30);
  const { queued, quarantined, delivered, link } = device.status();
  assert.deepEqual([queued.events, quarantined.events, delivered.events], [20, 0, 0]);
  assert.equal(link.state, 'offline');
  portal = false;
  await device.drain();
  assert.equal(gateway.events.size, 20);
  assert.deepEqual(await collect(device.quarantine()), []);
});

test('a collision in the middle of a drain: only what collided moves, what follows goes on', async (t) => {
  const data = await temporaryDirectory(t);
  const gateway = createModelGateway();
  const first = await testDevice(t, DEAD, { data });
  const { stream } = await first.recordAll(readings(100));
  await first.close();
  for (const sequence of [3, 4, 50, 99]) gateway.events.set(`${stream}/${sequence}`, '"another"');
  for (const sequence of [1, 2, 60]) {
    gateway.events.set(`${stream}/${sequence}`, JSON.stringify(readings(1, sequence)[0]));
  }
  const device = await testDevice(t, gateway, { data });
  await device.recordAll(readings(10, 101));
  await device.drain();
  const moved = [...gateway.events].filter(([id]) => /\/(3|4|50|99)$/.test(id) && !id.startsWith(stream));
  assert.deepEqual(
    moved.map(([id]) => Number(id.split('/')[1])).sort((a, b) => a - b),
    [3, 4, 50, 99],
  );
  assert.equal(gateway.events.size, 110 + 4);
  await until(() => !device.status().counting);
  assert.deepEqual([device.status().delivered.events, device.status().queued.events], [110, 0]);
});

test('requests under way never pass the window', async (t) => {
  const gateway = createModelGateway();
  let open!: () => void;
  const opened = new Promise<undefined>((resolve) => (open = () => resolve(undefined)));
  const device = await testDevice(t, gateway, { inFlightMax: 3, batchEventsMax: 10 });
  await device.recordAll(readings(10));
  await device.drain();
  gateway.before = () => opened;
  for (let i = 1; i < 12; i++) await device.recordAll(readings(10, 10 * i + 1));
  await until(() => device.status().inFlight === 3);
  open();
  await device.drain();
  assert.equal(gateway.busiest, 3);
  assert.equal(gateway.events.size, 120);
});

test('a queue directory that is a file is the store’s error', async (t) => {
  const data = await temporaryDirectory(t);
  await writeFile(join(data, 'queue'), '');
  await assert.rejects(
    openDevice({ gateway: 'http://gateway.invalid', id: 'pump-7', credential: CREDENTIAL, data, transport: DEAD }),
    { name: 'StoreError' },
  );
});

test('a full window that waits for the link looks like no leak to Node', async (t) => {
  const warnings: string[] = [];
  const warned = (warning: Error): void => void warnings.push(warning.name);
  process.on('warning', warned);
  t.after(() => process.off('warning', warned));
  const device = await testDevice(t, DEAD, {
    inFlightMax: 6,
    batchEventsMax: 1,
    retryBaseMs: 5_000,
    retryMaxMs: 5_000,
  });
  for (let i = 0; i < 8; i++) await device.record({ volume: i });
  await until(() => device.status().inFlight === 6 && device.status().link.state === 'offline');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});
