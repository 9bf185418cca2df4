/** A witness that cannot be written, or is not there, holds up nobody and is told of. */
import assert from 'node:assert/strict';
import { rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRocksGatewayStore, type StoreError, type StoreReport } from '../../src/store/index.ts';
import { openWitness } from '../../src/store/witness.ts';
import { counters } from './gateway-store-counter.ts';
import { block, cleanUp, contents, openTestQueue, temporaryDirectory } from './queue-fixture.ts';

/** Takes reading and opening, and no byte. */
const FULL = '/dev/full';

test('what cannot be written is told once, and again after it could be', async (t) => {
  const path = join(await temporaryDirectory(t), 'witness');
  await symlink(FULL, path);
  const told: string[] = [];
  const witness = await openWitness(path, ({ code }) => told.push(code));
  cleanUp(t, () => witness.close());
  for (const text of ['a', 'b']) await witness.write(Buffer.from(text));
  assert.deepEqual(told, ['io']);
  assert.equal(witness.trouble?.code, 'io');
  assert.equal(`${witness.statement}`, 'b');
});

test('a device with a witness that takes nothing records, and says so', async (t) => {
  const path = await temporaryDirectory(t);
  await (await openTestQueue(t, path)).close();
  await rm(join(path, 'witness'));
  await symlink(FULL, join(path, 'witness'));
  const told: StoreError[] = [];
  const queue = await openTestQueue(t, path, { onRot: (error) => told.push(error) });
  for (const text of 'ab') await queue.append([block(10, text)]);
  assert.deepEqual(await contents(queue), ['1+10 a', '11+10 b']);
  assert.deepEqual(
    told.map(({ code }) => code),
    ['io'],
  );
  assert.match(told[0]!.message, /witness/);
});

test('a gateway says that its witness is missing, or takes nothing, and counts on', async (t) => {
  const path = join(await temporaryDirectory(t), 'store');
  const reports: StoreReport[] = [];
  const open = async () => {
    const store = await openRocksGatewayStore({ path, operator: counters, onRot: (report) => reports.push(report) });
    cleanUp(t, () => store.close());
    return store;
  };
  const count = async (store: Awaited<ReturnType<typeof open>>, first: number) =>
    await store.ingest({ deviceId: 'd', stream: '00'.repeat(16) }, () => ({
      segments: [{ first, last: first, digest: 1n }],
      gaps: [],
      pages: [],
    }));
  const first = await open();
  await count(first, 1);
  assert.deepEqual(reports, [], 'a new database has no witness yet');
  await first.close();
  await rename(`${path}.witness`, `${path}.kept`);
  const second = await open();
  assert.equal(reports.length, 1);
  assert.ok('unwitnessed' in reports[0]!);
  await second.close();
  await (await open()).close();
  assert.equal(reports.length, 1, 'it is made anew');
  await rm(`${path}.witness`);
  await symlink(FULL, `${path}.witness`);
  const third = await open();
  reports.length = 0;
  await count(third, 2);
  assert.equal((await third.stats()).commits > 0, true);
  assert.notEqual(third.condition.unwitnessed, undefined);
});
