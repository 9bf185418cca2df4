import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openQueue, StoreError } from '../../src/store/index.ts';
import { queueFiles } from '../../src/store/queue-files.ts';
import { openRocks, type Rocks } from '../../src/store/rocks.ts';
import {
  ALL,
  block,
  cleanUp,
  collect,
  contents,
  countingBytes,
  hex,
  openTestQueue,
  temporaryDirectory,
} from './queue-fixture.ts';

const WRITER = fileURLToPath(new URL('./queue-writer.ts', import.meta.url));

/** Runs the writer until it has told of so many appends, kills it, and gives every line it wrote. */
async function writeUntilKilled(path: string, round: number, appends: number): Promise<string[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', WRITER, path, `${round}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === appends) child.kill('SIGKILL');
  }
  assert.deepEqual(await exited, [null, 'SIGKILL']);
  return lines;
}

test('what an append resolved is there after kill -9, again and again', async (t) => {
  const path = await temporaryDirectory(t);
  const told: string[] = [];
  for (const [round, appends] of [40, 1, 300].entries()) {
    const lines = await writeUntilKilled(path, round, appends);
    assert.ok(lines.length >= appends);
    told.push(...lines);
    const queue = await openTestQueue(t, path, { onDamage: () => assert.fail('nothing is damaged') });
    const blocks = await collect(queue.blocks());
    const stored = new Map(
      blocks.map(({ first, bytes }) => [first, `${hex(queue.streamAt(first).stream)} ${bytes}`.replaceAll('.', '')]),
    );
    for (const line of told) {
      const [first = '', ...rest] = line.split(' ');
      assert.equal(stored.get(Number(first)), rest.join(' '), `round ${round}`);
    }
    // At most what was under way is there besides.
    assert.ok(blocks.length <= told.length + 3 * (round + 1));
    assert.equal(new Set(blocks.map(({ first }) => hex(queue.streamAt(first).stream))).size, round + 1);
    assert.equal(queue.next, blocks.at(-1)!.last + 1);
    await queue.close();
  }
});

type Write = Rocks['write'];

/** Databases whose writes go through `write`, which may do without; `opens` counts them. */
function interposed(write: (real: Write, operations: Parameters<Write>[0]) => Promise<void>) {
  const counter = { opens: 0, failOpen: undefined as unknown };
  const open: typeof openRocks = async (path, options) => {
    counter.opens += 1;
    if (counter.failOpen !== undefined) throw counter.failOpen;
    const rocks = await openRocks(path, options);
    const real = rocks.write.bind(rocks);
    rocks.write = (operations) => write(real, operations);
    return rocks;
  };
  return { open, counter };
}

test('after a write that failed the database is opened anew, and a new stream begins', async (t) => {
  let failure: StoreError | undefined;
  const { open, counter } = interposed(async (real, operations) => {
    if (failure) throw failure;
    await real(operations);
  });
  const queue = await openTestQueue(t, await temporaryDirectory(t), { randomBytes: countingBytes() }, open);
  await queue.append([block(2, 'a')]);
  failure = new StoreError('io', 'fsync failed');
  const lost = queue.append([block(2, 'lost')]);
  await assert.rejects(lost, { code: 'io' });
  assert.equal(counter.opens, 2);
  assert.equal(queue.next, 3, 'the sequences are not used up');
  await assert.rejects(queue.release({ blocks: [{ first: 1 }] }), { code: 'io' });
  assert.equal(counter.opens, 3);
  assert.equal(queue.head, 1);
  failure = undefined;
  const { first, stream } = await queue.append([block(2, 'b')]);
  assert.equal(first, 3);
  assert.equal(hex(stream).slice(0, 2), '02');
  assert.deepEqual(await contents(queue), ['1+2 a', '3+2 b']);
});

test('a write that failed but is on disk counts', async (t) => {
  let failing = false;
  const { open } = interposed(async (real, operations) => {
    await real(operations);
    if (failing) throw new StoreError('io', 'the answer got lost');
  });
  const queue = await openTestQueue(t, await temporaryDirectory(t), {}, open);
  failing = true;
  const { first, last, stream } = await queue.append([block(2, 'a'), block(3, 'b')]);
  assert.deepEqual([first, last], [1, 5]);
  const second = await queue.append([block(1, 'c')]);
  assert.equal(second.first, 6);
  assert.notEqual(hex(second.stream), hex(stream), 'every opening begins a stream');
  await queue.release({ blocks: [{ first: 1 }], totals: Buffer.from('t') });
  assert.equal(queue.head, 3);
  assert.deepEqual(await contents(queue), ['3+3 b', '6+1 c']);
  const moved = await queue.restream([{ first: 6, last: 6 }]);
  assert.equal(hex(queue.streamAt(6).stream), hex(moved));
});

test('a database that does not open again is tried at every call, and then shows what it has', async (t) => {
  let failing = false;
  const { open, counter } = interposed(async (real, operations) => {
    await real(operations);
    if (failing) throw new StoreError('io', 'the answer got lost');
  });
  const queue = await openTestQueue(t, await temporaryDirectory(t), {}, open);
  await queue.append([block(2, 'a')]);
  failing = true;
  counter.failOpen = new StoreError('io', 'the disk is gone');
  await assert.rejects(queue.append([block(2, 'open outcome')]), { code: 'io' });
  await assert.rejects(queue.read(1, ALL), { code: 'io' });
  await assert.rejects(queue.append([block(2, 'b')]), { code: 'io' });
  failing = false;
  counter.failOpen = undefined;
  assert.deepEqual(await contents(queue), ['1+2 a', '3+2 open outcome']);
  assert.equal(queue.next, 5);
  assert.equal((await queue.append([block(1, 'c')])).first, 5);
});

test('readers and a walk go on over a database that is opened anew', async (t) => {
  let failures = 0;
  let writes = 0;
  const { open, counter } = interposed(async (real, operations) => {
    writes += 1;
    if (writes > 30 && writes % 3 === 0) {
      failures += 1;
      throw new StoreError('io', 'fsync failed');
    }
    await real(operations);
  });
  const queue = await openTestQueue(t, await temporaryDirectory(t), {}, open);
  for (let i = 0; i < 25; i += 1) await queue.append([block(1, `${i}`, 200_000)]);
  const walk = collect(queue.blocks());
  const appends = Array.from({ length: 30 }, (_, i) =>
    queue.append([block(1, `x${i}`)]).then(
      () => 1,
      () => 0,
    ),
  );
  for (let round = 0; round < 20; round += 1) {
    assert.equal((await queue.read(queue.head, { bytesMax: 1e9, blocksMax: 25 })).length, 25);
  }
  assert.equal((await walk).length, 25);
  const appended = (await Promise.all(appends)).reduce<number>((sum, one) => sum + one, 0);
  assert.ok(failures > 0);
  assert.equal(counter.opens, 1 + failures);
  assert.equal((await contents(queue)).length, 25 + appended);
});

test('a release that finds the disk full is tried once more, and only once', async (t) => {
  let full = 0;
  const { open, counter } = interposed(async (real, operations) => {
    if (full > 0) {
      full -= 1;
      throw new StoreError('disk-full', 'no space');
    }
    await real(operations);
  });
  const queue = await openTestQueue(t, await temporaryDirectory(t), {}, open);
  await queue.append([block(1, 'a'), block(1, 'b')]);
  full = 1;
  await queue.release({ blocks: [{ first: 1 }] });
  assert.equal(queue.head, 2);
  assert.equal(counter.opens, 2);
  full = 2;
  await assert.rejects(queue.release({ blocks: [{ first: 2 }] }), { code: 'disk-full' });
  assert.equal(queue.head, 2);
  full = 1;
  await assert.rejects(queue.append([block(1, 'c')]), { code: 'disk-full' });
  assert.equal(queue.next, 3);
  await queue.release({ blocks: [{ first: 2 }] });
  assert.equal(queue.head, 3);
});

test('a write that finds the disk full has the reserve given to it', async (t) => {
  let full = false;
  const { open } = interposed(async (real, operations) => {
    if (full) {
      full = false;
      throw new StoreError('disk-full', 'no space');
    }
    await real(operations);
  });
  const path = await temporaryDirectory(t);
  const before = await openTestQueue(t, path, { reserveBytes: 1 << 20 });
  await before.append([block(1, 'a')]);
  await before.close();
  assert.ok((await readdir(path)).includes('reserve'));
  const queue = await openTestQueue(t, path, { reserveBytes: 1 << 20 }, open);
  full = true;
  await queue.release({ blocks: [{ first: 1 }] });
  assert.equal(queue.head, 2);
  assert.ok(!(await readdir(path)).includes('reserve'));
});

test('a database that cannot be closed yet goes on reading, and is opened anew when it can', async (t) => {
  let isCalm = true;
  let isFull = false;
  const { open, counter } = interposed(async (real, operations) => {
    if (isFull) throw new StoreError('disk-full', 'no space');
    await real(operations);
  });
  const waited: number[] = [];
  const queue = await openTestQueue(t, await temporaryDirectory(t), {}, async (...where) => {
    const rocks = await open(...where);
    rocks.calm = async (withinMs) => {
      waited.push(withinMs);
      return isCalm;
    };
    return rocks;
  });
  await queue.append([block(1, 'a'), block(1, 'b')]);
  isCalm = false;
  isFull = true;
  await assert.rejects(queue.release({ blocks: [{ first: 1 }] }), { code: 'disk-full' });
  isFull = false;
  await assert.rejects(queue.append([block(1, 'c')]), { code: 'disk-full' });
  assert.ok(waited[0]! > 0);
  assert.deepEqual(waited.slice(1), [0], 'it is waited for once, not by everyone');
  assert.equal(counter.opens, 1);
  assert.deepEqual(await contents(queue), ['1+1 a', '2+1 b']);
  isCalm = true;
  assert.equal((await queue.append([block(1, 'c')])).first, 3);
  assert.equal(counter.opens, 2);
});

test('a database goes on being read while the disk takes no files, and is opened anew once it does', async (t) => {
  let failure: StoreError | undefined;
  const { open, counter } = interposed(async (real, operations) => {
    if (failure) throw failure;
    await real(operations);
  });
  const assertWritable = async () => {
    if (failure) throw failure;
  };
  const path = await temporaryDirectory(t);
  const queue = await openQueue({ path, deviceId: 'pump-1', reserveBytes: 0 }, open, { ...queueFiles, assertWritable });
  cleanUp(t, () => queue.close());
  await queue.append([block(2, 'a')]);
  failure = new StoreError('io', 'read-only file system');
  for (let attempt = 0; attempt < 2; attempt += 1) await assert.rejects(queue.append([block(2, 'b')]), { code: 'io' });
  assert.deepEqual(await contents(queue), ['1+2 a']);
  assert.equal(counter.opens, 1);
  failure = undefined;
  await queue.append([block(2, 'c')]);
  assert.equal(counter.opens, 2);
  assert.deepEqual(await contents(queue), ['1+2 a', '3+2 c']);
});

test('a replacement that fails leaves the queue as it was', async (t) => {
  const failures = { count: 0 };
  let replacing = false;
  const open: typeof openRocks = async (path, options) => {
    const rocks = await openRocks(path, options);
    if (path.endsWith('db-unfinished')) {
      replacing = true;
      rocks.write = () => Promise.reject(new StoreError('io', 'write failed'));
    }
    Object.defineProperty(rocks, 'failures', { get: () => failures.count });
    return rocks;
  };
  const queue = await openTestQueue(t, await temporaryDirectory(t), {}, open);
  await queue.append([block(1, 'a')]);
  failures.count = 1;
  await queue.append([block(1, 'b')]);
  assert.ok(replacing);
  replacing = false;
  await queue.append([block(1, 'c')]);
  assert.ok(!replacing, 'not at every append');
  failures.count = 3;
  await queue.append([block(1, 'd')]);
  assert.ok(replacing);
  assert.deepEqual(await contents(queue), ['1+1 a', '2+1 b', '3+1 c', '4+1 d']);
});
