/** Charts: made once for all who ask, exact unless an older one is taken, and not made for nobody. */
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { createSharedAnswers } from '../../src/gateway/shared-answers.ts';
import type { GatewayStore, Turns } from '../../src/store/index.ts';
import { DEVICE, EPOCH_MS, eventOf, KEY_ID, post, read, say, testGateway } from './gateway-fixture.ts';

const NOBODY_GOES = new AbortController().signal;

/** Counts how often pages of minutes are walked over, which each chart that is made does once. */
function countingWalks() {
  let walks = 0;
  const wrap = <T>(store: GatewayStore<T>): GatewayStore<T> =>
    new Proxy(store, {
      get(target, name) {
        const value = target[name as keyof typeof target] as unknown;
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (name === 'pages' && args[1] === 'minute') walks += 1;
          return value.apply(target, args);
        };
      },
    });
  return { wrap, walks: () => walks };
}

test('a chart is added up once for all who ask, and again when there is news of the device', async (t) => {
  const { wrap, walks } = countingWalks();
  const gateway = await testGateway(t, { wrap });
  const path = `/v1/devices/${DEVICE}/buckets?measure=volume`;
  await post(gateway, { batch: { events: [eventOf(1, { fields: { volume: 1 } })] } });
  const answers = await Promise.all(Array.from({ length: 8 }, () => say(`${gateway.url}${path}`)));
  assert.equal(new Set(answers.map(({ body }) => body.toString())).size, 1);
  await read(gateway, path);
  assert.equal(walks(), 1);
  await post(gateway, { batch: { first: 2, events: [eventOf(2, { fields: { volume: 1 } })] } });
  const older = await say(`${gateway.url}${path}`, { headers: { 'cache-control': 'max-age=60' } });
  assert.equal(JSON.parse(older.body.toString()).buckets[0].measures.volume.sum, '1');
  assert.match(older.headers['age']!, /^\d+$/);
  assert.match(older.headers['cache-control']!, /^private, max-age=\d+$/);
  assert.equal(walks(), 1);
  assert.equal((await read(gateway, path)).buckets[0].measures.volume.sum, '2');
  assert.equal(walks(), 2);
  // Another question has an answer of its own; one that may be long is not held.
  assert.deepEqual((await read(gateway, `${path}&sensor=nothere`)).buckets, []);
  for (const _ of [1, 2]) await read(gateway, `/v1/devices/${DEVICE}/buckets`);
  assert.equal(walks(), 5);
  assert.equal((await say(`${gateway.url}/v1/devices/nobody/buckets?measure=volume`)).status, 404);
});

const sumOf = ({ body }: { readonly body: Buffer }) => JSON.parse(body.toString()).buckets[0].measures.volume.sum;

test('of two devices each has charts of its own', async (t) => {
  const gateway = await testGateway(t);
  const devices = [DEVICE, 'pump-8'];
  for (const [i, deviceId] of devices.entries()) {
    gateway.keys.set(deviceId, KEY_ID, {});
    await post(gateway, { deviceId, batch: { events: [eventOf(1, { fields: { volume: 1 + i } })] } });
  }
  for (const headers of [{}, { 'cache-control': 'max-age=60' }]) {
    const charts = devices.map((id) => say(`${gateway.url}/v1/devices/${id}/buckets?measure=volume`, { headers }));
    assert.deepEqual((await Promise.all(charts)).map(sumOf), ['1', '2']);
  }
});

test('nobody gets a chart older than a minute, however old a one is taken', async (t) => {
  const now = performance.now;
  let laterMs = 0;
  t.mock.method(performance, 'now', () => now.call(performance) + laterMs);
  const gateway = await testGateway(t);
  const ask = () =>
    say(`${gateway.url}/v1/devices/${DEVICE}/buckets?measure=volume`, { headers: { 'cache-control': 'max-age=3600' } });
  for (const sequence of [1, 2]) {
    await post(gateway, { batch: { first: sequence, events: [eventOf(sequence, { fields: { volume: 1 } })] } });
    assert.equal(sumOf(await ask()), '1');
  }
  laterMs = 60_000;
  assert.equal(sumOf(await ask()), '2');
});

test('what may be long is not held, though it is of one measure', async (t) => {
  const { wrap, walks } = countingWalks();
  const gateway = await testGateway(t, { wrap });
  await post(gateway);
  for (const [minutes, expected] of [
    [120, 1],
    [121, 2],
  ] as const) {
    const before = walks();
    const range = `from=${EPOCH_MS}&to=${EPOCH_MS + minutes * 60_000}`;
    for (const _ of [1, 2]) await read(gateway, `/v1/devices/${DEVICE}/buckets?measure=volume&${range}`);
    assert.equal(walks() - before, expected, `${minutes} minutes`);
  }
});

test('the answers that are held have a bound, and those asked for latest stay', async () => {
  const answers = createSharedAnswers({ isOver: () => false, next: async () => {} });
  const made: string[] = [];
  const ask = (query: string) =>
    answers.get(DEVICE, query, 1, 0, NOBODY_GOES, async function* () {
      made.push(query);
      yield query;
    });
  for (let i = 0; i < 1_000; i += 1) for (const query of ['often', `${i}`]) await ask(query);
  assert.equal(made.length, 1_001, 'each once');
  for (const query of ['often', '999', '0']) await ask(query);
  assert.deepEqual(made.slice(1_001), ['0']);
});

test('the measures of a device are listed by name alone', async (t) => {
  const gateway = await testGateway(t);
  await post(gateway, { batch: { events: [eventOf(1, { fields: { b: 1, volume: 1, text: 'x' } }), eventOf(2)] } });
  const said = await read(gateway, `/v1/devices/${DEVICE}/measures`);
  assert.deepEqual(said, { id: DEVICE, measures: ['volume', 'b', 'temperature'], measuresCut: false });
});

test('an answer that nobody waits for any more is not finished, and whoever asks then gets a whole one', async () => {
  const turns: Turns = { isOver: () => true, next: () => new Promise((resolve) => setImmediate(resolve)) };
  const answers = createSharedAnswers(turns);
  let parts = 0;
  async function* endless(given: Turns) {
    for (;;) {
      parts += 1;
      await given.next();
      yield 'x';
    }
  }
  const clients = [new AbortController(), new AbortController()];
  const asked = clients.map(({ signal }) => answers.get(DEVICE, 'q', 1, 0, signal, endless));
  const ended = Promise.all(asked.map((answer) => assert.rejects(answer, /nobody waits/)));
  while (parts < 5) await turns.next();
  clients[0]!.abort();
  const before = parts;
  while (parts < before + 5) await turns.next();
  clients[1]!.abort();
  const answer = await answers.get(DEVICE, 'q', 1, 0, NOBODY_GOES, async function* () {
    yield 'whole';
  });
  await ended;
  assert.equal(answer.text, 'whole');
});

test('a device with much to add up makes its own viewers wait, and no others', async () => {
  const answers = createSharedAnswers({ isOver: () => false, next: async () => {} });
  let begun = 0;
  let finish!: () => void;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const ask = (deviceId: string, query: string, until?: Promise<void>) =>
    answers.get(deviceId, query, 1, 0, NOBODY_GOES, async function* () {
      begun += 1;
      await until;
      yield `${deviceId} ${query}`;
    });
  const fat = Promise.all([ask('fat', 'a', finished), ask('fat', 'b', finished)]);
  for (const other of ['one', 'other']) assert.equal((await ask(other, 'a')).text, `${other} a`);
  assert.equal(begun, 3, 'of one device, one at a time');
  finish();
  assert.deepEqual(
    (await fat).map(({ text }) => text),
    ['fat a', 'fat b'],
  );
  assert.equal((await ask('fat', 'c')).text, 'fat c');
});

test('an answer that failed is made anew, and one that took long says so', async () => {
  let now = 0;
  const turns: Turns = { isOver: () => false, next: async () => {} };
  const answers = createSharedAnswers(turns, () => now);
  const failing = answers.get(DEVICE, 'q', 1, 0, NOBODY_GOES, async function* () {
    yield 'part';
    throw new Error('no');
  });
  await assert.rejects(failing, /^Error: no$/);
  const make = async function* () {
    now += 800;
    yield 'dear';
  };
  const { text, tookMs } = await answers.get(DEVICE, 'q', 1, 0, NOBODY_GOES, make);
  assert.deepEqual([text, tookMs], ['dear', 800]);
  now = 5_000;
  assert.equal((await answers.get(DEVICE, 'q', 1, 0, NOBODY_GOES, make)).ageMs, 5_000, 'nothing has changed');
  assert.equal((await answers.get(DEVICE, 'q', 2, 4_999, NOBODY_GOES, make)).ageMs, 800, 'too old');
  assert.equal(now, 5_800);
});
