import assert from 'node:assert/strict';
import { test } from 'node:test';
import { positionPut, START } from '../../src/store/queue-position.ts';
import { POSITION_KEY, putSealed } from '../../src/store/queue-records.ts';
import { unseal } from '../../src/store/seal.ts';
import { block, openTestQueue, temporaryDirectory, withDatabase } from './queue-fixture.ts';

test('what may have been sent is on record, and outlasts the queue', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  await queue.append([block(10, 'a'), block(10, 'b')]);
  assert.equal(queue.unsent, 1);
  await queue.markSent(11);
  assert.equal(queue.unsent, 11);
  await queue.close();
  const again = await openTestQueue(t, path);
  assert.equal(again.unsent, 11);
  await again.release({ blocks: [{ first: 1 }], unsent: 15 });
  await again.close();
  assert.equal((await openTestQueue(t, path)).unsent, 15);
});

test('a mark that was written ahead never covers what is recorded after an opening', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  await queue.append([block(10, 'a')]);
  await queue.markSent(1_000);
  assert.equal(queue.unsent, 1_000);
  await queue.close();
  for (const next of [21, 31]) {
    // Nothing but appends, which do not store the position.
    const again = await openTestQueue(t, path);
    assert.equal(again.unsent, 11);
    await again.append([block(10, 'b')]);
    assert.deepEqual([again.next, again.unsent], [next, 11]);
    await again.close();
  }
});

test('where the mark is lost, or was never kept, all that is queued may have been sent', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  await queue.append([block(10, 'a')]);
  await queue.close();
  await withDatabase(path, (rocks) => rocks.write([{ type: 'del', key: POSITION_KEY }]));
  const derived = await openTestQueue(t, path);
  assert.equal(derived.unsent, 11);
  await derived.close();
  const stored = positionPut({ ...START, next: 11, unsent: 1 });
  assert(stored.type === 'put');
  const numbers = unseal(POSITION_KEY, stored.value)!.subarray(0, 40);
  await withDatabase(path, (rocks) => rocks.write([putSealed(POSITION_KEY, numbers)]));
  const old = await openTestQueue(t, path);
  assert.deepEqual([old.next, old.unsent], [11, 11]);
});

test('a mark that lies within a block: reading begins behind that block', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  await queue.append([block(10, 'a'), block(600, 'b'), block(10, 'c')]);
  const starts = async (sequences: readonly number[]) => Promise.all(sequences.map((at) => queue.nextStart(at)));
  assert.deepEqual(await starts([1, 2, 10, 11, 12, 610, 611, 620, 621]), [1, 11, 11, 11, 611, 611, 611, 621, 621]);
  await queue.release({ blocks: [{ first: 11 }] });
  assert.deepEqual(await starts([2, 11, 300, 612]), [611, 611, 611, 621]);
});
