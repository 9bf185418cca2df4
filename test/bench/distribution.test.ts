import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distributionOf } from '../../bench/distribution.ts';

test('a percentile is a value that was measured, at least so many of all being no larger', () => {
  const { percentile, max } = distributionOf(Array.from({ length: 1_000 }, (_, at) => 1_000 - at));
  assert.deepEqual(
    [percentile(0.5), percentile(0.99), percentile(0.999), percentile(1), max],
    [500, 990, 999, 1_000, 1_000],
  );
  assert.equal(distributionOf([7]).percentile(0.001), 7);
});

test('buckets take every value once, the worst in the last', () => {
  const values = [0, 0.005, 0.01, 0.011, 1, 1, 80];
  const buckets = distributionOf(values).buckets();
  assert.equal(Math.round(buckets.reduce((sum, [, share]) => sum + share, 0) * values.length), values.length);
  assert.equal(buckets[0]![1], 3 / values.length, 'everything up to a hundredth');
  const [upTo, share] = buckets.at(-1)!;
  assert(upTo >= 80 && upTo < 80 * 2 ** 0.25 && share > 0);
});

test('nothing measured is a mistake', () => {
  assert.throws(() => distributionOf([]), /no times/);
});
