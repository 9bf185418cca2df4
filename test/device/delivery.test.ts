import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HEADER, problemOf } from '../../src/codec/index.ts';
import { assertAll, parcelOf, testDelivery } from './delivery-fixture.ts';
import { readings, until } from './device-fixture.ts';
import { createModelGateway, type ModelGateway, page, refusal } from './model-gateway.ts';

test('one parcel, one request, one acknowledgement', async () => {
  const gateway = createModelGateway();
  const { delivery, counts } = testDelivery(gateway);
  assert.deepEqual(await delivery.deliver(parcelOf(readings(10))), { quarantine: [] });
  assert.deepEqual(counts, { retries: 0, inserted: 10, duplicates: 0 });
  await delivery.deliver(parcelOf(readings(10)));
  assert.deepEqual(counts, { retries: 0, inserted: 10, duplicates: 10 });
  assertAll(gateway, readings(10));
});

test('without an answer it tries again for ever, each time with a fresh signature', async () => {
  const gateway = createModelGateway();
  gateway.before = (_, attempt) => (attempt <= 60 ? new Error('ECONNRESET') : undefined);
  const { delivery, counts } = testDelivery(gateway);
  await delivery.deliver(parcelOf(readings(3)));
  assert.deepEqual(counts, { retries: 60, inserted: 3, duplicates: 0 });
  assert.equal(new Set(gateway.requests.map(({ headers }) => headers[HEADER.signature])).size, 61);
});

test('an answer that is lost after the gateway has counted costs a duplicate', async () => {
  const gateway = createModelGateway();
  gateway.after = (answer, attempt) => (attempt === 1 ? new Error('lost') : answer);
  const { delivery, counts } = testDelivery(gateway);
  await delivery.deliver(parcelOf(readings(3)));
  assert.deepEqual(counts, { retries: 1, inserted: 0, duplicates: 3 });
});

test('a portal, a proxy and a gateway in trouble deliver and condemn nothing', async () => {
  const gateway = createModelGateway();
  const answers = [200, 204, 302, 400, 401, 403, 409, 422, 429, 500, 502, 503].map((status) => page(status));
  gateway.before = (_, attempt) => answers[attempt - 1];
  const { delivery, queue } = testDelivery(gateway);
  assert.deepEqual(await delivery.deliver(parcelOf(readings(5))), { quarantine: [] });
  assert.equal(gateway.requests.length, answers.length + 1);
  assert.deepEqual(queue.moved, []);
  assertAll(gateway, readings(5));
});

test('an answer that was signed for the request before is no answer to this one', async () => {
  const gateway = createModelGateway();
  let first: Parameters<ModelGateway['after']>[0] | undefined;
  gateway.after = (answer) => {
    first ??= answer;
    return gateway.requests.length <= 5 ? (gateway.requests.length === 1 ? new Error('lost') : first) : answer;
  };
  const { delivery, counts } = testDelivery(gateway);
  await delivery.deliver(parcelOf(readings(3)));
  assert.equal(gateway.requests.length, 6);
  assert.deepEqual(counts, { retries: 5, inserted: 0, duplicates: 3 });
});

test('a clock that is decades off is corrected by the gateway’s signed word, at once', async () => {
  for (const offset of [-50 * 365.25 * 86_400_000, 30 * 365.25 * 86_400_000]) {
    const gateway = createModelGateway();
    const { delivery, counts, clock, links } = testDelivery(gateway, { clock: () => Math.round(Date.now() + offset) });
    await delivery.deliver(parcelOf(readings(3)));
    assert.equal(counts.retries, 1);
    assert(Math.abs(clock.offsetMs + offset) < 60_000);
    await delivery.deliver(parcelOf(readings(3), 4));
    assert.equal(counts.retries, 1, 'once is enough');
    assert.deepEqual(
      links.map(({ state }) => state),
      ['online'],
    );
  }
});

test('a clock that stands still gives every attempt another timestamp', async () => {
  const gateway = createModelGateway();
  gateway.before = (_, attempt) => (attempt % 3 === 0 ? undefined : new Error('lost'));
  const { delivery } = testDelivery(gateway, { clock: () => 0 });
  for (let i = 0; i < 5; i++) await delivery.deliver(parcelOf(readings(2), 1 + 2 * i));
  const signatures = gateway.requests.map(({ headers }) => headers[HEADER.signature]);
  assert.equal(new Set(signatures).size, signatures.length);
  assert.equal(new Set(gateway.requests.map(({ headers }) => headers[HEADER.timestamp])).size, signatures.length);
});

test('a gateway that refuses the very clock it gave is waited for, and so are two that do not agree', async () => {
  for (const apartMs of [0, 600_000]) {
    const gateway = createModelGateway();
    const now = Date.now();
    gateway.judge = () => {
      const attempt = gateway.requests.length;
      return attempt < 8 ? problemOf('clock-skew', '', { clock: now + (attempt % 2) * apartMs }) : undefined;
    };
    gateway.clock = () => now;
    const { delivery, links } = testDelivery(gateway);
    await delivery.deliver(parcelOf(readings(2)));
    const waits = links.filter(({ code }) => code === 'clock-skew').length;
    assert(waits >= 3 && gateway.requests.length <= 2 * waits + 2, `${gateway.requests.length} in ${waits} waits`);
  }
});

test('a clock that stands still is put right again after every wait that is longer than the window', async () => {
  const gateway = createModelGateway();
  const { delivery, links, stop } = testDelivery(gateway, { clock: () => 0 });
  let now = Date.now();
  gateway.clock = () => now;
  gateway.before = (_, attempt) => {
    // This one has waited.
    if (links.at(-1)?.state === 'offline') now += 600_000;
    if (attempt > 30) stop.abort(new Error('never delivered'));
    // Lost is what was signed with the right clock.
    return attempt === 2 ? new Error('lost') : undefined;
  };
  await delivery.deliver(parcelOf(readings(2)));
  assert.equal(gateway.events.size, 2);
});

test('a gateway that finds a collision in every stream is waited for before each new one', async () => {
  const gateway = createModelGateway();
  gateway.judge = () =>
    gateway.requests.length <= 9 ? problemOf('sequence-collision', '', { collisions: [[1, 2]] }) : undefined;
  const { delivery, queue, links } = testDelivery(gateway);
  await delivery.deliver(parcelOf(readings(2)));
  assert.equal(queue.moved.length, 5);
  assert.equal(links.filter(({ code }) => code === 'collision-again').length, 4);
  assertAll(gateway, readings(2));
});

test('a clock that no request could say is none', async () => {
  const gateway = createModelGateway();
  const clocks = [1e300, -1e300, 2 ** 53, 2 ** 52];
  gateway.judge = () => {
    const clock = clocks[gateway.requests.length - 1];
    return clock === undefined ? undefined : problemOf('clock-skew', '', { clock });
  };
  const { delivery, clock } = testDelivery(gateway);
  await delivery.deliver(parcelOf(readings(2)));
  assert.equal(gateway.requests.length, clocks.length + 1);
  for (const { headers } of gateway.requests) assert.match(headers[HEADER.timestamp]!, /^\d{13}$/);
  assert.equal(clock.offsetMs, 0);
});

test('415: the encoding falls back to the best one in common, and stays there', async () => {
  for (const [encodings, expected] of [
    [
      ['gzip', 'identity'],
      ['br', 'gzip', 'gzip'],
    ],
    [['identity'], ['br', 'identity', 'identity']],
    [['br'], ['br', 'br']],
  ] as const) {
    const gateway = createModelGateway();
    gateway.encodings = encodings;
    const { delivery } = testDelivery(gateway);
    await delivery.deliver(parcelOf(readings(2)));
    await delivery.deliver(parcelOf(readings(2), 3));
    assert.deepEqual(
      gateway.requests.map(({ headers }) => headers['content-encoding']),
      expected,
    );
  }
});

test('415 to a batch that was sent before another one fell back changes nothing more', async () => {
  const gateway = createModelGateway();
  gateway.encodings = ['gzip', 'identity'];
  const { delivery } = testDelivery(gateway);
  gateway.encodings = ['br', 'gzip'];
  await delivery.deliver(parcelOf(readings(1)));
  gateway.encodings = ['gzip', 'identity'];
  await Promise.all([1, 2, 3].map((i) => delivery.deliver(parcelOf(readings(2), 10 * i))));
  const used = gateway.requests.map(({ headers }) => headers['content-encoding']);
  assert.deepEqual(used.slice(1), ['br', 'br', 'br', 'gzip', 'gzip', 'gzip']);
});

test('415 with nothing in common pauses, and begins with the best encoding again', async () => {
  const gateway = createModelGateway();
  gateway.encodings = ['snappy'];
  const { delivery, links, counts } = testDelivery(gateway);
  const delivered = delivery.deliver(parcelOf(readings(2)));
  await until(() => counts.retries > 3);
  assert.deepEqual([links.at(-1)!.state, links.at(-1)!.code], ['paused', 'encoding-unsupported']);
  gateway.encodings = ['br'];
  await delivered;
  assert.equal(gateway.requests.at(-1)!.headers['content-encoding'], 'br');
});

test('a signed 503 is waited for as long as it says', async () => {
  const gateway = createModelGateway();
  const at: number[] = [];
  gateway.before = (request, attempt) => {
    at.push(performance.now());
    return attempt === 2
      ? refusal(gateway, request, problemOf('store-unavailable', '', { retryAfterMs: 60 }))
      : undefined;
  };
  const { delivery } = testDelivery(gateway);
  await delivery.deliver(parcelOf(readings(1)));
  await delivery.deliver(parcelOf(readings(1), 2));
  assert(at[2]! - at[1]! >= 59, `${at[2]! - at[1]!} ms`);
});

test('a revoked key: everything is kept, the device says so, probes, and goes on once it may', async () => {
  const gateway = createModelGateway();
  gateway.judge = () => (gateway.requests.length <= 10 ? problemOf('key-revoked', '') : undefined);
  const { delivery, links } = testDelivery(gateway);
  await Promise.all([1, 2, 3].map((i) => delivery.deliver(parcelOf(readings(2), 2 * i - 1))));
  assert.deepEqual(
    links.map(({ state, code }) => `${state} ${code}`),
    ['paused key-revoked', 'online null'],
  );
  assert.equal(gateway.events.size, 6);
});

test('an error that is not the network’s is not tried again behind its caller’s back', async () => {
  const gateway = createModelGateway();
  const { delivery, queue } = testDelivery(gateway);
  const broken = Object.assign(new Error('disk'), { code: 'io' });
  gateway.judge = () => problemOf('sequence-collision', '', { collisions: [[1, 1]] });
  queue.restream = () => Promise.reject(broken);
  await assert.rejects(delivery.deliver(parcelOf(readings(2))), broken);
  const wrong = testDelivery(gateway, {
    queueState: () => {
      throw broken;
    },
  });
  await assert.rejects(wrong.delivery.deliver(parcelOf(readings(2))), broken);
});

test('an abort ends a delivery with its reason', async () => {
  const gateway = createModelGateway();
  gateway.before = () => new Error('ECONNRESET');
  const { delivery, stop, counts } = testDelivery(gateway);
  const delivered = delivery.deliver(parcelOf(readings(2)));
  await until(() => counts.retries > 2);
  const reason = new Error('closed');
  stop.abort(reason);
  await assert.rejects(delivered, reason);
});

test('gaps are declared under their stream by a batch without events', async () => {
  const gateway = createModelGateway();
  const { delivery } = testDelivery(gateway, { next: 50 });
  const stream = Buffer.alloc(16, 9);
  const gaps = [{ first: 3, last: 4, reason: 'quota', sums: { volume: '1.5' } }] as const;
  assert.equal(await delivery.declare(stream, gaps), true);
  const [batch] = gateway.batches;
  assert.deepEqual([batch!.first, batch!.count, batch!.gaps], [50, 0, gaps]);
  assert.deepEqual(Buffer.from(batch!.stream), stream);
  gateway.judge = () => problemOf('batch-malformed', '');
  assert.equal(await delivery.declare(stream, gaps), false);
  gateway.judge = () => problemOf('body-too-large', '');
});

test('gaps that are too much for one report are declared in several, a large one in parts', async () => {
  const gateway = createModelGateway();
  const { delivery } = testDelivery(gateway, { next: 5_000 });
  const stream = Buffer.alloc(16, 9);
  // What it knows of already: every other event.
  const rangesOf = ({ first, last }: { first: number; last: number }) => (last - first + 1) / 2;
  gateway.judge = ({ gaps }) =>
    gaps.reduce((sum, gap) => sum + rangesOf(gap), 0) > 256 ? problemOf('batch-limit', '') : undefined;
  const gaps = [
    { first: 1, last: 3_000, reason: 'damage', sums: null },
    { first: 3_001, last: 3_100, reason: 'quota', sums: { volume: '1.5' } },
    { first: 3_201, last: 3_300, reason: 'quota', sums: null },
  ] as const;
  assert.equal(await delivery.declare(stream, gaps), true);
  const told = gateway.batches
    .filter(({ gaps }) => gateway.judge?.({ gaps } as never) === undefined)
    .flatMap(({ gaps }) => gaps);
  assert.equal(
    told.reduce((sum, { first, last }) => sum + last - first + 1, 0),
    3_200,
  );
  for (let at = 1; at < told.length; at += 1) assert.ok(told[at]!.first > told[at - 1]!.last);
  assert.deepEqual(
    told.filter(({ sums }) => sums !== null),
    [gaps[1]],
  );
});
