import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createHttpTransport, type HttpTransportOptions } from '../../src/device/transport.ts';
import { cleanUp, readings, testDevice } from './device-fixture.ts';
import { serveModel } from './gateway-server.ts';
import { createModelGateway } from './model-gateway.ts';

const never = new AbortController().signal;

async function testTransport(
  t: TestContext,
  answer: RequestListener,
  options: Partial<HttpTransportOptions> = {},
  onConnection: () => void = () => {},
) {
  const server = createServer(answer).on('connection', onConnection);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const transport = createHttpTransport({
    gateway: new URL(`http://127.0.0.1:${port}/base//`),
    ca: undefined,
    connections: 2,
    requestTimeoutMs: 5_000,
    ...options,
  });
  cleanUp(t, () => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  });
  cleanUp(t, () => transport.close());
  return transport;
}

test('a request arrives as it is, and its answer comes back whole', async (t) => {
  let seen: unknown;
  const transport = await testTransport(t, async (incoming, answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const { method, url, headers } = incoming;
    seen = [
      method,
      url,
      headers['x-test'],
      headers['content-length'],
      headers['accept-encoding'],
      Buffer.concat(chunks).toString(),
    ];
    answer.writeHead(418, { 'X-Answer': 'yes' }).end('short');
  });
  const { status, headers, body } = await transport.post({
    headers: { 'x-test': '1' },
    body: Buffer.from('bytes'),
    signal: never,
  });
  assert.deepEqual(seen, ['POST', '/base/v1/batches', '1', '5', undefined, 'bytes']);
  assert.deepEqual([status, headers['x-answer'], Buffer.from(body).toString()], [418, 'yes', 'short']);
});

test('a redirect is an answer, and not followed', async (t) => {
  let requests = 0;
  const transport = await testTransport(t, (_incoming, answer) => {
    requests++;
    answer.writeHead(307, { location: '/elsewhere' }).end();
  });
  const { status } = await transport.post({ headers: {}, body: Buffer.from('x'), signal: never });
  assert.deepEqual([status, requests], [307, 1]);
});

test('an answer that is too long or breaks off is none', async (t) => {
  const long = await testTransport(t, ({ headers }, answer) => {
    answer.end(Buffer.alloc(Number(headers['x-long'])));
  });
  const answered = (bytes: number) =>
    long.post({ headers: { 'x-long': String(bytes) }, body: Buffer.from('x'), signal: never });
  assert.equal((await answered(65_536)).body.length, 65_536);
  await assert.rejects(answered(65_537), { code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' });
  const broken = await testTransport(t, (_incoming, answer) => {
    answer.writeHead(200, { 'content-length': '10' });
    answer.write('half', () => answer.destroy());
  });
  await assert.rejects(broken.post({ headers: {}, body: Buffer.from('x'), signal: never }));
});

test('a gateway that never answers costs the timeout, and no more', async (t) => {
  const transport = await testTransport(t, () => {}, { requestTimeoutMs: 50 });
  await assert.rejects(transport.post({ headers: {}, body: Buffer.from('x'), signal: never }), { code: 'ETIMEDOUT' });
  const slow = await testTransport(
    t,
    (_incoming, answer) => {
      answer.writeHead(200);
      const drip = setInterval(() => answer.write('.'), 5);
      answer.once('close', () => clearInterval(drip));
    },
    { requestTimeoutMs: 60 },
  );
  await assert.rejects(slow.post({ headers: {}, body: Buffer.from('x'), signal: never }), { code: 'ETIMEDOUT' });
});

test('no timer is left of a request that was answered, that failed, or that was given up', async (t) => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const requestTimeoutMs = 20_000;
  const transport = await testTransport(
    t,
    ({ headers }, answer) => {
      if (headers['x-do'] === 'fail') answer.destroy();
      if (headers['x-do'] === 'answer') answer.end();
    },
    { requestTimeoutMs },
  );
  const posted = (what: string, signal = never) =>
    transport.post({ headers: { 'x-do': what }, body: Buffer.from('x'), signal });
  await posted('answer');
  // What the pool itself needs is there by now.
  const before = timers();
  for (let i = 0; i < 20; i++) {
    await posted('answer');
    await assert.rejects(posted('fail'));
    const stop = new AbortController();
    const given = posted('nothing', stop.signal);
    stop.abort(new Error('closed'));
    await assert.rejects(given);
  }
  assert(timers() <= before + 6, `${timers()} timers, ${before} before`);
});

test('a signal ends the request with its reason, also one that has aborted before', async (t) => {
  const transport = await testTransport(t, () => {});
  const stop = new AbortController();
  const posted = transport.post({ headers: {}, body: Buffer.from('x'), signal: stop.signal });
  const reason = new Error('closed');
  stop.abort(reason);
  await assert.rejects(posted, reason);
  await assert.rejects(transport.post({ headers: {}, body: Buffer.from('x'), signal: stop.signal }), reason);
});

test('reaching the gateway sends nothing, and the next request takes that connection', async (t) => {
  let requests = 0;
  const answerPort: RequestListener = (_incoming, answer) => {
    requests++;
    answer.end(String(answer.socket!.remotePort));
  };
  const transport = await testTransport(t, answerPort, { connections: 1 });
  await Promise.all([transport.reach!(), transport.reach!()]);
  assert.equal(requests, 0);
  const post = async () => (await transport.post({ headers: {}, body: Buffer.from('x'), signal: never })).body;
  const port = await post();
  await transport.reach!();
  assert.deepEqual(await post(), port, 'one connection for all of it');
  const nobody = createHttpTransport({
    gateway: new URL('http://127.0.0.1:9'),
    ca: undefined,
    connections: 1,
    requestTimeoutMs: 5_000,
  });
  cleanUp(t, () => nobody.close());
  await assert.rejects(nobody.reach!(), { code: 'ECONNREFUSED' });
});

test('closing ends the reaching for a gateway', async () => {
  const transport = createHttpTransport({
    gateway: new URL('https://127.0.0.1:1'),
    ca: undefined,
    connections: 1,
    requestTimeoutMs: 60_000,
  });
  const reached = assert.rejects(transport.reach!());
  await transport.close();
  await reached;
});

test('a device keeps its connections, and gets through a gateway that comes and goes', async (t) => {
  const gateway = createModelGateway();
  gateway.before = (_, attempt) => (attempt % 5 === 3 ? new Error('gone') : undefined);
  const served = await serveModel(t, gateway);
  const device = await testDevice(t, undefined, { gateway: served.url, inFlightMax: 1 });
  for (let i = 0; i < 10; i++) {
    await device.recordAll(readings(5, 5 * i + 1));
    await device.drain();
  }
  assert.equal(gateway.events.size, 50);
  const lost = Math.floor((gateway.requests.length + 2) / 5);
  assert(served.connections <= 1 + lost, `${served.connections} connections for ${gateway.requests.length} requests`);
});

test('a gateway that is not there is offline with its code', async (t) => {
  const device = await testDevice(t, undefined, { gateway: 'http://127.0.0.1:9' });
  const offline = new Promise((resolve) => device.on('link', resolve));
  await device.recordAll(readings(1));
  const { state, code } = (await offline) as { state: string; code: string };
  assert.deepEqual([state, code], ['offline', 'ECONNREFUSED']);
});

test('HTTPS: the certificates that were given are trusted, and no others', async (t) => {
  const pem = (name: string) => readFileSync(new URL(`../gateway/${name}`, import.meta.url));
  const cert = pem('tls-cert.pem');
  const server = createTlsServer({ cert, key: pem('tls-key.pem') }, (_incoming, answer) => answer.end('safe'));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  cleanUp(t, () => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  });
  const { port } = server.address() as AddressInfo;
  const transportWith = (ca: Buffer | undefined) => {
    const gateway = new URL(`https://localhost:${port}`);
    const transport = createHttpTransport({ gateway, ca, connections: 1, requestTimeoutMs: 5_000 });
    cleanUp(t, () => transport.close());
    return transport;
  };
  const request = { headers: {}, body: Buffer.from('x'), signal: never };
  assert.equal((await transportWith(cert).post(request)).status, 200);
  await assert.rejects(transportWith(undefined).post(request), { code: /CERT/ });
});

test('a connection that was made ahead is for a request that follows at once; an older one is not used', async (t) => {
  const { now } = performance;
  let laterMs = 0;
  t.mock.method(performance, 'now', () => now.call(performance) + laterMs);
  for (const [waitedMs, connections] of [
    [0, 1],
    [6_000, 2],
  ] as const) {
    let made = 0;
    const count = (): void => {
      made += 1;
    };
    const transport = await testTransport(t, (_incoming, answer) => void answer.end(), {}, count);
    await transport.reach!();
    laterMs += waitedMs;
    await transport.post({ headers: {}, body: new Uint8Array(1), signal: never });
    assert.equal(made, connections, `${waitedMs} ms later`);
  }
});

test('requests leave nothing behind at the signal that could end them', async (t) => {
  const transport = await testTransport(t, (_incoming, answer) => void answer.end());
  const { signal } = new AbortController();
  for (let i = 0; i < 20; i += 1) await transport.post({ headers: {}, body: new Uint8Array(1), signal });
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('a status that is none is no HTTP', async (t) => {
  const transport = await testTransport(t, (incoming) => {
    incoming.socket.end('HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n');
  });
  await assert.rejects(transport.post({ headers: {}, body: Buffer.from('x'), signal: never }), {
    code: 'HPE_INVALID_STATUS',
  });
});
