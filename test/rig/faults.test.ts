/** The faults that need time or a second party: half-open connections, what turns up late, strangers, damaged heads. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { createFaultProxy, type RequestOver } from '../../rig/link/fault-proxy.ts';
import { FORGED_CLOCK } from '../../rig/link/faults.ts';
import { BODY, post, startBoth, startGateway, turnedBits } from './proxy-fixture.ts';

const numberOf = ({ headers }: Awaited<ReturnType<typeof post>>) => Number(headers?.['x-number']);

for (const [name, whole] of [
  ['half-open-request', 0],
  ['half-open-answer', 1],
] as const) {
  test(`${name} answers nothing and closes nothing, until the link heals`, async (t) => {
    const { gateway, proxy } = await startBoth(t, { faults: [name] });
    const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
    let heard = 0;
    socket.on('data', ({ length }) => {
      heard += length;
    });
    socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody`);
    if (whole > 0) await once(gateway.server, 'answered');
    // Others are not concerned.
    for (let i = 0; i < 3 || proxy.stats().requests < 2; i++) assert.equal((await post(proxy.url)).status, 200);
    assert.deepEqual([heard, socket.destroyed], [0, false]);
    const lost = once(socket, 'error');
    proxy.heal();
    assert.equal((await lost)[0].code, 'ECONNRESET');
    assert.equal(gateway.received.filter(({ body }) => body === 'body').length, whole);
    assert.deepEqual(proxy.stats().faults, { [name]: 1 });
  });
}

test('half-open-gateway leaves half a body at the gateway until the link heals', async (t) => {
  const { gateway, proxy } = await startBoth(t, { faults: ['half-open-gateway'] });
  assert.equal((await post(proxy.url)).error, 'ECONNRESET');
  await post(proxy.url);
  assert.equal(gateway.received.length, 1);
  const received = once(gateway.server, 'received');
  proxy.heal();
  await received;
  assert.deepEqual([gateway.received[1]?.whole, gateway.received[1]?.body], [false, BODY.slice(0, BODY.length / 2)]);
});

for (const [name, end] of [
  ['late-copy', 200],
  ['late-original', 'ECONNRESET'],
] as const) {
  test(`${name} turns up behind later requests`, async (t) => {
    const { gateway, proxy } = await startBoth(t, { faults: [name] });
    const first = await post(proxy.url, undefined, 'first');
    assert.equal(first.error ?? first.status, end);
    for (let i = 0; gateway.received.filter(({ body }) => body === 'first').length < (end === 200 ? 2 : 1); i++) {
      assert(i < 20, 'it never turns up');
      assert.equal((await post(proxy.url, undefined, `later ${i}`)).status, 200);
    }
    const at = gateway.received.findLastIndex(({ body }) => body === 'first');
    assert(gateway.received.slice(0, at).some(({ body }) => body === 'later 0'));
  });

  test(`${name} turns up at once when the link heals`, async (t) => {
    const { gateway, proxy } = await startBoth(t, { faults: [name] });
    await post(proxy.url, undefined, 'first');
    while (gateway.received.length < (end === 200 ? 1 : 0)) await once(gateway.server, 'received');
    const late = once(gateway.server, 'received');
    proxy.heal();
    await late;
    assert.deepEqual(
      gateway.received.map(({ body }) => body),
      end === 200 ? ['first', 'first'] : ['first'],
    );
  });
}

test('replay-answer gives the last success to another request', async (t) => {
  const { gateway, proxy } = await startBoth(t, { faults: ['none', 'none', 'replay-answer', 'none'] });
  assert.equal(numberOf(await post(proxy.url)), 1);
  assert.equal(numberOf(await post(proxy.url)), 2);
  assert.equal(numberOf(await post(proxy.url)), 2);
  assert.equal(gateway.received.length, 2);
  assert.equal(numberOf(await post(proxy.url)), 3);
});

test('a stranger answers in the place of the gateway, and is never replayed', async (t) => {
  const other = await startGateway(t);
  for (let i = 0; i < 5; i++) await post(other.url);
  const { gateway, proxy } = await startBoth(t, {
    faults: ['none', 'stranger', 'replay-answer'],
    stranger: other.url,
  });
  const numbers = [];
  for (let i = 0; i < 3; i++) numbers.push(numberOf(await post(proxy.url)));
  assert.deepEqual(numbers, [1, 6, 1]);
  assert.deepEqual([other.received.length, gateway.received.length], [6, 1]);
});

test('what is forged names a clock that nobody has', async (t) => {
  const { proxy } = await startBoth(t, { faults: ['forged-clock'] });
  const { headers, body } = await post(proxy.url);
  assert.match(String(headers?.['x-signature']), /^v1=[0-9a-f]{64}$/);
  assert.equal(JSON.parse(body!).clock, FORGED_CLOCK);
});

/** A gateway below HTTP: it gives what it is told to, and keeps the bytes. */
async function startRawGateway(t: TestContext, answer: string) {
  const received: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      received.push(bytes);
      if (String(Buffer.concat(received)).endsWith('body')) socket.end(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

const REQUEST = 'POST /v1/batches HTTP/1.1\r\nHost: x\r\nX-Device-Id: pump-7\r\nContent-Length: 4\r\n';
const RAW_ANSWER = 'HTTP/1.1 200 OK\r\nX-Signature: v1=00\r\nContent-Length: 2\r\n\r\nok';

test('a damaged head of a request differs in one bit, and what comes back passes as it is', async (t) => {
  const gateway = await startRawGateway(t, RAW_ANSWER);
  for (let seed = 1; seed <= 20; seed++) {
    gateway.received.length = 0;
    const proxy = await createFaultProxy({ target: gateway.url, seed, faults: ['corrupt-request-head'] });
    t.after(() => proxy.close());
    const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
    socket.write(`${REQUEST}\r\nbody`);
    assert.equal(await text(socket), RAW_ANSWER);
    const sent = Buffer.concat(gateway.received).toString('latin1');
    assert.equal(turnedBits(`${REQUEST}connection: close\r\n\r\nbody`, sent), 1);
  }
});

test('a damaged head of an answer differs in one bit, and the connection ends behind it', async (t) => {
  const gateway = await startRawGateway(t, RAW_ANSWER);
  const proxy = await createFaultProxy({ target: gateway.url, seed: 5, faults: ['corrupt-answer-head'] });
  t.after(() => proxy.close());
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  socket.write(`${REQUEST}\r\nbody`);
  const answer = (await buffer(socket)).toString('latin1');
  const whole = 'HTTP/1.1 200 OK\r\nX-Signature: v1=00\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok';
  assert.equal(turnedBits(whole, answer), 1);
});

test('a request behind a damaged answer is over with its connection', async (t) => {
  const overs: RequestOver[] = [];
  const faults = ['corrupt-answer-head', 'half-open-answer'] as const;
  const { proxy } = await startBoth(t, { faults, onOver: (over) => overs.push(over) });
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody'.repeat(2));
  socket.resume();
  while (overs.length < 2) await new Promise(setImmediate);
  assert.deepEqual(overs.map(({ fault }) => fault).sort(), [...faults].sort());
});

test('the end of every request is told, with what it met', async (t) => {
  const overs: RequestOver[] = [];
  const faults = ['none', 'drop-answer', 'answer-429-retry-after', 'truncate-answer'] as const;
  const { proxy } = await startBoth(t, { faults, onOver: (over) => overs.push(over) });
  for (const _ of faults) await post(proxy.url);
  while (overs.length < faults.length) await new Promise(setImmediate);
  assert.deepEqual(
    overs.map(({ fault, status }) => [fault, status]),
    [
      ['none', 200],
      ['drop-answer', undefined],
      ['answer-429-retry-after', 429],
      ['truncate-answer', undefined],
    ],
  );
  assert.equal(overs[0]?.headers['x-device-id'], 'pump-7');
});
