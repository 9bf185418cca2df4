/** One owner at a time, whatever starts twice; and that whoever looks changes nothing. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { link, mkdir, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { lockFolder, ownerPid, tryFlock } from '../../src/store/folder-lock.ts';
import { lookAtGatewayStore, lookAtQueue, openQueue, openRocksGatewayStore } from '../../src/store/index.ts';
import { IDENTITY_KEY } from '../../src/store/queue-records.ts';
import { onOpen } from '../opened-files.ts';
import { counters } from './gateway-store-counter.ts';
import { temporaryDirectory, withDatabase } from './queue-fixture.ts';

const HOLDER = new URL('./folder-lock-holder.ts', import.meta.url);

/** What whoever is there says, and how to end it. */
interface Holder {
  readonly answer: string;
  end(): Promise<void>;
}

async function inProcess(t: TestContext, path: string, kind = 'lock'): Promise<Holder> {
  const child = fork(HOLDER, [kind, path], { execArgv: ['--import', 'tsx'] });
  t.after(() => child.kill('SIGKILL'));
  const [answer] = (await once(child, 'message')) as [string];
  return {
    answer,
    async end() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function inThread(t: TestContext, path: string, kind: string): Promise<string> {
  // tsx would want a loader of its own in the thread; what it imports is TypeScript all the same.
  const imported = `import(${JSON.stringify(HOLDER.href)})`;
  const source = `import('tsx/esm/api').then(({ register }) => { register(); return ${imported}; })`;
  const worker = new Worker(source, { eval: true, argv: [kind, path] });
  t.after(() => worker.terminate());
  const [answer] = (await once(worker, 'message')) as [string];
  return answer;
}

test('a folder has one owner, and who comes second is told which process that is', async (t) => {
  const path = await temporaryDirectory(t);
  const lock = await lockFolder(path);
  await assert.rejects(lockFolder(path), {
    code: 'locked',
    message: new RegExp(`already running \\(pid ${process.pid}\\)`),
  });
  const other = await inProcess(t, path);
  assert.match(other.answer, new RegExp(`^locked .*\\(pid ${process.pid}\\)`));
  await lock.release();
  await (await lockFolder(path)).release();
});

test('a lock ends with its process, killed or not, and nobody has to remove anything', async (t) => {
  const path = await temporaryDirectory(t);
  for (let round = 0; round < 2; round += 1) {
    const holder = await inProcess(t, path);
    assert.equal(holder.answer, 'held');
    await assert.rejects(lockFolder(path), { code: 'locked' });
    await holder.end();
    await (await lockFolder(path)).release();
  }
});

test('a lock file that is removed while it is being locked keeps nobody out, so a new one is locked', async (t) => {
  const path = await temporaryDirectory(t);
  const file = join(path, 'owner.lock');
  await writeFile(file, '');
  let openings = 0;
  onOpen(t, async () => {
    openings += 1;
    if (openings === 1) await rm(file);
  });
  const lock = await lockFolder(path);
  assert.equal(await ownerPid(path), process.pid, 'it is in the folder');
  await assert.rejects(lockFolder(path), { code: 'locked' });
  await lock.release();
});

test('another spelling of the path, or a link to it, is the same folder', async (t) => {
  const path = await temporaryDirectory(t);
  const folder = join(path, 'folder');
  await mkdir(folder);
  await symlink(folder, join(path, 'link'));
  const lock = await lockFolder(folder);
  for (const spelling of [`${folder}/`, join(path, 'link'), `${path}/./folder/../folder`, join(path, 'link', '.')]) {
    await assert.rejects(lockFolder(spelling), { code: 'locked' }, spelling);
  }
  await lock.release();
});

test('reading the lock file, or closing another opening of it, does not let go of the lock', async (t) => {
  const path = await temporaryDirectory(t);
  const lock = await lockFolder(path);
  await readFile(join(path, 'owner.lock'));
  await assert.rejects(lockFolder(path), { code: 'locked' });
  assert.match((await inProcess(t, path)).answer, /^locked/);
  await lock.release();
});

test('what stands in a lock file that nobody holds does not matter, nor that there is none', async (t) => {
  const path = await temporaryDirectory(t);
  for (const text of ['', '1\n', `${process.pid}\n`, 'x'.repeat(5_000)]) {
    await writeFile(join(path, 'owner.lock'), text);
    const lock = await lockFolder(path);
    assert.equal(await readFile(join(path, 'owner.lock'), 'utf8'), `${process.pid}\n`);
    await lock.release();
  }
  await rm(join(path, 'owner.lock'));
  await (await lockFolder(path)).release();
});

test('of many that open at once exactly one has the folder', async (t) => {
  const path = await temporaryDirectory(t);
  const ends = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(path)));
  const held = ends.filter((end) => end.status === 'fulfilled');
  assert.equal(held.length, 1);
  for (const end of ends) if (end.status === 'rejected') assert.equal(end.reason.code, 'locked');
  await held[0]!.value.release();
});

test('a lock file with another name, as a hard-linked copy has it, is held as long as the first', async (t) => {
  const path = await temporaryDirectory(t);
  const copy = join(path, 'copy');
  await mkdir(copy);
  const lock = await lockFolder(path);
  await link(join(path, 'owner.lock'), join(copy, 'owner.lock'));
  await assert.rejects(lockFolder(copy), { code: 'locked' });
  await lock.release();
});

test('without a build of the addon the command flock locks, for one opening and until its process ends', async (t) => {
  if (process.platform !== 'linux') return t.skip('no flock here: it comes with util-linux');
  const path = join(await temporaryDirectory(t), 'owner.lock');
  const holder = await inProcess(t, path, 'flock');
  assert.equal(holder.answer, 'held');
  const [first, second] = [await open(path, 'r+'), await open(path, 'r+')];
  t.after(() => second.close());
  assert.equal(tryFlock(first.fd), false, 'another process has it');
  await holder.end();
  assert.equal(tryFlock(first.fd), true);
  assert.equal(tryFlock(second.fd), false, 'another opening in this process has it');
  await first.close();
  assert.equal(tryFlock(second.fd), true);
});

test('a queue and a store are open once: not again in the process, a thread of it or another process', async (t) => {
  const path = await temporaryDirectory(t);
  const queuePath = join(path, 'queue');
  const storePath = join(path, 'store');
  const queue = await openQueue({ path: queuePath, deviceId: 'pump-1', reserveBytes: 0 });
  await queue.append([{ count: 10, bytes: Buffer.from('ten') }]);
  const store = await openRocksGatewayStore({ path: storePath, operator: counters });
  // What it would put right if it were its own.
  const database = join(queuePath, 'db-1');
  const log = join(database, (await readdir(database)).find((name) => name.endsWith('.log'))!);
  const bytes = await readFile(log);
  bytes[20]! ^= 1;
  await writeFile(log, bytes);
  const before = await picture(path);
  await assert.rejects(openQueue({ path: `${queuePath}/.`, deviceId: 'pump-1' }), { code: 'locked' });
  await assert.rejects(openRocksGatewayStore({ path: `${path}/./store`, operator: counters }), { code: 'locked' });
  for (const [kind, at] of [
    ['queue', queuePath],
    ['store', storePath],
  ] as const) {
    assert.match((await inProcess(t, at, kind)).answer, /^locked /);
    assert.match(await inThread(t, at, kind), /^locked /);
  }
  assert.deepEqual(await picture(path), before, 'who is turned away touches nothing');
  await queue.close();
  await store.close();
});

test('looking at a queue changes no file, beside its device and without one', async (t) => {
  const path = join(await temporaryDirectory(t), 'queue');
  const queue = await openQueue({ path, deviceId: 'pump-1', reserveBytes: 0 });
  for (let i = 0; i < 20; i += 1) await queue.append([{ count: 10, bytes: Buffer.from(`block ${i}`) }]);
  const look = () =>
    lookAtQueue(path, async (view) => {
      let events = 0;
      for await (const block of view.blocks()) events += block.count;
      return { id: view.deviceId, events, gaps: await view.gaps(), said: view.events() };
    });
  const seen = { id: 'pump-1', events: 200, gaps: [], said: 200 };
  for (const beside of ['its device', 'nobody']) {
    const before = await picture(path);
    assert.deepEqual(await look(), seen, beside);
    assert.deepEqual(await picture(path), before, beside);
    if (beside === 'its device') await queue.close();
  }
});

test('looking at a queue while it is written to is a look at one moment of it', async (t) => {
  const path = join(await temporaryDirectory(t), 'queue');
  const queue = await openQueue({ path, deviceId: 'pump-1', reserveBytes: 0 });
  let isOver = false;
  const writing = (async () => {
    // Enough for sorted files to come and go.
    for (let i = 0; !isOver; i += 1) {
      await queue.append([{ count: 1, bytes: Buffer.alloc(200_000, i) }]);
      if (queue.events() > 20) await queue.release({ blocks: [{ first: queue.head }, { first: queue.head + 1 }] });
    }
  })();
  for (let i = 0; i < 30; i += 1) {
    await lookAtQueue(path, async (view) => {
      let next = view.head;
      for await (const block of view.blocks()) {
        assert.equal(block.first, next);
        next = block.last + 1;
      }
      assert.equal(next, view.next);
      assert.deepEqual(await view.gaps(), []);
    });
  }
  isOver = true;
  await writing;
  await queue.close();
});

test('looking at a store changes no file, beside its gateway and without one', async (t) => {
  const path = join(await temporaryDirectory(t), 'store');
  const options = { path, operator: counters };
  const store = await openRocksGatewayStore(options);
  const key = { deviceId: 'pump-1', stream: '0'.repeat(32) };
  await store.ingest(key, () => ({ segments: [{ first: 1, last: 10, digest: 5n }], gaps: [], pages: [] }));
  for (const beside of ['its gateway', 'nobody']) {
    const before = await picture(path);
    const missing = await lookAtGatewayStore(options, async (view) => (await view.ledger(key)).missing(1, 12));
    assert.deepEqual(missing, [{ first: 11, last: 12 }], beside);
    assert.deepEqual(await picture(path), before, beside);
    if (beside === 'its gateway') await store.close();
  }
});

test('looking where there is nothing makes nothing', async (t) => {
  const path = await temporaryDirectory(t);
  await assert.rejects(
    lookAtQueue(join(path, 'none'), async () => {}),
    { code: 'not-found' },
  );
  await assert.rejects(
    lookAtGatewayStore({ path: join(path, 'none'), operator: counters }, async () => {}),
    {
      code: 'not-found',
    },
  );
  await assert.rejects(
    lookAtQueue(path, async () => {}),
    { code: 'not-found' },
  );
  await assert.rejects(
    lookAtGatewayStore({ path, operator: counters }, async () => {}),
    { code: 'not-found' },
  );
  assert.deepEqual(await readdir(path), []);
});

test('looking at a database that is no queue of ours says so', async (t) => {
  const path = join(await temporaryDirectory(t), 'queue');
  const queue = await openQueue({ path, deviceId: 'pump-1', reserveBytes: 0 });
  await queue.append([{ count: 1, bytes: Buffer.alloc(10) }]);
  await queue.close();
  await withDatabase(path, (rocks) => rocks.write([{ type: 'del', key: IDENTITY_KEY }]));
  // Which would know whose queue it is.
  await rm(join(path, 'witness'));
  const before = await picture(path);
  await assert.rejects(
    lookAtQueue(path, async () => {}),
    { name: 'StoreError', code: 'corrupt' },
  );
  assert.deepEqual(await picture(path), before);
});

/** Every file with its size and when it was changed, but not when it was read. */
async function picture(path: string): Promise<string[]> {
  const names = await readdir(path, { recursive: true });
  const lines = await Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs, ctimeMs, ino } = await stat(join(path, name));
      return `${name} ${size} ${mtimeMs} ${ctimeMs} ${ino}`;
    }),
  );
  return lines.sort();
}
