import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBatch, eventsOf, problemOf } from '../../src/codec/index.ts';
import { quarantinedEvents } from '../../src/device/quarantine.ts';
import { createRandom, seedOf } from '../codec/property.ts';
import { assertAll, bySequence, OLD, parcelOf, sizes, testDelivery } from './delivery-fixture.ts';
import { readings, until } from './device-fixture.ts';
import { createModelGateway, page, refusing } from './model-gateway.ts';

test('a signed 413 with the gateway’s bound: no batch is larger from then on', async () => {
  const gateway = createModelGateway();
  let refused = 0;
  gateway.judge = ({ count }) => {
    if (count <= 100) return undefined;
    refused++;
    return problemOf('batch-limit', '', { eventsMax: 100 });
  };
  const { delivery } = testDelivery(gateway);
  const events = readings(1_050);
  await delivery.deliver(parcelOf(events));
  assert.equal(refused, 1);
  assert.deepEqual(sizes(gateway), [...Array(10).fill(100), 50]);
  const small = parcelOf(readings(100, 5_000), 5_000);
  for (let i = 0; i < 70; i++) await delivery.deliver(small);
  await delivery.deliver(parcelOf(readings(101, 6_000), 6_000));
  assert.equal(refused, 1, 'what the gateway says is not tried again');
});

test('a signed 413 without a bound, or with one that is no help, halves', async () => {
  for (const bound of [{}, { eventsMax: 0 }, { eventsMax: 65_536 }]) {
    const gateway = createModelGateway();
    gateway.judge = ({ count }) => (count > 300 ? problemOf('body-too-large', '', bound) : undefined);
    const { delivery } = testDelivery(gateway);
    await delivery.deliver(parcelOf(readings(1_000)));
    assert.deepEqual(sizes(gateway), [250, 250, 250, 250]);
    assertAll(gateway, readings(1_000));
  }
});

test('a smaller batch that was found for one parcel is not made larger by another', async () => {
  const gateway = createModelGateway();
  let answerLarge: (() => void) | undefined;
  gateway.before = async (_, attempt) => {
    if (attempt === 2) await new Promise<void>((resolve) => (answerLarge = resolve));
  };
  gateway.judge = ({ count }) => (count > 10 ? problemOf('batch-limit', '') : undefined);
  const { delivery } = testDelivery(gateway);
  // The second is sent before the first has found out, and answered after.
  const probe = delivery.deliver(parcelOf(readings(1)));
  await probe;
  const large = delivery.deliver(parcelOf(readings(500, 5_000), 5_000));
  await until(() => answerLarge !== undefined);
  await delivery.deliver(parcelOf(readings(40), 2));
  const before = gateway.requests.length;
  answerLarge!();
  await large;
  assert.equal(gateway.requests.length - before, 50, 'in tens, without trying more');
});

test('a signed 413 for a single event is final', async () => {
  const gateway = createModelGateway();
  gateway.judge = ({ table }) =>
    [...eventsOf(table)].some(({ fields }) => fields['volume'] === 0.03) ? problemOf('body-too-large', '') : undefined;
  const { delivery } = testDelivery(gateway);
  const { quarantine } = await delivery.deliver(parcelOf(readings(4)));
  assert.deepEqual(
    quarantine.flatMap((entry) => [...quarantinedEvents(entry)]).map(({ sequence, code }) => [sequence, code]),
    [[3, 'body-too-large']],
  );
  assert.equal(gateway.events.size, 3);
});

test('an unsigned 413 makes batches smaller, and never condemns an event', async () => {
  const gateway = createModelGateway();
  let proxyBytesMax = 0;
  gateway.before = ({ body }) => (body.length > proxyBytesMax ? page(413) : undefined);
  const { delivery, counts, links } = testDelivery(gateway);
  const delivered = delivery.deliver(parcelOf(readings(64)));
  // Not even single events get through.
  await until(() => counts.retries > 5);
  assert.equal(links.at(-1)!.state, 'offline');
  proxyBytesMax = 1e6;
  assert.deepEqual(await delivered, { quarantine: [] });
  assertAll(gateway, readings(64));
});

test('once the proxy with the small limit is gone, batches grow again', async () => {
  const gateway = createModelGateway();
  let proxyEventsMax = 4;
  gateway.encodings = ['identity'];
  gateway.before = ({ headers, body }) =>
    headers['content-encoding'] === 'identity' && decodeBatch(body).count > proxyEventsMax ? page(413) : undefined;
  const { delivery } = testDelivery(gateway, { batchEventsMax: 16 });
  const deliver = async (parcels: number, from: number): Promise<number> => {
    for (let i = from; i < from + parcels; i++) await delivery.deliver(parcelOf(readings(16, 16 * i + 1), 16 * i + 1));
    return sizes(gateway).at(-1)!;
  };
  assert.equal(await deliver(2, 0), 4);
  proxyEventsMax = 1_000;
  assert.equal(await deliver(1, 2), 4, 'not at once');
  assert.equal(await deliver(64 / 4 + 64 / 2, 3), 16);
  assertAll(gateway, readings(16 * (3 + 48)));
});

test('a batch that is refused is bisected to exactly the guilty events, and the rest is delivered', async (t) => {
  const random = createRandom(seedOf(t));
  for (const count of [1, 2, 7, 100, 1_000]) {
    const gateway = createModelGateway();
    const guilty = new Set(
      Array.from({ length: 1 + Math.floor(random() * 5) }, () => 1 + Math.floor(random() * count)),
    );
    gateway.judge = refusing(({ fields }) => guilty.has(Math.round(Number(fields['volume']) * 100)), 'sensor-limit');
    const { delivery } = testDelivery(gateway);
    const events = readings(count);
    const { quarantine } = await delivery.deliver(parcelOf(events));
    const kept = quarantine.flatMap((entry) => [...quarantinedEvents(entry)]);
    const ascending = [...guilty].sort((a, b) => a - b);
    assert.deepEqual(
      kept,
      ascending.map((sequence) => ({
        stream: OLD.toString('hex'),
        sequence,
        event: events[sequence - 1]!,
        code: 'sensor-limit',
        detail: 'as the test wants it',
        refusedAt: 77,
        retry: false,
      })),
    );
    const found = bySequence(gateway);
    assert.equal(found.size, count - guilty.size);
    for (const sequence of guilty) assert(!found.has(sequence));
    const depth = Math.ceil(Math.log2(count)) + 1;
    assert(gateway.requests.length <= 2 * guilty.size * depth + 1, `${gateway.requests.length} requests`);
  }
});

test('a collision moves exactly the named ranges; nothing is lost, nothing counts twice', async (t) => {
  const random = createRandom(seedOf(t));
  const gateway = createModelGateway();
  const { delivery, queue, counts } = testDelivery(gateway);
  const events = readings(800);
  // The gateway has other events under some ids (more ranges than one answer names), and the very same under others.
  const collided = new Set<number>();
  const known = new Set<number>();
  events.forEach((event, i) => {
    const id = `${OLD.toString('hex')}/${i + 1}`;
    if (random() < 0.4) {
      collided.add(i + 1);
      gateway.events.set(id, '{"fields":{}}');
    } else if (random() < 0.5) {
      known.add(i + 1);
      gateway.events.set(id, JSON.stringify(event));
    }
  });
  assert.deepEqual(await delivery.deliver(parcelOf(events)), { quarantine: [] });
  const moved = queue.moved.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i));
  assert.deepEqual(
    moved.sort((a, b) => a - b),
    [...collided],
  );
  assert.equal(gateway.events.size, 800 + collided.size);
  assert(counts.duplicates >= known.size);
  const ours = new Map([...gateway.events].filter(([, text]) => text !== '{"fields":{}}'));
  assertAll({ ...gateway, events: ours }, events);
});

test('a collision that names none of the events that were sent moves nothing', async () => {
  const gateway = createModelGateway();
  gateway.judge = () =>
    gateway.requests.length <= 3 ? problemOf('sequence-collision', '', { collisions: [[50, 60]] }) : undefined;
  const { delivery, queue, counts } = testDelivery(gateway);
  await delivery.deliver(parcelOf(readings(10)));
  assert.deepEqual(queue.moved, []);
  assert.equal(counts.retries, 3);
});

test('a collision names more than was sent: only what was sent moves', async () => {
  const gateway = createModelGateway();
  gateway.judge = () =>
    gateway.requests.length === 1 ? problemOf('sequence-collision', '', { collisions: [[1, 12]] }) : undefined;
  const { delivery, queue } = testDelivery(gateway);
  await delivery.deliver(parcelOf(readings(10), 5));
  assert.deepEqual(queue.moved, [{ first: 5, last: 12 }]);
  assert.deepEqual(sizes(gateway), [8, 2]);
});

test('a parcel over several streams goes in a batch for each', async () => {
  const gateway = createModelGateway();
  const { delivery, queue } = testDelivery(gateway);
  await queue.restream([{ first: 4, last: 6 }]);
  await delivery.deliver(parcelOf(readings(10)));
  assert.deepEqual(sizes(gateway), [3, 3, 4]);
  assertAll(gateway, readings(10));
});

test('a large block in small batches costs work by its size, not by its square', async () => {
  const gateway = createModelGateway();
  const { delivery } = testDelivery(gateway, { batchEventsMax: 7 });
  const events = readings(4_096);
  await delivery.deliver(parcelOf(events));
  assert.equal(gateway.batches.length, Math.ceil(4_096 / 7));
  assertAll(gateway, events);
});
