import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../../src/store/index.ts';
import { openRocks, type Rocks } from '../../src/store/rocks.ts';
import { createRocksHandle } from '../../src/store/rocks-handle.ts';
import { all } from './gateway-store-counter.ts';
import { temporaryDirectory } from './gateway-store-rocks.ts';

/** A handle on databases that only know whether they are closed. */
function handleOnNothing(failures: readonly (Error | undefined)[] = []) {
  const events: string[] = [];
  let opened = 0;
  const handle = createRocksHandle(async () => {
    opened += 1;
    const name = `${opened}`;
    events.push(`open ${name}`);
    const failure = failures[opened - 1];
    if (failure !== undefined) throw failure;
    return { close: async () => void events.push(`close ${name}`) } as unknown as Rocks;
  });
  return { handle, events };
}

function promiseAndResolve(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  return { promise: new Promise<void>((done) => (resolve = done)), resolve };
}

test('a database that is given up is closed once nobody uses it, and only then opened again', async () => {
  const { handle, events } = handleOnNothing();
  const [one, other] = [promiseAndResolve(), promiseAndResolve()];
  const uses = [one, other].map(({ promise }, i) =>
    handle.use(async () => {
      await promise;
      events.push(`used ${i}`);
    }),
  );
  await handle.use(async () => {});
  handle.giveUp();
  const next = handle.use(async () => void events.push('used again'));
  one.resolve();
  await uses[0];
  assert.deepEqual(events, ['open 1', 'used 0']);
  other.resolve();
  await next;
  assert.deepEqual(events, ['open 1', 'used 0', 'used 1', 'close 1', 'open 2', 'used again']);
  await handle.close();
  assert.equal(events.at(-1), 'close 2');
  await handle.close();
});

test("a use that fails is nobody else's business", async () => {
  const { handle, events } = handleOnNothing();
  const wrong = new Error('wrong');
  await assert.rejects(
    handle.use(() => Promise.reject(wrong)),
    (error) => error === wrong,
  );
  await handle.use(async () => {});
  assert.deepEqual(events, ['open 1']);
});

test('where opening fails everyone who waits hears of it, and the next use tries again', async () => {
  const full = new StoreError('disk-full', 'full');
  const { handle, events } = handleOnNothing([undefined, full, full]);
  await handle.use(async () => {});
  handle.giveUp();
  handle.giveUp();
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const waiting = [handle.use(async () => {}), handle.use(async () => {})];
    for (const use of waiting) await assert.rejects(use, { code: 'disk-full' });
  }
  await handle.use(async () => {});
  assert.deepEqual(events, ['open 1', 'close 1', 'open 2', 'open 3', 'open 4']);
  await handle.close();
  await assert.rejects(
    handle.use(async () => {}),
    { code: 'closed' },
  );
});

test('a database that does not close is let go of all the same', async () => {
  let opened = 0;
  const handle = createRocksHandle(async () => {
    opened += 1;
    return { close: () => Promise.reject(new Error('broken')) } as unknown as Rocks;
  });
  await handle.use(async () => {});
  handle.giveUp();
  await handle.use(async () => {});
  assert.equal(opened, 2);
  await handle.close();
});

test('a walk reads on behind a jump, not what lies before it', async (t) => {
  const path = await temporaryDirectory(t);
  let entriesRead = 0;
  const handle = createRocksHandle(async () => {
    const rocks = await openRocks(path);
    return {
      write: (operations) => rocks.write(operations),
      getMany: (keys) => rocks.getMany(keys),
      close: () => rocks.close(),
      async *entries(range) {
        for await (const entry of rocks.entries(range)) {
          entriesRead += 1;
          yield entry;
        }
      },
    } as Rocks;
  });
  const keyOf = (number: number) => Buffer.from(number.toString().padStart(8, '0'));
  const puts = Array.from({ length: 20_000 }, (_, i) => ({
    type: 'put' as const,
    key: keyOf(i),
    value: Buffer.from('x'),
  }));
  await handle.use((rocks) => rocks.write(puts));
  const bounds = { gte: keyOf(0), lt: keyOf(99_999_999) };
  // Only the first two of every ten thousand are wanted.
  const jump = (key: Buffer) => {
    const number = Number(key.toString());
    return number % 10_000 < 2 ? undefined : keyOf(number - (number % 10_000) + 10_000);
  };
  const found = await all(handle.walk(bounds, jump));
  assert.deepEqual(
    found.map(([key]) => Number(key.toString())),
    [0, 1, 10_000, 10_001],
  );
  assert.ok(entriesRead < 2_000, `${entriesRead} of 20000 entries read`);
  assert.equal((await all(handle.walk(bounds))).length, 20_000);
  await handle.close();
});
