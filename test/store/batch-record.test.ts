/** The records of an accepted batch: they come back, and what is not one is corrupt. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeBatch, decodeExtent, encodeBatch, encodeExtent } from '../../src/store/batch-record.ts';
import { type AcceptedBatch, StoreError } from '../../src/store/index.ts';
import { seal } from '../../src/store/seal.ts';
import { changed, holds } from '../codec/property.ts';

const KEY = Buffer.from('2300000000000000ff', 'hex');

const anyBatch: fc.Arbitrary<AcceptedBatch> = fc
  .record({
    first: fc.integer({ min: 1, max: 2 ** 50 }),
    more: fc.nat(70_000),
    tsMin: fc.integer({ min: -(2 ** 52), max: 2 ** 51 }),
    spanMs: fc.nat(),
    receivedAt: fc.maxSafeInteger(),
    encoding: fc.stringMatching(/^[a-z0-9-]{1,32}$/),
    body: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  })
  .map(({ more, spanMs, ...batch }) => ({ ...batch, last: batch.first + more, tsMax: batch.tsMin + spanMs }));

const anyStream = fc.record({
  deviceId: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/),
  stream: fc.stringMatching(/^[0-9a-f]{32}$/),
});

test('both records of a batch come back', (t) => {
  holds(t, 500, fc.tuple(anyStream, anyBatch), ([key, batch]) => {
    const { first, receivedAt, encoding, body, last, tsMin, tsMax } = batch;
    assert.deepEqual(decodeBatch(KEY, encodeBatch(KEY, key, batch)), { ...key, first, receivedAt, encoding, body });
    assert.deepEqual(decodeExtent(KEY, encodeExtent(KEY, batch)), {
      last,
      tsMin,
      tsMax,
      receivedAt,
      bodyBytes: body.length,
    });
  });
});

test('a record that is changed, or under another key, is corrupt', (t) => {
  const anyRecord = fc.tuple(anyStream, anyBatch, fc.boolean()).chain(([key, batch, isExtent]) => {
    const record = isExtent ? encodeExtent(KEY, batch) : encodeBatch(KEY, key, batch);
    return fc.tuple(fc.constant(isExtent), fc.constant(record), changed(record));
  });
  holds(t, 1_000, anyRecord, ([isExtent, record, bytes]) => {
    const decode = isExtent ? decodeExtent : decodeBatch;
    if (record.equals(bytes)) return;
    assert.throws(() => decode(KEY, Buffer.from(bytes)), { name: 'StoreError', code: 'corrupt' });
    assert.throws(() => decode(Buffer.from('23ff', 'hex'), record), { code: 'corrupt' });
  });
});

test('bytes of another shape are corrupt also behind a good seal', (t) => {
  holds(t, 1_000, fc.uint8Array({ maxLength: 80 }), (body) => {
    for (const decode of [decodeBatch, decodeExtent]) {
      try {
        decode(KEY, seal(KEY, body));
      } catch (error) {
        assert(error instanceof StoreError && error.code === 'corrupt', String(error));
      }
    }
  });
});
