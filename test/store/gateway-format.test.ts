/** Databases of earlier formats: `gateway-format-1.txt` holds the records of one that a program of format 1 wrote. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  type GatewayStore,
  type GatewayStoreView,
  lookAtGatewayStore,
  openRocksGatewayStore,
} from '../../src/store/index.ts';
import { familyRange, GATEWAY } from '../../src/store/keys.ts';
import { type Operation, openRocks } from '../../src/store/rocks.ts';
import { seal, unsealOrThrow } from '../../src/store/seal.ts';
import { all, assertHeld, type Counter, counters, send, streamKey } from './gateway-store-counter.ts';
import { temporaryDirectory } from './gateway-store-rocks.ts';

async function formatOne(): Promise<Operation[]> {
  const text = await readFile(new URL('gateway-format-1.txt', import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [key, value] = line.split(' ').map((field) => Buffer.from(field, 'base64'));
      return { type: 'put', key: key!, value: value! };
    });
}

async function opener(t: TestContext) {
  const opened: GatewayStore<Counter>[] = [];
  const folder = await temporaryDirectory(t, async () => {
    for (const store of opened) await store.close();
  });
  const path = join(folder, 'store');
  const open = async () => {
    const store = await openRocksGatewayStore({ path, operator: counters });
    opened.push(store);
    return store;
  };
  return { path, open };
}

async function assertAsBefore(store: GatewayStoreView<Counter>): Promise<void> {
  const { streams, events, declared, gaps, ranges } = await store.holdings('a');
  assert.deepEqual([streams, events, declared, gaps, ranges], [2, 32, 6, 5, 5]);
  for (const deviceId of ['a', 'b', 'c']) await assertHeld(store, deviceId);
  const { events: counted, ranges: apart } = await store.holdings('c');
  assert.deepEqual([counted, apart], [300, 300]);
}

test('a database of format 1 is brought forward, and goes on', async (t) => {
  const { path, open } = await opener(t);
  const rocks = await openRocks(path);
  await rocks.write(await formatOne());
  await rocks.close();
  const store = await open();
  await assertAsBefore(store);
  // A ledger that was whole is cut from now on, and says what it said.
  const large = streamKey('c', 1);
  const before = (await store.ledger(large)).intervals();
  await send(store, large, { first: 1, last: 1 });
  await send(store, large, { first: 1_000, last: 1_001 });
  assert.deepEqual((await store.ledger(large)).intervals(), [...before, { first: 1_000, last: 1_001 }]);
  await send(store, streamKey('a', 1), { first: 25, last: 30 });
  assert.equal((await store.holdings('a')).gaps, 2, 'what was given up has come');
  await store.close();
  const again = await open();
  assert.deepEqual((await again.ledger(large)).intervals(), [...before, { first: 1_000, last: 1_001 }]);
  for (const deviceId of ['a', 'b', 'c']) await assertHeld(again, deviceId);
});

test('who only looks at a database of format 1 sees its holdings, and leaves it as it is', async (t) => {
  const { path } = await opener(t);
  const rocks = await openRocks(path);
  await rocks.write(await formatOne());
  await rocks.close();
  for (let look = 0; look < 2; look += 1) await lookAtGatewayStore({ path, operator: counters }, assertAsBefore);
  const again = await openRocks(path);
  assert.deepEqual(await all(again.entries(familyRange(GATEWAY.holdings))), []);
  await again.close();
});

test('holdings of before the largest page was known are read, and hold the largest from then on', async (t) => {
  const { path, open } = await opener(t);
  const store = await open();
  await send(store, streamKey('a', 1), { first: 1, last: 10 });
  const { largestPage, ...others } = await store.holdings('a');
  assert(largestPage > 0 && largestPage < 1_000);
  await store.close();
  const rocks = await openRocks(path);
  const [[key, value] = assert.fail()] = await all(rocks.entries(familyRange(GATEWAY.holdings)));
  const older = Buffer.from(unsealOrThrow(key, value).subarray(0, -8));
  older[0] = 1;
  await rocks.write([{ type: 'put', key, value: seal(key, older) }]);
  await rocks.close();
  const again = await open();
  const held = await again.holdings('a');
  assert.deepEqual(held, { ...others, largestPage: 64 << 10 });
  await send(again, streamKey('a', 1), { first: 1, last: 11 });
  assert.equal((await again.holdings('a')).largestPage, 64 << 10);
  await assertHeld(again, 'a');
});

test('bringing forward that was cut short begins again', async (t) => {
  const { path, open } = await opener(t);
  const rocks = await openRocks(path);
  const [ledger] = (await formatOne()).filter(({ key }) => key[0] === GATEWAY.ledger);
  await rocks.write([...(await formatOne())]);
  assert.ok(ledger !== undefined);
  await rocks.close();
  await (await open()).close();
  const half = await openRocks(path);
  const held: Operation[] = [];
  for await (const [key] of half.entries(familyRange(GATEWAY.holdings))) held.push({ type: 'del', key });
  const format = (await formatOne()).filter(({ key }) => key.includes('format'));
  assert.deepEqual([held.length, format.length], [3, 1]);
  await half.write([held[0]!, ...format]);
  await half.close();
  await assertAsBefore(await open());
});

test('a ledger in chunks of which one is gone, or is another’s, is corrupt', async (t) => {
  const { path, open } = await opener(t);
  const store = await open();
  const key = streamKey('a', 1);
  for (let first = 1; first < 2_000; first += 4) await send(store, key, { first, last: first });
  await store.close();
  const chunks = async (): Promise<(readonly [Buffer, Buffer])[]> => {
    const rocks = await openRocks(path);
    const found = (await all(rocks.entries(familyRange(GATEWAY.ledger)))).slice(1);
    await rocks.close();
    return found;
  };
  const [first, second] = await chunks();
  const write = async (operations: readonly Operation[]) => {
    const rocks = await openRocks(path);
    await rocks.write(operations);
    await rocks.close();
  };
  for (const wrong of [
    { type: 'del', key: second![0] },
    { type: 'put', key: second![0], value: first![1] },
  ] as const) {
    await write([wrong]);
    const damaged = await open();
    await assert.rejects(damaged.ledger(key), { name: 'StoreError', code: 'corrupt' });
    await assert.rejects(send(damaged, key, { first: 2, last: 2 }), { name: 'StoreError', code: 'corrupt' });
    await damaged.close();
  }
  await write([{ type: 'put', key: second![0], value: second![1] }]);
  const whole = await open();
  await send(whole, key, { first: 2, last: 2 });
  assert.equal((await whole.ledger(key)).count, 501);
});
