import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Queue } from '../../src/store/index.ts';
import { familyRange, numberKey, numberOfKey, QUEUE } from '../../src/store/keys.ts';
import { beginRun, isBegunFrom, liveRuns, NO_RUNS, pruneRuns, runOperations } from '../../src/store/queue-streams.ts';
import {
  block,
  contents,
  countingBytes,
  hex,
  openTestQueue,
  temporaryDirectory,
  withDatabase,
} from './queue-fixture.ts';
import { createRandom, seedOf } from './random.ts';

/** `first-last stream` of every run of sequences that share one. */
function runs(queue: Queue): string[] {
  const found: string[] = [];
  for (let at = queue.head; at < queue.next; ) {
    const { stream, last } = queue.streamAt(at);
    found.push(`${at}-${last} ${hex(stream).slice(0, 2)}`);
    at = last + 1;
  }
  return found;
}

async function storedFirsts(path: string): Promise<number[]> {
  return await withDatabase(path, async (rocks) => {
    const firsts: number[] = [];
    for await (const [key] of rocks.entries(familyRange(QUEUE.stream))) firsts.push(numberOfKey(key));
    return firsts;
  });
}

test('every opening that appends begins a stream, and only such a one', async (t) => {
  const path = await temporaryDirectory(t);
  const randomBytes = countingBytes();
  const first = await openTestQueue(t, path, { randomBytes });
  const a = await first.append([block(5, 'a')]);
  const b = await first.append([block(5, 'b')]);
  assert.deepEqual([hex(a.stream), hex(b.stream)], ['01'.repeat(16), '01'.repeat(16)]);
  await first.close();
  const idle = await openTestQueue(t, path, { randomBytes });
  assert.deepEqual(runs(idle), ['1-10 01']);
  await idle.close();
  const second = await openTestQueue(t, path, { randomBytes });
  const c = await second.append([block(5, 'c')]);
  assert.equal(c.first, 11);
  assert.equal(hex(c.stream), '02'.repeat(16));
  assert.deepEqual(runs(second), ['1-10 01', '11-15 02']);
  assert.equal(second.streamAt(3).last, 10);
});

test('a run that has ended does not come back when another begins', () => {
  const bytes = (value: number) => Buffer.alloc(16, value);
  const three = beginRun(beginRun(beginRun(NO_RUNS, 1, bytes(1)), 11, bytes(2)), 21, bytes(3));
  const pruned = pruneRuns(three, 15);
  assert.deepEqual(
    runOperations(three, pruned).map(({ type }) => type),
    ['del'],
  );
  const begun = beginRun(pruned, 31, bytes(4));
  assert.deepEqual(
    liveRuns(begun).map(({ first }) => first),
    [11, 21, 31],
  );
  const [put, ...others] = runOperations(pruned, begun);
  assert.deepEqual([put?.type, others], ['put', []]);
  assert.equal(isBegunFrom(pruned, begun), true);
  assert.equal(isBegunFrom(three, begun), false);
});

test('only a sequence that is used has a stream', async (t) => {
  const queue = await openTestQueue(t, await temporaryDirectory(t));
  await queue.append([block(5, 'a')]);
  assert.equal(queue.streamAt(5).last, 5);
  assert.throws(() => queue.streamAt(6), { code: 'ERR_ASSERTION' });
});

test('a collision moves just its ranges, and what comes after, to one fresh stream', async (t) => {
  const path = await temporaryDirectory(t);
  const randomBytes = countingBytes();
  const queue = await openTestQueue(t, path, { randomBytes });
  await queue.append([block(10, 'a'), block(10, 'b'), block(10, 'c')]);
  const fresh = await queue.restream([
    { first: 4, last: 6 },
    { first: 11, last: 20 },
  ]);
  assert.equal(hex(fresh), '02'.repeat(16));
  const expected = ['1-3 01', '4-6 02', '7-10 01', '11-20 02', '21-30 01'];
  assert.deepEqual(runs(queue), expected);
  const after = await queue.append([block(5, 'd')]);
  assert.equal(hex(after.stream), hex(fresh));
  assert.deepEqual(runs(queue), [...expected, '31-35 02']);
  await queue.close();
  const again = await openTestQueue(t, path, { randomBytes });
  assert.deepEqual(runs(again), [...expected, '31-35 02']);
  assert.deepEqual(await contents(again), ['1+10 a', '11+10 b', '21+10 c', '31+5 d']);
});

test('a collision at the very end, one after the other, and side by side', async (t) => {
  const queue = await openTestQueue(t, await temporaryDirectory(t), { randomBytes: countingBytes() });
  await queue.append([block(10, 'a')]);
  await queue.restream([{ first: 8, last: 10 }]);
  assert.deepEqual(runs(queue), ['1-7 01', '8-10 02']);
  await queue.restream([
    { first: 1, last: 3 },
    { first: 4, last: 5 },
  ]);
  assert.deepEqual(runs(queue), ['1-5 03', '6-7 01', '8-10 02']);
  const { stream } = await queue.append([block(1, 'b')]);
  assert.equal(hex(stream).slice(0, 2), '03', 'what comes after goes to the latest');
  await queue.restream([]);
  await queue.append([block(1, 'c')]);
  assert.deepEqual(runs(queue), ['1-5 03', '6-7 01', '8-10 02', '11-11 03', '12-12 04']);
  await assert.rejects(queue.restream([{ first: 12, last: 13 }]), { code: 'ERR_ASSERTION' });
});

test('a collision before the first append of an opening begins that opening’s stream', async (t) => {
  const path = await temporaryDirectory(t);
  const randomBytes = countingBytes();
  const first = await openTestQueue(t, path, { randomBytes });
  await first.append([block(4, 'a')]);
  await first.close();
  const queue = await openTestQueue(t, path, { randomBytes });
  await queue.restream([{ first: 2, last: 3 }]);
  await queue.append([block(1, 'b')]);
  assert.deepEqual(runs(queue), ['1-1 01', '2-3 02', '4-4 01', '5-5 02']);
});

test('a restream in random places leaves every other sequence where it was', async (t) => {
  const random = createRandom(seedOf(t));
  const path = await temporaryDirectory(t);
  const randomBytes = countingBytes();
  let queue = await openTestQueue(t, path, { randomBytes });
  const model: string[] = [];
  const append = async (count: number) => {
    const { stream } = await queue.append([block(count, 'x')]);
    for (let i = 0; i < count; i += 1) model.push(hex(stream));
  };
  for (let step = 0; step < 60; step += 1) {
    if (random(3) === 0 || model.length < 3) await append(1 + random(6));
    const first = 1 + random(model.length);
    const range = { first, last: first + random(model.length - first + 1) };
    const moved = hex(await queue.restream([range]));
    model.fill(moved, range.first - 1, range.last);
    if (random(8) === 0) {
      await queue.close();
      queue = await openTestQueue(t, path, { randomBytes });
    }
    for (let sequence = queue.head; sequence < queue.next; sequence += 1) {
      assert.equal(hex(queue.streamAt(sequence).stream), model[sequence - 1], `step ${step}, sequence ${sequence}`);
    }
  }
});

test('forgets streams that are wholly released, and keeps the newest', async (t) => {
  const path = await temporaryDirectory(t);
  const randomBytes = countingBytes();
  for (let i = 0; i < 4; i += 1) {
    const queue = await openTestQueue(t, path, { randomBytes });
    await queue.append([block(10, `${i}`)]);
    await queue.close();
  }
  assert.deepEqual(await storedFirsts(path), [1, 11, 21, 31]);
  const queue = await openTestQueue(t, path, { randomBytes });
  await queue.release({ blocks: [{ first: 11 }] });
  await queue.release({ blocks: [{ first: 1 }] });
  assert.equal(queue.head, 21);
  assert.deepEqual(runs(queue), ['21-30 03', '31-40 04']);
  await queue.release({ blocks: [{ first: 21 }, { first: 31 }] });
  await queue.close();
  assert.deepEqual(await storedFirsts(path), [31]);
});

for (const [witness, stream] of [
  ['with', '01'],
  ['without', '02'],
] as const) {
  const where = witness === 'with' ? 'that of the witness' : 'a new one';
  test(`events whose stream the disk has lost are sent under ${where}, the same at every opening`, async (t) => {
    const path = await temporaryDirectory(t);
    const randomBytes = countingBytes();
    const queue = await openTestQueue(t, path, { randomBytes });
    await queue.append([block(3, 'a')]);
    await queue.close();
    await withDatabase(path, (rocks) =>
      rocks.write([{ type: 'put', key: numberKey(QUEUE.stream, 1), value: Buffer.alloc(20) }]),
    );
    if (witness === 'without') await rm(join(path, 'witness'));
    const second = await openTestQueue(t, path, { randomBytes });
    assert.deepEqual(runs(second), [`1-3 ${stream}`]);
    await second.close();
    const third = await openTestQueue(t, path, { randomBytes });
    assert.deepEqual(runs(third), [`1-3 ${stream}`]);
  });
}
