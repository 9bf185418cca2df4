/** What a queue's database has lost without a trace, and the witness knows of. */
import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Gap, lookAtQueue, type QueueView } from '../../src/store/index.ts';
import { QUEUE } from '../../src/store/keys.ts';
import { openRocks } from '../../src/store/rocks.ts';
import {
  block,
  collect,
  contents,
  countingBytes,
  hex,
  openTestQueue,
  quarantined,
  temporaryDirectory,
} from './queue-fixture.ts';

/** Two streams of blocks of ten, the second block released out of order; closed. */
async function filled(t: TestContext): Promise<string> {
  const path = await temporaryDirectory(t);
  for (const [start, texts] of ['abcd', 'ef'].entries()) {
    const queue = await openTestQueue(t, path, { randomBytes: countingBytes(start) });
    for (const text of texts) await queue.append([block(10, text)]);
    if (start === 0) await queue.release({ blocks: [{ first: 11 }] });
    await queue.close();
  }
  return path;
}

const ranges = (gaps: readonly Gap[]) =>
  gaps.map(({ first, last, stream, reason }) => `${first}-${last} ${hex(stream).slice(0, 2)} ${reason}`);

async function logOf(path: string): Promise<string> {
  const [log] = (await readdir(join(path, 'db-1'))).filter((name) => name.endsWith('.log'));
  return join(path, 'db-1', log!);
}

test('the end of a log that is gone becomes a gap, and its sequences are not used again', async (t) => {
  for (const end of ['all', 'last']) {
    const path = await filled(t);
    const log = await logOf(path);
    await truncate(log, end === 'all' ? 0 : (await readFile(log)).length - 5);
    const damage: Gap[] = [];
    const queue = await openTestQueue(t, path, { onDamage: (gap) => damage.push(gap) });
    const expected = end === 'all' ? ['41-60 02 damage'] : ['51-60 02 damage'];
    assert.deepEqual(ranges(damage), expected);
    assert.deepEqual(ranges(await queue.gaps()), expected);
    assert.equal(queue.unsent, 61, 'what is left may have been sent: the mark was lost with the rest');
    assert.deepEqual(await contents(queue, 21), ['21+10 c', '31+10 d', ...(end === 'all' ? [] : ['41+10 e'])]);
    assert.equal((await queue.append([block(1, 'g')])).first, 61);
    await queue.close();
    const again = await openTestQueue(t, path, { onDamage: () => assert.fail('it is known') });
    assert.deepEqual(ranges(await again.gaps()), expected);
    assert.deepEqual([again.next, again.unsent], [62, 61]);
  }
});

test('what had been delivered when the log lost it becomes no gap', async (t) => {
  const path = await temporaryDirectory(t);
  const append = async (text: string, release: readonly number[]) => {
    const queue = await openTestQueue(t, path);
    for (const letter of text) await queue.append([block(10, letter)]);
    await queue.release({ blocks: release.map((first) => ({ first })) });
    await queue.close();
  };
  await append('a', []);
  const older = join(path, 'older');
  await cp(join(path, 'db-1'), older, { recursive: true });
  // All up to 30, and 41 to 50 out of order.
  await append('bcdef', [1, 11, 21, 41]);
  await rm(join(path, 'db-1'), { recursive: true });
  await rename(older, join(path, 'db-1'));
  const damage: Gap[] = [];
  const queue = await openTestQueue(t, path, { onDamage: (gap) => damage.push(gap) });
  const lost = damage.map(({ first, last }) => [first, last]);
  assert.deepEqual(lost, [
    [31, 40],
    [51, 60],
  ]);
  assert.deepEqual((await queue.gaps()).length, 2);
  assert.deepEqual(await contents(queue), ['1+10 a']);
  assert.equal(queue.next, 61);
});

test('totals that the database has lost are those of the witness, until others are released', async (t) => {
  const path = await filled(t);
  const totalsOf = ({ totals, witnessedTotals }: QueueView) =>
    [totals, witnessedTotals].map((bytes) => bytes && `${bytes}`);
  const queue = await openTestQueue(t, path);
  const [oldest] = await collect(queue.blocks());
  await queue.release({ blocks: [oldest!], totals: Buffer.from('first') });
  await queue.append([block(1, 'h')]);
  await queue.close();
  await rm(join(path, 'db-1'), { recursive: true });
  for (let start = 0; start < 2; start += 1) {
    const without = await openTestQueue(t, path);
    assert.deepEqual(totalsOf(without), [undefined, 'first']);
    assert.deepEqual(await lookAtQueue(path, async (view) => totalsOf(view)), [undefined, 'first']);
    await without.append([block(1, 'i')]);
    await without.close();
  }
  const later = await openTestQueue(t, path);
  await later.release({ totals: Buffer.from('second') });
  await later.close();
  assert.deepEqual(totalsOf(await openTestQueue(t, path)), ['second', 'second']);
});

test('refused events whose record is lost become a gap, and one that is back has gone for good', async (t) => {
  const path = await filled(t);
  const queue = await openTestQueue(t, path);
  const [one, five, eight] = [1, 5, 8].map((first) => quarantined(queue, first, first + 1));
  await queue.release({ blocks: [{ first: 1 }], quarantine: [one!, five!] });
  await queue.close();
  const older = join(path, 'older');
  await cp(join(path, 'db-1'), older, { recursive: true });
  const later = await openTestQueue(t, path);
  await later.release({ quarantine: [eight!], removeQuarantine: [5] });
  await later.close();
  await rm(join(path, 'db-1'), { recursive: true });
  await rename(older, join(path, 'db-1'));
  for (let start = 0; start < 2; start += 1) {
    const damage: Gap[] = [];
    const restored = await openTestQueue(t, path, { onDamage: (gap) => damage.push(gap) });
    assert.deepEqual(ranges(damage), start === 0 ? ['8-9 01 damage'] : []);
    assert.deepEqual(ranges(await restored.gaps()), ['8-9 01 damage']);
    assert.deepEqual(
      (await collect(restored.quarantine())).map(({ first }) => first),
      [1],
    );
    await restored.close();
  }
});

test('refused events of more records than a witness lists are all there at the next opening', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  const records = 600;
  await queue.append([block(records, 'a')]);
  const { stream } = queue.streamAt(1);
  const quarantine = Array.from({ length: records }, (_, i) => {
    return { first: i + 1, last: i + 1, stream, bytes: Buffer.from('q') };
  });
  await queue.release({ blocks: [{ first: 1 }], quarantine });
  await queue.close();
  for (let start = 0; start < 2; start += 1) {
    const again = await openTestQueue(t, path, { onDamage: () => assert.fail('nothing is lost') });
    assert.deepEqual(
      (await collect(again.quarantine())).map(({ first }) => first),
      quarantine.map(({ first }) => first),
    );
    await again.close();
  }
});

test('refused events and gaps, which may be very many, are read once for an opening', async (t) => {
  const path = await filled(t);
  await truncate(await logOf(path), 0);
  for (const lost of [true, false]) {
    const read: (number | undefined)[] = [];
    const counting: typeof openRocks = async (...args) => {
      const rocks = await openRocks(...args);
      const entries = rocks.entries.bind(rocks);
      rocks.entries = (range) => {
        read.push(range.gte?.[0]);
        return entries(range);
      };
      return rocks;
    };
    const queue = await openTestQueue(t, path, {}, counting);
    const aside = [QUEUE.quarantine, QUEUE.gap].map((family) => read.filter((one) => one === family).length);
    assert.deepEqual(aside, [1, 1], lost ? 'with a loss' : 'without one');
    assert.deepEqual(ranges(await queue.gaps()), ['41-60 02 damage']);
    await queue.close();
  }
});

test('a database that is gone takes refused events and gaps with it, and they become gaps again', async (t) => {
  const path = await filled(t);
  const queue = await openTestQueue(t, path);
  await queue.release({ blocks: [{ first: 1 }], quarantine: [quarantined(queue, 3, 4)] });
  await queue.close();
  const all = ['21-40 01 damage', '3-4 01 damage', '41-60 02 damage'];
  for (let loss = 0; loss < 2; loss += 1) {
    await rm(join(path, 'db-1'), { recursive: true });
    const without = await openTestQueue(t, path);
    assert.deepEqual(ranges(await without.gaps()).sort(), all);
    await without.close();
  }
});

for (const [what, lose] of [
  ['all of its database', (path: string) => rm(join(path, 'db-1'), { recursive: true })],
  ['the end of its log', async (path: string) => await truncate(await logOf(path), 0)],
  [
    'its sorted files',
    async (path: string) => {
      const names = (await readdir(join(path, 'db-1'))).filter((name) => name.endsWith('.sst'));
      assert.ok(names.length > 0);
      for (const name of names) await rm(join(path, 'db-1', name));
    },
  ],
] as const) {
  test(`a queue that has lost ${what} has its latest marks all the same`, async (t) => {
    const path = await temporaryDirectory(t);
    const mark = (name: string, text: string) => ({ name, value: Buffer.from(text) });
    for (const round of [1, 2]) {
      const queue = await openTestQueue(t, path);
      await queue.append([block(10, 'a')], { marks: [mark('file', `row ${round}`), mark(`once ${round}`, 'x')] });
      await queue.note([mark('other', `row ${round}`)]);
      await queue.close();
    }
    await lose(path);
    for (let start = 0; start < 2; start += 1) {
      const queue = await openTestQueue(t, path);
      const marks = ['file', 'other', 'once 1', 'once 2'].map(async (name) => `${await queue.mark(name)}`);
      assert.deepEqual(await Promise.all(marks), ['row 2', 'row 2', 'x', 'x']);
      await queue.close();
    }
  });
}

test('marks that are kept beside a database are not better than those of a whole one', async (t) => {
  const path = await temporaryDirectory(t);
  const queue = await openTestQueue(t, path);
  await queue.append([block(10, 'a')], { marks: [{ name: 'file', value: Buffer.from('older') }] });
  const kept = await readFile(join(path, 'marks'));
  await queue.note([{ name: 'file', value: Buffer.from('newer') }]);
  await queue.close();
  await writeFile(join(path, 'marks'), kept);
  const again = await openTestQueue(t, path);
  assert.equal(`${await again.mark('file')}`, 'newer');
  await again.close();
  // Nor is it known what they were where nothing is kept, until the next opening has seen them.
  await rm(join(path, 'marks'));
  await (await openTestQueue(t, path)).close();
  await rm(join(path, 'db-1'), { recursive: true });
  assert.equal(`${await (await openTestQueue(t, path)).mark('file')}`, 'newer');
});

test('a witness of before a commit has no say in what that put aside', async (t) => {
  const path = await filled(t);
  const witness = await readFile(join(path, 'witness'));
  const queue = await openTestQueue(t, path);
  await queue.release({ blocks: [{ first: 1 }], quarantine: [quarantined(queue, 1, 10)] });
  await queue.close();
  await writeFile(join(path, 'witness'), witness);
  const again = await openTestQueue(t, path, { onDamage: () => assert.fail('nothing is lost') });
  assert.equal((await collect(again.quarantine())).length, 1);
  assert.deepEqual(await again.gaps(), []);
});

test('a database that is gone altogether leaves gaps of what was queued, stream by stream', async (t) => {
  const path = await filled(t);
  await rm(join(path, 'db-1'), { recursive: true });
  const queue = await openTestQueue(t, path);
  assert.deepEqual(ranges(await queue.gaps()), ['1-10 01 damage', '21-40 01 damage', '41-60 02 damage']);
  assert.deepEqual([queue.head, queue.next], [61, 61]);
  assert.equal((await queue.append([block(1, 'g')])).first, 61);
  assert.deepEqual(await contents(queue), ['61+1 g']);
});

test('where it was another device that lost it, the queue stays that device’s', async (t) => {
  const path = await filled(t);
  await rm(join(path, 'db-1'), { recursive: true });
  await assert.rejects(openTestQueue(t, path, { deviceId: 'pump-2' }), { code: 'other-device' });
});

test('an older copy of the whole queue is taken as it is', async (t) => {
  const path = await filled(t);
  const copy = await temporaryDirectory(t);
  await cp(path, copy, { recursive: true });
  const queue = await openTestQueue(t, path);
  await queue.append([block(10, 'g')]);
  await queue.close();
  const again = await openTestQueue(t, copy, { onDamage: () => assert.fail('nothing is lost') });
  assert.deepEqual([again.head, again.next], [1, 61]);
});

test('a witness that is behind, damaged, or gone changes nothing', async (t) => {
  for (const spoil of [
    async (witness: string) => await rm(witness),
    async (witness: string) => await truncate(witness, 3),
    async (witness: string) => {
      const bytes = await readFile(witness);
      bytes[30]! ^= 1;
      await writeFile(witness, bytes);
    },
    async (witness: string) => await writeFile(witness, Buffer.alloc(2 << 20, 0xff)),
  ]) {
    const path = await filled(t);
    const older = await readFile(join(path, 'witness'));
    const queue = await openTestQueue(t, path);
    await queue.append([block(10, 'g')]);
    await queue.close();
    await writeFile(join(path, 'witness'), older);
    await spoil(join(path, 'witness'));
    const again = await openTestQueue(t, path, { onDamage: () => assert.fail('nothing is lost') });
    assert.equal(again.next, 71);
    await again.close();
  }
});

test('a witness that cannot be used is told of, and the device goes on', async (t) => {
  const path = await filled(t);
  const witness = join(path, 'witness');
  await rm(witness);
  await mkdir(witness);
  const told: string[] = [];
  const queue = await openTestQueue(t, path, { onRot: ({ code }) => told.push(code) });
  assert.deepEqual(told, ['io']);
  assert.equal((await queue.append([block(10, 'g')])).first, 61);
});
