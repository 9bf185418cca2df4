import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode } from '@msgpack/msgpack';
import { DEPTH_MAX, NODES_MAX } from '../../src/codec/index.ts';
import { COLUMNS_MAX } from '../../src/codec/limits.ts';
import { checkOutline } from '../../src/codec/outline.ts';
import { coded } from './events.ts';

function check(hex: string): void {
  checkOutline(Buffer.from(hex, 'hex'));
}

test('every form of msgpack that a batch may have passes', () => {
  const text = (length: number) => 'x'.repeat(length);
  for (const value of [
    null,
    true,
    false,
    0,
    -1,
    127,
    -33,
    200,
    -200,
    40_000,
    -40_000,
    5e9,
    -5e9,
    2 ** 50,
    1.5,
    '',
    text(31),
    text(32),
    text(300),
    new Uint8Array(3),
    new Uint8Array(300),
    new Uint8Array(70_000),
    [],
    {},
    [1, [2, [3]]],
    { a: { b: { c: null } } },
    Array.from({ length: 20 }, () => 0),
    Array.from({ length: 70_000 }, () => 0),
    Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i])),
  ]) {
    checkOutline(encode(value));
  }
  check('ca3fc00000'); // float 32, which the library writes only when told
  // Lengths of 32 bits, which it writes only where they are needed.
  check('db0000000161');
  check('df00000001a161c0');
});

test('a map has at most as many keys as a batch may have columns', () => {
  const map = (keys: number) => encode(Object.fromEntries(Array.from({ length: keys }, (_, i) => [`k${i}`, 0])));
  checkOutline(map(COLUMNS_MAX));
  assert.throws(() => checkOutline(map(COLUMNS_MAX + 1)), coded('batch-malformed'));
});

test('the place of a fault is given', () => {
  for (const [name, hex, offset] of [
    ['nothing at all', '', 0],
    ['an element missing', '92c0', 0],
    ['a length cut short', '91da01', 1],
    ['text cut short', '92c0a3ffff', 2],
    ['binary cut short', 'c40500', 0],
    ['a number cut short', '91cb0000', 1],
    ['more children than bytes', '91dc0004c0c0', 1],
    ['more entries than bytes', '82c0c0', 0],
    ['a count of 2^32 - 1', 'ddffffffff', 0],
    ['a map of 2^32 - 1', 'dfffffffff', 0],
    ['binary of 2^32 - 1', 'c6ffffffff', 0],
    ['bytes after the end', 'c0c0', 1],
    ['an extension', '91d40100', 1],
    ['an extension of 8 bits', 'c7010100', 0],
    ['a timestamp', 'd6ff00000000', 0],
    ['the type that is never used', '91c1', 1],
    ['text that is not UTF-8', '92c0a1ff', 2],
    ['a surrogate', 'a3eda080', 0],
    ['an overlong form', 'a2c080', 0],
    ['a character cut short', '92a1c3c0', 1],
    ['a byte order mark', 'a4efbbbf61', 0],
  ] as const) {
    assert.throws(() => check(hex), coded('batch-malformed', offset), name);
  }
});

test('containers nest no deeper than they must', () => {
  const nested = (depth: number): string => `${'91'.repeat(depth)}c0`;
  check(nested(DEPTH_MAX));
  check(`${'91'.repeat(DEPTH_MAX)}90`);
  assert.throws(() => check(nested(DEPTH_MAX + 1)), coded('batch-malformed', DEPTH_MAX));
  assert.throws(() => check(nested(100_000)), coded('batch-malformed', DEPTH_MAX));
  assert.throws(() => check(`${'81c0'.repeat(DEPTH_MAX + 1)}c0`), coded('batch-malformed', 2 * DEPTH_MAX));
});

test('values are counted before anything is made of them', () => {
  const list = (count: number): Buffer => {
    const bytes = Buffer.alloc(5 + count, 0xc0);
    bytes[0] = 0xdd;
    bytes.writeUInt32BE(count, 1);
    return bytes;
  };
  checkOutline(list(NODES_MAX - 1));
  assert.throws(() => checkOutline(list(NODES_MAX)), coded('batch-limit', 4 + NODES_MAX));
});
