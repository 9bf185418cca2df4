/** What a queue does without a file of its database: what intact files hold goes on, and the rest becomes a gap. */
import assert from 'node:assert/strict';
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Gap, lookAtQueue, openQueue, type StoreError } from '../../src/store/index.ts';
import { queueFiles } from '../../src/store/queue-files.ts';
import { openRocks } from '../../src/store/rocks.ts';
import { examineLog, formatLog } from '../../src/store/rocks-log.ts';
import { salvage } from '../../src/store/rocks-salvage.ts';
import { block, collect, contents, hex, openTestQueue, quarantined, temporaryDirectory } from './queue-fixture.ts';

/** A closed queue of blocks of ten, one sorted file for each text but the last, whose blocks are in the log. */
async function filled(t: TestContext, texts: readonly string[]): Promise<string> {
  const path = await temporaryDirectory(t);
  for (const text of texts) {
    const queue = await openTestQueue(t, path);
    for (const letter of text) await queue.append([block(10, letter)]);
    await queue.close();
  }
  return path;
}

async function tablesIn(path: string): Promise<string[]> {
  const names = (await readdir(join(path, 'db-1'))).filter((name) => name.endsWith('.sst')).sort();
  return names.map((name) => join(path, 'db-1', name));
}

const ranges = (gaps: readonly Gap[]) => gaps.map(({ first, last, reason }) => `${first}-${last} ${reason}`);

for (const [what, breakFile] of [
  ['missing', (file: string) => rm(file)],
  ['empty', (file: string) => truncate(file, 0)],
  ['cut short', async (file: string) => await truncate(file, (await stat(file)).size - 20)],
  [
    'zeroed at its end',
    async (file: string) => {
      const bytes = await readFile(file);
      await writeFile(file, bytes.fill(0, bytes.length - 100));
    },
  ],
] as const) {
  test(`a sorted file that is ${what} costs its own events, whichever it is, and is told of`, async (t) => {
    const texts = ['ab', 'cd', 'ef', 'gh'];
    const count = (await tablesIn(await filled(t, texts))).length;
    assert.ok(count > 1);
    for (let index = 0; index < count; index += 1) {
      const path = await filled(t, texts);
      const broken = (await tablesIn(path))[index]!;
      await breakFile(broken);
      await assert.rejects(
        lookAtQueue(path, async () => {}),
        { code: 'corrupt' },
      );
      const told: StoreError[] = [];
      const queue = await openTestQueue(t, path, { onRot: (error) => told.push(error) });
      assert.equal(told.length, 1);
      assert.equal(told[0]!.code, 'corrupt');
      assert.match(told[0]!.message, new RegExp(broken.slice(-10)));
      assert.equal(queue.next, 81);
      assert.equal(queue.unsent, 81, 'nobody knows what of it was sent');
      const blocks = await collect(queue.blocks());
      assert.ok(blocks.length >= 4, `${blocks.length} blocks of 8`);
      const lost = (await queue.gaps()).reduce((sum, { first, last }) => sum + last - first + 1, 0);
      assert.equal(lost + 10 * blocks.length, 80, ranges(await queue.gaps()).join());
      assert.equal((await queue.append([block(10, 'i')])).first, 81);
      await queue.close();
      const again = await openTestQueue(t, path, { onRot: () => assert.fail('it is told once') });
      assert.equal((await contents(again)).length, blocks.length + 1);
    }
  });
}

test('what is left of a queue, and what is lost of it, stays under its streams, whichever file is gone', async (t) => {
  const texts = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];
  const made = await filled(t, texts);
  const before = await openTestQueue(t, made);
  await before.restream([{ first: 31, last: 40 }]);
  const streams = new Map<number, string>();
  for (let first = 1; first < before.next; first += 10) streams.set(first, hex(before.streamAt(first).stream));
  await before.close();
  const names = (await readdir(join(made, 'db-1'))).filter((name) => /^\d+\.(sst|log)$/.test(name));
  let lost = 0;
  for (const name of names) {
    const path = await temporaryDirectory(t);
    await cp(made, path, { recursive: true });
    await rm(join(path, 'db-1', name));
    const queue = await openTestQueue(t, path);
    const found: [number, string][] = [];
    for (const { first } of await collect(queue.blocks())) found.push([first, hex(queue.streamAt(first).stream)]);
    for (const gap of await queue.gaps()) {
      for (let { first } = gap; first <= gap.last; first += 10, lost += 1) found.push([first, hex(gap.stream)]);
    }
    found.sort(([a], [b]) => a - b);
    assert.deepEqual(found, [...streams], name);
    await queue.close();
  }
  assert.ok(lost > 0);
});

test('all sorted files may be gone', async (t) => {
  const path = await filled(t, ['ab', 'cd']);
  for (const file of await tablesIn(path)) await rm(file);
  const queue = await openTestQueue(t, path);
  assert.deepEqual(await contents(queue), ['21+10 c', '31+10 d']);
  await assert.rejects(openTestQueue(t, path, { deviceId: 'pump-2' }), { code: 'locked' });
  await queue.close();
  await assert.rejects(openTestQueue(t, path, { deviceId: 'pump-2' }), { code: 'other-device' });
});

test('what lost the record of its owner stays the queue of who recorded it', async (t) => {
  const path = await filled(t, ['ab', 'cd']);
  for (const file of await tablesIn(path)) await rm(file);
  await assert.rejects(openTestQueue(t, path, { deviceId: 'pump-2' }), { code: 'other-device' });
  assert.equal((await openTestQueue(t, path)).deviceId, 'pump-1');
});

const all = Array.from('abcdefgh', (letter, index) => `${10 * index + 1}+10 ${letter}`);

/** What says which files the database is made of. */
const INDEX_FILES = /^(CURRENT|MANIFEST-\d+)$/;

const INDEX_DAMAGES: readonly [what: string, act: (file: string) => Promise<void>][] = [
  ['missing', (file) => rm(file)],
  ['empty', (file) => truncate(file, 0)],
  ['cut short', async (file) => await truncate(file, (await stat(file)).size >> 1)],
  ['zeroed', async (file) => await writeFile(file, Buffer.alloc((await stat(file)).size))],
  [
    'wrong in one byte',
    async (file) => {
      const bytes = await readFile(file);
      bytes[bytes.length >> 1]! ^= 0xff;
      await writeFile(file, bytes);
    },
  ],
  [
    'without its last record',
    async (file) => await writeFile(file, formatLog(examineLog(await readFile(file)).records.slice(0, -1))),
  ],
];

for (const [what, act] of INDEX_DAMAGES) {
  test(`a database whose CURRENT or MANIFEST is ${what} costs no event, and is told of`, async (t) => {
    for (const witness of ['with', 'without']) {
      const path = await filled(t, ['ab', 'cd', 'ef', 'gh']);
      const files = (await readdir(join(path, 'db-1'))).filter((name) => INDEX_FILES.test(name));
      const before = await openTestQueue(t, path);
      await before.release({
        totals: Buffer.from('t'),
        quarantine: [quarantined(before, 1)],
      });
      await before.close();
      assert.equal(files.length, 2);
      for (const name of (await readdir(join(path, 'db-1'))).filter((one) => INDEX_FILES.test(one)))
        await act(join(path, 'db-1', name));
      if (witness === 'without') await rm(join(path, 'witness'));
      await assert.rejects(
        lookAtQueue(path, async () => {}),
        { code: 'corrupt' },
      );
      const told: string[] = [];
      const queue = await openTestQueue(t, path, { onRot: ({ code }) => told.push(code) });
      assert.deepEqual(told, ['corrupt']);
      assert.deepEqual(await contents(queue), all);
      assert.deepEqual(ranges(await queue.gaps()), []);
      assert.equal(`${queue.totals}`, 't');
      assert.equal((await collect(queue.quarantine())).length, 1);
      assert.equal(queue.unsent, 81, 'nobody knows what of it was sent');
      assert.equal((await queue.append([block(10, 'i')])).first, 81);
      await queue.close();
      const again = await openTestQueue(t, path, { onRot: () => assert.fail('it is told once') });
      assert.deepEqual(await contents(again), [...all, '81+10 i']);
    }
  });
}

test('what is damaged besides the MANIFEST is a gap, and the rest goes on', async (t) => {
  const path = await filled(t, ['ab', 'cd', 'ef', 'gh']);
  const [, broken] = await tablesIn(path);
  await truncate(broken!, 100);
  for (const name of await readdir(join(path, 'db-1'))) if (INDEX_FILES.test(name)) await rm(join(path, 'db-1', name));
  const told: StoreError[] = [];
  const queue = await openTestQueue(t, path, { onRot: (error) => told.push(error) });
  assert.match(told[0]!.message, new RegExp(broken!.slice(-10)));
  const read = await collect(queue.blocks());
  const lost = (await queue.gaps()).reduce((sum, { first, last }) => sum + last - first + 1, 0);
  assert.ok(read.length >= 4 && read.length < 8, `${read.length} of 8`);
  assert.equal(lost + 10 * read.length, 80);
});

test('refused events that are lost with their file are told of once, as a gap', async (t) => {
  const path = await filled(t, ['ab']);
  const before = await openTestQueue(t, path);
  await before.release({ blocks: [{ first: 1 }], quarantine: [quarantined(before, 3, 4, 'refused')] });
  await before.close();
  // Where it has come to is in a file of its own, behind that one.
  const later = await openTestQueue(t, path);
  await later.append([block(10, 'c')]);
  await later.release({ blocks: [{ first: 11 }] });
  await later.close();
  const tables = await tablesIn(path);
  const contain = await Promise.all(tables.map(async (file) => (await readFile(file)).includes('refused')));
  const holder = tables[contain.indexOf(true)];
  assert.ok(holder !== undefined && contain.filter(Boolean).length === 1);
  await truncate(holder, 100);
  for (const name of await readdir(join(path, 'db-1'))) if (INDEX_FILES.test(name)) await rm(join(path, 'db-1', name));
  for (let start = 0; start < 2; start += 1) {
    const told: string[] = [];
    const damage: Gap[] = [];
    const queue = await openTestQueue(t, path, {
      onRot: ({ message }) => told.push(message),
      onDamage: (gap) => damage.push(gap),
    });
    assert.deepEqual(ranges(damage), start === 0 ? ['3-4 damage'] : []);
    assert.equal(told.length, start === 0 ? 1 : 0);
    if (start === 0) assert.ok(told[0]!.includes(holder.slice(-10)), told[0]);
    assert.deepEqual(ranges(await queue.gaps()), ['3-4 damage']);
    assert.deepEqual(await contents(queue), ['21+10 c']);
    await queue.close();
  }
});

test('a MANIFEST that has lost whole records costs no sorted file that it does not name any more', async (t) => {
  const path = await temporaryDirectory(t);
  const before = await openTestQueue(t, path);
  for (let i = 0; i < 800; i += 1) await before.append([block(3, `${i}`, 14_000)]);
  await before.close();
  const database = join(path, 'db-1');
  const name = (await readFile(join(database, 'CURRENT'), 'latin1')).trim();
  const { records } = examineLog(await readFile(join(database, name)));
  assert.ok(records.length >= 5, `${records.length} records`);
  for (let kept = 0; kept < records.length; kept += 1) {
    const copy = join(await temporaryDirectory(t), 'queue');
    await cp(path, copy, { recursive: true });
    await writeFile(join(copy, 'db-1', name), formatLog(records.slice(0, kept)));
    const queue = await openTestQueue(t, copy);
    assert.equal((await collect(queue.blocks())).length, 800, `${kept} of ${records.length} records`);
    assert.deepEqual(ranges(await queue.gaps()), []);
    await queue.close();
  }
});

test('what does not fit on the disk a second time waits for room, untouched', async (t) => {
  const path = await filled(t, ['ab', 'cd']);
  for (const name of await readdir(join(path, 'db-1'))) if (INDEX_FILES.test(name)) await rm(join(path, 'db-1', name));
  const left = await readdir(join(path, 'db-1'));
  const room = { salvage: async (folder: string) => ({ ...(await salvage(folder)), bytes: Number.MAX_SAFE_INTEGER }) };
  const options = { path, deviceId: 'pump-1', reserveBytes: 0 };
  await assert.rejects(openQueue(options, openRocks, { ...queueFiles, ...room }), { code: 'disk-full' });
  assert.deepEqual(await readdir(join(path, 'db-1')), left);
  assert.deepEqual(await contents(await openTestQueue(t, path)), all.slice(0, 4));
});

test('a queue that has lost everything is made anew for its own device only', async (t) => {
  const path = await filled(t, ['ab']);
  await rm(join(path, 'db-1'), { recursive: true });
  await assert.rejects(openTestQueue(t, path, { deviceId: 'pump-2' }), { code: 'other-device' });
  const queue = await openTestQueue(t, path);
  assert.deepEqual(ranges(await queue.gaps()), ['1-20 damage']);
});

test('a sorted file that is damaged anywhere costs no more than its own events, and no start', async (t) => {
  const texts = ['ab', 'cd', 'ef', 'gh'];
  const whole = await filled(t, texts);
  const ends: string[] = [];
  for (const file of await tablesIn(whole)) {
    const { size } = await stat(file);
    for (let at = 0; at + 8 < size; at += 150) {
      const path = join(await temporaryDirectory(t), 'queue');
      await cp(whole, path, { recursive: true });
      const damaged = join(path, 'db-1', file.slice(-10));
      const bytes = await readFile(damaged);
      for (let i = at; i < at + 8; i += 2) bytes[i]! ^= 0x55;
      await writeFile(damaged, bytes);
      const queue = await openTestQueue(t, path);
      const read = await collect(queue.blocks());
      const lost = (await queue.gaps()).reduce((sum, { first, last }) => sum + last - first + 1, 0);
      assert.equal(lost + 10 * read.length, 80, `${file.slice(-10)} at ${at}`);
      assert.ok(read.length >= 4, `${file.slice(-10)} at ${at}: ${read.length} of 8`);
      await queue.close();
      ends.push(...(await readdir(path)).filter((name) => name.startsWith('db-')));
    }
  }
  assert.ok(ends.includes('db-2') && ends.includes('db-1'), 'some damages are of records, and some of the file');
});

test('an older copy of a database over a newer one costs nothing, whatever of it is copied', async (t) => {
  const path = await filled(t, ['ab', 'cd', 'e']);
  const older = await temporaryDirectory(t);
  await cp(path, older, { recursive: true });
  for (const text of ['fg', 'hi', 'jk', 'l']) {
    const queue = await openTestQueue(t, path);
    for (const letter of text) await queue.append([block(10, letter)]);
    await queue.close();
  }
  const isLog = (name: string) => name.endsWith('.log');
  const isNoLog = (name: string) => !isLog(name);
  const isLatest = (name: string) => isLog(name) || name.endsWith('.sst') || name.startsWith('db-') || name === '';
  for (const [what, from, isKept] of [
    ['the database', 'db-1', () => true],
    ['the whole folder', '', () => true],
    ['all but the log', 'db-1', isNoLog],
    ['all but what lies beside it', '', (name: string) => isLatest(name) || INDEX_FILES.test(name)],
  ] as const) {
    const merged = await temporaryDirectory(t);
    await cp(path, merged, { recursive: true });
    const filter = (file: string) => file === join(older, from) || isKept(basename(file));
    await cp(join(older, from), join(merged, from), { recursive: true, filter });
    const told: StoreError[] = [];
    const queue = await openTestQueue(t, merged, { onRot: (error) => told.push(error) });
    assert.deepEqual(
      (await contents(queue)).map((text) => text.at(-1)),
      [...'abcdefghijkl'],
      what,
    );
    assert.deepEqual(ranges(await queue.gaps()), [], what);
    assert.equal(told[0]?.code, 'corrupt', what);
    await queue.close();
  }
});

test('a log of another time beside the other files of a database is told of, and the rest is a gap', async (t) => {
  const path = await filled(t, ['ab', 'cd', 'e']);
  const older = await temporaryDirectory(t);
  await cp(path, older, { recursive: true });
  const [old] = (await readdir(join(older, 'db-1'))).filter((name) => name.endsWith('.log'));
  for (const text of ['fg', 'hi', 'jk']) {
    const queue = await openTestQueue(t, path);
    for (const letter of text) await queue.append([block(10, letter)]);
    await queue.close();
  }
  const [log] = (await readdir(join(path, 'db-1'))).filter((name) => name.endsWith('.log'));
  assert.notEqual(log, old);
  await cp(join(path, 'db-1', log!), join(older, 'db-1', log!));
  const told: StoreError[] = [];
  const queue = await openTestQueue(t, older, { onRot: (error) => told.push(error) });
  assert.equal(told[0]?.code, 'corrupt');
  const read = await collect(queue.blocks());
  const lost = (await queue.gaps()).reduce((sum, { first, last }) => sum + last - first + 1, 0);
  assert.deepEqual(
    read.map(({ bytes }) => `${Buffer.from(bytes)}`),
    [...'abcdejk'],
  );
  assert.equal(lost, 40);
  assert.equal(queue.next, 111);
});

test('what a damaged log costs is told of once, also where it held the latest position', async (t) => {
  const path = await temporaryDirectory(t);
  for (const text of ['ab', 'cd']) {
    const queue = await openTestQueue(t, path);
    for (const letter of text) await queue.append([block(10, letter)]);
    await queue.close();
  }
  const before = await openTestQueue(t, path);
  await before.release({ blocks: [{ first: 1 }], quarantine: [quarantined(before, 3, 4, 'refused')] });
  await before.close();
  const db = join(path, 'db-1');
  for (const name of await readdir(db)) {
    if (/^(CURRENT|MANIFEST-\d+)$/.test(name)) await rm(join(db, name));
    if (!name.endsWith('.log')) continue;
    const bytes = await readFile(join(db, name));
    const at = bytes.indexOf('refused');
    bytes[at]! ^= 0xff;
    bytes[at + 1]! ^= 0xff;
    await writeFile(join(db, name), bytes);
  }
  const damage: string[] = [];
  await openTestQueue(t, path, { onDamage: ({ first, last }) => damage.push(`${first}-${last}`) });
  assert.deepEqual(damage, ['3-4']);
});
