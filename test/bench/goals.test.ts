/** What is said about a reading that has a goal. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { GOALS, judge, judged, judgementTexts } from '../../bench/goals.ts';

const speed = (value: number) => ({ name: 'batches of 4,096', value, unit: 'events/s' }) as const;
const memory = (value: number) => ({ name: 'peak memory of the device', value, unit: 'MB' }) as const;

test('a least is met from there upwards, a most from there downwards', () => {
  const met = (figure: string, reading: Parameters<typeof judge>[1]) => judge(figure, reading)?.met;
  assert.deepEqual(
    [4_999_999, 5_000_000, 5_000_001].map((value) => met('ingest', speed(value))),
    [false, true, true],
  );
  assert.deepEqual(
    [129, 130, 131].map((value) => met('drain', memory(value))),
    [true, true, false],
  );
});

test('the texts say the goal, the ratio and whether it is met', () => {
  assert.deepEqual(judgementTexts(judge('ingest', speed(4_000_000))), ['≥ 5 M', '0.8 missed']);
  assert.deepEqual(judgementTexts(judge('drain', memory(65))), ['≤ 130', '0.5 met']);
  assert.deepEqual(judgementTexts(judge('codec', speed(1))), ['–', '–']);
});

test('a reading without a goal stays as it is, one with a goal carries it', () => {
  const other = { name: 'other', value: 1, unit: 'ms', values: [1] } as const;
  const [first, second] = judged('ingest', [{ ...speed(10_000_000), values: [10_000_000] }, other]);
  assert.deepEqual([first?.goal?.value, first?.ratio, first?.met], [5_000_000, 2, true]);
  assert.deepEqual(second, other);
});

test('a goal in another unit than its reading is a mistake', () => {
  assert.throws(() => judge('drain', { ...memory(1), unit: 'ms' }), /its goal in MB/);
});

test('goals are for figures that there are', () => {
  const figures = readdirSync(new URL('../../bench/figures/', import.meta.url)).map((file) => file.replace('.ts', ''));
  for (const figure of Object.keys(GOALS)) assert(figures.includes(figure), figure);
});
