/** Under which streams a queue was recorded, beside its database: of many, at no more cost than of one. */
import assert from 'node:assert/strict';
import { appendFile, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Gap, Queue } from '../../src/store/index.ts';
import { numberKey, QUEUE } from '../../src/store/keys.ts';
import { putSealed } from '../../src/store/queue-records.ts';
import {
  beginRun,
  liveRuns,
  moveRanges,
  NO_RUNS,
  pruneRuns,
  runOperations,
  runsOf,
} from '../../src/store/queue-streams.ts';
import { openStreamLog, readRuns } from '../../src/store/stream-log.ts';
import { block, countingBytes, hex, openTestQueue, temporaryDirectory, withDatabase } from './queue-fixture.ts';
import { createRandom, seedOf } from './random.ts';

/** A queue of single events, each in a stream of its own; closed. */
async function ofStreams(t: TestContext, count: number): Promise<string> {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path, { randomBytes: countingBytes(0) });
  for (let first = 1; first <= count; first += 1000) {
    const some = Math.min(1000, count - first + 1);
    await queue.append(Array.from({ length: some }, (_, i) => block(1, `e${first + i}`)));
  }
  await queue.close();
  await withDatabase(path, async (rocks) => {
    await rocks.write(
      Array.from({ length: count }, (_, i) => putSealed(numberKey(QUEUE.stream, i + 1), streamOf(i + 1))),
    );
  });
  return path;
}

function streamOf(sequence: number): Buffer {
  const stream = Buffer.alloc(16);
  stream.writeUInt32BE(sequence, 12);
  return stream;
}

const ranges = (gaps: readonly Gap[]) => gaps.map(({ first, last, stream }) => `${first}-${last} ${hex(stream)}`);

async function appendCost(queue: Queue): Promise<number> {
  await queue.append([block(1, 'warm')]);
  const before = process.cpuUsage();
  for (let i = 0; i < 100; i += 1) await queue.append([block(1, 'x')]);
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

test('an append costs as much among 20,000 streams as in one', async (t) => {
  const few = await openTestQueue(t, await ofStreams(t, 1));
  const many = await openTestQueue(t, await ofStreams(t, 20_000));
  const [one, other] = [await appendCost(few), await appendCost(many)];
  // With all of them written in each commit it was fifty times as much.
  assert.ok(other < 6 * one, `${other} µs against ${one}`);
});

test('what a commit writes beside the database does not grow with the streams', async (t) => {
  const path = await ofStreams(t, 5_000);
  const queue = await openTestQueue(t, path);
  const before = (await stat(join(path, 'streams'))).size;
  for (let i = 0; i < 3; i += 1) await queue.append([block(1, 'x')]);
  assert.equal((await stat(join(path, 'streams'))).size - before, 28, 'one run has begun');
  await queue.release({ blocks: Array.from({ length: 3_000 }, (_, i) => ({ first: i + 1 })) });
  assert.equal((await stat(join(path, 'streams'))).size - before, 28, 'that some have ended writes nothing');
  assert.equal(hex(queue.streamAt(3_001).stream), hex(streamOf(3_001)));
});

test('a database of many streams that is gone leaves a gap for each, of its own stream', async (t) => {
  const path = await ofStreams(t, 3_000);
  const opened = await openTestQueue(t, path, { randomBytes: countingBytes(7) });
  await opened.append([block(5, 'new')]);
  await opened.release({ blocks: [{ first: 1 }, { first: 2 }] });
  await opened.close();
  await rm(join(path, 'db-1'), { recursive: true });
  const queue = await openTestQueue(t, path);
  const gaps = ranges(await queue.gaps());
  assert.equal(gaps.length, 2_999);
  assert.equal(gaps[0], `3-3 ${hex(streamOf(3))}`);
  assert.equal(gaps[2_997], `3000-3000 ${hex(streamOf(3_000))}`);
  assert.match(gaps[2_998]!, /^3001-3005 /);
});

test('a queue of few streams has no such file; without it, or with a damaged one, no count is lost', async (t) => {
  const short = await ofStreams(t, 3);
  await (await openTestQueue(t, short)).close();
  assert.ok(!(await readdir(short)).includes('streams'));
  for (const spoil of [
    (file: string) => rm(file),
    (file: string) => truncate(file, 100),
    (file: string) => appendFile(file, 'half a record'),
    async (file: string) => {
      const bytes = await readFile(file);
      bytes[28 * 9 + 3]! ^= 1;
      await writeFile(file, bytes);
    },
  ]) {
    const path = await ofStreams(t, 40);
    await (await openTestQueue(t, path)).close();
    await spoil(join(path, 'streams'));
    await rm(join(path, 'db-1'), { recursive: true });
    const queue = await openTestQueue(t, path);
    const lost = (await queue.gaps()).reduce((sum, { first, last }) => sum + last - first + 1, 0);
    assert.equal(lost, 40);
    assert.equal(hex((await queue.gaps()).at(-1)!.stream), hex(streamOf(40)), 'the latest the witness knows');
    await queue.close();
  }
});

/** So many runs of two sequences each. */
const manyRuns = (count: number) =>
  runsOf(Array.from({ length: count }, (_, i) => ({ first: 1 + 2 * i, stream: streamOf(i) })));

test('a record with one flipped bit is left out, whichever it is, and all others are read', async (t) => {
  const file = join(await temporaryDirectory(t), 'streams');
  const log = await openStreamLog(file);
  await log.follow(undefined, manyRuns(20));
  await log.close();
  const whole = await readFile(file);
  const told = (await readRuns(file)).map(({ first }) => first);
  assert.equal(told.length, 20);
  const bytes = whole.length / 20;
  // Its sequence, its stream and its checksum.
  for (const at of [0, 7, 8, 15, 23, bytes - 4, bytes - 1]) {
    const spoilt = Buffer.from(whole);
    spoilt[5 * bytes + at]! ^= 4;
    await writeFile(file, spoilt);
    assert.deepEqual(
      (await readRuns(file)).map(({ first }) => first),
      told.filter((_, i) => i !== 5),
      `byte ${at}`,
    );
  }
});

test('a file of runs most of which have ended is written anew, no longer than what others need', async (t) => {
  const file = join(await temporaryDirectory(t), 'streams');
  const log = await openStreamLog(file);
  let runs = manyRuns(6_000);
  await log.follow(undefined, runs);
  const bytes = (await stat(file)).size / 6_000;
  const sizes: number[] = [];
  for (let from = 100; from <= 5_900; from += 100) {
    const before = runs;
    runs = { all: runs.all, from };
    await log.follow(before, runs);
    sizes.push((await stat(file)).size / bytes);
    const said = new Map((await readRuns(file)).map(({ first, stream }) => [first, hex(stream)]));
    assert.ok(
      liveRuns(runs).every(({ first, stream }) => said.get(first) === hex(stream)),
      `all that go on at ${from}`,
    );
  }
  await log.close();
  assert.equal(sizes[0], 6_000, 'not at each that ends');
  assert.ok(sizes.at(-1)! < 1_000 && new Set(sizes).size === 2, `written anew once, ${sizes.at(-1)} records`);
});

test('whatever becomes of runs, file and database follow', async (t) => {
  const random = createRandom(seedOf(t));
  const file = join(await temporaryDirectory(t), 'streams');
  const stored = new Map<string, Buffer>();
  const log = await openStreamLog(file);
  let runs = NO_RUNS;
  let next = 1;
  let head = 1;
  for (let step = 0; step < 2_000; step += 1) {
    const before = runs;
    const kind = random(20);
    const stream = streamOf(1_000_000 + step);
    if (kind < 14) {
      runs = beginRun(runs, next, stream);
      next += random(3);
    } else if (kind < 19) {
      head = Math.min(next, head + random(8));
      if (runs.all.length > 0 && head >= runs.all[runs.from]!.first) runs = pruneRuns(runs, head);
    } else if (next - head > 3) {
      const first = head + random(next - head - 2);
      if (first >= runs.all[runs.from]!.first) runs = moveRanges(runs, [{ first, last: first + 1 }], next, stream);
    }
    for (const operation of runOperations(before, runs)) {
      const key = operation.key.toString('hex');
      if (operation.type === 'put') stored.set(key, operation.value);
      else assert.ok(stored.delete(key), 'only what is there is deleted');
    }
    await log.follow(before, runs);
    if (step % 50 > 0) continue;
    const live = liveRuns(runs);
    assert.deepEqual(
      [...stored].sort(),
      live
        .map(({ first, stream: of }) => putSealed(numberKey(QUEUE.stream, first), of))
        .map(({ key, value }) => [key.toString('hex'), value]),
    );
    const said = (await readRuns(file)).filter(({ first }) => first >= (live[0]?.first ?? Infinity));
    if (live.length > 8)
      assert.deepEqual(
        said.map(({ first, stream: of }) => `${first} ${hex(of)}`),
        live.map(({ first, stream: of }) => `${first} ${hex(of)}`),
      );
  }
  await log.close();
});

test('a stream log that cannot be written is told of once, and written when it can be', async (t) => {
  const path = await ofStreams(t, 40);
  const draft = join(path, 'streams.draft');
  await mkdir(draft);
  const told: string[] = [];
  const queue = await openTestQueue(t, path, { onRot: ({ message }) => told.push(message) });
  for (let i = 0; i < 3; i += 1) await queue.restream([{ first: 40 - i, last: 40 }]);
  assert.equal(told.length, 1);
  assert.match(told[0]!, /streams: EISDIR/);
  await rm(draft, { recursive: true });
  await queue.restream([{ first: 40, last: 40 }]);
  assert.ok((await readRuns(join(path, 'streams'))).length > 30);
  assert.equal(told.length, 1);
});
