/** What an operator sees and a stranger does not: the gates of all routes, gauges, times, caps and bounds of views. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import {
  batchBytes,
  DEVICE,
  EPOCH_MS,
  eventOf,
  KEY_ID,
  post,
  read,
  say,
  type TestGateway,
  testGateway,
} from './gateway-fixture.ts';

const TOKEN = 'a-token-of-the-admin';

/** Open to whoever comes: what says nothing of devices, and where devices come. */
const PUBLIC = ['/', '/healthz', '/readyz', '/v1/batches'];

/** Every path that is registered, whoever did it. */
function pathsOf(app: FastifyInstance): string[] {
  const found: string[] = [];
  const above: string[] = [];
  for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent = '', part = '', methods] = /^((?:│ {3}| {4})*)[├└]── (\S+)(?: \((.*)\))?$/.exec(line) ?? [];
    if (part === '') continue;
    const depth = indent.length / 4;
    above.length = depth;
    above.push(part);
    if (methods !== undefined) found.push(above.join(''));
  }
  return found;
}

test('every route but those that say nothing wants the token', async (t) => {
  const gateway = await testGateway(t, { adminToken: TOKEN });
  await post(gateway);
  const paths = pathsOf(gateway.app);
  for (const path of [...PUBLIC, '/v1/totals', '/v1/devices', '/v1/devices/:id/events', '/metrics']) {
    assert(paths.includes(path), `${path} of ${paths.join(' ')}`);
  }
  for (const path of paths.filter((each) => !PUBLIC.includes(each))) {
    const url = `${gateway.url}${path.replace(/:\w+/g, DEVICE)}`;
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']) {
      for (const headers of [{}, { authorization: `Bearer ${TOKEN}x` }, { authorization: TOKEN }]) {
        const { status } = await say(url, { method, headers });
        assert([401, 405].includes(status), `${method} ${path}: ${status}`);
        if (method === 'GET') assert.equal(status, 401, path);
      }
    }
    const { status } = await say(url, { headers: { authorization: `Bearer ${TOKEN}` } });
    assert.notEqual(status, 401, path);
  }
});

async function gauges(gateway: TestGateway): Promise<Map<string, number>> {
  const text = (await say(`${gateway.url}/metrics`)).body.toString();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

test('every gauge and counter says what happened', async (t) => {
  const gateway = await testGateway(t);
  const bodies = [batchBytes({ first: 1, count: 10 }), batchBytes({ first: 6, count: 10 })];
  for (const body of bodies) assert.equal((await post(gateway, { body })).status, 200);
  await post(gateway, { deviceId: 'nobody' });
  const said = await gauges(gateway);
  const expected: Record<string, number> = {
    'batches_total{outcome="accepted"}': 2,
    'batches_total{outcome="key-unknown"}': 1,
    batch_seconds_count: 3,
    events_total: 15,
    duplicate_events_total: 5,
    unverified_events_total: 0,
    body_bytes_total: bodies[0]!.length + bodies[1]!.length,
    bytes_in_flight: 0,
    admissions: 2,
    retained_batches: 2,
    retained_bytes: bodies[0]!.length + bodies[1]!.length,
    store_damaged: 0,
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(said.get(`tidegate_gateway_${name}`), value, name);
  const commits = said.get('tidegate_gateway_commits')!;
  assert(commits >= 1 && commits <= 2, `${commits} commits`);
  assert(said.get('tidegate_gateway_resident_memory_bytes')! > 10_000_000);
});

test('what comes again is told as duplicates, of all devices and of each', async (t) => {
  const gateway = await testGateway(t);
  gateway.keys.set('other', KEY_ID, {});
  for (let times = 0; times < 3; times++) await post(gateway, { batch: { count: 7 } });
  await post(gateway, { deviceId: 'other', batch: { count: 5 } });
  await post(gateway, { deviceId: 'other', batch: { first: 4, count: 5 } });
  const { devices } = await read(gateway, '/v1/devices');
  const told = devices.map(({ id, delivered, duplicates }: Record<string, unknown>) => [id, delivered, duplicates]);
  assert.deepEqual(told, [
    ['other', 8, 2],
    [DEVICE, 7, 14],
  ]);
  assert.equal((await read(gateway, `/v1/devices/${DEVICE}`)).duplicates, 14);
  const { events, duplicates } = await read(gateway, '/v1/totals');
  assert.deepEqual([events, duplicates], [15, 16]);
});

test('the lag of the event loop is what held it up since the last look', async (t) => {
  const gateway = await testGateway(t);
  const lagNow = async () => (await gauges(gateway)).get('tidegate_gateway_event_loop_lag_seconds')!;
  // The gauge's timer ticks every few milliseconds, and what it measures begins with its first tick after a look.
  const ticked = () => new Promise((resolve) => setTimeout(resolve, 50));
  await lagNow();
  await ticked();
  const heldUntil = performance.now() + 200;
  while (performance.now() < heldUntil);
  await ticked();
  const lag = await lagNow();
  assert(lag > 0.05, `${lag} s`);
});

test('a device was seen last when it last said something, and first when it first did', async (t) => {
  let now = EPOCH_MS;
  const gateway = await testGateway(t, { clock: () => now });
  const times = async () => {
    const { firstReceivedAt, lastReceivedAt } = await read(gateway, `/v1/devices/${DEVICE}`);
    return [firstReceivedAt, lastReceivedAt].map((time) => Date.parse(time) - EPOCH_MS);
  };
  await post(gateway, { timestamp: now, batch: { first: 1 } });
  assert.deepEqual(await times(), [0, 0]);
  now += 1_000;
  await post(gateway, { timestamp: now, batch: { first: 11 } });
  assert.deepEqual(await times(), [0, 1_000]);
  now += 1_000;
  await post(gateway, { timestamp: now, batch: { first: 21, events: [] } });
  assert.deepEqual(await times(), [0, 2_000]);
});

test('of a stream with many ranges the first hundred are shown, and how many there are', async (t) => {
  const gateway = await testGateway(t);
  for (let sequence = 1; sequence <= 101; sequence++) {
    await post(gateway, { batch: { first: 2 * sequence, events: [eventOf(2 * sequence)] } });
  }
  const [stream] = (await read(gateway, `/v1/devices/${DEVICE}`)).streams;
  assert.equal(stream.intervalCount, 101);
  assert.deepEqual(
    stream.intervals,
    Array.from({ length: 100 }, (_, i) => [2 * i + 2, 2 * i + 2]),
  );
});

test('a series has at most 10,080 buckets, a week of minutes, and not one more', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway);
  const path = (minutes: number) =>
    `/v1/devices/${DEVICE}/buckets?granularity=minute&from=${EPOCH_MS}&to=${EPOCH_MS + minutes * 60_000}`;
  assert.equal((await say(gateway.url + path(10_080))).status, 200);
  const refused = await say(gateway.url + path(10_081));
  assert.equal(JSON.parse(refused.body.toString()).code, 'query-invalid');
});

test('each bucket has its own count, sum, least, greatest, last: of equal times the later event', async (t) => {
  const gateway = await testGateway(t);
  const at = (seconds: number, volume: number) => ({ ts: EPOCH_MS + 1_000 * seconds, sensor: 's', fields: { volume } });
  // Out of order within and over buckets; the last of each minute is by time, and then by sequence.
  const values = [at(90, 5), at(5, 3), at(50, -2), at(20, 9), at(50, 4), at(61, 7), at(119, 1), at(119, 6)];
  await post(gateway, { batch: { first: 1, events: values.slice(0, 4) } });
  await post(gateway, { batch: { first: 5, events: values.slice(4) } });
  const range = `from=${EPOCH_MS}&to=${EPOCH_MS + 120_000}`;
  const { buckets } = await read(gateway, `/v1/devices/${DEVICE}/buckets?granularity=minute&${range}`);
  const found = buckets.map(({ measures, ...bucket }: Record<string, Record<string, unknown>>) => {
    const { count, sum, min, max, last } = (measures?.['volume'] ?? bucket) as Record<string, unknown>;
    return { count, sum, min, max, last };
  });
  assert.deepEqual(found, [
    { count: 4, sum: '14', min: -2, max: 9, last: 4 },
    { count: 4, sum: '19', min: 1, max: 7, last: 6 },
  ]);
});
