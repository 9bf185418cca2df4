/** The server around the routes: load, faults, shutdown, TLS, and what is no HTTP at all. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import http, { type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { pino } from 'pino';
import { BODY_BYTES_MAX, HEADER } from '../../src/codec/index.ts';
import { createGateway, createKeyFile, type Page } from '../../src/gateway/index.ts';
import { BYTES_IN_FLIGHT_MIN, HTTP, limitsFrom, REQUESTS_OWED_MAX } from '../../src/gateway/limits.ts';
import { startRetention } from '../../src/gateway/retention.ts';
import { type GatewayStore, StoreError } from '../../src/store/index.ts';
import { turns, until } from '../until.ts';
import {
  DEVICE,
  KEY_ID,
  post,
  type RequestParts,
  read,
  SECRET,
  say,
  signedRequest,
  type TestGateway,
  temporaryFolder,
  testGateway,
  testKeys,
} from './gateway-fixture.ts';

const CERT = readFileSync(new URL('tls-cert.pem', import.meta.url), 'utf8');
const KEY = readFileSync(new URL('tls-key.pem', import.meta.url), 'utf8');

/** A connection that says what it is given and keeps what it hears. */
function talk(gateway: TestGateway, text: string): { socket: Socket; heard: () => string } {
  let said = '';
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  socket.on('error', () => {});
  socket.write(text, 'latin1');
  return { socket, heard: () => said };
}

async function bytesInFlight(gateway: TestGateway, token?: string): Promise<number> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const text = (await say(`${gateway.url}/metrics`, { headers })).body.toString();
  return Number(/bytes_in_flight (\d+)/.exec(text)![1]);
}

/** A store whose `ingest` goes through `change`. */
function withIngest(change: (ingest: () => Promise<void>) => Promise<void>) {
  return (store: GatewayStore<Page>): GatewayStore<Page> =>
    new Proxy(store, {
      get(target, name) {
        if (name === 'ingest') {
          return (...given: Parameters<typeof target.ingest>) => change(() => target.ingest(...given));
        }
        const value = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
}

/** Lets nothing through until it is opened. */
function gate() {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/** The head of a batch in the name of the device, with a body of so many bytes to come. */
async function headOf(contentLength: number, parts: RequestParts = {}): Promise<string> {
  const { headers } = await signedRequest(parts);
  const all = { ...headers, host: 'x', 'content-length': contentLength };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `POST /v1/batches HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

test('every patience is set', async (t) => {
  const { app } = await testGateway(t);
  const { server } = app;
  assert.equal(server.requestTimeout, HTTP.requestTimeoutMs);
  assert.equal(server.headersTimeout, HTTP.headersTimeoutMs);
  assert.equal(server.timeout, HTTP.connectionTimeoutMs);
  assert.equal(server.keepAliveTimeout, HTTP.keepAliveTimeoutMs);
  // Whatever stands last in a head is seen, too.
  assert.equal(server.maxHeadersCount, 0);
});

test('limits that cannot be kept are refused', () => {
  for (const limits of [
    { eventsMax: 0 },
    { eventsMax: 1e9 },
    { bodyBytesMax: BODY_BYTES_MAX + 1 },
    { bytesInFlightMax: BYTES_IN_FLIGHT_MIN - 1 },
    { windowMs: Number.NaN },
    { retainBytesMax: '1GiB' },
    { eventMax: 5 },
    null,
  ]) {
    assert.throws(() => limitsFrom(limits as object), { code: 'options-invalid' });
  }
});

test('more bytes than are taken on at once are turned away until there is room', async (t) => {
  const gateway = await testGateway(t, { limits: { bytesInFlightMax: BYTES_IN_FLIGHT_MIN } });
  const { socket } = talk(gateway, (await headOf(BODY_BYTES_MAX - 10)) + 'x'.repeat(BODY_BYTES_MAX - 11));
  await until(async () => (await bytesInFlight(gateway)) > 0, 'the head is taken on');
  const refused = await post(gateway);
  assert.equal(refused.status, 503);
  assert.equal(refused.problem?.code, 'overloaded');
  assert.equal(refused.problem?.retryAfterMs, 1_000);
  assert.equal(refused.headers['retry-after'], '1');
  assert(!refused.signed);
  socket.destroy();
  await until(async () => (await bytesInFlight(gateway)) === 0, 'the room is given back');
  assert.equal((await post(gateway)).status, 200);
});

test('strangers who know every id, and replayed heads, do not crowd out a device that signs its heads', async (t) => {
  const gateway = await testGateway(t, { limits: { bytesInFlightMax: BYTES_IN_FLIGHT_MIN } });
  const replayed = await signedRequest({ signsHead: true });
  assert.equal((await post(gateway, { request: replayed })).status, 200);
  const bogus = { headers: { [HEADER.headSignature]: `v1=${'5a'.repeat(32)}` } };
  const heads = [await headOf(BODY_BYTES_MAX), await headOf(BODY_BYTES_MAX, bogus)];
  const crowd = heads.flatMap((head) => Array.from({ length: 10 }, () => talk(gateway, `${head}begin`).socket));
  t.after(() => {
    for (const socket of crowd) socket.destroy();
  });
  await until(async () => (await bytesInFlight(gateway)) === BODY_BYTES_MAX, 'they have their part');
  assert.equal((await post(gateway)).problem?.code, 'overloaded', 'as a device of before');
  assert.equal((await post(gateway, { request: replayed })).problem?.code, 'overloaded', 'a head that had room');
  for (let first = 1; first <= 5; first++) {
    assert.equal((await post(gateway, { signsHead: true, batch: { first } })).status, 200);
  }
});

test('a device that signs its heads is told in a signed answer that there is no room', async (t) => {
  const gateway = await testGateway(t, { limits: { bytesInFlightMax: BYTES_IN_FLIGHT_MIN } });
  const body = Buffer.alloc(BODY_BYTES_MAX);
  const { headers } = await signedRequest({ body, signsHead: true });
  const lines = Object.entries({ host: 'x', 'content-length': body.length, ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const { socket } = talk(gateway, `POST /v1/batches HTTP/1.1\r\n${head}\r\nbegin`);
  await until(async () => (await bytesInFlight(gateway)) === BODY_BYTES_MAX, 'the head is taken on');
  const refused = await post(gateway, { signsHead: true });
  assert.deepEqual([refused.problem?.code, refused.signed], ['overloaded', true]);
  assert.equal((await post(gateway)).status, 200, 'one that does not has room besides');
  socket.destroy();
});

test('what a batch grew to counts until it is stored', async (t) => {
  const { opened, open } = gate();
  const wrap = withIngest((ingest) => opened.then(ingest));
  const gateway = await testGateway(t, { wrap });
  const batch = { count: 5_000 };
  const answer = post(gateway, { encoding: 'br', batch });
  await until(async () => (await bytesInFlight(gateway)) > 5_000 * 3 * 16, 'the table is counted');
  open();
  assert.equal((await answer).status, 200);
  assert.equal(await bytesInFlight(gateway), 0);
});

test('a full disk is said to be one, signed, and not ready', async (t) => {
  const failing = { error: undefined as unknown };
  const wrap = (store: GatewayStore<Page>) =>
    new Proxy(withIngest((ingest) => (failing.error ? Promise.reject(failing.error) : ingest()))(store), {
      get: (target, name) =>
        name === 'ready' && failing.error ? () => Promise.reject(failing.error) : Reflect.get(target, name),
    });
  const gateway = await testGateway(t, { wrap });
  assert.equal((await say(`${gateway.url}/readyz`)).status, 200);
  failing.error = new StoreError('disk-full', 'no space left on /secret/path');
  const refused = await post(gateway);
  assert.equal(refused.status, 503);
  assert.equal(refused.problem?.code, 'store-unavailable');
  assert.equal(refused.headers['retry-after'], '5');
  assert(refused.signed);
  assert(!refused.body.toString().includes('path'));
  const ready = await say(`${gateway.url}/readyz`);
  assert.equal(ready.status, 503);
  assert.match(ready.body.toString(), /not ready: the disk is full/);
  assert(!ready.body.toString().includes('path'));
  assert.equal((await say(`${gateway.url}/healthz`)).status, 200);
  // Now it is needed most.
  const metrics = await say(`${gateway.url}/metrics`);
  assert.equal(metrics.status, 200);
  assert.match(metrics.body.toString(), /^tidegate_gateway_store_ready 0$/m);
  assert.match(metrics.body.toString(), /^tidegate_gateway_batches_total\{outcome="store-unavailable"\} 1$/m);
  failing.error = undefined;
  assert.equal((await post(gateway)).acknowledgement?.inserted, 10);
});

test('a disk that rots is in the metrics, and its reason in the answer about readiness', async (t) => {
  const trouble = 'the block at 6412 of 000014.sst is damaged';
  const wrap = (store: GatewayStore<Page>) =>
    new Proxy(store, {
      get(target, name) {
        if (name === 'ready') return () => Promise.reject(new StoreError('corrupt', trouble));
        if (name === 'condition') return { mendedBits: 3, failures: 5, unmergedFiles: 7, trouble };
        const value = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  const gateway = await testGateway(t, { wrap });
  const ready = await say(`${gateway.url}/readyz`);
  assert.equal(ready.status, 503);
  assert.match(ready.body.toString(), /not ready: the disk has damaged the database/);
  const metrics = (await say(`${gateway.url}/metrics`)).body.toString();
  for (const [name, value] of Object.entries({ damaged: 1, mended_bits: 3, failures: 5, unmerged_files: 7 })) {
    assert.match(metrics, new RegExp(`^tidegate_gateway_store_${name} ${value}$`, 'm'));
  }
});

test('what a store cannot tell is left out of the metrics', async (t) => {
  const wrap = (store: GatewayStore<Page>) =>
    new Proxy(store, {
      get(target, name) {
        if (name === 'stats') return () => Promise.reject(new StoreError('io', 'no'));
        const value = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  const gateway = await testGateway(t, { wrap });
  const { status, body } = await say(`${gateway.url}/metrics`);
  assert.equal(status, 200);
  assert.match(body.toString(), /^tidegate_gateway_store_ready 1$/m);
  assert.doesNotMatch(body.toString(), /^tidegate_gateway_commits/m);
});

test('a bug is answered signed and without its text, and is logged without secrets', async (t) => {
  const lines: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line) => void lines.push(line) });
  const wrap = withIngest(() => Promise.reject(new TypeError('x is not a function')));
  const gateway = await testGateway(t, { wrap, logger });
  const refused = await post(gateway);
  assert.equal(refused.status, 500);
  assert.equal(refused.problem?.code, 'internal');
  assert(refused.signed);
  assert(!refused.body.toString().includes('function'));
  await post(gateway, { deviceId: 'nobody' });
  const log = lines.join('');
  assert.match(log, /x is not a function/);
  assert.match(log, /"code":"key-unknown"/);
  const request = await signedRequest();
  assert(!log.includes('v1=') && !log.includes(SECRET.toString('hex')) && !log.includes(request.signature));
});

test('who comes and who is turned away is logged, one line each, without a word of what they sent', async (t) => {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line)) });
  const gateway = await testGateway(t, { logger, adminToken: '0123456789abcdef' });
  for (let first = 1; first <= 3; first++) await post(gateway, { batch: { first } });
  const evil = 'evil\u009b2J';
  for (let i = 0; i < 5; i++) {
    await post(gateway, { deviceId: `nobody-${i}` });
    await post(gateway, { timestamp: 0 });
    await post(gateway, { headers: { 'content-encoding': evil } });
    await say(`${gateway.url}/v1/totals`, { headers: { authorization: `Bearer ${evil}` } });
  }
  const gone = talk(gateway, (await headOf(100)) + evil);
  await until(async () => (await bytesInFlight(gateway, '0123456789abcdef')) > 0, 'the head is taken on');
  gone.socket.destroy();
  const garbage = talk(gateway, `${evil}\r\n\r\n`);
  await once(garbage.socket, 'close');
  const said = lines.filter(({ address }) => address !== undefined);
  assert.deepEqual(
    said.map(({ code, device }) => [code, device]),
    [
      [undefined, DEVICE],
      ['key-unknown', undefined],
      ['clock-skew', DEVICE],
      ['signature-mismatch', DEVICE],
      ['token-invalid', undefined],
      ['headers-invalid', undefined],
    ],
  );
  assert(said.every(({ address }) => address === '127.0.0.1'));
  assert.doesNotMatch(JSON.stringify(lines), /evil|nobody|v1=/);
});

test('closing answers what was accepted, and takes on nothing new', async (t) => {
  const folder = await temporaryFolder(t);
  const { opened, open } = gate();
  let waiting = 0;
  const wrap = withIngest((ingest) => {
    waiting += 1;
    return opened.then(ingest);
  });
  const gateway = await testGateway(t, { folder, wrap });
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const answers = Array.from({ length: 10 }, (_, i) => post(gateway, { agent, batch: { first: 1 + 10 * i } }));
  await until(() => waiting === 10, 'all are being worked on');
  const closing = gateway.close();
  await nextTurn();
  await assert.rejects(say(`${gateway.url}/healthz`), { code: 'ECONNREFUSED' });
  open();
  for (const answer of await Promise.all(answers)) {
    assert.equal(answer.status, 200);
    assert(answer.signed);
    assert.equal(answer.headers.connection, 'close');
  }
  await closing;
  const again = await testGateway(t, { folder });
  assert.equal((await read(again, '/v1/totals')).events, 100);
});

test('a client that goes away in the middle of a body takes nothing with it', async (t) => {
  const gateway = await testGateway(t);
  const request = await signedRequest();
  const lines = Object.entries({ ...request.headers, 'content-length': request.body.length }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  const { socket } = talk(gateway, `POST /v1/batches HTTP/1.1\r\nhost: x\r\n${lines.join('\r\n')}\r\n\r\n`);
  socket.write(request.body.subarray(0, 20));
  await until(async () => (await bytesInFlight(gateway)) > 0, 'the head is taken on');
  socket.destroy();
  await until(async () => (await bytesInFlight(gateway)) === 0, 'the room is given back');
  assert.equal((await read(gateway, '/v1/totals')).events, 0);
});

test('beyond the limit of connections the oldest stranger makes room, and who has shown a key stays', async (t) => {
  const gateway = await testGateway(t, { limits: { connectionsMax: 2 } });
  const device = talk(gateway, await batchOnWire(1));
  await until(() => device.heard().includes('200 OK'), 'the device is served');
  const strangers: ReturnType<typeof talk>[] = [];
  for (let i = 0; i < 3; i += 1) {
    const stranger = talk(gateway, 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    await until(() => stranger.heard().includes('200 OK'), 'a stranger is served');
    if (i > 0) await until(() => strangers[i - 1]!.socket.destroyed, 'the stranger before it is gone');
    strangers.push(stranger);
  }
  device.socket.write(Buffer.from(await batchOnWire(2), 'latin1'));
  await until(() => device.heard().split('200 OK').length === 3, 'the device is served again');
  // Where all have shown a key, the new one is turned away.
  const other = talk(gateway, await batchOnWire(3));
  await until(() => other.heard().includes('200 OK'), 'another connection of the device takes the place of the last');
  const late = talk(gateway, 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
  await once(late.socket, 'close');
  assert.equal(late.heard(), '');
  device.socket.destroy();
  other.socket.destroy();
});

test('who asks on and on without waiting for answers is cut off, and its requests are not worked on', async (t) => {
  const gateway = await testGateway(t);
  const replies: ServerResponse[] = [];
  gateway.app.server.on('request', (_request, reply: ServerResponse) => replies.push(reply));
  const { socket } = talk(gateway, 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(1_000));
  await once(socket, 'close');
  assert.ok(replies.length > 100, 'the requests came');
  const answered = replies.filter((reply) => reply.writableEnded).length;
  assert.ok(answered <= REQUESTS_OWED_MAX, `${answered} were worked on`);
});

test('CONNECT behind a good batch: the batch is answered first, then a problem', async (t) => {
  const gateway = await testGateway(t);
  const { socket, heard } = talk(gateway, '');
  socket.write(Buffer.from(`${await batchOnWire(1)}CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n`, 'latin1'));
  await once(socket, 'close');
  assert.match(heard(), /^HTTP\/1\.1 200 .*HTTP\/1\.1 400 .*"code":"headers-invalid"/s);
});

test('what is no HTTP gets a problem and an end', async (t) => {
  const gateway = await testGateway(t);
  for (const [text, status, code] of [
    ['hello\r\n\r\n', 400, 'headers-invalid'],
    ['GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', 400, 'headers-invalid'],
    ['POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n', 400, 'headers-invalid'],
    [`GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(HTTP.headersBytesMax)}\r\n\r\n`, 431, 'headers-too-large'],
  ] as const) {
    const { socket, heard } = talk(gateway, text);
    await once(socket, 'close');
    assert.match(heard(), new RegExp(`^HTTP/1\\.1 ${status} .*problem\\+json.*"code":"${code}"`, 's'));
  }
});

/** A whole batch, or all but the last bytes of one, as it goes over the wire. */
async function batchOnWire(first: number, missing = 0): Promise<string> {
  const { headers, body } = await signedRequest({ batch: { first } });
  const lines = Object.entries({ host: 'x', 'content-length': body.length, ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const bytes = Buffer.from(body).subarray(0, body.length - missing);
  return `POST /v1/batches HTTP/1.1\r\n${head}\r\n${bytes.toString('latin1')}`;
}

const statusesIn = (heard: string): string[] =>
  Array.from(heard.matchAll(/HTTP\/1\.1 (\d+) /g), ([, status]) => status!);
const codesIn = (heard: string): string[] => Array.from(heard.matchAll(/"code":"([^"]+)"/g), ([, code]) => code!);

test('what comes behind good batches and is none does not take their answers', async (t) => {
  const gateway = await testGateway(t);
  for (const [garbage, status, code] of [
    ['garbage\r\n\r\n', '400', 'headers-invalid'],
    [`GET / HTTP/1.1\r\nx: ${'y'.repeat(HTTP.headersBytesMax)}`, '431', 'headers-too-large'],
    ['POST /v1/batches HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n', '400', 'headers-invalid'],
  ] as const) {
    const { socket, heard } = talk(gateway, '');
    socket.write((await batchOnWire(1)) + (await batchOnWire(11)) + garbage + garbage, 'latin1');
    await once(socket, 'close');
    assert.deepEqual(statusesIn(heard()), ['200', '200', status]);
    assert.deepEqual(codesIn(heard()), [code]);
    assert(heard().indexOf('"first":1,') < heard().indexOf('"first":11,'), 'in order');
  }
  assert.equal((await read(gateway, '/v1/totals')).events, 20);
});

test('what breaks behind its own answer gets no second one', async (t) => {
  const gateway = await testGateway(t);
  const head = 'GET /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n';
  const { socket, heard } = talk(gateway, head);
  await until(() => heard().includes('"ok"'), 'it is answered');
  socket.write('zz\r\n');
  await once(socket, 'close');
  assert.deepEqual(statusesIn(heard()), ['200']);
});

test('a body that stalls is told so, behind the answers to what came whole', async (t) => {
  const gateway = await testGateway(t);
  gateway.app.server.timeout = 300;
  for (const before of ['', await batchOnWire(1)]) {
    const { socket, heard } = talk(gateway, '');
    socket.write(before + (await batchOnWire(11, 20)), 'latin1');
    await once(socket, 'close');
    assert.deepEqual(statusesIn(heard()), before === '' ? ['408'] : ['200', '408']);
    assert.deepEqual(codesIn(heard()), ['request-timeout']);
  }
  const idle = talk(gateway, 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
  await once(idle.socket, 'close');
  assert.deepEqual(statusesIn(idle.heard()), ['200'], 'one that waits for nothing is closed without a word');
});

test('without a host, or with two, a request gets a problem', async (t) => {
  const gateway = await testGateway(t);
  for (const hosts of ['', 'host: a\r\nhost: b\r\n']) {
    const { headers, body } = await signedRequest();
    const lines = Object.entries({ 'content-length': body.length, ...headers }).map(
      ([name, value]) => `${name}: ${value}`,
    );
    for (const text of [
      `GET /healthz HTTP/1.1\r\n${hosts}connection: close\r\n\r\n`,
      `POST /v1/batches HTTP/1.1\r\n${hosts}connection: close\r\n` +
        `${lines.join('\r\n')}\r\n\r\n${Buffer.from(body).toString('latin1')}`,
    ]) {
      const { socket, heard } = talk(gateway, '');
      socket.write(text, 'latin1');
      await once(socket, 'close');
      assert.match(heard(), /^HTTP\/1\.1 400 .*problem\+json.*"code":"headers-invalid"/s);
    }
  }
});

test('the second server that listens for localhost has the same patience', async (t) => {
  const gateway = await testGateway(t, { host: 'localhost', limits: { connectionsMax: 77 } });
  for (const address of gateway.app.addresses() as AddressInfo[]) {
    const socket = connect(address.port, address.address);
    socket.write('hello\r\n\r\n');
    const heard = Buffer.concat(await socket.toArray()).toString();
    assert.match(heard, /^HTTP\/1\.1 400 .*"code":"headers-invalid"/s, address.address);
  }
});

test('an expectation that nobody knows is no reason for an answer that nobody knows', async (t) => {
  const gateway = await testGateway(t);
  const { socket, heard } = talk(
    gateway,
    'GET /healthz HTTP/1.1\r\nhost: x\r\nexpect: more\r\nconnection: close\r\n\r\n',
  );
  await once(socket, 'close');
  assert.match(heard(), /^HTTP\/1\.1 200 /);
});

test('a head that drips in is cut off, and nobody is answered who is gone', async (t) => {
  const gateway = await testGateway(t);
  const { server } = gateway.app;
  const { socket, heard } = talk(gateway, 'GET / HTTP/1.1\r\nhost: ');
  const [peer] = await once(server, 'connection');
  // As Node does it once the time is up.
  server.emit('clientError', Object.assign(new Error('slow'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), peer);
  await once(socket, 'close');
  assert.match(heard(), /^HTTP\/1\.1 408 .*"code":"request-timeout"/s);
  let destroyed = 0;
  const gone = { writable: false, destroy: () => destroyed++ };
  server.emit('clientError', Object.assign(new Error('gone'), { code: 'ECONNRESET' }), gone);
  assert.equal(destroyed, 1);
});

test('over TLS everything is as without', async (t) => {
  const gateway = await testGateway(t, { tls: { cert: CERT, key: KEY } });
  assert.match(gateway.url, /^https:/);
  const answer = await post(gateway, { ca: CERT });
  assert.equal(answer.status, 200);
  assert(answer.signed);
  await assert.rejects(post(gateway), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  assert.equal((await say(`${gateway.url}/healthz`, { ca: CERT })).status, 200);
});

test('what is no TLS is cut off at once where there is to be some', async (t) => {
  const gateway = await testGateway(t, { tls: { cert: CERT, key: KEY } });
  const { socket, heard } = talk(gateway, 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
  await once(socket, 'close');
  assert.doesNotMatch(heard(), /HTTP/);
});

test('who does not get on with a TLS handshake is cut off, and the others are served meanwhile', async (t) => {
  const gateway = await testGateway(t, { tls: { cert: CERT, key: KEY } });
  const begun = performance.now();
  const silent = talk(gateway, '');
  // The beginning of a record that never comes.
  const dripping = talk(gateway, '\x16\x03\x01\x02\x00');
  const ends = Promise.all([silent, dripping].map(({ socket }) => once(socket, 'close')));
  assert.equal((await post(gateway, { ca: CERT })).status, 200);
  await ends;
  assert(performance.now() - begun >= HTTP.handshakeTimeoutMs - 100);
  assert.deepEqual([silent.heard(), dripping.heard()], ['', '']);
  assert.equal((await post(gateway, { ca: CERT })).status, 200);
});

test('a gateway of its own folder opens and closes all of it', async (t) => {
  const data = join(await temporaryFolder(t), 'data');
  const app = await createGateway({ data });
  t.after(() => app.close());
  await assert.rejects(createGateway({ data }), { code: 'locked' });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  assert.equal((await post({ url })).problem?.code, 'key-unknown');
  const file = createKeyFile({ path: join(data, 'keys.json'), clock: Date.now, randomBytes: () => SECRET });
  await file.add(DEVICE);
  await until(async () => (await post({ url })).status === 200, 'the key is picked up');
  await file.revoke(DEVICE, KEY_ID);
  await until(async () => (await post({ url })).problem?.code === 'key-revoked', 'the revocation is picked up');
  await app.close();
  const again = await createGateway({ data });
  await again.close();
});

test('a folder whose keys cannot be read lets go of its database again', async (t) => {
  const data = await temporaryFolder(t);
  await writeFile(join(data, 'keys.json'), 'no');
  await assert.rejects(createGateway({ data }), { code: 'keys-unreadable' });
  await writeFile(join(data, 'keys.json'), '{"v":1,"devices":{}}');
  await (await createGateway({ data })).close();
});

test('routes of one’s own stand beside those of the gateway', async (t) => {
  const app = await createGateway({ data: await temporaryFolder(t) });
  t.after(() => app.close());
  app.post('/mine', async (request) => ({ got: request.body }));
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  const headers = { 'content-type': 'application/json' };
  const answer = await say(`${url}/mine`, { method: 'POST', headers, body: Buffer.from('{"a":1}') });
  assert.deepEqual(JSON.parse(answer.body.toString()), { got: { a: 1 } });
  assert.equal((await say(`${url}/v1/totals`, { method: 'POST', headers, body: Buffer.from('{"a":1}') })).status, 405);
});

test('a store that is given is not closed', async (t) => {
  const gateway = await testGateway(t);
  const app = await createGateway({ store: gateway.store, keys: testKeys() });
  await app.close();
  assert.equal((await post(gateway)).status, 200);
});

test('retention runs by itself, one run at a time, and survives a failure', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const asked: unknown[] = [];
  let fail = false;
  const store = {
    retain: async (...given: unknown[]) => {
      asked.push(given);
      await nextTurn();
      if (fail) throw new StoreError('io', 'no');
      return { batches: asked.length, bytes: 1 };
    },
    stats: async () => ({ retained: { batches: 0, bytes: 0 }, admissions: 0, commits: 0 }),
  };
  const logged: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line) => void logged.push(JSON.parse(line).msg) });
  const limits = { retainBytesMax: 10, retainAgeMaxMs: 20 };
  const retention = startRetention({ store, limits, clock: () => 5, logger, intervalMs: 2 });
  await Promise.all([retention.run(), retention.run()]);
  assert.deepEqual(asked, [[{ bytesMax: 10, ageMaxMs: 20, agedMax: 0, clockMin: Date.UTC(2024, 0) }, 5]]);
  fail = true;
  t.mock.timers.tick(1);
  await turns();
  assert.equal(asked.length, 1, 'not before its time');
  t.mock.timers.tick(1);
  await until(() => logged.includes('retention failed; trying again later'), 'it runs by itself');
  fail = false;
  await retention.run();
  await retention.close();
  const { length } = asked;
  t.mock.timers.tick(100);
  await turns();
  assert.equal(asked.length, length);
});

test('batches beyond the limits are let go of, and what they added stays', async (t) => {
  const gateway = await testGateway(t);
  for (let first = 1; first <= 50; first += 10) await post(gateway, { batch: { first } });
  await gateway.store.retain({ bytesMax: 600 }, Date.now());
  const { retained } = await gateway.store.stats();
  assert(retained.batches > 0 && retained.batches < 5);
  assert.equal((await read(gateway, '/v1/totals')).events, 50);
});
