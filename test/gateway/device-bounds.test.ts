/** What one device may come to own: at the bound its events stay on its disk, and nothing else is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProblemCode } from '../../src/codec/index.ts';
import {
  type BatchParts,
  DEVICE,
  eventOf,
  eventsFrom,
  post,
  read,
  STREAM,
  type TestAnswer,
  testGateway,
} from './gateway-fixture.ts';

const DAY_MS = 86_400_000;
const BASE_MS = 1_700_000_000_000;

function refusedAs(answer: TestAnswer, code: ProblemCode): void {
  assert.deepEqual([answer.problem?.code, answer.status, answer.signed], [code, 403, true]);
}

const single = (sequence: number): BatchParts => ({ first: sequence, events: [eventOf(sequence)] });
const stream = (number: number) => Buffer.alloc(16, number);

test('ranges beyond the bound are refused signed, and what fills or continues one is not', async (t) => {
  const gateway = await testGateway(t, { limits: { rangesMax: 4 } });
  const sent = async (batch: BatchParts) => (await post(gateway, { batch })).status;
  for (const sequence of [1, 3, 5]) assert.equal(await sent(single(sequence)), 200);
  assert.equal(await sent({ stream: stream(2), ...single(9) }), 200, 'the bound is on all streams together');
  const held = await gateway.store.holdings(DEVICE);
  refusedAs(await post(gateway, { batch: single(7) }), 'interval-limit');
  refusedAs(await post(gateway, { batch: { stream: stream(3), ...single(1) } }), 'interval-limit');
  const gaps = [{ first: 20, last: 21, reason: 'quota' as const, sums: null }];
  refusedAs(await post(gateway, { batch: { first: 30, gaps, events: [] } }), 'interval-limit');
  assert.deepEqual(await gateway.store.holdings(DEVICE), held, 'nothing came of it');
  for (const again of [1, 3, 5]) assert.equal(await sent(single(again)), 200, 'a duplicate');
  assert.equal(await sent({ first: 6, events: eventsFrom(6, 4) }), 200, 'what continues a range');
  assert.equal(await sent({ first: 2, events: eventsFrom(2, 3) }), 200, 'what fills holes');
  // Two ranges fewer, so two may come.
  assert.equal(await sent({ first: 40, gaps, events: [] }), 200);
  assert.equal(await sent(single(50)), 200);
  refusedAs(await post(gateway, { batch: single(60) }), 'interval-limit');
  assert.equal(await sent({ first: 70, events: [] }), 200, 'a report');
  assert.equal((await read(gateway, '/v1/totals')).events, 11);
});

test('streams have a bound that grows with the time for which a device is known', async (t) => {
  let now = BASE_MS;
  const gateway = await testGateway(t, { limits: { streamsMax: 2, streamsPerDay: 3 }, clock: () => now });
  const sent = (number: number, first = 1) =>
    post(gateway, { batch: { stream: stream(number), ...single(first) }, timestamp: now });
  const refused = async (number: number) => refusedAs(await sent(number), 'stream-limit');
  for (const number of [1, 2]) assert.equal((await sent(number)).status, 200);
  await refused(3);
  now += DAY_MS / 3;
  assert.equal((await sent(3)).status, 200);
  await refused(4);
  assert.equal((await sent(1, 2)).status, 200, 'a stream that is known');
  assert.equal((await sent(2)).status, 200, 'a duplicate');
  now += DAY_MS;
  for (const number of [4, 5, 6]) assert.equal((await sent(number)).status, 200);
  await refused(7);
  // A clock that was set back takes no stream away, and gives none.
  now = BASE_MS - DAY_MS;
  await refused(7);
  assert.equal((await gateway.store.holdings(DEVICE)).streams, 6);
});

test('a clock that is set back to before the first contact lowers no bound', async (t) => {
  let now = BASE_MS;
  const gateway = await testGateway(t, { limits: { streamsMax: 2, streamsPerDay: 3 }, clock: () => now });
  const sent = (number: number) => post(gateway, { batch: { stream: stream(number), ...single(1) }, timestamp: now });
  assert.equal((await sent(1)).status, 200);
  now -= DAY_MS / 2;
  assert.equal((await sent(2)).status, 200);
});

test('reports of streams without events are no streams', async (t) => {
  const gateway = await testGateway(t, { limits: { streamsMax: 1, streamsPerDay: 0 } });
  for (let number = 1; number < 20; number += 1) {
    const batch = { stream: stream(number), first: 1, events: [] };
    assert.equal((await post(gateway, { batch })).status, 200);
  }
  assert.equal((await gateway.store.holdings(DEVICE)).streams, 0);
  assert.equal((await post(gateway, { batch: { stream: STREAM, ...single(1) } })).status, 200);
});

test('bytes of pages have a bound that grows, too, and keep no duplicate away', async (t) => {
  let now = BASE_MS;
  const limits = { pageBytesMax: 6_000, pageBytesPerDay: 4_000 };
  const gateway = await testGateway(t, { limits, clock: () => now });
  const sent = async (sequence: number) => {
    const events = [eventOf(sequence, { ts: sequence * 50 * DAY_MS })];
    return await post(gateway, { batch: { first: sequence, events }, timestamp: now });
  };
  let sequence = 0;
  const fill = async () => {
    for (;;) {
      sequence += 1;
      assert.ok(sequence < 200, 'there is a bound');
      const answer = await sent(sequence);
      if (answer.status === 200) continue;
      refusedAs(answer, 'storage-limit');
      sequence -= 1;
      return (await gateway.store.holdings(DEVICE)).pageBytes;
    }
  };
  const first = await fill();
  assert.ok(first >= 6_000 && first < 7_500, `${first} bytes`);
  assert.equal((await sent(sequence)).status, 200, 'a duplicate');
  const gaps = [{ first: 1_000, last: 1_001, reason: 'quota' as const, sums: null }];
  const gap = await post(gateway, { batch: { first: 1_002, gaps, events: [] }, timestamp: now });
  assert.equal(gap.status, 200, 'a gap, which takes no page');
  now += DAY_MS;
  const second = await fill();
  assert.ok(second >= 10_000 && second < 11_500, `${second} bytes`);
  assert.equal((await read(gateway, '/v1/totals')).events, sequence);
});

test('totals and devices are read without their ledgers', async (t) => {
  let ledgers = 0;
  const gateway = await testGateway(t, {
    wrap: (store) =>
      new Proxy(store, {
        get(target, name) {
          if (name === 'ledgers' || name === 'ledger') ledgers += 1;
          const value = Reflect.get(target, name);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      }),
  });
  for (let number = 1; number < 30; number += 1) {
    await post(gateway, { batch: { stream: stream(number), ...single(1) } });
  }
  assert.equal((await read(gateway, '/v1/totals')).events, 29);
  assert.equal((await read(gateway, '/v1/devices')).devices[0].streamCount, 29);
  assert.equal(ledgers, 0);
});
