/**
 * What every driver of `GatewayStore` must do, as a function: give it a name and a way to open one.
 *
 * Nothing in here knows which database is underneath.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  type Admission,
  createLedger,
  type GatewayStore,
  type PageKey,
  type PageOperator,
  SENSOR_BYTES_MAX,
  type StreamKey,
} from '../../src/store/index.ts';
import {
  admissionOf,
  all,
  assertBalanced,
  type Counter,
  counters,
  devicePage,
  MINUTE_PAGE_MS,
  send,
  streamKey,
  timeOf,
  totalPage,
} from './gateway-store-counter.ts';
import { createRandom, seedOf } from './random.ts';

export interface OpenedStore {
  readonly store: GatewayStore<Counter>;
  /** Opens the same database once more, after the store before was closed. */
  reopen(): Promise<GatewayStore<Counter>>;
  /** How another process opens the same database: a module that exports `openStore(location)`. */
  readonly elsewhere: { readonly module: string; readonly location: string };
}

/** Opens an empty store; it and everything opened later is closed and removed after the test. */
export type OpenStore = (t: TestContext, operator?: PageOperator<Counter>) => Promise<OpenedStore>;

const BUG = { code: 'ERR_ASSERTION' };
const NOTHING: Admission<Counter> = { segments: [], gaps: [], pages: [] };
const WRITER = fileURLToPath(new URL('gateway-store-writer.ts', import.meta.url));
const KILLS = 4;

export function gatewayStoreConformance(name: string, open: OpenStore): void {
  describe(`GatewayStore on ${name}`, () => {
    for (const [what, check] of Object.entries(CHECKS)) test(what, (t) => check(t, open));
  });
}

type Check = (t: TestContext, open: OpenStore) => Promise<void>;

const admitting: Record<string, Check> = {
  async 'an empty store has nothing, and is ready'(t, open) {
    const { store } = await open(t);
    const key = streamKey('a', 1);
    await store.ready();
    assert.equal((await store.ledger(key)).count, 0);
    assert.equal(await store.page(devicePage('a')), undefined);
    assert.deepEqual(await store.retained(key, 1, 100), []);
    const lists = [store.devices(), store.pages('a', 'minute'), store.batches('a'), store.ledgers('a')];
    for (const list of lists) assert.deepEqual(await all<unknown>(list), []);
    assert.deepEqual(await store.stats(), { retained: { batches: 0, bytes: 0 }, admissions: 0, commits: 0 });
  },

  async 'an admission is there as a whole, and still is after opening again'(t, open) {
    const { store, reopen } = await open(t);
    const key = streamKey('pump-1', 0xabc);
    const body = Buffer.from([0, 255, 1, 2]);
    await store.ingest(key, (ledger) => {
      assert.equal(ledger.count, 0);
      return {
        segments: [
          { first: 1, last: 4, digest: 2n ** 64n - 1n },
          { first: 7, last: 9, digest: 0n },
        ],
        gaps: [{ first: 5, last: 5 }],
        pages: [{ key: totalPage('pump-1'), delta: { events: 7n } }],
        batch: { first: 1, last: 9, tsMin: -5, tsMax: 17.5, receivedAt: 1e12, encoding: 'br', body },
      };
    });
    const check = async (at: GatewayStore<Counter>) => {
      const ledger = await at.ledger(key);
      assert.deepEqual(ledger.intervals(), [
        { first: 1, last: 4 },
        { first: 7, last: 9 },
      ]);
      assert.deepEqual(ledger.gaps(), [{ first: 5, last: 5 }]);
      assert.deepEqual([ledger.count, ledger.gapCount], [7, 1]);
      assert.deepEqual(ledger.compare(1, 4, () => 2n ** 64n - 1n).same, [{ first: 1, last: 4 }]);
      assert.equal((await at.page(totalPage('pump-1')))?.events, 7n);
      const [batch, ...others] = await at.retained(key, 9, 9);
      assert.deepEqual(others, []);
      const expected = { ...key, first: 1, last: 9, tsMin: -5, tsMax: 17.5, receivedAt: 1e12, encoding: 'br' };
      assert.deepEqual({ ...batch, body: Buffer.from(batch!.body) }, { ...expected, body });
      assert.deepEqual((await at.stats()).retained, { batches: 1, bytes: 4 });
    };
    await check(store);
    await store.close();
    await check(await reopen());
  },

  async 'the longest sensor that there may be has pages of its own, one longer is a bug of the caller'(t, open) {
    const { store } = await open(t);
    const key = streamKey('a', 1);
    const pageOf = (sensor: string): PageKey => ({ deviceId: 'a', kind: 'total', sensor, start: 0 });
    const longest = 'ä'.repeat(SENSOR_BYTES_MAX / 2);
    const ingest = (first: number, sensor: string) =>
      store.ingest(key, () => ({
        ...NOTHING,
        segments: [{ first, last: first, digest: 0n }],
        pages: [{ key: pageOf(sensor), delta: { events: 1n } }],
      }));
    await ingest(1, longest);
    assert.equal((await store.page(pageOf(longest)))?.events, 1n);
    await assert.rejects(ingest(2, `${longest}a`), BUG);
  },

  async 'null stores nothing'(t, open) {
    const { store } = await open(t);
    await store.ingest(streamKey('a', 1), () => null);
    assert.deepEqual(await all(store.devices()), []);
    assert.deepEqual(await all(store.ledgers('a')), []);
    assert.equal((await store.stats()).commits, 0);
  },

  async 'a declared gap is kept also where nothing else came'(t, open) {
    const { store } = await open(t);
    const key = streamKey('a', 1);
    await store.ingest(key, () => ({ ...NOTHING, gaps: [{ first: 1, last: 50 }] }));
    await send(store, key, { first: 11, last: 20 });
    const ledger = await store.ledger(key);
    assert.deepEqual([ledger.count, ledger.gapCount], [10, 40]);
  },

  async 'the same batch a thousand times counts once'(t, open) {
    const { store } = await open(t);
    const key = streamKey('a', 1);
    for (let round = 0; round < 20; round += 1) {
      await Promise.all(Array.from({ length: 50 }, () => send(store, key, { first: 1, last: 100 })));
    }
    assert.equal(await assertBalanced(store, 'a'), 100);
    assert.equal((await store.stats()).admissions, 1);
    assert.equal((await store.stats()).retained.batches, 1);
  },

  async 'of fifty duplicates at once, decided in order, the first one is stored'(t, open) {
    const { store } = await open(t);
    const key = streamKey('a', 1);
    const decided: number[] = [];
    const stored: number[] = [];
    const calls = Array.from({ length: 50 }, async (_, call) => {
      await store.ingest(key, (ledger) => {
        decided.push(call);
        const admission = admissionOf(key, { first: 1, last: 10 }, ledger);
        if (admission !== null) stored.push(call);
        return admission;
      });
      // Also whoever had nothing to store may say so only once the first one is on disk.
      assert.equal((await store.ledger(key)).count, 10);
    });
    await Promise.all(calls);
    assert.deepEqual(decided, [...Array(50).keys()]);
    assert.deepEqual(stored, [0]);
  },

  async 'a later decision sees the ones before it, committed or not'(t, open) {
    const { store } = await open(t);
    const key = streamKey('a', 1);
    const seen: number[] = [];
    const calls = Array.from({ length: 30 }, (_, i) =>
      store.ingest(key, (ledger) => {
        seen.push(ledger.count);
        return admissionOf(key, { first: i + 1, last: i + 1 }, ledger);
      }),
    );
    await Promise.all(calls);
    assert.deepEqual(seen, [...Array(30).keys()]);
    assert.equal(await assertBalanced(store, 'a'), 30);
  },

  async 'any order, any overlap, many streams at once: every event counts once'(t, open) {
    const { store, reopen } = await open(t);
    const random = createRandom(seedOf(t));
    const expected = new Map<string, Set<number>>();
    for (let round = 0; round < 6; round += 1) {
      const calls = Array.from({ length: 40 }, () => {
        const key = streamKey(`d${random(3)}`, random(3));
        const first = 1 + random(500);
        const last = first + random(40);
        const ids = expected.get(key.deviceId) ?? new Set();
        for (let id = first; id <= last; id += 1) ids.add(Number(key.stream) * 1_000 + id);
        expected.set(key.deviceId, ids);
        return send(store, key, { first, last });
      });
      await Promise.all(calls);
      for (const [deviceId, ids] of expected) assert.equal(await assertBalanced(store, deviceId), ids.size);
    }
    await store.close();
    const again = await reopen();
    for (const [deviceId, ids] of expected) assert.equal(await assertBalanced(again, deviceId), ids.size);
    // What is accepted from here on takes the place of nothing.
    for (const deviceId of expected.keys()) await send(again, streamKey(deviceId, 0), { first: 900, last: 909 });
    for (const [deviceId, ids] of expected) {
      assert.equal(await assertBalanced(again, deviceId), ids.size + 10);
      for await (const { first, last, body } of again.batches(deviceId)) {
        assert.equal(Buffer.from(body).toString(), `${first}-${last}`);
      }
    }
  },

  async 'calls made together share commits'(t, open) {
    const { store } = await open(t);
    await Promise.all(Array.from({ length: 64 }, (_, i) => send(store, streamKey(`d${i}`, 1), { first: 1, last: 5 })));
    const { admissions, commits } = await store.stats();
    assert.equal(admissions, 64);
    assert.ok(commits <= 8, `${commits} commits`);
  },
};

const refusing: Record<string, Check> = {
  async 'a decision that throws rejects its own call only'(t, open) {
    const { store } = await open(t);
    const key = streamKey('a', 1);
    const wrong = new Error('wrong');
    const throwing = () =>
      store.ingest(key, () => {
        throw wrong;
      });
    const results = await Promise.allSettled([
      send(store, key, { first: 1, last: 3 }),
      throwing(),
      send(store, key, { first: 3, last: 5 }),
      throwing(),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'rejected'],
    );
    await assert.rejects(throwing(), (error) => error === wrong);
    assert.equal(await assertBalanced(store, 'a'), 5);
  },

  async 'an admission against the rules rejects its own call and changes nothing'(t, open) {
    const { store, reopen } = await open(t);
    const key = streamKey('a', 1);
    await send(store, key, { first: 10, last: 19 });
    const fresh = { first: 1, last: 2, digest: 0n };
    const page = (wrong: Partial<PageKey>) => [{ key: { ...totalPage('a'), ...wrong }, delta: { events: 1n } }];
    const batch = { first: 1, last: 2, tsMin: 0, tsMax: 1, receivedAt: 0, encoding: 'br', body: Buffer.from('x') };
    const wrongs: Partial<Admission<Counter>>[] = [
      { segments: [fresh, { first: 19, last: 20, digest: 0n }] },
      { segments: [fresh, { first: 2, last: 3, digest: 0n }] },
      { segments: [{ first: 5, last: 6, digest: 0n }, fresh] },
      { segments: [fresh, { first: 0, last: 0, digest: 0n }] },
      { segments: [fresh, { first: 4, last: 4, digest: 2n ** 64n }] },
      { segments: [fresh], gaps: [{ first: 3, last: 2 }] },
      { segments: [fresh], pages: page({ deviceId: 'b' }) },
      { segments: [fresh], pages: page({ kind: 'year' as 'day' }) },
      { segments: [fresh], pages: page({ kind: 'minute', start: 0.5 }) },
      { segments: [fresh], pages: page({ start: 60_000 }) },
      { segments: [fresh], pages: page({ kind: 'device' }) },
      { segments: [fresh], pages: page({ sensor: '\ud800' }) },
      { segments: [fresh], pages: page({ sensor: 'é'.repeat(129) }) },
      { segments: [fresh], batch: { ...batch, last: 0 } },
      { segments: [fresh], batch: { ...batch, tsMin: 2 } },
      { segments: [fresh], batch: { ...batch, tsMax: Number.NaN } },
      { segments: [fresh], batch: { ...batch, receivedAt: Number.POSITIVE_INFINITY } },
      { segments: [fresh], batch: { ...batch, encoding: 'x'.repeat(256) } },
    ];
    for (const wrong of wrongs) {
      await assert.rejects(
        store.ingest(key, () => ({ ...NOTHING, ...wrong })),
        BUG,
        JSON.stringify(wrong, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
      );
    }
    assert.deepEqual((await store.ledger(key)).intervals(), [{ first: 10, last: 19 }]);
    await send(store, key, { first: 1, last: 9 });
    await store.close();
    const again = await reopen();
    assert.equal(await assertBalanced(again, 'a'), 19);
    assert.deepEqual((await again.ledger(key)).gaps(), []);
  },

  async 'a key that is none is a bug'(t, open) {
    const { store } = await open(t);
    for (const deviceId of ['', '.a', 'a/b', 'a\0', 'ä', 'a'.repeat(65)]) {
      const key = streamKey(deviceId, 1);
      await assert.rejects(send(store, key, { first: 1, last: 1 }), BUG);
      await assert.rejects(store.ledger(key), BUG);
      await assert.rejects(store.page(devicePage(deviceId)), BUG);
      const lists = [store.pages(deviceId, 'day'), store.batches(deviceId), store.ledgers(deviceId)];
      for (const list of lists) await assert.rejects(all<unknown>(list), BUG);
      await assert.rejects(all(store.devices({ after: deviceId })), BUG);
    }
    for (const stream of ['', 'AB'.repeat(16), 'a'.repeat(31), `${'a'.repeat(31)}g`]) {
      const key: StreamKey = { deviceId: 'a', stream };
      await assert.rejects(send(store, key, { first: 1, last: 1 }), BUG);
      await assert.rejects(store.retained(key, 1, 1), BUG);
    }
    await assert.rejects(store.retained(streamKey('a', 1), 2, 1), BUG);
    await assert.rejects(all(store.pages('a', 'day', { from: 0.5 })), BUG);
  },

  async 'what a failed commit had merged is seen by nobody, and what was built on it fails too'(t, open) {
    let isBroken = false;
    const breaking: PageOperator<Counter> = {
      ...counters,
      encode(kind, page) {
        if (isBroken) throw new Error('cannot encode');
        return counters.encode(kind, page);
      },
    };
    const { store } = await open(t, breaking);
    const key = streamKey('a', 1);
    await send(store, key, { first: 1, last: 10 });
    isBroken = true;
    const calls = [
      send(store, key, { first: 11, last: 20 }),
      store.ingest(key, (ledger) => {
        assert.equal(ledger.count, 20, 'it sees what is not committed');
        return null;
      }),
    ];
    for (const { status } of await Promise.allSettled(calls)) assert.equal(status, 'rejected');
    isBroken = false;
    assert.equal(await assertBalanced(store, 'a'), 10);
    await store.ready();
    await send(store, key, { first: 5, last: 15 });
    assert.equal(await assertBalanced(store, 'a'), 15);
  },
};

const reading: Record<string, Check> = {
  async 'devices come in order, each once, none for its name being the beginning of another'(t, open) {
    const { store } = await open(t);
    const ids = ['a', 'a-', 'a.', 'a1', 'aa', 'aa:1', 'aaa', 'b', 'Z', '0', `x${'y'.repeat(63)}`];
    await Promise.all(ids.map((id, i) => send(store, streamKey(id, 1), { first: 1, last: i + 1 })));
    // One that has pages, but not the one that makes it a device.
    await store.ingest(streamKey('ab', 1), () => ({
      ...NOTHING,
      pages: [{ key: totalPage('ab'), delta: { events: 1n } }],
    }));
    const sorted = [...ids].sort();
    assert.deepEqual(await all(store.devices()), sorted);
    for (const [i, id] of sorted.entries()) {
      assert.deepEqual(await all(store.devices({ after: id, limit: 3 })), sorted.slice(i + 1, i + 4));
      const count = ids.indexOf(id) + 1;
      assert.equal(await assertBalanced(store, id), count);
      assert.equal((await all(store.batches(id))).length, 1);
      assert.equal((await all(store.ledgers(id))).length, 1);
    }
    assert.deepEqual(await all(store.devices({ after: 'aab', limit: 1 })), ['b'], 'after need not be there');
    assert.deepEqual(await all(store.devices({ limit: 0 })), []);
  },

  async 'ledgers of a device come in the order of its streams'(t, open) {
    const { store } = await open(t);
    for (const stream of [0xff, 1, 0x10]) await send(store, streamKey('a', stream), { first: 1, last: stream });
    const found = await all(store.ledgers('a'));
    assert.deepEqual(
      found.map(({ stream, ledger }) => [Number.parseInt(stream, 16), ledger.count]),
      [
        [1, 1],
        [0x10, 0x10],
        [0xff, 0xff],
      ],
    );
    const behind = await all(store.ledgers('a', { after: streamKey('a', 1).stream }));
    assert.deepEqual(
      behind.map(({ ledger }) => ledger.count),
      [0x10, 0xff],
    );
    assert.deepEqual(await all(store.ledgers('a', { after: 'f'.repeat(32) })), []);
  },

  async 'pages come by sensor and start, whatever the sensor is called, also before 1970'(t, open) {
    const { store } = await open(t);
    const top = Number.MAX_SAFE_INTEGER;
    const sensors = [
      '',
      'a',
      'a\0',
      'a\0b',
      'a\x01',
      'a\x02',
      'ab',
      'b',
      'é',
      '\uffff',
      '\u{1f30a}',
      '\u{1f30a}'.repeat(64),
    ];
    const starts = [-top, -(2 ** 32) - 1, -(2 ** 32), -60_000, -1, 0, 1, 60_000, 2 ** 32, top];
    const keys = sensors.flatMap((sensor) =>
      starts.map((start): PageKey => ({ deviceId: 'a', kind: 'hour', sensor, start })),
    );
    const random = createRandom(seedOf(t));
    const shuffled = keys.map((key) => ({ key, at: random(1e6) })).sort((a, b) => a.at - b.at);
    await store.ingest(streamKey('a', 1), () => ({
      ...NOTHING,
      pages: shuffled.map(({ key }) => ({ key, delta: { events: BigInt(keys.indexOf(key)) } })),
    }));
    const others = [
      { ...totalPage('a'), kind: 'day' as const },
      { ...totalPage('a'), kind: 'minute' as const },
      { ...totalPage('a-'), kind: 'hour' as const },
    ];
    await store.ingest(streamKey('a', 1), () => ({ ...NOTHING, pages: others.slice(0, 2).map(page) }));
    await store.ingest(streamKey('a-', 1), () => ({ ...NOTHING, pages: others.slice(2).map(page) }));

    const ranges = [
      {},
      { from: -1 },
      { to: 1 },
      { from: -60_000, to: 60_000 },
      { from: 5, to: 5 },
      { from: 9, to: -9 },
    ];
    for (const range of ranges) {
      const { from = -Infinity, to = Infinity } = range as { from?: number; to?: number };
      const inside = keys.filter(({ start }) => start >= from && start < to);
      const found = await all(store.pages('a', 'hour', range));
      assert.deepEqual(
        found.map(({ key }) => key),
        inside,
        JSON.stringify(range),
      );
      for (const sensor of [...sensors, 'aa']) {
        const ofSensor = await all(store.pages('a', 'hour', { ...range, sensor }));
        assert.deepEqual(
          ofSensor.map(({ key }) => key),
          inside.filter((key) => key.sensor === sensor),
        );
      }
    }
    for (const [i, key] of keys.entries()) assert.equal((await store.page(key))?.events, BigInt(i));
    assert.equal(await store.page({ ...keys[0]!, start: 5 }), undefined);
  },

  async 'a window over many pages of many sensors is found among them'(t, open) {
    const { store } = await open(t);
    const sensors = Array.from({ length: 12 }, (_, i) => `s${i.toString().padStart(2, '0')}`);
    for (const sensor of sensors) {
      const starts = Array.from({ length: 300 }, (_, i) => i * MINUTE_PAGE_MS);
      const pages = starts.map((start) => page({ deviceId: 'a', kind: 'minute', sensor, start }));
      await store.ingest(streamKey('a', 1), () => ({ ...NOTHING, pages }));
    }
    const found = await all(store.pages('a', 'minute', { from: 100 * MINUTE_PAGE_MS, to: 102 * MINUTE_PAGE_MS }));
    assert.deepEqual(
      found.map(({ key }) => [key.sensor, key.start / MINUTE_PAGE_MS]),
      sensors.flatMap((sensor) => [
        [sensor, 100],
        [sensor, 101],
      ]),
    );
    assert.equal((await all(store.pages('a', 'minute'))).length, 12 * 300);
  },

  async 'batches are found by what they overlap'(t, open) {
    const { store } = await open(t);
    const key = streamKey('a', 1);
    const ranges = [
      [1, 10],
      [1, 10],
      [5, 500],
      [8, 9],
      [400, 402],
      [501, 510],
    ] as const;
    for (const [i, [first, last]] of ranges.entries()) {
      const { batch } = admissionOf(key, { first, last, body: Buffer.from([i]) }, createLedger())!;
      await store.ingest(key, () => ({ ...NOTHING, batch: batch! }));
    }
    await send(store, streamKey('a', 2), { first: 1, last: 1_000 });
    await send(store, streamKey('a-', 1), { first: 1, last: 1_000 });
    // However short the latest is.
    await send(store, streamKey('z', 1), { first: 1, last: 1 });
    for (const [first, last, expected] of [
      [1, 4, [0, 1]],
      [10, 10, [0, 1, 2]],
      [9, 9, [0, 1, 2, 3]],
      [401, 401, [2, 4]],
      [500, 501, [2, 5]],
      [511, 1_000, []],
    ] as const) {
      const found = await store.retained(key, first, last);
      assert.deepEqual(
        found.map(({ body }) => body[0]),
        expected,
        `${first}-${last}`,
      );
      const bodies: unknown[] = [];
      for await (const extent of store.extents(key, first, last)) {
        assert.equal(extent.bodyBytes, 1);
        bodies.push((await store.bodyOf(extent))?.body[0]);
      }
      assert.deepEqual(bodies, expected);
    }
  },

  async 'a device has its batches of a time, by stream, then sequence'(t, open) {
    const { store } = await open(t);
    for (const [stream, first] of [
      [2, 7],
      [1, 17],
      [1, 7],
      [2, 17],
    ] as const) {
      await send(store, streamKey('a', stream), { first, last: first + 9 });
    }
    await send(store, streamKey('aa', 1), { first: 1, last: 100 });
    const found = async (range: { from?: number; to?: number }) =>
      (await all(store.batches('a', range))).map(({ stream, first }) => [Number.parseInt(stream, 16), first]);
    const every = [
      [1, 7],
      [1, 17],
      [2, 7],
      [2, 17],
    ];
    assert.deepEqual(await found({}), every);
    assert.deepEqual(await found({ from: timeOf(16), to: timeOf(17) + 1 }), every);
    assert.deepEqual(await found({ to: timeOf(17) }), [every[0], every[2]]);
    assert.deepEqual(await found({ from: timeOf(16) + 1 }), [every[1], every[3]]);
    assert.deepEqual(await found({ from: timeOf(27) }), []);
    assert.deepEqual(await found({ to: timeOf(7) }), []);
  },

  async 'large bodies come back as they were'(t, open) {
    const { store } = await open(t);
    const bodies = Array.from({ length: 24 }, (_, i) => Buffer.alloc(300_000 + i, i));
    await Promise.all(bodies.map((body, i) => send(store, streamKey('a', 1), { first: i + 1, last: i + 1, body })));
    const found = await all(store.batches('a'));
    assert.deepEqual(
      found.map(({ first, body }) => [first, bodies[first - 1]!.equals(body)]),
      bodies.map((_, i) => [i + 1, true]),
    );
    assert.equal((await store.retain({ bytesMax: 3_000_000 }, 0)).batches, 15);
    assert.deepEqual(
      (await all(store.batches('a'))).map(({ first }) => first),
      [16, 17, 18, 19, 20, 21, 22, 23, 24],
    );
  },

  async 'what is walked may be written to meanwhile'(t, open) {
    const { store } = await open(t);
    const ids = Array.from({ length: 1_200 }, (_, i) => `d${i.toString().padStart(5, '0')}`);
    await Promise.all(ids.map((id) => send(store, streamKey(id, 1), { first: 1, last: 1 })));
    const seen: string[] = [];
    for await (const id of store.devices()) {
      if (seen.length % 100 === 0) await send(store, streamKey(`e${seen.length}`, 1), { first: 1, last: 1 });
      seen.push(id);
    }
    assert.deepEqual(
      seen.filter((id) => id.startsWith('d')),
      ids,
    );
    assert.deepEqual(seen, [...seen].sort());
  },
};

const keeping: Record<string, Check> = {
  async 'retention deletes what was accepted first, and no ledger or page'(t, open) {
    const { store, reopen } = await open(t);
    const body = Buffer.alloc(100);
    for (let i = 0; i < 10; i += 1) {
      const key = streamKey(i % 2 === 0 ? 'b' : 'a', 1);
      await send(store, key, { first: i * 10 + 1, last: i * 10 + 10, receivedAt: 1_000 + i, body });
    }
    assert.deepEqual((await store.stats()).retained, { batches: 10, bytes: 1_000 });
    assert.deepEqual(await store.retain({}, 9e15), { batches: 0, bytes: 0 });
    assert.deepEqual(await store.retain({ bytesMax: 1_000, ageMaxMs: 100 }, 1_100), { batches: 0, bytes: 0 });
    // By bytes.
    assert.deepEqual(await store.retain({ bytesMax: 750 }, 0), { batches: 3, bytes: 300 });
    // By age: those of 1003 and 1004 are more than 100 ms old.
    assert.deepEqual(await store.retain({ ageMaxMs: 100, agedMax: 0 }, 1_105), { batches: 0, bytes: 0 });
    assert.deepEqual(await store.retain({ ageMaxMs: 100, agedMax: 1 }, 1_105), { batches: 1, bytes: 100 });
    assert.deepEqual(await store.retain({ ageMaxMs: 100 }, 1_105), { batches: 1, bytes: 100 });
    const left = async (at: GatewayStore<Counter>) =>
      [...(await all(at.batches('a'))), ...(await all(at.batches('b')))].map(({ receivedAt }) => receivedAt);
    assert.deepEqual(await left(store), [1_005, 1_007, 1_009, 1_006, 1_008]);
    assert.deepEqual(await store.retained(streamKey('b', 1), 1, 10), []);
    assert.equal((await store.ledger(streamKey('b', 1))).count, 50);
    assert.equal((await store.page(devicePage('a')))?.events, 50n);
    await store.close();
    const again = await reopen();
    assert.deepEqual((await again.stats()).retained, { batches: 5, bytes: 500 });
    assert.deepEqual(await left(again), [1_005, 1_007, 1_009, 1_006, 1_008]);
    // What is gone is still known.
    await send(again, streamKey('b', 1), { first: 1, last: 10 });
    assert.equal((await again.page(devicePage('b')))?.events, 50n);
    assert.deepEqual(await Promise.all([again.retain({ bytesMax: 0 }, 0), again.retain({ bytesMax: 0 }, 0)]), [
      { batches: 5, bytes: 500 },
      { batches: 0, bytes: 0 },
    ]);
    assert.deepEqual((await again.stats()).retained, { batches: 0, bytes: 0 });
    await send(again, streamKey('b', 1), { first: 500, last: 510, body });
    assert.deepEqual((await again.stats()).retained, { batches: 1, bytes: 100 });
    assert.equal((await again.retained(streamKey('b', 1), 500, 500)).length, 1);
  },

  async 'one batch with a time that was wrong neither holds up others nor goes before its turn'(t, open) {
    const { store } = await open(t);
    const times = [9_999, 1_001, 1_002, 0, 1_003, 9_999, 9_999, 9_999, 1_004, 1_005, 9_999];
    for (const [i, receivedAt] of times.entries()) {
      await send(store, streamKey('b', 1), { first: i + 1, last: i + 1, receivedAt, body: Buffer.alloc(10) });
    }
    const left = async () => (await all(store.batches('b'))).map(({ receivedAt }) => receivedAt);
    const retain = (now: number, agedMax = Infinity) => store.retain({ ageMaxMs: 100, clockMin: 500, agedMax }, now);
    assert.deepEqual(await retain(1_101), { batches: 0, bytes: 0 });
    assert.deepEqual(await retain(1_102), { batches: 2, bytes: 20 });
    assert.deepEqual(await left(), times.slice(2));
    assert.deepEqual(await retain(1_105, 3), { batches: 3, bytes: 30 });
    assert.deepEqual(await left(), times.slice(5));
    assert.deepEqual(await retain(1_106), { batches: 5, bytes: 50 });
    assert.deepEqual(await left(), [9_999], 'nothing tells how old the last one is');
    assert.deepEqual(await retain(2_000), { batches: 0, bytes: 0 });
    assert.deepEqual(await store.retain({ ageMaxMs: 100, agedMax: 0 }, 99_999), { batches: 0, bytes: 0 });
    assert.deepEqual(await retain(99_999), { batches: 1, bytes: 10 });
  },

  async "retention and ingest do not get into each other's way"(t, open) {
    const { store } = await open(t);
    const body = Buffer.alloc(10);
    const writing = Array.from({ length: 8 }, async (_, caller) => {
      for (let i = 0; i < 100; i += 1) {
        await send(store, streamKey(`d${caller}`, 1), { first: i * 3 + 1, last: i * 3 + 3, body });
      }
    });
    let deleted = 0;
    const retaining = Array.from({ length: 2 }, async () => {
      for (let i = 0; i < 20; i += 1) deleted += (await store.retain({ bytesMax: 500 }, 0)).batches;
    });
    await Promise.all([...writing, ...retaining]);
    deleted += (await store.retain({ bytesMax: 500 }, 0)).batches;
    assert.deepEqual((await store.stats()).retained, { batches: 50, bytes: 500 });
    assert.equal(deleted, 750);
    for (let caller = 0; caller < 8; caller += 1) {
      assert.equal((await store.page(devicePage(`d${caller}`)))?.events, 300n);
      assert.equal((await store.ledger(streamKey(`d${caller}`, 1))).count, 300);
    }
  },

  async 'what is deleted during a walk is left out of the rest'(t, open) {
    const { store } = await open(t);
    const firsts = Array.from({ length: 600 }, (_, i) => i + 1);
    await Promise.all(firsts.map((first) => send(store, streamKey('a', 1), { first, last: first })));
    const seen: number[] = [];
    for await (const { first } of store.batches('a')) {
      if (seen.length === 0) await store.retain({ bytesMax: 0 }, 0);
      seen.push(first);
    }
    assert.deepEqual(seen, firsts.slice(0, seen.length));
    assert.ok(seen.length < 600);
    assert.deepEqual(await all(store.batches('a')), []);
  },

  async 'closing commits what was decided; then everything is closed'(t, open) {
    const { store, reopen } = await open(t);
    const key = streamKey('a', 1);
    await send(store, key, { first: 1, last: 10 });
    const calls = [send(store, key, { first: 11, last: 20 }), send(store, streamKey('b', 1), { first: 1, last: 5 })];
    await Promise.all([store.close(), ...calls]);
    await store.close();
    const closed = { name: 'StoreError', code: 'closed' };
    await assert.rejects(send(store, key, { first: 21, last: 30 }), closed);
    await assert.rejects(store.ledger(key), closed);
    await assert.rejects(store.page(devicePage('a')), closed);
    await assert.rejects(store.retained(key, 1, 1), closed);
    await assert.rejects(store.retain({ bytesMax: 0 }, 0), closed);
    await assert.rejects(store.ready(), closed);
    await assert.rejects(store.stats(), closed);
    await assert.rejects(all(store.devices()), closed);
    await assert.rejects(all(store.batches('a')), closed);
    const again = await reopen();
    assert.equal(await assertBalanced(again, 'a'), 20);
    assert.equal(await assertBalanced(again, 'b'), 5);
  },

  async 'a process killed at any moment leaves whole admissions, among them every acknowledged one'(t, open) {
    const { store, reopen, elsewhere } = await open(t);
    const random = createRandom(seedOf(t));
    await store.close();
    const acknowledged: string[][] = [];
    for (let kill = 0; kill < KILLS; kill += 1) {
      acknowledged.push(...(await writeUntilKilled(elsewhere, random(1e6), 30 + random(400))));
      const again = await reopen();
      for (const [deviceId, stream, first, last] of acknowledged) {
        const ledger = await again.ledger({ deviceId: deviceId!, stream: stream! });
        assert.deepEqual(ledger.missing(Number(first), Number(last)), [], 'what was acknowledged is there');
      }
      let count = 0;
      for await (const deviceId of again.devices()) count += await assertBalanced(again, deviceId);
      assert.ok(count > 0);
      await again.close();
    }
  },
};

/** Lets another process ingest until it has said so many acknowledgements; gives all that it said before it died. */
async function writeUntilKilled(
  { module, location }: OpenedStore['elsewhere'],
  seed: number,
  acknowledgements: number,
): Promise<string[][]> {
  const writer = spawn(process.execPath, ['--import', 'tsx', WRITER, module, location, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: string[][] = [];
  for await (const line of createInterface({ input: writer.stdout })) {
    const parts = line.split(' ');
    if (parts.length === 4) said.push(parts);
    if (said.length === acknowledgements) writer.kill('SIGKILL');
  }
  assert.ok(said.length >= acknowledgements, 'the writer wrote until it was killed');
  return said;
}

const CHECKS: Record<string, Check> = { ...admitting, ...refusing, ...reading, ...keeping };

function page(key: PageKey): Admission<Counter>['pages'][number] {
  return { key, delta: { events: 1n } };
}
