import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRocks } from '../../src/store/rocks.ts';
import { examineLog, formatLog } from '../../src/store/rocks-log.ts';
import { temporaryDirectory } from './queue-fixture.ts';
import { createRandom, seedOf } from './random.ts';

const BLOCK_BYTES = 32_768;

/** Records of all sizes: none at all, whole blocks, over several blocks. */
function recordsOf(random: (below: number) => number, count: number): Buffer[] {
  return Array.from({ length: count }, () => {
    const length = random(5) === 0 ? random(3 * BLOCK_BYTES) : random(400);
    return Buffer.from(Array.from({ length }, () => 1 + random(255)));
  });
}

function examined(bytes: Buffer) {
  const { records, ...findings } = examineLog(bytes);
  return { ...findings, records: records.map((record) => record.toString('latin1')) };
}

const texts = (records: readonly Buffer[]) => records.map((record) => record.toString('latin1'));
const NOTHING = { mendedBits: 0, brokenAt: undefined, failedAt: undefined, unfinishedAt: undefined };

test('reads and writes what RocksDB writes, to the byte', async (t) => {
  const random = createRandom(seedOf(t));
  const path = await temporaryDirectory(t);
  const rocks = await openRocks(path);
  for (const value of recordsOf(random, 60)) await rocks.write([{ type: 'put', key: Buffer.from('key'), value }]);
  await rocks.close();
  const [log] = (await readdir(path)).filter((name) => name.endsWith('.log'));
  const bytes = await readFile(join(path, log!));
  const { mendedBits, brokenAt, records } = examineLog(Buffer.from(bytes));
  assert.deepEqual([mendedBits, brokenAt, records.length], [0, undefined, 60]);
  assert.ok(formatLog(records).equals(bytes));
});

test('one flipped bit, anywhere, is put right', (t) => {
  const random = createRandom(seedOf(t));
  const records = recordsOf(random, 40);
  const whole = formatLog(records);
  const heads = Array.from({ length: 7 * 8 }, (_, bit) => bit);
  for (const bit of [...heads, ...Array.from({ length: 200 }, () => random(whole.length * 8))]) {
    const bytes = Buffer.from(whole);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    const found = examined(bytes);
    // What fills up a block means nothing.
    if (found.mendedBits > 0) assert.ok(bytes.equals(whole), `bit ${bit}`);
    assert.deepEqual({ ...found, mendedBits: 0 }, { ...NOTHING, records: texts(records) }, `bit ${bit}`);
  }
});

test('of a log that was damaged further, every record that is whole is found', (t) => {
  const random = createRandom(seedOf(t));
  for (let round = 0; round < 50; round += 1) {
    const records = recordsOf(random, 30);
    const bytes = formatLog(records);
    const ends = records.map((_, i) => formatLog(records.slice(0, i + 1)).length);
    // Not in the last one: that may be a write that was cut off.
    const broken = random(records.length - 1);
    const from = (ends[broken - 1] ?? 0) + random(20);
    const to = Math.min(ends[broken]!, from + 40);
    if (to - from < 8) continue;
    for (let at = from; at < to; at += 1) bytes[at] = random(256);
    const found = examined(bytes);
    assert.equal(found.brokenAt !== undefined, true, `round ${round}`);
    assert.deepEqual(found.records, texts(records.toSpliced(broken, 1)), `round ${round}`);
  }
});

test('a write that was cut off is no damage: by the end of the file, or by sectors that were never written', (t) => {
  const random = createRandom(seedOf(t));
  const records = recordsOf(random, 20);
  const last = Buffer.alloc(2_000, 'x');
  const whole = formatLog([...records, last]);
  const start = formatLog(records).length;
  const expected = { ...NOTHING, unfinishedAt: start, records: texts(records) };
  assert.deepEqual(examined(Buffer.from(whole.subarray(0, start))), { ...expected, unfinishedAt: undefined });
  for (let length = start + 1; length < whole.length; length += 17) {
    assert.deepEqual(examined(Buffer.from(whole.subarray(0, length))), expected);
  }
  const torn = Buffer.from(whole);
  const sector = Math.ceil((start + 600) / 512) * 512;
  torn.fill(0, sector, sector + 512);
  assert.deepEqual(examined(torn), expected);
});

test('the last record, all there but with more than one bit wrong, was whole once', () => {
  const records = [Buffer.from('one'), Buffer.alloc(900, 'two')];
  const bytes = formatLog(records);
  bytes.fill('?', 300, 308);
  assert.deepEqual(examined(bytes), { ...NOTHING, brokenAt: formatLog([records[0]!]).length, records: ['one'] });
});

test('what a full disk cut off, and closing wrote once more, was never resolved', (t) => {
  const random = createRandom(seedOf(t));
  for (const length of [900, 40_000, 100_000]) {
    const records = recordsOf(random, 10);
    const start = formatLog(records).length;
    const failed = formatLog([...records, Buffer.from(Array.from({ length }, () => 1 + random(255)))]).subarray(start);
    for (const kept of [8, 100, Math.floor(failed.length / 2)]) {
      const bytes = Buffer.concat([formatLog(records), failed.subarray(0, kept), failed]);
      const expected = { ...NOTHING, failedAt: start, records: texts(records) };
      assert.deepEqual(examined(bytes), expected, `${kept} of ${length} bytes`);
    }
  }
});
