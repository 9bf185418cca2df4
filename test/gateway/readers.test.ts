/** Readers who hang up at any moment, take next to nothing, or come when all places are taken. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import Fastify, { type FastifyReply } from 'fastify';
import { BATCH_EVENTS_MAX } from '../../src/codec/index.ts';
import { sendProblem } from '../../src/gateway/answers.ts';
import { exportEvents, readerTurns } from '../../src/gateway/event-export.ts';
import { createTurnstile } from '../../src/gateway/flow.ts';
import { ARENA_BYTES, EXPORTS_OPEN_MAX, READER_PATIENCE } from '../../src/gateway/limits.ts';
import type { Page } from '../../src/gateway/pages.ts';
import { createReadDesk, type ReadDeskOptions } from '../../src/gateway/read-desk.ts';
import { createReaders, type Reader } from '../../src/gateway/readers.ts';
import { type GatewayStore, SHARED_TURNS } from '../../src/store/index.ts';
import { until } from '../until.ts';
import {
  batchBytes,
  DEVICE,
  eventOf,
  KEY_ID,
  post,
  read,
  STREAM_HEX,
  say,
  type TestGateway,
  testGateway,
} from './gateway-fixture.ts';

type Moment = 'page' | 'holdings' | 'batches';

/** A store that can be held at what is looked up for a reader. */
function holdable() {
  const holds = new EventEmitter();
  let at: Moment | undefined;
  let held: (() => void)[] = [];
  const pass = async (moment: Moment) => {
    if (moment !== at) return;
    const freed = new Promise<void>((resolve) => held.push(resolve));
    holds.emit('held');
    await freed;
  };
  return {
    /** Resolves once somebody is held there. */
    async holdAt(moment: Moment) {
      at = moment;
      await once(holds, 'held');
    },
    letGo() {
      at = undefined;
      for (const free of held) free();
      held = [];
    },
    wrap(store: GatewayStore<Page>): GatewayStore<Page> {
      const overrides: Pick<GatewayStore<Page>, Moment> = {
        async page(...args) {
          await pass('page');
          return store.page(...args);
        },
        async holdings(...args) {
          await pass('holdings');
          return store.holdings(...args);
        },
        async *batches(...args) {
          await pass('batches');
          yield* store.batches(...args);
        },
      };
      return new Proxy(store, {
        get(target, name) {
          if (name in overrides) return overrides[name as Moment];
          const value = target[name as keyof typeof target] as unknown;
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    },
  };
}

/** Asks so many times on one connection, and gives the gateway's end of it, too. */
async function ask(
  gateway: TestGateway,
  path: string,
  times: number,
): Promise<{ client: net.Socket; end: net.Socket }> {
  const { hostname, port } = new URL(gateway.url);
  const accepted = once(gateway.app.server, 'connection') as Promise<[net.Socket]>;
  const client = net.connect(Number(port), hostname);
  client.on('error', () => {});
  client.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(times));
  const [end] = await accepted;
  return { client, end };
}

/** Unlike `once`, whatever error comes first. */
async function closed(socket: net.Socket): Promise<void> {
  await until(() => socket.closed, 'the connection is closed');
}

test('who hangs up, at whatever moment, gives back the place', async (t) => {
  const held = holdable();
  const gateway = await testGateway(t, { wrap: held.wrap });
  const path = `/v1/devices/${DEVICE}/events`;
  let sequence = 0;
  for (const moment of ['page', 'holdings', 'batches'] as const) {
    for (const times of [1, 3]) {
      for (let i = 0; i < EXPORTS_OPEN_MAX; i++) {
        sequence += 1;
        // What is known of the device is looked up again.
        await post(gateway, { batch: { first: sequence, events: [eventOf(sequence)] } });
        const reached = held.holdAt(moment);
        const { client, end } = await ask(gateway, path, times);
        await reached;
        client.resetAndDestroy();
        await closed(end);
        held.letGo();
      }
      const { status, body } = await say(`${gateway.url}${path}`);
      assert.equal(status, 200, `${times} at once, gone while the gateway looks for ${moment}: ${body}`);
      assert.equal(body.toString().trimEnd().split('\n').length, sequence);
    }
  }
});

async function endless(t: TestContext, options: Partial<ReadDeskOptions>) {
  const app = Fastify();
  app.setErrorHandler((error, request, reply) => void sendProblem(request, reply, error));
  const desk = createReadDesk({ openMax: 1, ...options });
  app.get('/endless', async (_request, reply) =>
    desk.send(reply, 'text/plain', function* () {
      for (;;) yield 'x'.repeat(4_096);
    }),
  );
  app.get('/short', async (_request, reply) => desk.send(reply, 'text/plain', () => ['short']));
  t.after(() => {
    app.server.closeAllConnections();
    return app.close();
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const [{ port }] = app.addresses() as [AddressInfo];
  return { url: `http://127.0.0.1:${port}`, server: app.server };
}

/** An answer that nobody reads on. */
async function unread(url: string): Promise<http.IncomingMessage> {
  const request = http.get(url, { agent: false });
  request.on('error', () => {});
  const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
  answer.on('error', () => {});
  return answer;
}

test('a reader who takes next to nothing is ended', async (t) => {
  const { url, server } = await endless(t, { patience: { ...READER_PATIENCE, windowMs: 40 } });
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  const answer = await unread(`${url}/endless`);
  const [end] = await accepted;
  await closed(end);
  assert.equal((await say(`${url}/short`)).status, 200);
  answer.destroy();
});

test('where all places are taken, who was waited for longest makes room', async (t) => {
  const { url } = await endless(t, { openMax: 2, patience: { ...READER_PATIENCE, roomMs: 1 } });
  const [first, second] = [await unread(`${url}/endless`), await unread(`${url}/endless`)];
  await until(async () => {
    const { status } = await say(`${url}/short`);
    // 503 while nobody has been waited for.
    assert(status === 200 || status === 503);
    return status === 200;
  }, 'there is room');
  assert.equal(second.complete, false);
  for (const answer of [first, second]) answer.destroy();
});

test('who was not waited for keeps the place', async (t) => {
  const { url } = await endless(t, { patience: { ...READER_PATIENCE, roomMs: 3_600_000 } });
  const answer = await unread(`${url}/endless`);
  assert.equal((await say(`${url}/short`)).status, 503);
  answer.destroy();
  await until(async () => (await say(`${url}/short`)).status === 200, 'the place is given back');
});

test('a connection is not cut for being still while the gateway itself is at work', async (t) => {
  const held = holdable();
  const gateway = await testGateway(t, { wrap: held.wrap });
  await post(gateway, { batch: { events: [eventOf(1)] } });
  gateway.app.server.setTimeout(20);
  const reached = held.holdAt('batches');
  const { client, end } = await ask(gateway, `/v1/devices/${DEVICE}/events?sensor=nothere`, 1);
  await reached;
  for (let still = 0; still < 3; still++) await once(end, 'timeout');
  assert.equal(end.destroyed, false);
  held.letGo();
  const [said] = (await once(client, 'data')) as [Buffer];
  assert.match(said.toString(), /^HTTP\/1\.1 200 /);
  client.destroy();
});

test('an export builds no events that nobody asked for', async () => {
  const count = 20_000;
  const names = Array.from({ length: 500 }, (_, i) => `g${i}`);
  const events = Array.from({ length: count }, (_, i) => eventOf(i + 1, { fields: { [names[i % 500]!]: i } }));
  const body = batchBytes({ events });
  const batch = { deviceId: DEVICE, stream: STREAM_HEX, first: 1, last: count, encoding: 'identity', body };
  const store = {
    async *batches() {
      yield { ...batch, tsMin: 0, tsMax: 0, receivedAt: 0 };
    },
  };
  const costOf = async (query: { sensor?: string }) => {
    const before = process.cpuUsage();
    let length = 0;
    for await (const part of exportEvents(store, DEVICE, query, SHARED_TURNS)) length += part.length;
    const { user, system } = process.cpuUsage(before);
    return { cost: user + system, length };
  };
  const whole = await costOf({});
  const nothing = await costOf({ sensor: 'nothere' });
  assert(whole.length > 0);
  assert.equal(nothing.length, 0);
  // Looking into 500 columns for each event is most of the work.
  assert(nothing.cost < whole.cost / 3, `${nothing.cost} µs of ${whole.cost} µs`);
});

test('an export that waits for memory has who is slow to read make room', async (t) => {
  const events = Array.from({ length: BATCH_EVENTS_MAX }, () => ({ ts: 0, sensor: 's', fields: { volume: 1 } }));
  const batch = { deviceId: DEVICE, stream: STREAM_HEX, first: 1, last: events.length, encoding: 'identity' };
  const body = batchBytes({ events });
  const store = {
    async *batches() {
      yield { ...batch, body, tsMin: 0, tsMax: 0, receivedAt: 0 };
    },
  };
  // Of one batch.
  const held = createTurnstile(ARENA_BYTES);
  const app = Fastify();
  const desk = createReadDesk({ openMax: 8, workingMax: 8, patience: { ...READER_PATIENCE, roomMs: 1 } });
  app.get('/events', async (_request, reply) =>
    desk.send(reply, 'text/plain', (turns, gone, makeRoom) =>
      exportEvents(store, DEVICE, {}, turns, readerTurns(held, gone, makeRoom, 20)),
    ),
  );
  t.after(() => {
    app.server.closeAllConnections();
    return app.close();
  });
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/events`;
  const slow = await unread(url);
  const { status, body: text } = await say(url);
  assert.equal(status, 200);
  assert.equal(text.toString().trimEnd().split('\n').length, events.length);
  assert.equal(slow.complete, false);
  slow.destroy();
});

test('a list of measures that is cut says so, and any of them can be asked for', async (t) => {
  const gateway = await testGateway(t);
  gateway.keys.set('other', KEY_ID, {});
  await post(gateway, { batch: { events: [eventOf(1, { fields: { flow: 2 } })] } });
  assert.equal((await read(gateway, '/v1/totals')).measuresCut, false);
  for (let part = 0; part < 4; part++) {
    const fields = Object.fromEntries(Array.from({ length: 128 }, (_, i) => [`!${part}-${i}`, 1]));
    await post(gateway, { deviceId: 'other', batch: { first: part + 1, events: [eventOf(part + 1, { fields })] } });
  }
  const all = await read(gateway, '/v1/totals');
  assert.deepEqual([Object.keys(all.measures).length, 'flow' in all.measures, all.measuresCut], [512, false, true]);
  const { measures, measuresCut, events } = await read(gateway, '/v1/totals?measure=flow');
  assert.deepEqual([Object.keys(measures), measures.flow.sum, measuresCut, events], [['flow'], '2', false, 5]);
});

/** Readers who all have been waited for a little, by the address that each comes from. */
function openReaders(t: TestContext, openMax: number, ...addresses: readonly string[]) {
  let now = 1e6;
  t.mock.method(performance, 'now', () => now);
  const readers = createReaders(openMax, { ...READER_PATIENCE, roomMs: 3_600_000 });
  const ended: string[] = [];
  const replyFrom = (address: string) => {
    const socket = Object.assign(new EventEmitter(), {
      remoteAddress: address,
      destroyed: false,
      destroy: () => void ended.push(address),
    });
    const raw = Object.assign(new EventEmitter(), { destroyed: false });
    return { request: { raw: { socket } }, raw } as unknown as FastifyReply;
  };
  const admit = (address: string) => readers.admit(replyFrom(address));
  const open = addresses.map(admit) as Reader[];
  for (const reader of open) reader.isGiven(1);
  const pass = (ms: number): void => {
    now += ms;
  };
  pass(2);
  return { open, ended, admit, pass };
}

test('an address with two places more than the newcomer’s gives one up at once, and no other does', (t) => {
  for (const [open, newcomer, gone] of [
    [['a'], 'b', []],
    [['a', 'a'], 'b', ['a']],
    [['a', 'a'], 'a', []],
    [['a', 'a', 'b'], 'b', []],
    [['a', 'a', 'a', 'b'], 'b', ['a']],
    [['a', 'b', 'b', 'b'], 'c', ['b']],
  ] as const) {
    const { ended, admit } = openReaders(t, open.length, ...open);
    const admitted = admit(newcomer) !== 'full';
    assert.deepEqual([admitted, ended], [gone.length > 0, [...gone]], `${newcomer} among ${open}`);
  }
});

test('a reader who takes enough in each window of waiting stays, and is ended in the first without', (t) => {
  const { windowMs, windowLengthMin } = READER_PATIENCE;
  const { open, ended, pass } = openReaders(t, 1, 'slow');
  const [reader] = open as [Reader];
  const take = (length: number): void => {
    reader.isGiven(length);
    pass(windowMs / 2);
    reader.takes();
  };
  reader.takes();
  for (let window = 0; window < 20; window++) for (let half = 0; half < 2; half++) take(windowLengthMin / 2 + 1);
  assert.deepEqual(ended, []);
  // What the gateway itself takes is nobody's slowness.
  pass(100 * windowMs);
  take(windowLengthMin / 2 + 1);
  assert.deepEqual(ended, []);
  for (let half = 0; half < 4; half++) take(windowLengthMin / 4);
  assert.equal(ended[0], 'slow');
});
