import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createFaultProxy } from '../../rig/link/fault-proxy.ts';
import { FAULT_NAMES, type FaultName } from '../../rig/link/faults.ts';
import type { FaultScript } from '../../rig/link/schedule.ts';
import { until } from '../until.ts';
import { ANSWER, BODY, post, startBoth, startGateway, turnedBits } from './proxy-fixture.ts';

test('without a fault a request and its answer pass as they are', async (t) => {
  const { gateway, proxy } = await startBoth(t);
  const answer = await post(proxy.url);
  assert.deepEqual([answer.status, answer.body, answer.headers?.['x-signature']], [200, ANSWER, 'v1=00']);
  const [received] = gateway.received;
  assert.equal(received?.body, BODY);
  assert(received.rawHeaders.includes('X-Device-Id'), 'the case of a name has changed');
  assert.deepEqual(proxy.stats(), { requests: 1, faultsInjected: 0, faults: {}, broken: 0 });
});

/** Those that need time, or a second party: each has tests of its own. */
const APART = [
  'delay',
  'half-open-request',
  'half-open-answer',
  'corrupt-request-head',
  'corrupt-answer-head',
  'late-copy',
  'late-original',
  'stranger',
  'outage-reset',
  'outage-silence',
] as const;
type Apart = (typeof APART)[number];

/** How the device's side ends, and how many whole requests the gateway sees: that is what tells the faults apart. */
const ENDS: Record<Exclude<FaultName, Apart>, [end: string | number, whole: number]> = {
  'reset-before': ['ECONNRESET', 0],
  'reset-during': ['ECONNRESET', 0],
  'reset-after': ['ECONNRESET', 0],
  'reset-answer': ['ECONNRESET', 1],
  'drop-answer': ['ECONNRESET', 1],
  'truncate-answer': ['ECONNRESET', 1],
  'half-open-gateway': ['ECONNRESET', 0],
  'corrupt-request': [200, 1],
  'corrupt-answer': [200, 1],
  'twice-at-once': [200, 2],
  'twice-in-turn': [200, 2],
  'replay-answer': ['ECONNRESET', 0],
  'answer-400': [400, 0],
  'answer-401': [401, 0],
  'answer-408': [408, 0],
  'answer-413': [413, 0],
  'answer-429': [429, 0],
  'answer-429-retry-after': [429, 0],
  'answer-500': [500, 0],
  'answer-500-retry-after': [500, 0],
  'answer-502': [502, 0],
  'answer-502-retry-after': [502, 0],
  'answer-503': [503, 0],
  'answer-503-retry-after': [503, 0],
  'forged-200': [200, 0],
  'forged-400': [400, 0],
  'forged-clock': [401, 0],
  'forged-409': [409, 0],
  'portal-200': [200, 0],
  'portal-302': [302, 0],
  'portal-511': [511, 0],
};

for (const [name, [end, whole]] of Object.entries(ENDS) as [keyof typeof ENDS, [string | number, number]][]) {
  test(`${name} does what it says, once, and is counted`, async (t) => {
    const { gateway, proxy } = await startBoth(t, { faults: [name] });
    const met = await post(proxy.url);
    assert.equal(met.error ?? met.status, end);
    assert.equal(gateway.received.filter((request) => request.whole).length, whole);
    assert.deepEqual(proxy.stats(), { requests: 1, faultsInjected: 1, faults: { [name]: 1 }, broken: 0 });
    const next = await post(proxy.url);
    assert.deepEqual([next.status, next.body], [200, ANSWER]);
    assert.equal(proxy.stats().faultsInjected, 1);
  });
}

test('the table of ends is complete', () => {
  assert.deepEqual(
    Object.keys(ENDS),
    FAULT_NAMES.filter((name) => !APART.some((apart) => apart === name)),
  );
});

test('reset-during lets half of the body through', async (t) => {
  const { gateway, proxy } = await startBoth(t, { faults: ['reset-during'] });
  const arrived = once(gateway.server, 'received');
  await post(proxy.url);
  await arrived;
  assert.deepEqual(
    gateway.received.map(({ body, whole }) => [body, whole]),
    [[BODY.slice(0, BODY.length / 2), false]],
  );
});

test('a corruption is one bit', async (t) => {
  const { gateway, proxy } = await startBoth(t, { faults: ['corrupt-request', 'corrupt-answer'] });
  assert.equal((await post(proxy.url)).body, ANSWER);
  assert.equal(turnedBits(gateway.received[0]!.body, BODY), 1);
  assert.equal(turnedBits((await post(proxy.url)).body!, ANSWER), 1);
  assert.equal(gateway.received[1]?.body, BODY);
});

test('an answer in place of the gateway keeps the connection in step', async (t) => {
  const faults: FaultName[] = ['answer-503-retry-after', 'portal-302', 'answer-401'];
  const { gateway, proxy } = await startBoth(t, { faults });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  assert.equal((await post(proxy.url, agent)).headers?.['retry-after'], '1');
  assert.equal((await post(proxy.url, agent)).headers?.['location'], 'http://login.portal.invalid/');
  assert.match((await post(proxy.url, agent)).headers?.['www-authenticate'] ?? '', /^Basic/);
  assert.equal((await post(proxy.url, agent)).body, ANSWER);
  assert.equal(gateway.received.length, 1);
  assert.equal(Object.values(agent.freeSockets).flat().length, 1, 'a connection was lost on the way');
});

test('a delay holds the request back and then lets it pass', async (t) => {
  const { proxy } = await startBoth(t, { faults: ['delay'], delayMaxMs: 400, seed: 7 });
  const started = performance.now();
  assert.equal((await post(proxy.url)).body, ANSWER);
  const held = performance.now() - started;
  assert(held > 300, `held for ${held} ms`);
  await post(proxy.url);
  assert.deepEqual(proxy.stats().faults, { delay: 1 });
});

test('latency is for all and no fault', async (t) => {
  const { proxy } = await startBoth(t, { latencyMaxMs: 20 });
  await post(proxy.url);
  assert.equal(proxy.stats().faultsInjected, 0);
});

test('in an outage with resets every connection is reset, until it ends by itself', async (t) => {
  const { gateway, proxy } = await startBoth(t, { faults: ['outage-reset'], outageMs: 200 });
  const idle = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  await once(idle, 'connect');
  const lost = once(idle, 'error');
  assert.equal((await post(proxy.url)).error, 'ECONNRESET');
  assert.equal((await lost)[0].code, 'ECONNRESET');
  assert.equal((await post(proxy.url)).error, 'ECONNRESET');
  assert.equal(gateway.received.length, 0);
  let tries = 0;
  await until(async () => {
    const isOver = (await post(proxy.url)).status === 200;
    if (!isOver) tries++;
    return isOver;
  }, 'the outage is over');
  assert.equal(proxy.stats().faults['outage-reset'], 2 + tries);
});

test('in a silent outage nothing is answered, and its end finds the connections dead', async (t) => {
  const { gateway, proxy } = await startBoth(t, { faults: ['outage-silence'], outageMs: 150 });
  const started = performance.now();
  const ends = await Promise.all([post(proxy.url), post(proxy.url)]);
  assert(performance.now() - started > 100);
  assert.deepEqual(
    ends.map(({ error }) => error),
    ['ECONNRESET', 'ECONNRESET'],
  );
  assert.equal(gateway.received.length, 0);
  assert.deepEqual(proxy.stats().faults, { 'outage-silence': 2 });
  assert.equal((await post(proxy.url)).body, ANSWER);
});

test('an answer that comes in the middle of an outage is lost', async (t) => {
  let release = () => {};
  const held = new Promise<void>((done) => {
    release = done;
  });
  const faults: FaultScript = ['none', 'outage-silence'];
  const { gateway, proxy } = await startBoth(t, { faults, outageMs: 3_600_000 }, held);
  const received = once(gateway.server, 'received');
  const first = post(proxy.url);
  await received;
  const second = post(proxy.url);
  await until(() => proxy.stats().requests >= 2);
  const answered = once(gateway.server, 'answered');
  release();
  await answered;
  await nextTurn();
  proxy.heal();
  assert.deepEqual([(await first).error, (await second).error], ['ECONNRESET', 'ECONNRESET']);
  assert.deepEqual(proxy.stats(), { requests: 2, faultsInjected: 1, faults: { 'outage-silence': 1 }, broken: 0 });
});

test('healing ends an outage and all faults at once', async (t) => {
  const { proxy } = await startBoth(t, { faults: { 'outage-silence': 1 }, outageMs: 3_600_000 });
  const held = post(proxy.url);
  await until(() => proxy.stats().requests >= 1);
  proxy.heal();
  assert.equal((await held).error, 'ECONNRESET');
  for (let i = 0; i < 5; i++) assert.equal((await post(proxy.url)).body, ANSWER);
  assert.equal(proxy.stats().faultsInjected, 1);
});

test('the same seed brings the same faults, another seed others', async (t) => {
  const faults = { 'answer-500': 0.3, 'answer-503': 0.2, 'drop-answer': 0.1 };
  const run = async (seed: number) => {
    const { proxy } = await startBoth(t, { faults, seed });
    const ends: unknown[] = [];
    for (let i = 0; i < 60; i++) {
      const { status, error } = await post(proxy.url, undefined, 'x');
      ends.push(error ?? status);
    }
    return ends;
  };
  const [first, again, other] = [await run(7), await run(7), await run(8)];
  assert.deepEqual(again, first);
  assert.notDeepEqual(other, first);
  assert.equal(new Set(first).size, 4);
});

test('a gateway that is gone is a broken connection and no fault', async (t) => {
  const gateway = createServer();
  gateway.listen(0, '127.0.0.1');
  await once(gateway, 'listening');
  const { port } = gateway.address() as AddressInfo;
  gateway.close();
  await once(gateway, 'close');
  for (const faults of [[], ['reset-during']] as const) {
    const proxy = await createFaultProxy({ target: `http://127.0.0.1:${port}`, seed: 1, faults });
    t.after(() => proxy.close());
    assert.equal((await post(proxy.url)).error, 'ECONNRESET');
    assert.equal(proxy.stats().broken, 1 - faults.length);
  }
});

test('a device that gives up in the middle harms nothing', async (t) => {
  const { proxy } = await startBoth(t, { faults: ['reset-after', 'delay', 'reset-answer'], delayMaxMs: 100 });
  for (const faults of [1, 2, 3]) {
    const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
    socket.on('error', () => {});
    const whole = faults !== 1;
    socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${whole ? 4 : 5}\r\n\r\nbody`);
    await until(() => proxy.stats().requests >= faults);
    socket.resetAndDestroy();
    await once(socket, 'close');
  }
  await until(async () => (await post(proxy.url)).status === 200);
  assert.equal(proxy.stats().broken, 1);
});

test('a request without a body meets the faults as well', async (t) => {
  const { proxy, gateway } = await startBoth(t, { faults: ['corrupt-request', 'reset-during'] });
  assert.equal((await post(proxy.url, undefined, '')).status, 200);
  assert.equal((await post(proxy.url, undefined, '')).error, 'ECONNRESET');
  assert(gateway.received.length >= 1);
});

test('closing ends what is held', async (t) => {
  const gateway = await startGateway(t);
  const faults: FaultName[] = ['delay', 'outage-silence'];
  const proxy = await createFaultProxy({ target: gateway.url, seed: 1, faults, delayMaxMs: 3_600_000 });
  const held = post(proxy.url);
  await until(() => proxy.stats().requests >= 1);
  const silenced = post(proxy.url);
  await until(() => proxy.stats().requests >= 2);
  await proxy.close();
  assert.deepEqual([(await held).error, (await silenced).error], ['ECONNRESET', 'ECONNRESET']);
  assert.equal((await post(proxy.url)).error, 'ECONNREFUSED');
});

test('what makes no sense is refused', async () => {
  await assert.rejects(createFaultProxy({ target: 'https://127.0.0.1', seed: 1 }), /plain HTTP/);
  const target = 'http://127.0.0.1:1';
  await assert.rejects(createFaultProxy({ target, seed: 1, faults: { delay: 0.6, 'portal-200': 0.6 } }), /rates/);
  await assert.rejects(createFaultProxy({ target, seed: 1, faults: { delay: -0.1 } }), /rates/);
  await assert.rejects(createFaultProxy({ target, seed: 1, faults: ['stranger'] }), /stranger/);
  await assert.rejects(createFaultProxy({ target, seed: 1, faults: { stranger: 0.1 } }), /stranger/);
});
