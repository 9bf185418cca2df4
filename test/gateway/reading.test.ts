/** The read routes, against sums made another way. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import type { TelemetryEvent } from '../../src/codec/index.ts';
import { createGateway } from '../../src/gateway/index.ts';
import { exactSum } from './exact-sum.ts';
import {
  DEVICE,
  EPOCH_MS,
  eventOf,
  eventsFrom,
  freshStream,
  post,
  read,
  STREAM,
  STREAM_HEX,
  say,
  signedRequest,
  type TestGateway,
  testGateway,
  testKeys,
} from './gateway-fixture.ts';

async function refused(
  gateway: { readonly url: string },
  path: string,
  code: string,
  status: number,
  headers = {},
): Promise<void> {
  const answer = await say(`${gateway.url}${path}`, { headers });
  assert.equal(JSON.parse(answer.body.toString()).code, code, path);
  assert.equal(answer.status, status);
  assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/);
}

async function exported(gateway: TestGateway, query = ''): Promise<Record<string, unknown>[]> {
  const answer = await say(`${gateway.url}/v1/devices/${DEVICE}/events${query}`);
  assert.equal(answer.status, 200);
  assert.match(answer.headers['content-type'] ?? '', /^application\/x-ndjson/);
  const lines = answer.body.toString().split('\n');
  assert.equal(lines.pop(), '');
  return lines.map((line) => JSON.parse(line));
}

function lineOf(event: TelemetryEvent, sequence: number, stream = STREAM_HEX) {
  return {
    stream,
    sequence,
    ts: event.ts,
    time: new Date(event.ts).toISOString(),
    sensor: event.sensor,
    fields: event.fields,
  };
}

test('an empty gateway has nothing', async (t) => {
  const gateway = await testGateway(t);
  const { devices, events, measures } = await read(gateway, '/v1/totals');
  assert.deepEqual([devices, events, measures], [0, 0, {}]);
  assert.deepEqual(await read(gateway, '/v1/devices'), { devices: [], next: null });
  for (const id of ['nobody', '%2e%2e', 'a%20b', '%00', '.', '__proto__']) {
    for (const path of ['/buckets', '/events']) await refused(gateway, `/v1/devices/${id}${path}`, 'not-found', 404);
  }
  await refused(gateway, '/v1/devices/nobody', 'not-found', 404);
});

test('totals are over all devices, headline first', async (t) => {
  const gateway = await testGateway(t);
  const all: TelemetryEvent[] = [];
  for (const [i, deviceId] of ['a', 'b', 'c'].entries()) {
    gateway.keys.set(deviceId, 'k1', {});
    const events = eventsFrom(1 + 100 * i, 100);
    all.push(...events);
    await post(gateway, { deviceId, batch: { events } });
  }
  const totals = await read(gateway, '/v1/totals');
  assert.equal(totals.devices, 3);
  assert.deepEqual(Object.keys(totals.measures), ['volume', 'temperature']);
  assert.equal(totals.measures.volume.sum, exactSum(all, 'volume'));
  assert.equal(totals.measures.volume.min, Math.min(...all.map(({ fields }) => fields['volume'] as number)));
  assert.equal(totals.measures.volume.max, Math.max(...all.map(({ fields }) => fields['volume'] as number)));
  assert.equal(totals.measures.volume.last, all.at(-1)!.fields['volume']);
});

test('devices come page by page', async (t) => {
  const gateway = await testGateway(t);
  const ids = ['a', 'b', 'c', 'd', 'e'];
  for (const deviceId of ids) {
    gateway.keys.set(deviceId, 'k1', {});
    await post(gateway, { deviceId });
  }
  const found: string[] = [];
  let next: string | null = null;
  do {
    const after: string = next === null ? '' : `&after=${next}`;
    const page: { devices: { id: string; delivered: number }[]; next: string | null } = await read(
      gateway,
      `/v1/devices?limit=2${after}`,
    );
    for (const { id, delivered } of page.devices) {
      found.push(id);
      assert.equal(delivered, 10);
    }
    next = page.next;
  } while (next !== null);
  assert.deepEqual(found, ids);
  assert.equal((await read(gateway, '/v1/devices?limit=5')).next, null, 'nothing follows');
  assert.equal((await read(gateway, '/v1/devices?limit=4')).next, 'd');
});

test('a device shows its sensors, streams and times', async (t) => {
  const now = Date.UTC(2024, 5, 1);
  const gateway = await testGateway(t, { clock: () => now });
  await post(gateway, { timestamp: now, batch: { first: 1, count: 30 } });
  await post(gateway, { timestamp: now, batch: { first: 51, count: 30 } });
  const device = await read(gateway, `/v1/devices/${DEVICE}`);
  const all = [...eventsFrom(1, 30), ...eventsFrom(51, 30)];
  assert.deepEqual(
    device.sensors.map(({ sensor, events }: { sensor: string; events: number }) => [sensor, events]),
    [
      ['inlet', all.filter(({ sensor }) => sensor === 'inlet').length],
      ['outlet', all.filter(({ sensor }) => sensor === 'outlet').length],
    ],
  );
  assert.equal(
    device.sensors[1].measures.volume.sum,
    exactSum(
      all.filter(({ sensor }) => sensor === 'outlet'),
      'volume',
    ),
  );
  assert.deepEqual(device.streams, [
    {
      stream: STREAM_HEX,
      events: 60,
      gaps: 0,
      intervalCount: 2,
      intervals: [
        [1, 30],
        [51, 80],
      ],
      nextIntervals: null,
    },
  ]);
  assert.equal(device.nextStreams, null);
  assert.equal(device.firstEventAt, new Date(EPOCH_MS + 1_000).toISOString());
  assert.equal(device.lastEventAt, new Date(EPOCH_MS + 80_000).toISOString());
  assert.equal(device.firstReceivedAt, new Date(now).toISOString());
});

test('buckets are by minute, hour and day, over one sensor or all', async (t) => {
  const gateway = await testGateway(t);
  const events = Array.from({ length: 500 }, (_, i) => eventOf(i + 1, { ts: EPOCH_MS + i * 700_000 }));
  await post(gateway, { batch: { events } });
  for (const [granularity, bucketMs] of [
    ['minute', 60_000],
    ['hour', 3_600_000],
    ['day', 86_400_000],
  ] as const) {
    for (const sensor of [undefined, 'inlet']) {
      const wanted = events.filter((event) => sensor === undefined || event.sensor === sensor);
      const from = EPOCH_MS + 30_000_000;
      const to = EPOCH_MS + 300_000_000;
      const range = `from=${from}&to=${new Date(to).toISOString()}`;
      const query = `?granularity=${granularity}&${range}${sensor ? `&sensor=${sensor}` : ''}`;
      const { buckets } = await read(gateway, `/v1/devices/${DEVICE}/buckets${query}`);
      const numbers = new Set(wanted.map(({ ts }) => Math.floor(ts / bucketMs)));
      const expected = [...numbers]
        .filter((number) => number * bucketMs < to && (number + 1) * bucketMs > from)
        .map((number) => {
          const inside = wanted.filter(({ ts }) => Math.floor(ts / bucketMs) === number);
          return [new Date(number * bucketMs).toISOString(), inside.length, exactSum(inside, 'volume')];
        });
      type Found = { start: string; events: number; measures: { volume: { sum: string } } };
      assert.deepEqual(
        buckets.map((bucket: Found) => [bucket.start, bucket.events, bucket.measures.volume.sum]),
        expected,
      );
    }
  }
});

test('without a range the latest buckets are given, and one measure alone if asked for', async (t) => {
  const gateway = await testGateway(t);
  const events = Array.from({ length: 200 }, (_, i) => eventOf(i + 1, { ts: EPOCH_MS + i * 60_000 }));
  await post(gateway, { batch: { events } });
  const { buckets } = await read(gateway, `/v1/devices/${DEVICE}/buckets?measure=temperature`);
  assert.equal(buckets.length, 120);
  assert.equal(buckets.at(-1).start, new Date(EPOCH_MS + 199 * 60_000).toISOString());
  assert.deepEqual(Object.keys(buckets[0].measures), ['temperature']);
});

test('events come back as they were, once each, in order', async (t) => {
  const gateway = await testGateway(t);
  const other = freshStream();
  await post(gateway, { batch: { first: 101, count: 50 } });
  await post(gateway, { batch: { first: 131, count: 70 }, encoding: 'gzip' });
  await post(gateway, { batch: { first: 1, count: 120 }, encoding: 'br' });
  await post(gateway, { batch: { first: 140, count: 5 } });
  await post(gateway, { batch: { stream: other, first: 1, count: 3 } });
  const ours = eventsFrom(1, 200).map((event, i) => lineOf(event, i + 1));
  const theirs = eventsFrom(1, 3).map((event, i) => lineOf(event, i + 1, other.toString('hex')));
  const expected = Buffer.compare(STREAM, other) < 0 ? [...ours, ...theirs] : [...theirs, ...ours];
  assert.deepEqual(await exported(gateway), expected);
});

test('events of a time or a sensor', async (t) => {
  const gateway = await testGateway(t);
  for (let first = 1; first <= 2_000; first += 500) await post(gateway, { batch: { first, count: 500 } });
  const from = EPOCH_MS + 600_000;
  const to = EPOCH_MS + 1_200_000;
  const wanted = eventsFrom(1, 2_000)
    .map((event, i) => lineOf(event, i + 1))
    .filter(({ ts, sensor }) => ts >= from && ts < to && sensor === 'outlet');
  assert.deepEqual(await exported(gateway, `?from=${from}&to=${new Date(to).toISOString()}&sensor=outlet`), wanted);
  assert.deepEqual(await exported(gateway, `?from=${from}&to=${from}`), []);
  assert.deepEqual(await exported(gateway, '?sensor=nobody'), []);
});

test('a reader who goes away ends the export', async (t) => {
  const gateway = await testGateway(t);
  for (let first = 1; first <= 40_000; first += 8_000)
    await post(gateway, { encoding: 'br', batch: { first, count: 8_000 } });
  const controller = new AbortController();
  const answer = await fetch(`${gateway.url}/v1/devices/${DEVICE}/events`, { signal: controller.signal });
  const reader = answer.body!.getReader();
  await reader.read();
  controller.abort();
  await assert.rejects(reader.read());
  // Nothing holds the gateway open.
  await gateway.close();
});

test('queries that make no sense are refused by name', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway);
  const device = `/v1/devices/${DEVICE}`;
  for (const path of [
    '/v1/totals?x=1',
    '/v1/devices?limit=0',
    '/v1/devices?limit=5000',
    '/v1/devices?limit=x',
    '/v1/devices?after=a%20b',
    '/v1/devices?after=a&after=b',
    `${device}?x=1`,
    `${device}/buckets?granularity=week`,
    `${device}/buckets?from=yesterday`,
    `${device}/buckets?from=banana%201`,
    `${device}/events?from=01/02/2024`,
    `${device}/events?from=2024-02-30T25:00Z`,
    `${device}/events?from=2024-02-30T05:00Z`,
    `${device}/events?from=2023-02-29`,
    `${device}/buckets?from=0&to=2020-01-01`,
    `${device}/buckets?sensor=`,
    `${device}/events?to=99999999999999999`,
    '/v1/devices/%ZZ',
    `/v1/devices/${'x'.repeat(1_000)}`,
  ]) {
    await refused(gateway, path, 'query-invalid', 400);
  }
});

test('a time without a zone is UTC, whatever the zone of the machine', async (t) => {
  const zone = process.env['TZ'];
  t.after(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });
  process.env['TZ'] = 'America/New_York';
  const gateway = await testGateway(t);
  const ts = Date.UTC(2024, 1, 29, 12);
  await post(gateway, { batch: { events: [eventOf(1, { ts })] } });
  for (const from of ['2024-02-29', '2024-02-29T12:00', '2024-02-29T12:00:00.000', '2024-02-29T14:00%2B02:00']) {
    assert.equal((await exported(gateway, `?from=${from}`)).length, 1, from);
  }
  assert.equal((await exported(gateway, '?from=2024-02-29T12:00:00.001')).length, 0);
});

test('a device that has only reported has no buckets', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway, { batch: { events: [] } });
  for (const query of ['', '?from=0', '?granularity=day&from=0', '?from=0&to=60000']) {
    assert.deepEqual((await read(gateway, `/v1/devices/${DEVICE}/buckets${query}`)).buckets, [], query);
  }
});

test('other paths are not found, and other methods not allowed', async (t) => {
  const gateway = await testGateway(t);
  await refused(gateway, '/v2/totals', 'not-found', 404);
  for (const [path, method, allow] of [
    ['/v1/batches', 'GET', 'POST'],
    ['/v1/totals', 'POST', 'GET, HEAD'],
    ['/', 'DELETE', 'GET, HEAD'],
    [`/v1/devices/${DEVICE}`, 'PUT', 'GET, HEAD'],
    [`/v1/devices/${DEVICE}/events`, 'POST', 'GET'],
  ] as const) {
    const answer = await say(`${gateway.url}${path}`, { method });
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.allow, allow);
    assert.equal(JSON.parse(answer.body.toString()).code, 'method-not-allowed');
  }
  assert.equal((await say(`${gateway.url}/v1/totals`, { method: 'HEAD' })).status, 200);
});

test('with an admin token every read needs it', async (t) => {
  const gateway = await testGateway(t, { adminToken: 'open-sesame-0123' });
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  for (const path of ['/v1/totals', '/v1/devices', `/v1/devices/${DEVICE}`, '/metrics']) {
    for (const headers of [
      {},
      bearer('open'),
      bearer('open-sesame-01234'),
      { authorization: 'Basic open-sesame-0123' },
    ]) {
      await refused(gateway, path, 'token-invalid', 401, headers);
    }
  }
  const answer = await say(`${gateway.url}/v1/totals`);
  assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer/);
  await read(gateway, '/v1/totals', bearer('open-sesame-0123'));
  assert.equal((await post(gateway)).status, 200);
  for (const path of ['/', '/healthz', '/readyz']) assert.equal((await say(`${gateway.url}${path}`)).status, 200);
});

test('without a token only this machine reads, and only under a name of its own', async (t) => {
  const gateway = await testGateway(t);
  const { port } = new URL(gateway.url);
  for (const host of [`127.0.0.1:${port}`, 'localhost', '[::1]:80', '127.8.8.8']) {
    await read(gateway, '/v1/totals', { host });
  }
  const others = [
    'evil.example',
    `127.0.0.1.evil.example:${port}`,
    '[127.0.0.1]',
    '[localhost]',
    '::1',
    '::1:80',
    '[::1',
  ];
  for (const host of others) {
    await refused(gateway, '/v1/totals', 'token-invalid', 401, { host });
  }
});

test('without a token nothing that may come from elsewhere is answered, on any of the routes', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway);
  const paths = readPaths(gateway);
  for (const path of paths) assert.equal((await say(`${gateway.url}${path}`)).status, 200, path);
  const passedOn = [
    'x-forwarded-for',
    'forwarded',
    'via',
    'x-real-ip',
    'x-forwarded-host',
    'cf-connecting-ip',
    'x-envoy-external-address',
    'client-ip',
    'x-proxyuser-ip',
    'x-appengine-user-ip',
    'wl-proxy-client-ip',
    'ali-cdn-real-ip',
    'incap-client-ip',
    'x-varnish',
    'ngrok-trace',
    'max-forwards',
    'x_forwarded_for',
    'x-original-url',
    'x-remote-user',
    'x-auth-request-user',
    'x-client-cert',
    'ssl-client-verify',
    'proxy-authorization',
    'x-amz-cf-id',
    'surrogate-capability',
    'front-end-https',
    'early-data',
    'tailscale-user-login',
  ];
  for (const name of passedOn) {
    for (const path of paths) await refused(gateway, path, 'token-invalid', 401, { [name]: '203.0.113.7' });
  }
  for (const site of ['cross-site', 'same-site', 'anything'])
    for (const path of paths) await refused(gateway, path, 'token-invalid', 401, { 'sec-fetch-site': site });
  for (const site of ['same-origin', 'none'])
    for (const path of paths) {
      assert.equal((await say(`${gateway.url}${path}`, { headers: { 'sec-fetch-site': site } })).status, 200, path);
    }
  const elsewhere = [
    'http://evil.example',
    'http://127.0.0.1:1',
    'http://localhost',
    'null',
    'file:///page.html',
    '',
    '/',
  ];
  for (const name of ['origin', 'referer'])
    for (const page of elsewhere) {
      for (const path of paths) await refused(gateway, path, 'token-invalid', 401, { [name]: page });
    }
  const ours = [gateway.url, `${gateway.url}/?page=1`].flatMap((page) => [{ origin: page }, { referer: page }]);
  // What programs on this machine say.
  const programs = {
    'x-prometheus-scrape-timeout-seconds': '10',
    traceparent: '00-0-0-00',
    'x-requested-with': 'fetch',
  };
  const browser = { 'upgrade-insecure-requests': '1', 'viewport-width': '9', dnt: '1', cookie: 'a=b', priority: 'u=0' };
  for (const headers of [...ours, programs, browser])
    for (const path of paths) assert.equal((await say(`${gateway.url}${path}`, { headers })).status, 200, path);
  await read(gateway, '/v1/totals', { host: 'localhost:80', referer: 'http://localhost/' });
  // Mounted in another server, and with nobody's connection at all.
  const other = createServer((request, reply) => gateway.app.routing(request, reply));
  t.after(() => other.close());
  await once(other.listen(0, '127.0.0.1'), 'listening');
  const mounted = { url: `http://127.0.0.1:${(other.address() as AddressInfo).port}` };
  for (const path of paths) await refused(mounted, path, 'token-invalid', 401);
  const headers = { host: 'localhost' };
  for (const url of paths) assert.equal((await gateway.app.inject({ url, headers })).statusCode, 401, url);
});

test('a request that Fastify makes up itself is answered as one from the network is', async (t) => {
  const { app } = await testGateway(t, { adminToken: 'open-sesame-0123' });
  const { headers, body } = await signedRequest();
  const said = headers as Record<string, string>;
  const ask = {
    method: 'POST',
    url: '/v1/batches',
    headers: { host: 'gateway', ...said },
    payload: Buffer.from(body),
  } as const;
  assert.equal((await app.inject(ask)).statusCode, 200);
  const withToken = { host: 'gateway', authorization: 'Bearer open-sesame-0123' };
  const totals = await app.inject({ url: '/v1/totals', headers: withToken });
  assert.deepEqual([totals.statusCode, totals.json().events], [200, 10]);
});

test('without a token no request in HTTP/1.0 is answered: a proxy that says nothing sends such', async (t) => {
  const gateway = await testGateway(t);
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  socket.end('GET /v1/totals HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n');
  const heard = Buffer.concat(await socket.toArray()).toString();
  assert.match(heard, /^HTTP\/1\.1 401 .*"code":"token-invalid"/s);
});

test('a token is long and of ASCII, or there is no gateway', async (t) => {
  const store = (await testGateway(t)).store;
  for (const adminToken of [
    '',
    'x',
    '0123456789abcde',
    'pässword-0123456789',
    'open sesame 0123456',
    'x'.repeat(513),
  ]) {
    await assert.rejects(createGateway({ store, keys: testKeys(), adminToken }), { code: 'admin-token-invalid' });
  }
  await (await createGateway({ store, keys: testKeys(), adminToken: '0123456789abcdef' })).close();
});

test('without a token a gateway that the network reaches is not read at all', async (t) => {
  const gateway = await testGateway(t, { host: '0.0.0.0' });
  await refused(gateway, '/v1/totals', 'token-invalid', 401);
  assert.equal((await post(gateway)).status, 200);
});

test('metrics say what happened', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway);
  await post(gateway);
  await post(gateway, { deviceId: 'nobody' });
  await post(gateway, { headers: { 'content-encoding': 'gzip' } });
  const { body, headers } = await say(`${gateway.url}/metrics`);
  assert.match(headers['content-type'] ?? '', /^text\/plain/);
  const values = new Map(
    body
      .toString()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
  const expected = {
    'batches_total{outcome="accepted"}': 2,
    'batches_total{outcome="key-unknown"}': 1,
    'batches_total{outcome="signature-mismatch"}': 1,
    batch_seconds_count: 4,
    events_total: 10,
    duplicate_events_total: 10,
    unverified_events_total: 0,
    bytes_in_flight: 0,
    commits: 1,
    admissions: 1,
    retained_batches: 1,
  };
  for (const [name, value] of Object.entries(expected))
    assert.equal(values.get(`tidegate_gateway_${name}`), value, name);
  assert(values.get('tidegate_gateway_body_bytes_total')! > 100);
  assert(values.get('tidegate_gateway_resident_memory_bytes')! > 1e6);
  assert(values.get('tidegate_gateway_event_loop_lag_seconds')! >= 0);
});

test('the page runs nothing but its own script, and no other site can frame it', async (t) => {
  const gateway = await testGateway(t);
  const { headers, body } = await say(`${gateway.url}/`);
  assert.match(headers['content-type'] ?? '', /^text\/html/);
  const policy = headers['content-security-policy'] as string;
  assert.match(policy, /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; connect-src 'self';/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  const html = body.toString();
  assert.match(html, /^<!doctype html>/);
  assert.doesNotMatch(html, /(src|href)="(?!data:,)/);
  assert.doesNotMatch(html, / style="/);
});

/** Every path of the gateway that is not for everybody, as they are registered. */
function readPaths({ app }: { readonly app: FastifyInstance }): string[] {
  const open = ['/', '/healthz', '/readyz', '/v1/batches'];
  const above: string[] = [];
  const paths: string[] = [];
  for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent, part, methods] = /^(.*?)── (\S+)(?: \((.*)\))?$/.exec(line) ?? [];
    if (indent === undefined) continue;
    const depth = Math.floor(indent.length / 4);
    above[depth] = (above[depth - 1] ?? '') + part;
    const path = above[depth]!;
    if (methods?.includes('GET') && !open.includes(path)) paths.push(path.replace(':id', DEVICE));
  }
  assert(paths.length >= 6 && paths.includes(`/v1/devices/${DEVICE}/events`), paths.join(' '));
  return paths;
}
