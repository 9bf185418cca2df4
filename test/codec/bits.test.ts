import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { flagsAt, packBits, placesOf, unpackBits } from '../../src/codec/bits.ts';
import { coded, isTaken } from './events.ts';
import { holds } from './property.ts';

test('flags come back, whatever their number', (t) => {
  holds(t, 300, fc.array(fc.nat(1), { maxLength: 40 }), (flags) => {
    const packed = packBits(Uint8Array.from(flags));
    assert.equal(packed.length, Math.ceil(flags.length / 8));
    assert.deepEqual([...unpackBits(packed, flags.length)], flags);
    const places = placesOf(Uint8Array.from(flags));
    assert.deepEqual(
      [...places],
      [...flags.keys()].filter((at) => flags[at] === 1),
    );
    assert.deepEqual([...flagsAt(places, flags.length)], flags);
  });
});

test('bytes are the flags of one number of them only, or are refused', (t) => {
  holds(t, 1_000, fc.tuple(fc.uint8Array({ maxLength: 9 }), fc.nat(80)), ([bits, count]) => {
    let flags: Uint8Array = new Uint8Array();
    if (!isTaken(() => (flags = unpackBits(bits, count)), 'batch-column')) return;
    assert.equal(flags.length, count);
    assert.deepEqual(packBits(flags), bits);
  });
});

test('the first flag is the least significant bit', () => {
  assert.deepEqual([...packBits(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 1))], [1, 2]);
});

test('bits that are missing, left over or set past the end are refused', () => {
  assert.throws(() => unpackBits(new Uint8Array(1), 9), coded('batch-column'));
  assert.throws(() => unpackBits(new Uint8Array(2), 8), coded('batch-column'));
  assert.throws(() => unpackBits(Uint8Array.of(0, 2), 9), coded('batch-column'));
  assert.throws(() => unpackBits(new Uint8Array(1), 0), coded('batch-column'));
});
