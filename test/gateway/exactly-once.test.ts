/** Each event id counts once, whatever is sent how often in what order (promises 4 to 6). */
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import type { Page } from '../../src/gateway/index.ts';
import type { GatewayStore } from '../../src/store/index.ts';
import { createRandom, seedOf } from '../store/random.ts';
import { exactSum } from './exact-sum.ts';
import {
  DEVICE,
  EPOCH_MS,
  eventOf,
  eventsFrom,
  freshStream,
  post,
  read,
  STREAM_HEX,
  say,
  signedRequest,
  type TestGateway,
  temporaryFolder,
  testGateway,
} from './gateway-fixture.ts';

/** Everything stored, read through the port, as text. */
async function contents(store: GatewayStore<Page>): Promise<string> {
  const parts: unknown[] = [];
  for await (const deviceId of store.devices()) {
    for (const kind of ['device', 'total', 'minute', 'hour', 'day'] as const) {
      for await (const stored of store.pages(deviceId, kind)) parts.push(stored);
    }
    for await (const { stream, ledger } of store.ledgers(deviceId))
      parts.push(stream, ledger.intervals(), ledger.gaps());
    for await (const batch of store.batches(deviceId)) parts.push({ ...batch, body: batch.body.toString() });
  }
  return JSON.stringify(parts, (_, value) =>
    typeof value === 'bigint' ? String(value) : value instanceof Map ? [...value] : value,
  );
}

async function assertTotals(gateway: TestGateway, sequences: Iterable<number>): Promise<void> {
  const events = Array.from(sequences, (sequence) => eventOf(sequence));
  const totals = await read(gateway, '/v1/totals');
  assert.equal(totals.events, events.length);
  for (const measure of ['volume', 'temperature']) {
    assert.equal(totals.measures[measure].sum, exactSum(events, measure));
    assert.equal(totals.measures[measure].count, events.length);
  }
}

test('a batch that comes a thousand times is counted once, and changes no stored byte', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway);
  const before = await contents(gateway.store);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  t.after(() => agent.destroy());
  const request = await signedRequest();
  const headers = { ...request.headers, 'content-length': request.body.length };
  const once = () => say(`${gateway.url}/v1/batches`, { method: 'POST', headers, body: request.body, agent });
  for (let i = 0; i < 20; i++) {
    for (const { status, body } of await Promise.all(Array.from({ length: 50 }, once))) {
      assert.equal(status, 200);
      assert.equal(JSON.parse(body.toString()).duplicates, 10);
    }
  }
  assert.equal(await contents(gateway.store), before);
  const { commits } = await gateway.store.stats();
  assert.equal(commits, 1);
  assert.equal((await read(gateway, '/v1/totals')).duplicates, 10_000);
  assert.equal((await read(gateway, `/v1/devices/${DEVICE}`)).duplicates, 10_000);
});

test('fifty copies at once are counted once', async (t) => {
  const gateway = await testGateway(t);
  const answers = await Promise.all(Array.from({ length: 50 }, () => post(gateway, { batch: { count: 500 } })));
  const inserted = answers.map(({ acknowledgement }) => acknowledgement!.inserted);
  assert.equal(
    inserted.reduce((sum, count) => sum + count, 0),
    500,
  );
  for (const { signed, acknowledgement } of answers) {
    assert(signed);
    assert.equal(acknowledgement!.inserted + acknowledgement!.duplicates, 500);
  }
  await assertTotals(gateway, range(1, 500));
});

test('of overlapping batches only what is new is counted', async (t) => {
  const gateway = await testGateway(t);
  const counts = async (first: number, count: number) => {
    const { acknowledgement } = await post(gateway, { batch: { first, count } });
    return [acknowledgement!.inserted, acknowledgement!.duplicates];
  };
  assert.deepEqual(await counts(11, 10), [10, 0]);
  assert.deepEqual(await counts(31, 10), [10, 0]);
  assert.deepEqual(await counts(16, 10), [5, 5]);
  // Two holes and everything around them.
  assert.deepEqual(await counts(1, 50), [25, 25]);
  assert.deepEqual(await counts(1, 50), [0, 50]);
  assert.deepEqual(await counts(20, 3), [0, 3]);
  await assertTotals(gateway, range(1, 50));
  const { streams } = await read(gateway, `/v1/devices/${DEVICE}`);
  assert.deepEqual(streams[0].intervals, [[1, 50]]);
});

test('batches in any order, cut in any way, of several streams and devices, come to the exact sums', async (t) => {
  const random = createRandom(seedOf(t));
  const gateway = await testGateway(t);
  const devices = ['d1', 'd2'];
  for (const deviceId of devices) gateway.keys.set(deviceId, 'k1', {});
  const streams = devices.flatMap((deviceId) => [0, 1].map(() => ({ deviceId, stream: freshStream(), last: 0 })));
  const sent: { deviceId: string; stream: Buffer; first: number; count: number }[] = [];
  for (const one of streams) {
    while (one.last < 2_000) {
      const count = 1 + random(200);
      sent.push({ ...one, first: one.last + 1, count });
      one.last += count;
      if (random(3) === 0) {
        const first = 1 + random(one.last);
        sent.push({ ...one, first, count: 1 + random(one.last - first + 1) });
      }
    }
  }
  for (let i = sent.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [sent[i], sent[j]] = [sent[j]!, sent[i]!];
  }
  let inserted = 0;
  while (sent.length > 0) {
    const answers = await Promise.all(
      sent
        .splice(-8)
        .map(({ deviceId, stream, first, count }) => post(gateway, { deviceId, batch: { stream, first, count } })),
    );
    for (const { acknowledgement, body } of answers) {
      assert(acknowledgement, body.toString());
      inserted += acknowledgement.inserted;
    }
  }
  const all = streams.flatMap(({ last }) => eventsFrom(1, last));
  assert.equal(inserted, all.length);
  const totals = await read(gateway, '/v1/totals');
  assert.equal(totals.events, all.length);
  assert.equal(totals.measures.volume.sum, exactSum(all, 'volume'));
  assert.equal(totals.measures.temperature.sum, exactSum(all, 'temperature'));
  const sums = { minute: 0, hour: 0, day: 0 };
  for (const granularity of ['minute', 'hour', 'day'] as const) {
    for (const deviceId of devices) {
      const query = `granularity=${granularity}&from=${EPOCH_MS}&to=${EPOCH_MS + 7_200_000}`;
      const path = `/v1/devices/${deviceId}/buckets?${query}`;
      for (const bucket of (await read(gateway, path)).buckets) sums[granularity] += bucket.events;
    }
    assert.equal(sums[granularity], all.length, granularity);
  }
});

test('what was acknowledged is there after a restart, and is still a duplicate', async (t) => {
  const folder = await temporaryFolder(t);
  const first = await testGateway(t, { folder });
  await post(first, { batch: { count: 100 } });
  await post(first, { batch: { first: 201, count: 100 } });
  const before = await contents(first.store);
  await first.close();
  const second = await testGateway(t, { folder });
  assert.equal(await contents(second.store), before);
  const { acknowledgement } = await post(second, { batch: { count: 300 } });
  assert.deepEqual(acknowledgement, { stream: STREAM_HEX, first: 1, count: 300, inserted: 100, duplicates: 200 });
  await assertTotals(second, range(1, 300));
});

test('sums are exact where doubles are not', async (t) => {
  const gateway = await testGateway(t);
  const values = [0.1, 0.2, 1e21, -1e21, 1e-7, 5e-324, 1.7976931348623157e308, 123456789.123456, -0, 2 ** 53];
  const events = values.map((volume, i) => eventOf(i + 1, { sensor: 's', fields: { volume } }));
  await post(gateway, { batch: { events } });
  const { volume } = (await read(gateway, '/v1/totals')).measures;
  assert.equal(volume.sum, exactSum(events, 'volume'));
  assert.equal(volume.min, -1e21);
  assert.equal(volume.max, 1.7976931348623157e308);
});

test('events whose clock jumps about fall into the buckets of their times', async (t) => {
  const gateway = await testGateway(t);
  const minutes = [3, 1, 3, 2, 1, 3, -5, 1];
  const events = minutes.map((minute, i) =>
    eventOf(i + 1, { ts: EPOCH_MS + minute * 60_000 + i, sensor: 's', fields: { volume: i + 0.5 } }),
  );
  await post(gateway, { batch: { events } });
  const path = `/v1/devices/${DEVICE}/buckets?from=${EPOCH_MS - 600_000}&to=${EPOCH_MS + 600_000}`;
  const { buckets } = await read(gateway, path);
  const found = buckets.map(
    (bucket: { start: string; events: number; measures: { volume: { sum: string; last: number } } }) => [
      (Date.parse(bucket.start) - EPOCH_MS) / 60_000,
      bucket.events,
      bucket.measures.volume.sum,
      bucket.measures.volume.last,
    ],
  );
  assert.deepEqual(found, [
    [-5, 1, '6.5', 6.5],
    [1, 3, '13.5', 7.5],
    [2, 1, '3.5', 3.5],
    [3, 3, '8.5', 5.5],
  ]);
});

function* range(first: number, last: number): Generator<number, void, void> {
  for (let sequence = first; sequence <= last; sequence++) yield sequence;
}
