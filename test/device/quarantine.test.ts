import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventsOf, problemOf } from '../../src/codec/index.ts';
import { offlineQuarantine, offlineStatus, retryOffline } from '../../src/device/offline.ts';
import { quarantinedEvents, quarantineEntry, tableOf } from '../../src/device/quarantine.ts';
import { collect } from '../store/queue-fixture.ts';
import { blockOf, garbage, tableOf as packed } from './blocks.ts';
import { DEAD, queueOf, readings, temporaryDirectory, testDevice, until } from './device-fixture.ts';
import { createModelGateway, refusing } from './model-gateway.ts';

const ODD = { ts: 5, sensor: 'ä', fields: { volume: -0, tiny: 5e-324, long: 0.1 + 0.2, state: 'on', open: false } };

test('nothing of the event is lost, not even the sign of zero', () => {
  const { bytes: columns } = blockOf([ODD]);
  const parcel = { first: 7, count: 1, table: packed([ODD]), columns };
  const entry = quarantineEntry(parcel, Buffer.alloc(16, 1), problemOf('sensor-limit', 'too many'), 99);
  const [event] = [...eventsOf(tableOf(entry))];
  assert.deepEqual(event, ODD);
  assert(Object.is(event!.fields['volume'], -0));
  assert.deepEqual(
    [...quarantinedEvents(entry)],
    [
      {
        stream: '01'.repeat(16),
        sequence: 7,
        event: ODD,
        code: 'sensor-limit',
        detail: 'too many',
        refusedAt: 99,
        retry: false,
      },
    ],
  );
  const bare = quarantineEntry(parcel, Buffer.alloc(16), { ...problemOf('sensor-limit', ''), detail: undefined! }, 1);
  assert.equal([...quarantinedEvents(bare)][0]!.detail, '');
});

test('refused events are kept with the reason, listed, and sent again when someone says so', async (t) => {
  const data = await temporaryDirectory(t);
  const gateway = createModelGateway();
  gateway.judge = refusing(({ sensor }) => sensor === 's1', 'sensor-limit');
  const device = await testDevice(t, gateway, { data });
  const said: number[] = [];
  device.on('quarantined', (events) => said.push(...events.map(({ sequence }) => sequence)));
  await device.recordAll(readings(30));
  await device.drain();
  const kept = await collect(device.quarantine());
  assert.deepEqual(
    kept.map(({ event }) => event),
    readings(30).filter(({ sensor }) => sensor === 's1'),
  );
  assert.deepEqual(
    said,
    kept.map(({ sequence }) => sequence),
  );
  assert.deepEqual([device.status().quarantined.events, device.status().delivered.events], [10, 20]);
  await device.close();

  const again = await testDevice(t, gateway, { data });
  assert.equal(again.status().quarantined.events, 10, 'kept over a restart');
  // The gateway has not changed its mind.
  assert.equal(await again.retryQuarantine(), 10);
  await again.drain();
  const still = await collect(again.quarantine());
  const standing = kept.map(({ stream, sequence }) => [stream, sequence, false]);
  assert.deepEqual(
    still.map(({ stream, sequence, retry }) => [stream, sequence, retry]),
    standing,
    'under the same ids, and not asked for any more',
  );
  gateway.judge = () => undefined;
  assert.equal(await again.retryQuarantine(), 10);
  await again.drain();
  assert.deepEqual(await collect(again.quarantine()), []);
  assert.equal(gateway.events.size, 30);
  await until(() => !again.status().counting);
  const { recorded, delivered, queued, quarantined } = again.status();
  assert.deepEqual(
    [recorded, delivered, queued, quarantined].map(({ events }) => events),
    [30, 30, 0, 0],
  );
  assert.equal(recorded.sums['volume'], '4.65');
});

test('two who ask for a retry at the same time have everything sent once', async (t) => {
  const gateway = createModelGateway();
  gateway.judge = refusing(() => true);
  const device = await testDevice(t, gateway);
  await device.recordAll(readings(12));
  await device.drain();
  gateway.judge = () => undefined;
  const asked = await Promise.all([device.retryQuarantine(), device.retryQuarantine(), device.retryQuarantine()]);
  assert.deepEqual(asked, [12, 0, 0]);
  await device.drain();
  assert.equal(gateway.events.size, 12);
  assert.equal(device.status().recorded.events, 12);
});

test('with nothing else to send, the gateway is told what became of the events that it has refused', async (t) => {
  const gateway = createModelGateway();
  gateway.judge = refusing(({ sensor }) => sensor === 's1');
  const device = await testDevice(t, gateway);
  await device.recordAll(readings(6));
  await device.drain();
  assert.deepEqual(gateway.batches.at(-1)?.queue, { recorded: 6, queued: 0, quarantined: 2, gaps: 0 });
  const { length } = gateway.requests;
  await device.drain();
  assert.equal(gateway.requests.length, length, 'told more than once');
});

test('offline: the same figures and the same quarantine, from the disk', async (t) => {
  const data = await temporaryDirectory(t);
  for (const look of [offlineStatus, retryOffline]) await assert.rejects(look(data), { code: 'not-found' });
  await assert.rejects(collect(offlineQuarantine(data)), { code: 'not-found' });
  assert.deepEqual(await readdir(data), [], 'nothing is made');
  const gateway = createModelGateway();
  gateway.judge = refusing(({ sensor }) => sensor === 's1');
  const device = await testDevice(t, gateway, { data });
  await device.recordAll(readings(30));
  await device.drain();
  gateway.before = () => new Error('ECONNRESET');
  await device.recordAll(readings(12, 31));
  const { id, queueBytes, recorded, delivered, queued, quarantined, gaps } = device.status();
  await assert.rejects(retryOffline(data), { code: 'locked' });
  const expected = {
    id,
    link: null,
    silent: false,
    queueBytes,
    recorded,
    delivered,
    queued,
    quarantined,
    gaps,
  };
  assert.deepEqual(await offlineStatus(data), expected, 'beside the device');
  await device.close();
  const before = await filesOf(data);
  assert.deepEqual(await offlineStatus(data), expected);
  assert.equal((await collect(offlineQuarantine(data))).length, 10);
  assert.deepEqual(await filesOf(data), before, 'looking changes no file');
  assert.equal(await retryOffline(data), 10);
  const after = await offlineStatus(data);
  assert.deepEqual([after.queued.events, after.quarantined.events], [12, 10]);
  assert((await collect(offlineQuarantine(data))).every(({ retry }) => retry));
  assert.equal(await retryOffline(data), 0, 'asked for already');
  gateway.before = () => undefined;
  gateway.judge = () => undefined;
  const again = await testDevice(t, gateway, { data });
  await again.drain();
  assert.equal(gateway.events.size, 42);
});

test('offline: gaps count, and a block that does not decode becomes one', async (t) => {
  const data = await temporaryDirectory(t);
  const queue = await queueOf(t, data);
  await queue.append([blockOf(readings(5)), garbage(4), blockOf(readings(5, 6))]);
  await queue.close();
  const { recorded, queued, gaps } = await offlineStatus(data);
  assert.deepEqual([recorded.events, queued.events, gaps.events], [14, 10, 4]);
  const device = await testDevice(t, DEAD, { data });
  await until(() => !device.status().counting);
  assert.equal(device.status().recorded.events, 14);
});

/** Each file's bytes, and when it was changed. */
async function filesOf(folder: string): Promise<unknown[]> {
  const files: unknown[] = [];
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const path = join(folder, name);
    const { mtimeMs, ino, size } = await stat(path);
    files.push([name, mtimeMs, ino, size, await readFile(path, 'latin1').catch(() => '')]);
  }
  return files;
}
