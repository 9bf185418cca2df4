/** The primitives of pages: what was written is read as it was, and nothing is read that was not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createPageReader, createPageWriter, type PageReader, type PageWriter } from '../../src/gateway/page-bytes.ts';
import { changed, holds } from '../codec/property.ts';

type Piece = readonly [kind: keyof PageReader & keyof PageWriter, value: unknown];

const INTEGER_MAX = 2 ** 52 - 1;
const anyDigits = fc.oneof(
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 51n), max: 2n ** 51n }),
  fc.bigInt({ min: -(2n ** 2_000n), max: 2n ** 2_000n }),
);
const anyPiece: fc.Arbitrary<Piece> = fc.oneof(
  fc.maxSafeNat().map((value) => ['natural', value] as const),
  fc.integer({ min: -INTEGER_MAX, max: INTEGER_MAX }).map((value) => ['integer', value] as const),
  anyDigits.map((value) => ['digits', value] as const),
  fc.double().map((value) => ['double', value] as const),
  fc
    .string({ unit: 'grapheme' })
    .filter((text) => text.isWellFormed())
    .map((value) => ['text', value] as const),
  fc.uint8Array().map((value) => ['bytes', Buffer.from(value)] as const),
);

const writer = createPageWriter();

function written(pieces: readonly Piece[]): Uint8Array {
  for (const [kind, value] of pieces) (writer[kind] as (value: unknown) => void)(value);
  return writer.finish();
}

function read(bytes: Uint8Array, pieces: readonly Piece[]): unknown[] {
  const reader = createPageReader(bytes);
  const values = pieces.map(([kind]) => reader[kind]());
  reader.end();
  return values;
}

test('every piece comes back, whatever stands before and behind it', (t) => {
  holds(t, 1_000, fc.array(anyPiece), (pieces) => {
    assert.deepEqual(
      read(written(pieces), pieces),
      pieces.map(([, value]) => value),
    );
  });
});

test('bytes that are changed are read to their end, or are a RangeError', (t) => {
  const anyChanged = fc
    .array(anyPiece, { minLength: 1 })
    .chain((pieces) => fc.tuple(fc.constant(pieces), changed(written(pieces))));
  holds(t, 3_000, fc.oneof(anyChanged, fc.tuple(fc.array(anyPiece), fc.uint8Array())), ([pieces, bytes]) => {
    try {
      assert.equal(read(bytes, pieces).length, pieces.length);
    } catch (error) {
      assert(error instanceof RangeError, String(error));
    }
  });
});

test('a count announces no more than there are bytes for', () => {
  for (const [bytes, count] of [
    [[2, 0, 0], 2],
    [[0], 0],
  ] as const) {
    assert.equal(createPageReader(Uint8Array.from(bytes)).count(), count);
  }
  assert.throws(() => createPageReader(Uint8Array.of(3, 0, 0)).count(), RangeError);
});
