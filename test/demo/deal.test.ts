import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { dealRows } from '../../demo/deal.ts';

async function deal(t: TestContext, name: string, content: string, count: number) {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-deal-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, name);
  await writeFile(path, content);
  const hands = await dealRows(path, folder, count);
  return Promise.all(hands.map(async ({ path: hand, rows }) => ({ rows, content: await readFile(hand, 'utf8') })));
}

test('lines go round, and empty ones to nobody', async (t) => {
  assert.deepEqual(await deal(t, 'a.ndjson', '{"a":1}\r\n{"a":2}\n\n{"a":3}\n{"a":4}', 3), [
    { rows: 2, content: '{"a":1}\n{"a":4}\n' },
    { rows: 1, content: '{"a":2}\n' },
    { rows: 1, content: '{"a":3}\n' },
  ]);
});

test('the heading of a CSV file goes to all, and a quoted cell may hold lines', async (t) => {
  assert.deepEqual(await deal(t, 'a.csv', 'ts,note\n1,"two\nlines, ""quoted"""\n2,plain\n3,"open', 2), [
    { rows: 2, content: 'ts,note\n1,"two\nlines, ""quoted"""\n3,"open\n' },
    { rows: 1, content: 'ts,note\n2,plain\n' },
  ]);
});

test('a file of many rows is dealt whole', async (t) => {
  const rows = Array.from({ length: 40_000 }, (_, i) => `{"ts":${i},"volume":${i / 8}}`);
  const hands = await deal(t, 'a.ndjson', rows.join('\n'), 3);
  assert.deepEqual(
    hands.map((hand) => hand.rows),
    [13_334, 13_333, 13_333],
  );
  const dealt = hands.flatMap(({ content }) => content.trimEnd().split('\n'));
  assert.deepEqual(dealt.sort(), rows.sort());
});

test('an empty file gives empty hands', async (t) => {
  assert.deepEqual(await deal(t, 'a.csv', '', 2), [
    { rows: 0, content: '' },
    { rows: 0, content: '' },
  ]);
});
