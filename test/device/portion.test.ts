import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPortion } from '../../src/device/portion.ts';

test('a portion grows with how little its events come to', () => {
  const portion = createPortion(16_384);
  assert.equal(portion.events, 4_096);
  portion.packed(4_096, 4_096 * 6);
  assert.equal(portion.events, 8_192);
  portion.packed(8_192, 8_192 * 2);
  assert.equal(portion.events, 16_384);
  portion.packed(16_384, 16_384 * 6);
  assert.equal(portion.events, 8_192);
});

test('it is no smaller for events that come to much, and never more than was allowed', () => {
  const portion = createPortion(5_000);
  portion.packed(4_096, 4_096 * 1_000);
  assert.equal(portion.events, 4_096);
  portion.packed(4_096, 4_096);
  assert.equal(portion.events, 5_000);
  assert.equal(createPortion(10).events, 10);
});

test('few events say nothing about many', () => {
  const portion = createPortion(16_384);
  portion.packed(1_023, 1_023);
  assert.equal(portion.events, 4_096);
});
