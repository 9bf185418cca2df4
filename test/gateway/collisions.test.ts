/** Ids that come again for other events: refused by exactly those ids, with nothing of the batch stored. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TelemetryEvent } from '../../src/codec/index.ts';
import { eventOf, eventsFrom, post, read, type TestAnswer, type TestGateway, testGateway } from './gateway-fixture.ts';

/** The events of a range, but those of some sequences others than they were. */
function changed(first: number, count: number, ...sequences: number[]): TelemetryEvent[] {
  return eventsFrom(first, count).map((event, i) =>
    sequences.includes(first + i) ? eventOf(first + i, { fields: { volume: -1 } }) : event,
  );
}

function collided(answer: TestAnswer, collisions: readonly (readonly [number, number])[]): void {
  assert.equal(answer.status, 409, answer.body.toString());
  assert(answer.signed);
  assert.equal(answer.problem?.code, 'sequence-collision');
  assert.deepEqual(answer.problem?.collisions, collisions);
}

async function assertEvents(gateway: TestGateway, events: number): Promise<void> {
  assert.equal((await read(gateway, '/v1/totals')).events, events);
}

const forget = (gateway: TestGateway) => gateway.store.retain({ bytesMax: 0 }, Date.now());

test('one other event in a batch that came before is named', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway, { batch: { count: 20 } });
  collided(await post(gateway, { batch: { events: changed(1, 20, 7) } }), [[7, 7]]);
  collided(await post(gateway, { batch: { events: changed(1, 20, 1, 2, 3, 9, 20) } }), [
    [1, 3],
    [9, 9],
    [20, 20],
  ]);
  await assertEvents(gateway, 20);
});

test('nothing of a batch with a collision is stored, also not what is new in it', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway, { batch: { first: 1, count: 20 } });
  collided(await post(gateway, { batch: { first: 11, events: changed(11, 20, 15) } }), [[15, 15]]);
  await assertEvents(gateway, 20);
  const { acknowledgement } = await post(gateway, { batch: { first: 11, count: 20 } });
  assert.deepEqual([acknowledgement!.inserted, acknowledgement!.duplicates], [10, 10]);
});

test('collisions are found over several batches of different ages', async (t) => {
  const gateway = await testGateway(t);
  for (let first = 1; first <= 200; first += 10) await post(gateway, { batch: { first, count: 10 } });
  const [acknowledged] = [await post(gateway, { batch: { count: 200 } })];
  assert.equal(acknowledged.acknowledgement?.duplicates, 200);
  collided(await post(gateway, { batch: { first: 5, events: changed(5, 190, 6, 7, 100, 181) } }), [
    [6, 7],
    [100, 100],
    [181, 181],
  ]);
  await assertEvents(gateway, 200);
});

test('without kept batches a recent batch that differs is named as a whole', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway, { batch: { count: 20 } });
  await forget(gateway);
  collided(await post(gateway, { batch: { events: changed(1, 20, 7) } }), [[1, 20]]);
  assert.equal((await post(gateway, { batch: { count: 20 } })).acknowledgement?.duplicates, 20);
  await assertEvents(gateway, 20);
});

test('what some kept batch covers is named exactly, though the rest is gone', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway, { batch: { first: 1, count: 10 } });
  for (let first = 101; first <= 161; first += 10) await post(gateway, { batch: { first, count: 10 } });
  await forget(gateway);
  await post(gateway, { batch: { first: 11, count: 10 } });
  // 1 to 10 has its own digest still, and so has 11 to 20.
  collided(await post(gateway, { batch: { events: changed(1, 20, 15) } }), [[15, 15]]);
});

test('what nothing is left to compare with is a duplicate, and is counted as unverified', async (t) => {
  const gateway = await testGateway(t);
  for (let first = 1; first <= 100; first += 10) await post(gateway, { batch: { first, count: 10 } });
  await forget(gateway);
  const { acknowledgement } = await post(gateway, { batch: { first: 3, events: changed(3, 5, 4) } });
  assert.equal(acknowledgement?.duplicates, 5);
  const metrics = (await (await fetch(`${gateway.url}/metrics`)).text()).split('\n');
  assert(metrics.includes('tidegate_gateway_unverified_events_total 5'), metrics.join('\n'));
});

test('a part of an older range is compared through the kept batches', async (t) => {
  const gateway = await testGateway(t);
  for (let first = 1; first <= 100; first += 10) await post(gateway, { encoding: 'br', batch: { first, count: 10 } });
  assert.equal((await post(gateway, { batch: { first: 3, count: 5 } })).acknowledgement?.duplicates, 5);
  collided(await post(gateway, { batch: { first: 3, events: changed(3, 5, 4) } }), [[4, 4]]);
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  assert.match(metrics, /unverified_events_total 0/);
});

test('more collisions than an answer names are named in turn, and never an id too many', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway, { batch: { count: 300 } });
  const odd = Array.from({ length: 150 }, (_, i) => 2 * i + 1);
  const answer = await post(gateway, { batch: { events: changed(1, 300, ...odd) } });
  collided(
    answer,
    odd.slice(0, 64).map((sequence) => [sequence, sequence] as const),
  );
});

test('the same sequences of another stream are other events', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway);
  const answer = await post(gateway, { batch: { stream: Buffer.alloc(16, 1), events: changed(1, 10, 1, 2) } });
  assert.equal(answer.acknowledgement?.inserted, 10);
});
