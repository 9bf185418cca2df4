/** A gateway's disk that rots under RocksDB while it merges its files. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openRocksGatewayStore, type StoreReport } from '../../src/store/index.ts';
import type { Rocks } from '../../src/store/rocks.ts';
import type { RocksHandle } from '../../src/store/rocks-handle.ts';
import { createRotWatch } from '../../src/store/rot-watch.ts';
import { until } from '../until.ts';
import { counters } from './gateway-store-counter.ts';
import { cleanUp, temporaryDirectory } from './queue-fixture.ts';

const KEY = { deviceId: 'pump-1', stream: '0'.repeat(32) };
/** RocksDB merges so many sorted files. */
const LIVES = 4;
const EACH = 8;
const NEXT = EACH * LIVES + 1;
const BODY_BYTES = 20_000;

async function open(t: TestContext, path: string, reports: StoreReport[] = []) {
  const store = await openRocksGatewayStore({ path, operator: counters, onRot: (report) => void reports.push(report) });
  cleanUp(t, () => store.close());
  const send = (number: number) =>
    store.ingest(KEY, () => ({
      segments: [{ first: number, last: number, digest: 1n }],
      gaps: [],
      pages: [],
      batch: {
        ...{ first: number, last: number, tsMin: 0, tsMax: 0, receivedAt: number, encoding: 'identity' },
        body: Buffer.alloc(BODY_BYTES, `body ${number} `),
      },
    }));
  return { store, send };
}

/** A closed store with all but one of the files that RocksDB would merge; the next opening makes the last one. */
async function filled(t: TestContext): Promise<string> {
  const path = join(await temporaryDirectory(t), 'store');
  for (let life = 1; life <= LIVES; life += 1) {
    const { store, send } = await open(t, path);
    // So many that one is far from what opening reads.
    for (let number = EACH * (life - 1) + 1; number <= EACH * life; number += 1) await send(number);
    await store.close();
  }
  return path;
}

/** Changes bytes in the middle of a body, which nobody reads but who merges. */
async function spoil(path: string, change: (bytes: Buffer, at: number) => void): Promise<string> {
  for (const name of (await readdir(path)).filter((one) => /\.sst$/.test(one))) {
    const file = join(path, name);
    const bytes = await readFile(file);
    const at = bytes.indexOf('body 4 ');
    if (at < 0) continue;
    change(bytes, at + BODY_BYTES / 2);
    await writeFile(file, bytes);
    return name;
  }
  throw new Error('no sorted file has the body');
}

/** As those do who ask whether it is ready; resolves once something is reported. */
async function watched(store: { ready(): Promise<void> }, reports: readonly StoreReport[]): Promise<void> {
  await until(async () => {
    await store.ready().catch(() => {});
    return reports.length > 0;
  }, 'something is reported');
}

test('one flipped bit that merging meets is put right, told of, and merging goes on', async (t) => {
  const path = await filled(t);
  await spoil(path, (bytes, at) => {
    bytes[at]! ^= 16;
  });
  const reports: StoreReport[] = [];
  const { store, send } = await open(t, path, reports);
  await watched(store, reports);
  assert.deepEqual(reports, [{ mendedBits: 1 }]);
  await until(async () => {
    await store.ready();
    return store.condition.unmergedFiles <= 1;
  }, 'the files are merged');
  assert.equal(store.condition.trouble, undefined);
  await send(NEXT);
  const [batch] = await store.retained(KEY, 4, 4);
  assert.ok(Buffer.from(batch!.body).equals(Buffer.alloc(BODY_BYTES, 'body 4 ')));
});

test('more than that stops all writes and readiness, with a reason; reading goes on', async (t) => {
  const path = await filled(t);
  const name = await spoil(path, (bytes, at) => bytes.fill('?', at, at + 40));
  const reports: StoreReport[] = [];
  const { store, send } = await open(t, path, reports);
  await watched(store, reports);
  assert.equal(reports.length, 1);
  const { trouble } = store.condition;
  assert.match(trouble!, new RegExp(`of ${name} is damaged$`));
  assert.deepEqual(reports, [{ trouble }]);
  await assert.rejects(store.ready(), { code: 'corrupt', message: trouble! });
  await assert.rejects(send(NEXT), { code: 'corrupt', message: trouble! });
  await assert.rejects(store.retain({ bytesMax: 0 }, 0), { code: 'corrupt' });
  assert.deepEqual((await store.ledger(KEY)).missing(1, NEXT), [{ first: NEXT, last: NEXT }]);
  assert.equal((await store.retained(KEY, 20, 20)).length, 1);
  assert.equal(reports.length, 1, 'told once');
});

test('a damaged block that a reader meets is told of, too', async (t) => {
  const path = await filled(t);
  await spoil(path, (bytes, at) => bytes.fill('?', at, at + 40));
  const reports: StoreReport[] = [];
  const { store } = await open(t, path, reports);
  await assert.rejects(store.retained(KEY, 4, 4), { code: 'corrupt' });
  await assert.rejects(store.ready(), { code: 'corrupt' });
  assert.equal(reports.length, 1);
});

/** A database of which only the numbers are asked. */
function numbers() {
  const rocks = { failures: 0, unmergedFiles: 0, mendedBits: 0, damage: undefined as string | undefined, looks: 0 };
  const database = Object.assign(rocks, {
    async lookThrough() {
      rocks.looks += 1;
    },
  }) as unknown as Rocks & typeof rocks;
  const handle = { use: <T>(task: (one: Rocks) => Promise<T>) => task(database) } as RocksHandle;
  const reports: StoreReport[] = [];
  return { rocks: database, watch: createRotWatch(handle, (report) => void reports.push(report)), reports };
}

test('each bit that was put right is counted once, also over another opening', () => {
  const { rocks, watch, reports } = numbers();
  for (const bits of [1, 1, 3]) {
    rocks.mendedBits = bits;
    watch.observe(rocks);
  }
  assert.equal(watch.condition.mendedBits, 3);
  // Opened again, it counts anew.
  const { rocks: again } = numbers();
  for (const bits of [0, 2, 2]) {
    again.mendedBits = bits;
    watch.observe(again);
  }
  assert.equal(watch.condition.mendedBits, 5);
  assert.deepEqual(reports, [{ mendedBits: 1 }, { mendedBits: 2 }, { mendedBits: 2 }]);
});

test('files that pile up while RocksDB fails stop the writes before RocksDB would, and until it has caught up', () => {
  const { rocks, watch, reports } = numbers();
  rocks.unmergedFiles = 30;
  watch.observe(rocks);
  watch.assertSound();
  rocks.failures = 3;
  watch.observe(rocks);
  watch.observe(rocks);
  assert.throws(() => watch.assertSound(), { code: 'corrupt' });
  assert.equal(reports.length, 1);
  rocks.unmergedFiles = 2;
  watch.observe(rocks);
  watch.assertSound();
});

test('the files are looked through at a failure, and then no more often than failures double', async () => {
  const { rocks, watch } = numbers();
  const looks: number[] = [];
  for (rocks.failures = 0; rocks.failures <= 20; rocks.failures += 1) {
    watch.observe(rocks);
    await watch.idle();
    looks.push(rocks.looks);
  }
  assert.deepEqual(looks, [0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4]);
  // Opened again, it counts anew.
  rocks.failures = 1;
  watch.observe(rocks);
  await watch.idle();
  assert.equal(rocks.looks, 5);
});
