/** A witness says what was written last or before it; one that cannot be written holds up nobody and is told of. */
import assert from 'node:assert/strict';
import { type FileHandle, open, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openRocksGatewayStore, type StoreError, type StoreReport } from '../../src/store/index.ts';
import { openWitness, readStatement } from '../../src/store/witness.ts';
import { counters } from './gateway-store-counter.ts';
import { block, cleanUp, contents, openTestQueue, temporaryDirectory } from './queue-fixture.ts';

/** Takes reading and opening, and no byte. */
const FULL = '/dev/full';

/** What is done to any file; in tests alone, a disk that is full for a while. */
async function fileHandles(path: string): Promise<FileHandle> {
  const some = await open(path, 'a');
  await some.close();
  return Object.getPrototypeOf(some);
}

test('what cannot be written is told once, and again after it could be', async (t) => {
  const folder = await temporaryDirectory(t);
  const handles = await fileHandles(join(folder, 'other'));
  const { write } = handles;
  let isFull = true;
  t.mock.method(handles, 'write', function (this: FileHandle, ...args: Parameters<FileHandle['write']>) {
    if (isFull) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    return write.apply(this, args);
  });
  const path = join(folder, 'witness');
  const told: string[] = [];
  const witness = await openWitness(path, ({ code }) => told.push(code));
  cleanUp(t, () => witness.close());
  for (const [text, full, trouble, times] of [
    ['a', true, 'io', 1],
    ['b', true, 'io', 1],
    ['c', false, undefined, 1],
    ['d', true, 'io', 2],
    ['e', true, 'io', 2],
    ['f', false, undefined, 2],
  ] as const) {
    isFull = full;
    await witness.write(Buffer.from(text));
    assert.equal(witness.trouble?.code, trouble, text);
    assert.deepEqual(told, Array(times).fill('io'), text);
    assert.equal(`${witness.statement}`, text);
    if (!full) assert.equal(`${await readStatement(path)}`, text);
  }
});

test('a new witness is on disk with its name once it says something; what it says later is not awaited', async (t) => {
  const folder = await temporaryDirectory(t);
  const handles = await fileHandles(join(folder, 'other'));
  const path = join(folder, 'witness');
  const synced: string[] = [];
  const { sync } = handles;
  t.mock.method(handles, 'sync', async function (this: FileHandle) {
    synced.push(await readlink(`/proc/self/fd/${this.fd}`));
    await sync.call(this);
  });
  for (let opening = 0; opening < 2; opening += 1) {
    const witness = await openWitness(path);
    for (const text of 'ab') {
      await witness.write(Buffer.from(text));
      assert.deepEqual(synced, [path, folder], `${text} of opening ${opening}`);
    }
    await witness.close();
  }
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

async function written(t: TestContext, ...statements: readonly Buffer[]): Promise<string> {
  const path = join(await temporaryDirectory(t), 'witness');
  const witness = await openWitness(path);
  for (const statement of statements) await witness.write(statement);
  await witness.close();
  return path;
}

const text = (statement: Buffer | undefined) => statement?.toString();

test('what was written last is read, of any length, also after it was opened again', async (t) => {
  const long = 'x'.repeat(300_000);
  const path = await written(t, Buffer.from('first'), Buffer.from(long), Buffer.from('third'));
  assert.equal(text(await readStatement(path)), 'third');
  const witness = await openWitness(path);
  assert.equal(text(witness.statement), 'third');
  await witness.write(Buffer.from(long));
  await witness.close();
  assert.equal(text(await readStatement(path)), long);
});

test('a writing that was torn leaves the one before it, whichever of the two it was', async (t) => {
  for (const count of [2, 3]) {
    const names = Array.from({ length: count }, (_, i) => `statement ${i}`);
    const path = await written(t, ...names.map((name) => Buffer.from(name)));
    assert.equal(text(await readStatement(path)), names.at(-1));
    const bytes = await readFile(path);
    const at = bytes.indexOf(names.at(-1)!);
    assert(at > 0);
    bytes[at + 3]! ^= 1;
    await writeFile(path, bytes);
    assert.equal(text(await readStatement(path)), names.at(-2));
    const again = await openWitness(path);
    assert.equal(text(again.statement), names.at(-2));
    await again.write(Buffer.from('next'));
    await again.close();
    assert.equal(text(await readStatement(path)), 'next');
  }
});

test('a statement that is too long for a slot leaves what was said before', async (t) => {
  const path = await written(t, Buffer.from('short'), Buffer.alloc((1 << 19) + 1));
  assert.equal(text(await readStatement(path)), 'short');
});
