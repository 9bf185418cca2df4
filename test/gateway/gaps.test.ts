/** Declared gaps and the balance `recorded = delivered + queued + quarantined + gaps` (promise 7). */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { type DeclaredGap, SEQUENCE_MAX } from '../../src/codec/index.ts';
import { DEVICE, freshStream, post, read, STREAM, signedRequest, testGateway } from './gateway-fixture.ts';

const quota = (first: number, last: number, volume: string | null = '1.5'): DeclaredGap => ({
  first,
  last,
  reason: 'quota',
  sums: volume === null ? null : { volume, temperature: '-20.25' },
});

test('a gap is counted with its sums, once however often it is declared', async (t) => {
  const gateway = await testGateway(t);
  for (let i = 0; i < 3; i++) await post(gateway, { batch: { first: 11, count: 5, gaps: [quota(1, 10)] } });
  await post(gateway, { batch: { first: 16, count: 0, events: [], gaps: [quota(1, 10), quota(16, 20, '0.25')] } });
  const device = await read(gateway, `/v1/devices/${DEVICE}`);
  assert.equal(device.gaps, 15);
  assert.deepEqual(device.declaredGaps, {
    quota: 15,
    damage: 0,
    unsummed: 0,
    sums: { temperature: '-40.5', volume: '1.75' },
  });
  assert.equal((await read(gateway, '/v1/totals')).gaps, 15);
});

test('of a gap that overlaps an earlier one only the new part is counted, and its sums are not', async (t) => {
  const gateway = await testGateway(t);
  const damage: DeclaredGap = { first: 31, last: 32, reason: 'damage', sums: null };
  const gaps = [quota(5, 14), quota(10, 19), quota(12, 13), damage];
  await post(gateway, { batch: { first: 40, count: 1, gaps } });
  const { declaredGaps } = await read(gateway, `/v1/devices/${DEVICE}`);
  assert.deepEqual(declaredGaps, {
    quota: 15,
    damage: 2,
    unsummed: 7,
    sums: { temperature: '-20.25', volume: '1.5' },
  });
});

test('gaps of more events than there are numbers for spoil neither the totals nor what comes next', async (t) => {
  const gateway = await testGateway(t);
  const everything = quota(1, SEQUENCE_MAX, null);
  for (let stream = 0; stream < 3; stream++) {
    await post(gateway, { batch: { stream: freshStream(), first: 1, events: [], gaps: [everything] } });
  }
  const { declaredGaps } = await read(gateway, `/v1/devices/${DEVICE}`);
  assert.deepEqual([declaredGaps.quota, declaredGaps.unsummed], [SEQUENCE_MAX, SEQUENCE_MAX]);
  // Read from the disk again, where it would have stopped every batch that shares a commit with this device's.
  await gateway.close();
  const again = await testGateway(t, { folder: gateway.folder });
  assert.equal((await post(again, { batch: { first: 1, count: 10 } })).acknowledgement?.inserted, 10);
  assert.equal((await read(again, '/v1/totals')).events, 10);
});

test('a gap whose events were counted after all is no gap', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway, { batch: { first: 1, count: 10 } });
  const queue = { recorded: 20, queued: 5, quarantined: 2, gaps: 6 };
  await post(gateway, { batch: { first: 11, count: 1, gaps: [quota(8, 12)], queue } });
  const device = await read(gateway, `/v1/devices/${DEVICE}`);
  assert.equal(device.delivered, 11);
  // 12 was given up, and one more is not declared yet; 8 to 11 were counted.
  assert.equal(device.gaps, 2);
  assert.deepEqual(device.streams[0].gaps, 1);
  assert.deepEqual([device.recorded, device.quarantined, device.queued, device.missing], [20, 2, 5, 0]);
});

test('a report without events is stored once, and an older one not at all', async (t) => {
  const gateway = await testGateway(t);
  const report = (sentAt: number, recorded: number) => ({
    batch: { first: 1, events: [], sentAt, queue: { recorded, queued: recorded, quarantined: 0, gaps: 0 } },
  });
  const { acknowledgement } = await post(gateway, report(2_000, 7));
  assert.deepEqual([acknowledgement!.inserted, acknowledgement!.duplicates, acknowledgement!.count], [0, 0, 0]);
  const before = await read(gateway, `/v1/devices/${DEVICE}`);
  assert.deepEqual([before.recorded, before.queued, before.delivered], [7, 7, 0]);
  assert.equal(before.reported.at, new Date(2_000).toISOString());
  await post(gateway, report(2_000, 7));
  await post(gateway, report(1_000, 5));
  assert.deepEqual(await read(gateway, `/v1/devices/${DEVICE}`), before);
  await post(gateway, report(3_000, 9));
  assert.equal((await read(gateway, `/v1/devices/${DEVICE}`)).recorded, 9);
});

test('clocks that are set back do not keep a report from being the latest', async (t) => {
  const gateway = await testGateway(t);
  const report = async (sentAt: number, recorded: number, queued: number, quarantined = 0, stream?: Uint8Array) => {
    const queue = { recorded, queued, quarantined, gaps: 0 };
    await post(gateway, { batch: { first: 1, events: [], sentAt, queue, ...(stream && { stream }) } });
    return (await read(gateway, `/v1/devices/${DEVICE}`)).reported;
  };
  await report(9_000_000, 7, 7);
  const { recorded, queued } = await report(2_000, 9, 9);
  assert.deepEqual([recorded, queued], [9, 9], 'more was recorded since');
  assert.equal((await report(1_900, 9, 8, 1)).quarantined, 1, 'and more was settled since');
  assert.equal((await report(1_800, 9, 9)).quarantined, 1, 'but this was overtaken');
  assert.equal((await report(9_500_000, 9, 9)).quarantined, 1, 'and this too, by whatever clock');
  assert.equal((await report(1_700, 9, 8)).quarantined, 0, 'while this was sent after a retry');
  const stream = freshStream();
  assert.equal((await report(1_600, 2, 2, 0, stream)).recorded, 9, 'a disk of before');
  assert.equal((await report(3_000, 2, 2, 0, stream)).recorded, 2, 'another disk');
});

test('what a device recorded and nobody has is shown as missing', async (t) => {
  const gateway = await testGateway(t);
  const queue = { recorded: 100, queued: 10, quarantined: 0, gaps: 0 };
  await post(gateway, { batch: { count: 10, queue } });
  const device = await read(gateway, `/v1/devices/${DEVICE}`);
  assert.deepEqual([device.recorded, device.queued, device.missing, device.earlier], [100, 10, 80, 0]);
});

test('what was delivered from an earlier disk is shown as such', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway, { batch: { count: 50 } });
  const queue = { recorded: 5, queued: 5, quarantined: 0, gaps: 0 };
  await post(gateway, { batch: { stream: freshStream(), count: 5, queue, sentAt: Date.now() + 1 } });
  const device = await read(gateway, `/v1/devices/${DEVICE}`);
  assert.deepEqual([device.recorded, device.delivered, device.missing, device.earlier], [55, 55, 0, 50]);
  assert.equal(device.streamCount, 2);
});

test('the clock offset leaves out how long the body took', async (t) => {
  let now = Date.now();
  let headCame = () => {};
  const clock = () => {
    headCame();
    return now;
  };
  const gateway = await testGateway(t, { clock });
  const { headers, body } = await signedRequest({ timestamp: now - 250 });
  const status = await new Promise((resolve, reject) => {
    const length = { 'content-length': body.length };
    const upload = request(`${gateway.url}/v1/batches`, { method: 'POST', headers: { ...length, ...headers } });
    upload.once('error', reject);
    upload.once('response', (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    headCame = () => {
      headCame = () => {};
      setImmediate(() => {
        now += 40_000;
        upload.end(body.subarray(1));
      });
    };
    upload.write(body.subarray(0, 1));
  });
  assert.equal(status, 200);
  const device = await read(gateway, `/v1/devices/${DEVICE}`);
  assert.equal(device.clockOffsetMs, 250);
  assert.equal(device.lastReceivedAt, new Date(now).toISOString());
});

test('the clock offset and the report are of the latest batch', async (t) => {
  const now = Date.now();
  const gateway = await testGateway(t, { clock: () => now });
  await post(gateway, { timestamp: now - 250, batch: { sentAt: now - 250 } });
  const device = await read(gateway, `/v1/devices/${DEVICE}`);
  assert.equal(device.clockOffsetMs, 250);
  assert.equal(device.lastReceivedAt, new Date(now).toISOString());
  assert.equal(device.streams[0].stream, STREAM.toString('hex'));
});
