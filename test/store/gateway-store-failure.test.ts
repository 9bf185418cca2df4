/** What the embedded gateway store does when the disk, the operator or somebody else lets it down. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { chmod, cp, link, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type GatewayStore,
  lookAtGatewayStore,
  openRocksGatewayStore,
  type PageOperator,
  StoreError,
} from '../../src/store/index.ts';
import { type Operation, openRocks } from '../../src/store/rocks.ts';
import { until } from '../until.ts';
import {
  all,
  assertBalanced,
  type Counter,
  counters,
  devicePage,
  send,
  streamKey,
  totalPage,
} from './gateway-store-counter.ts';
import { openStore, rocksWith, temporaryDirectory } from './gateway-store-rocks.ts';

const open = rocksWith({});
const key = streamKey('a', 1);

/** Counters that cannot be encoded while `breaks` says so; it is asked at every commit, in the middle of it. */
function breaking(breaks: () => boolean): PageOperator<Counter> {
  return {
    ...counters,
    encode(kind, page) {
      if (kind === 'total' && breaks()) throw new Error('cannot encode');
      return counters.encode(kind, page);
    },
  };
}

async function codesOf(calls: readonly Promise<unknown>[]): Promise<string[]> {
  const results = await Promise.allSettled(calls);
  return results.map((result) => (result.status === 'fulfilled' ? 'stored' : (result.reason.code ?? 'bug')));
}

/** A file system of its own, small enough to be filled; undefined where we may not mount one. */
async function smallDisk(t: TestContext): Promise<string | undefined> {
  let isMounted = false;
  const path = await temporaryDirectory(t, async () => {
    if (isMounted) execFileSync('umount', [path]);
  });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', path], { stdio: 'pipe' });
    isMounted = true;
    return path;
  } catch (error) {
    t.skip(`NOT TESTED: what happens on a full disk, for a small file system cannot be mounted here (${error})`);
    return undefined;
  }
}

/** Takes all the space there is. */
function fillDisk(file: string): void {
  const descriptor = openSync(file, 'w');
  try {
    for (const bytes of [1 << 20, 4_096, 1]) {
      try {
        for (;;) writeSync(descriptor, Buffer.alloc(bytes));
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

/** A little longer than a measure of the disk is believed. */
const MEASURED_AGAIN_MS = 300;

test('a full disk acknowledges nothing; with space again all that was acknowledged is there', async (t) => {
  const disk = await smallDisk(t);
  if (disk === undefined) return;
  const store = await openStore(join(disk, 'database'));
  const ballast = join(disk, 'ballast');
  try {
    await send(store, key, { first: 1, last: 10 });
    for (let round = 0; round < 2; round += 1) {
      const from = 100 + round * 100;
      fillDisk(ballast);
      // Until the disk is measured again, a write would reach RocksDB, and the store would be in doubt about it.
      await sleep(MEASURED_AGAIN_MS);
      const body = Buffer.alloc(256 << 10);
      const calls = [
        send(store, key, { first: from, last: from + 9, body }),
        store.ingest(key, (ledger) => {
          assert.deepEqual(ledger.missing(from, from + 9), [], 'it sees what is about to fail');
          return null;
        }),
        send(store, streamKey('b', 1), { first: from, last: from + 9, body }),
      ];
      assert.deepEqual(await codesOf(calls), ['disk-full', 'disk-full', 'disk-full']);
      // What needs no space is answered, and whoever reads goes on reading.
      const others = [store.ready(), send(store, key, { first: 1, last: 1 }), store.page(devicePage('a'))];
      assert.deepEqual(await codesOf(others), ['disk-full', 'stored', 'stored']);
      await rm(ballast);
      await store.ready();
      // Of what failed all or nothing is there; what is sent again makes it whole.
      await assertBalanced(store, 'a');
      await Promise.all(
        ['a', 'b'].map((deviceId) => send(store, streamKey(deviceId, 1), { first: from, last: from + 9, body })),
      );
      assert.equal(await assertBalanced(store, 'a'), 20 + round * 10);
      assert.equal(await assertBalanced(store, 'b'), 10 + round * 10);
    }
  } finally {
    await store.close();
  }
});

test('what gathers behind a failing commit fails with it, and nothing of either is stored', async (t) => {
  let store!: GatewayStore<Counter>;
  let isBroken = false;
  const behind: Promise<void>[] = [];
  const operator = breaking(() => {
    if (!isBroken) return false;
    behind.push(send(store, key, { first: 21, last: 30 }), send(store, streamKey('b', 1), { first: 1, last: 5 }));
    return true;
  });
  ({ store } = await open(t, operator));
  await Promise.all([send(store, key, { first: 1, last: 10 }), send(store, streamKey('b', 1), { first: 9, last: 9 })]);
  isBroken = true;
  assert.deepEqual(await codesOf([send(store, key, { first: 11, last: 20 })]), ['bug']);
  assert.deepEqual(await codesOf(behind), ['bug', 'bug']);
  isBroken = false;
  assert.equal(await assertBalanced(store, 'a'), 10);
  assert.equal(await assertBalanced(store, 'b'), 1);
  assert.deepEqual((await store.stats()).retained.batches, 2);
  await send(store, key, { first: 1, last: 30 });
  assert.equal(await assertBalanced(store, 'a'), 30);
});

test('a refusal that rests on a commit which fails is not spoken', async (t) => {
  let isBroken = false;
  const { store } = await open(
    t,
    breaking(() => isBroken),
  );
  await send(store, key, { first: 1, last: 10 });
  const refuse = () =>
    store.ingest(key, (ledger) => {
      assert.deepEqual(ledger.missing(11, 20), [], 'it sees what is not committed yet');
      throw Object.assign(new Error('counted already'), { code: 'collision' });
    });
  isBroken = true;
  assert.deepEqual(await codesOf([send(store, key, { first: 11, last: 20 }), refuse()]), ['bug', 'bug']);
  isBroken = false;
  assert.deepEqual(await codesOf([send(store, key, { first: 11, last: 20 }), refuse()]), ['stored', 'collision']);
});

test('a commit holds nothing of what was decided after it began', async (t) => {
  let store!: GatewayStore<Counter>;
  let commits = 0;
  let behind!: Promise<void>;
  const operator = breaking(() => {
    commits += 1;
    if (commits === 1) behind = send(store, key, { first: 11, last: 20 });
    return commits === 2;
  });
  ({ store } = await open(t, operator));
  assert.deepEqual(await codesOf([send(store, key, { first: 1, last: 10 })]), ['stored']);
  assert.deepEqual(await codesOf([behind]), ['bug']);
  assert.equal(await assertBalanced(store, 'a'), 10);
});

test('a deletion that a full disk refuses leaves whole batches, and retention goes on with space', async (t) => {
  const disk = await smallDisk(t);
  if (disk === undefined) return;
  const store = await openStore(join(disk, 'database'));
  const ballast = join(disk, 'ballast');
  try {
    const firsts = Array.from({ length: 600 }, (_, i) => i * 10 + 1);
    await Promise.all(firsts.map((first) => send(store, key, { first, last: first + 9, body: Buffer.alloc(9) })));
    fillDisk(ballast);
    assert.deepEqual(await codesOf([store.retain({ bytesMax: 0 }, 0)]), ['disk-full']);
    assert.ok((await store.stats()).retained.batches <= 600, 'who watches is told');
    await rm(ballast);
    const { batches } = (await store.stats()).retained;
    assert.ok(batches > 0);
    assert.equal((await all(store.batches('a'))).length, batches);
    assert.equal((await store.retain({ bytesMax: 0 }, 0)).batches, batches);
    assert.deepEqual((await store.stats()).retained, { batches: 0, bytes: 0 });
    assert.equal((await store.ledger(key)).count, 6_000);
  } finally {
    await store.close();
  }
});

test('walks and reads under way live through a failure', async (t) => {
  let isBroken = false;
  const { store } = await open(
    t,
    breaking(() => isBroken),
  );
  const ids = Array.from({ length: 1_100 }, (_, i) => `d${i.toString().padStart(5, '0')}`);
  await Promise.all(ids.map((id) => send(store, streamKey(id, 1), { first: 1, last: 1 })));
  const seen: string[] = [];
  const fail = async () => {
    isBroken = true;
    const reads = Array.from({ length: 20 }, () => store.page(devicePage('d00000')));
    assert.deepEqual(await codesOf([send(store, streamKey('d00000', 1), { first: 2, last: 2 })]), ['bug']);
    for (const page of await Promise.all(reads)) assert.equal(page?.events, 1n);
    isBroken = false;
  };
  for await (const id of store.devices()) {
    if (seen.length % 500 === 10) await fail();
    seen.push(id);
  }
  assert.deepEqual(seen, ids);
});

test('a database that goes away after a failure is not made anew', async (t) => {
  const { disk, store, path } = await openOnFailingDisk(t);
  const away = `${path}-away`;
  await send(store, key, { first: 1, last: 10 });
  disk.failure = new StoreError('io', 'fsync failed');
  assert.deepEqual(await codesOf([send(store, key, { first: 11, last: 20 })]), ['io']);
  disk.failure = undefined;
  await rename(path, away);
  const calls = [store.ready(), send(store, key, { first: 1, last: 1 }), store.stats()];
  assert.deepEqual(await codesOf(calls), ['not-found', 'not-found', 'not-found']);
  await rename(away, path);
  await store.ready();
  await send(store, key, { first: 5, last: 20 });
  assert.equal(await assertBalanced(store, 'a'), 20);
});

test('after a failed write the database is opened again before any decision, and read from meanwhile', async (t) => {
  const { disk, store } = await openOnFailingDisk(t);
  await send(store, key, { first: 1, last: 10 });
  // It is on disk after all, and nobody was told.
  disk.failure = new StoreError('io', 'fsync failed');
  disk.isWritten = true;
  assert.deepEqual(await codesOf([send(store, key, { first: 11, last: 20 })]), ['io']);
  assert.equal(disk.opens, 1);
  assert.equal((await store.ledger(key)).count, 20, 'as RocksDB has it');
  disk.failure = undefined;
  await store.ingest(key, (ledger) => {
    assert.deepEqual(ledger.missing(1, 30), [{ first: 21, last: 30 }]);
    return null;
  });
  assert.equal(disk.opens, 2);
  await send(store, key, { first: 15, last: 30 });
  assert.equal(await assertBalanced(store, 'a'), 30);
});

test('whoever waits for it reads what a failed write has left, and nothing is opened again without one', async (t) => {
  const { disk, store } = await openOnFailingDisk(t);
  await store.renewed();
  assert.equal(disk.opens, 1);
  disk.failure = new StoreError('io', 'fsync failed');
  disk.isWritten = true;
  assert.deepEqual(await codesOf([send(store, key, { first: 1, last: 20 })]), ['io']);
  disk.failure = undefined;
  await store.renewed();
  assert.equal(disk.opens, 2);
  assert.equal(await assertBalanced(store, 'a'), 20);
  await store.close();
  assert.deepEqual(await codesOf([store.renewed()]), ['closed']);
});

async function openOnFailingDisk(t: TestContext) {
  const disk = failingDisk();
  const path = join(await temporaryDirectory(t, async () => await store.close()), 'store');
  const store = await openRocksGatewayStore({ path, operator: counters }, disk.open);
  return { disk, path, store };
}

/** Databases whose writes fail, and are made all the same where `isWritten` says so. */
function failingDisk() {
  const disk = {
    opens: 0,
    failure: undefined as StoreError | undefined,
    isWritten: false,
    open: (async (path, options) => {
      const rocks = await openRocks(path, options);
      disk.opens += 1;
      const write = rocks.write.bind(rocks);
      rocks.write = async (operations) => {
        if (disk.failure === undefined || disk.isWritten) await write(operations);
        if (disk.failure !== undefined) throw disk.failure;
      };
      return rocks;
    }) as typeof openRocks,
  };
  return disk;
}

test('a database that somebody has open is locked, and free once they have closed it', async (t) => {
  const { store, reopen } = await open(t);
  await assert.rejects(reopen(), { name: 'StoreError', code: 'locked' });
  await send(store, key, { first: 1, last: 1 });
  await store.close();
  assert.equal(await assertBalanced(await reopen(), 'a'), 1);
});

test('a database of something else is corrupt, and is left as it is', async (t) => {
  const path = await temporaryDirectory(t);
  const foreign = Buffer.from('foreign');
  const queue = await openRocks(path);
  await queue.write([{ type: 'put', key: foreign, value: foreign }]);
  await queue.close();
  for (let attempt = 0; attempt < 2; attempt += 1) {
    await assert.rejects(openStore(path), { name: 'StoreError', code: 'corrupt' });
  }
  const again = await openRocks(path);
  assert.equal((await all(again.entries({}))).length, 1);
  await again.close();
});

/** Lets `change` say what becomes of each record behind the store's back. */
async function tamper(path: string, change: (key: Buffer, value: Buffer) => Buffer | undefined): Promise<void> {
  const rocks = await openRocks(path);
  const operations: Operation[] = [];
  for (const [key, value] of await all(rocks.entries({}))) {
    const changed = change(key, value);
    if (changed !== undefined) operations.push({ type: 'put', key, value: changed });
  }
  assert.ok(operations.length > 0, 'something was changed');
  await rocks.write(operations);
  await rocks.close();
}

const FAMILY = { format: 0x20, ledger: 0x21, page: 0x22, batch: 0x23, extent: 0x24 };
const corrupt = { name: 'StoreError', code: 'corrupt' };

test('a ledger that cannot be read refuses its stream only', async (t) => {
  const { store, reopen, elsewhere } = await open(t);
  await send(store, key, { first: 1, last: 9 });
  await send(store, streamKey('b', 1), { first: 1, last: 9 });
  await store.close();
  await tamper(elsewhere.location, (at, value) =>
    at[0] === FAMILY.ledger && at[1] === 'a'.charCodeAt(0) ? value.subarray(1) : undefined,
  );
  const again = await reopen();
  const calls = [send(again, key, { first: 1, last: 20 }), send(again, streamKey('b', 1), { first: 1, last: 20 })];
  assert.deepEqual(await codesOf(calls), ['corrupt', 'stored']);
  await assert.rejects(again.ledger(key), corrupt);
  await assert.rejects(all(again.ledgers('a')), corrupt);
  assert.equal(await assertBalanced(again, 'b'), 20);
});

test('a page that cannot be read is never written over', async (t) => {
  const { store, reopen, elsewhere } = await open(t);
  await send(store, key, { first: 1, last: 9 });
  await store.close();
  await tamper(elsewhere.location, (at) => (at[0] === FAMILY.page && at[1] === 2 ? Buffer.from('?') : undefined));
  const again = await reopen();
  await assert.rejects(again.page(totalPage('a')), corrupt);
  await assert.rejects(all(again.pages('a', 'total')), corrupt);
  assert.deepEqual(await codesOf([send(again, key, { first: 1, last: 20 })]), ['corrupt']);
  assert.equal((await again.page(devicePage('a')))?.events, 9n);
  assert.equal((await again.ledger(key)).count, 9);
});

for (const [family, what] of [
  [FAMILY.ledger, 'ledger'],
  [FAMILY.page, 'page'],
  [FAMILY.batch, 'batch'],
  [FAMILY.extent, 'extent'],
] as const) {
  test(`one bit that is not as it was stored, anywhere in a ${what}, is never taken for what was stored`, async (t) => {
    const { store, reopen, elsewhere } = await open(t);
    await send(store, key, { first: 1, last: 9 });
    await store.close();
    const before = new Map<string, Buffer>();
    await tamper(elsewhere.location, (at, value) => {
      if (at[0] === family) before.set(at.toString('hex'), value);
      return value;
    });
    assert.ok(before.size > 0);
    for (const [id, value] of before) {
      for (let bit = 0; bit < value.length * 8; bit += 13) {
        const flipped = Buffer.from(value);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        await tamper(elsewhere.location, (at) => (at.toString('hex') === id ? flipped : undefined));
        const reading = async () => {
          const again = await reopen();
          try {
            await all(again.ledgers('a'));
            for (const kind of ['device', 'total', 'minute', 'hour', 'day'] as const) await all(again.pages('a', kind));
            await all(again.batches('a'));
          } finally {
            await again.close();
          }
        };
        await assert.rejects(reading(), corrupt, `bit ${bit} of ${id}`);
      }
      await tamper(elsewhere.location, (at) => (at.toString('hex') === id ? value : undefined));
    }
  });
}

test('a batch or an extent that cannot be read is corrupt', async (t) => {
  const { store, reopen, elsewhere } = await open(t);
  await send(store, key, { first: 1, last: 9 });
  await store.close();
  for (const bytes of [30, 5, 0]) {
    await tamper(elsewhere.location, (at, value) => (at[0] === FAMILY.batch ? value.subarray(0, bytes) : undefined));
    const again = await reopen();
    await assert.rejects(all(again.batches('a')), corrupt);
    await assert.rejects(again.retain({ bytesMax: 0 }, 0), corrupt);
    await again.close();
  }
  await tamper(elsewhere.location, (at, value) => (at[0] === FAMILY.extent ? value.subarray(1) : undefined));
  await assert.rejects(reopen(), corrupt);
});

for (const [what, lose] of [
  ['the end of its log', async (path: string) => await truncate(await logOf(path), 1_000)],
  ['its log', async (path: string) => await rm(await logOf(path))],
  ['all its files', async (path: string) => await rm(path, { recursive: true })],
] as const) {
  test(`a database that has lost ${what} refuses, and goes on once somebody has decided that it shall`, async (t) => {
    const { store, reopen, elsewhere } = await open(t);
    const path = elsewhere.location;
    for (let first = 1; first < 100; first += 10) await send(store, key, { first, last: first + 9 });
    await store.close();
    const copy = await temporaryDirectory(t);
    await cp(path, copy, { recursive: true });
    await lose(path);
    for (let attempt = 0; attempt < 2; attempt += 1) await assert.rejects(reopen(), corrupt);
    await rm(path, { recursive: true, force: true });
    await cp(copy, path, { recursive: true });
    const restored = await reopen();
    assert.equal(await assertBalanced(restored, 'a'), 100);
    await restored.close();
    await lose(path);
    await rm(`${path}.witness`);
    const accepted = await reopen();
    await send(accepted, key, { first: 1, last: 100 });
    assert.equal(await assertBalanced(accepted, 'a'), 100);
  });
}

test('a database that is replaced while it is in use takes nothing into files that are gone', async (t) => {
  const { store, reopen, elsewhere } = await open(t);
  const path = elsewhere.location;
  const copies = await temporaryDirectory(t);
  const [older, latest] = [join(copies, 'older'), join(copies, 'latest')];
  const replaceBy = async (copy: string) => {
    await rm(path, { recursive: true });
    await cp(copy, path, { recursive: true });
  };
  await send(store, key, { first: 1, last: 10 });
  await cp(path, older, { recursive: true });
  await send(store, key, { first: 11, last: 20 });
  await cp(path, latest, { recursive: true });
  await replaceBy(older);
  await assert.rejects(send(store, key, { first: 21, last: 30 }), { code: 'io' });
  // It lacks what was acknowledged.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    await assert.rejects(send(store, key, { first: 21, last: 30 }), corrupt);
    await assert.rejects(store.ready(), corrupt);
  }
  await replaceBy(latest);
  await send(store, key, { first: 21, last: 30 });
  await store.close();
  assert.equal(await assertBalanced(await reopen(), 'a'), 30);
});

test('a database over whose files a copy is written while it is in use acknowledges nothing more', async (t) => {
  const { store, reopen, elsewhere } = await open(t);
  const path = elsewhere.location;
  const copies = await temporaryDirectory(t);
  const [older, latest] = [join(copies, 'older'), join(copies, 'latest')];
  await send(store, key, { first: 1, last: 10 });
  await cp(path, older, { recursive: true, preserveTimestamps: true });
  await send(store, key, { first: 11, last: 20 });
  await cp(path, latest, { recursive: true, preserveTimestamps: true });
  await cp(older, path, { recursive: true, preserveTimestamps: true });
  await assert.rejects(send(store, key, { first: 21, last: 30 }), { code: 'io' });
  await assert.rejects(send(store, key, { first: 21, last: 30 }), corrupt);
  await rm(path, { recursive: true });
  await cp(latest, path, { recursive: true });
  await send(store, key, { first: 21, last: 30 });
  await store.close();
  assert.equal(await assertBalanced(await reopen(), 'a'), 30);
});

test('files of a database in use that are linked or given away are the same files', async (t) => {
  const { store, reopen, elsewhere } = await open(t);
  const path = elsewhere.location;
  const current = join(path, 'CURRENT');
  await send(store, key, { first: 1, last: 10 });
  for (const [first, touch] of [
    [11, () => link(current, join(path, '..', 'CURRENT'))],
    [21, () => chmod(current, 0o600)],
    [31, () => rm(join(path, '..', 'CURRENT'))],
  ] as const) {
    await touch();
    await send(store, key, { first, last: first + 9 });
  }
  await store.close();
  assert.equal(await assertBalanced(await reopen(), 'a'), 40);
});

test('a database that is gone is not made anew beside its witness: nothing is made', async (t) => {
  const { store, reopen, elsewhere } = await open(t);
  const path = elsewhere.location;
  await send(store, key, { first: 1, last: 10 });
  await store.close();
  await rm(path, { recursive: true });
  await assert.rejects(reopen(), corrupt);
  assert.deepEqual(await readdir(join(path, '..')), ['store.witness']);
});

test('a sorted file that is missing is named, and nothing is changed', async (t) => {
  const { store, reopen, elsewhere } = await open(t);
  const path = elsewhere.location;
  await send(store, key, { first: 1, last: 10 });
  await store.close();
  await (await reopen()).close();
  const table = (await readdir(path)).find((name) => name.endsWith('.sst'))!;
  await rm(join(path, table));
  const before = (await readdir(path)).sort();
  await assert.rejects(reopen(), (error: StoreError) => error.code === 'corrupt' && error.message.includes(table));
  assert.deepEqual((await readdir(path)).sort(), before);
});

for (const [what, isCopied] of [
  ['all of it', () => true],
  ['all but its log', (name: string) => !name.endsWith('.log')],
] as const) {
  test(`an older copy over a newer database, ${what}, is refused, and nothing is changed`, async (t) => {
    const { store, reopen, elsewhere } = await open(t);
    const path = elsewhere.location;
    const copy = join(await temporaryDirectory(t), 'copy');
    const kept = join(await temporaryDirectory(t), 'kept');
    await send(store, key, { first: 1, last: 10 });
    await store.close();
    for (let first = 11; first < 61; first += 10) {
      const again = await reopen();
      await send(again, key, { first, last: first + 9 });
      await again.close();
      if (first === 21) await cp(path, copy, { recursive: true });
    }
    await cp(path, kept, { recursive: true });
    await cp(copy, path, { recursive: true, filter: (file) => isCopied(file) });
    const before = (await readdir(path)).sort();
    for (let attempt = 0; attempt < 2; attempt += 1) await assert.rejects(reopen(), corrupt);
    await assert.rejects(
      lookAtGatewayStore({ path, operator: counters }, async () => {}),
      corrupt,
    );
    assert.deepEqual((await readdir(path)).sort(), before);
    await rm(path, { recursive: true });
    await cp(kept, path, { recursive: true });
    assert.equal(await assertBalanced(await reopen(), 'a'), 60);
  });
}

test('a witness that cannot be used refuses the database, for it alone would tell of a loss', async (t) => {
  const { store, reopen, elsewhere } = await open(t);
  const witness = `${elsewhere.location}.witness`;
  await send(store, key, { first: 1, last: 10 });
  await store.close();
  await rename(witness, `${witness}.kept`);
  await mkdir(witness);
  for (let attempt = 0; attempt < 2; attempt += 1)
    await assert.rejects(
      reopen(),
      (error: StoreError) => error.code === 'io' && error.message.includes('store.witness'),
    );
  await rm(witness, { recursive: true });
  await rename(`${witness}.kept`, witness);
  assert.equal(await assertBalanced(await reopen(), 'a'), 10);
});

async function logOf(path: string): Promise<string> {
  const logs = (await readdir(path)).filter((name) => name.endsWith('.log'));
  return join(path, logs.sort().at(-1)!);
}

test('an opening that is refused leaves every file as it was', async (t) => {
  const { store, reopen, elsewhere } = await open(t);
  const path = elsewhere.location;
  await send(store, key, { first: 1, last: 10 });
  await store.close();
  const again = await reopen();
  await send(again, key, { first: 11, last: 20 });
  await again.close();
  // Without its end it names none of the sorted files, and RocksDB would delete them.
  const manifest = join(path, (await readdir(path)).find((name) => name.startsWith('MANIFEST'))!);
  const whole = await readFile(manifest);
  await truncate(manifest, 30);
  const before = (await readdir(path)).sort();
  await assert.rejects(reopen(), corrupt);
  assert.deepEqual((await readdir(path)).filter((name) => name !== 'LOCK').sort(), without(before, 'LOCK'));
  await writeFile(manifest, whole);
  const restored = await reopen();
  assert.equal(await assertBalanced(restored, 'a'), 20);
  assert.deepEqual((await readdir(join(path, '..'))).sort(), ['store', 'store.witness']);
});

const without = (names: readonly string[], one: string) => names.filter((name) => name !== one);

test('a database of another format is corrupt', async (t) => {
  const { store, reopen, elsewhere } = await open(t);
  await store.close();
  await tamper(elsewhere.location, (at) => (at[0] === FAMILY.format ? Buffer.from('tidegate gateway 3') : undefined));
  await assert.rejects(reopen(), corrupt);
});

test('what the disk says is a StoreError with its cause', async (t) => {
  const path = await temporaryDirectory(t);
  const file = join(path, 'a file');
  closeSync(openSync(file, 'w'));
  await assert.rejects(openRocksGatewayStore({ path: file, operator: counters }), (error) => {
    assert.ok(error instanceof StoreError);
    assert.equal(error.code, 'not-a-folder');
    assert.ok(error.cause instanceof Error);
    return true;
  });
});

test('while a commit is under way others read, and nobody opens the database again for that', async (t) => {
  let opened = 0;
  let holds: Promise<void> | undefined;
  const counting: typeof openRocks = async (path, options) => {
    opened += 1;
    const rocks = await openRocks(path, options);
    const write = rocks.write.bind(rocks);
    rocks.write = async (operations) => {
      await write(operations);
      await holds;
    };
    return rocks;
  };
  const path = await temporaryDirectory(t, () => store.close());
  const store = await openRocksGatewayStore({ path: join(path, 'store'), operator: counters }, counting);
  await send(store, key, { first: 1, last: 10 });
  let goOn!: () => void;
  holds = new Promise((resolve) => (goOn = resolve));
  const slow = send(store, key, { first: 11, last: 20 });
  // It is written once it can be seen.
  await until(async () => (await store.page(devicePage('a')))?.events === 20n);
  const readings = [store.stats(), store.ready(), store.ledger(streamKey('b', 1))];
  await Promise.all(readings);
  // Of a stream that is not in memory: it is read, and decided on, meanwhile.
  const decided = await new Promise<boolean>((resolve) => {
    void store.ingest(streamKey('b', 1), (ledger) => {
      resolve(ledger.missing(1, 5).length === 1);
      return null;
    });
  });
  assert(decided);
  goOn();
  await slow;
  assert.equal(opened, 1);
  assert.equal(await assertBalanced(store, 'a'), 20);
});
