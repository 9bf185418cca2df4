/** Answers that end before all is told: they say where the rest begins, and none of it is told twice or left out. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import { createFleet } from '../../src/gateway/fleet.ts';
import type { Metrics } from '../../src/gateway/metrics.ts';
import { type AnswerBounds, addReadRoutes } from '../../src/gateway/read-routes.ts';
import { streamView } from '../../src/gateway/views.ts';
import { createLedger } from '../../src/store/index.ts';
import { DEVICE, EPOCH_MS, eventOf, KEY_ID, post, read, type TestGateway, testGateway } from './gateway-fixture.ts';

const MINUTE_MS = 60_000;
const IDS = [DEVICE, 'pump-8', 'pump-9', 'valve-1', 'valve-2'];
const SENSORS = ['a', 'b', 'c', 'd', 'e'];
const MINUTES = [0, 1, 3, 4, 7];

async function filled(t: TestContext): Promise<TestGateway> {
  const gateway = await testGateway(t);
  for (const deviceId of IDS) {
    gateway.keys.set(deviceId, KEY_ID, {});
    const events = SENSORS.map((sensor, i) => eventOf(i + 1, { sensor, ts: EPOCH_MS + MINUTES[i]! * MINUTE_MS }));
    await post(gateway, { deviceId, batch: { events } });
  }
  return gateway;
}

/** The read routes over the same store, whose answers end at other bounds. */
async function routes(t: TestContext, { store }: TestGateway, bounds: AnswerBounds): Promise<{ url: string }> {
  const app = Fastify();
  const metrics = { duplicates: 0 } as Metrics;
  addReadRoutes(app, { store, fleet: createFleet(store), metrics, mayRead: () => {}, bounds });
  t.after(() => app.close());
  await app.listen({ host: '127.0.0.1', port: 0 });
  return { url: `http://127.0.0.1:${(app.addresses() as AddressInfo[])[0]!.port}` };
}

// biome-ignore lint/suspicious/noExplicitAny: tests say which members they expect
type Answer = any;

/** What each answer told, from the first one on until there is no more. */
async function walk(
  gateway: { readonly url: string },
  pathOf: (next: string | undefined) => string,
  told: (answer: Answer) => readonly string[],
  member = 'next',
): Promise<(readonly string[])[]> {
  const answers: (readonly string[])[] = [];
  let next: string | undefined;
  do {
    const answer = await read(gateway, pathOf(next));
    answers.push(told(answer));
    assert(answers.length <= 20, 'it ends');
    next = answer[member] ?? undefined;
    assert.notEqual(answer[member], undefined, 'it is null at the end');
  } while (next !== undefined);
  return answers;
}

const devices = (of: { url: string }, limit: number) =>
  walk(
    of,
    (next) => `/v1/devices?limit=${limit}${next === undefined ? '' : `&after=${next}`}`,
    ({ devices: list }) => list.map(({ id }: Answer) => id),
  );
const sensors = (of: { url: string }) =>
  walk(
    of,
    (next) => `/v1/devices/${DEVICE}${next === undefined ? '' : `?sensorsAfter=${next}`}`,
    ({ sensors: list }) => list.map(({ sensor }: Answer) => sensor),
    'nextSensors',
  );
const buckets = (of: { url: string }) =>
  walk(
    of,
    (next) => `/v1/devices/${DEVICE}/buckets?from=${next ?? EPOCH_MS}&to=${EPOCH_MS + 60 * MINUTE_MS}`,
    ({ buckets: list }) => list.map(({ start }: Answer) => String((Date.parse(start) - EPOCH_MS) / MINUTE_MS)),
  );

const minutes = MINUTES.map(String);
/** In parts of so many. */
const cut = (all: readonly string[], size: number) =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));

test('an answer that is long enough ends behind what it tells last, and the next begins there', async (t) => {
  const gateway = await filled(t);
  const single = await routes(t, gateway, { lengthMax: 1, listedMax: 1_000 });
  assert.deepEqual(await devices(single, 100), cut(IDS, 1));
  assert.deepEqual(await sensors(single), cut(SENSORS, 1));
  assert.deepEqual(await buckets(single), cut(minutes, 1));
  // As long as the first two are, so the third is the first that is too much.
  const two = JSON.stringify((await read(gateway, '/v1/devices?limit=2')).devices);
  const some = await routes(t, gateway, { lengthMax: two.length - 10, listedMax: 1_000 });
  assert.deepEqual(await devices(some, 100), cut(IDS, 2));
});

test('an answer of as many as are listed at a time ends there, and none is empty', async (t) => {
  const gateway = await filled(t);
  for (const size of [1, 2, 4, 5, 6]) {
    const listed = await routes(t, gateway, { lengthMax: 1e6, listedMax: size });
    assert.deepEqual(await sensors(listed), cut(SENSORS, size), `${size} sensors`);
    assert.deepEqual(await devices(listed, size), cut(IDS, size), `${size} devices`);
  }
  assert.deepEqual(await buckets(gateway), [minutes]);
});

test('the intervals of a stream end where as many were told as may be, and not where there are just so many', () => {
  const ledger = createLedger();
  for (const first of [1, 5, 9]) ledger.add({ first, last: first + 1, digest: 1n });
  const told = (most: number, after?: number) => {
    const { intervals, nextIntervals, intervalCount } = streamView('s', ledger, most, after);
    assert.equal(intervalCount, 3);
    return [intervals.map(([first]) => first), nextIntervals];
  };
  assert.deepEqual(told(4), [[1, 5, 9], null]);
  assert.deepEqual(told(3), [[1, 5, 9], null]);
  assert.deepEqual(told(2), [[1, 5], 6]);
  assert.deepEqual(told(2, 6), [[9], null]);
  assert.deepEqual(told(1), [[1], 2]);
  assert.deepEqual(told(1, 2), [[5], 6]);
});
