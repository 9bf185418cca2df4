/** The records of a queue: they come back, and what has changed on disk is not believed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { numberKey, QUEUE } from '../../src/store/keys.ts';
import { blockPut, decodeBlock } from '../../src/store/queue-blocks.ts';
import { decodePosition, positionPut } from '../../src/store/queue-position.ts';
import {
  decodeGap,
  decodeIdentity,
  decodeQuarantine,
  gapPut,
  IDENTITY_KEY,
  identityPut,
  type Put,
  quarantinePut,
} from '../../src/store/queue-records.ts';
import { decodeRun } from '../../src/store/queue-streams.ts';
import { changed, holds } from '../codec/property.ts';

const PLAIN = { noNullPrototype: true } as const;
const anySequence = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const anyStream = fc.uint8Array({ minLength: 16, maxLength: 16 });
const anyBytes = fc.uint8Array({ maxLength: 60 });
const anyGap = fc.record({
  first: anySequence,
  last: anySequence,
  stream: anyStream,
  reason: fc.constantFrom('quota' as const, 'damage' as const),
  sums: anyBytes,
});
const anyEntry = fc.record({ first: anySequence, last: anySequence, stream: anyStream, bytes: anyBytes });
const anyBlock = fc.record({
  first: fc.integer({ min: 1, max: 2 ** 52 }),
  count: fc.integer({ min: 1, max: 4_096 }),
  offset: fc.maxSafeNat(),
  bytes: anyBytes,
});
const anyPosition = fc.record(
  {
    revision: fc.maxSafeNat(),
    head: anySequence,
    next: anySequence,
    offset: fc.maxSafeNat(),
    bytes: fc.maxSafeNat(),
    unsent: anySequence,
    cleared: fc.array(fc.record({ first: anySequence, last: anySequence }, PLAIN), { maxLength: 4 }),
  },
  PLAIN,
);

/** With plain bytes in the place of views. */
function plain<T extends object>(record: T): object {
  const parts = Object.entries(record).map(([name, part]) => [name, part instanceof Uint8Array ? [...part] : part]);
  return Object.fromEntries(parts);
}

test('gaps, quarantined events, blocks and the owner come back', (t) => {
  holds(
    t,
    500,
    fc.tuple(anyGap, anyEntry, anyBlock, fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/)),
    (records) => {
      const [gap, entry, block, deviceId] = records;
      const putGap = gapPut(gap);
      assert.deepEqual(plain(decodeGap(putGap.key, putGap.value)!), plain(gap));
      const putEntry = quarantinePut(entry);
      assert.deepEqual(plain(decodeQuarantine(putEntry.key, putEntry.value)!), plain(entry));
      const putBlock = blockPut(block);
      const last = block.first + block.count - 1;
      const expected = { ...plain(block), last, storedBytes: putBlock.value.length };
      assert.deepEqual(plain(decodeBlock(putBlock.key, putBlock.value)!), expected);
      assert.deepEqual(decodeIdentity(identityPut(deviceId).value), { deviceId });
    },
  );
});

test('the position comes back', (t) => {
  holds(t, 500, anyPosition, (position) => {
    assert.deepEqual(decodePosition((positionPut(position) as Put).value), position);
  });
  assert.equal(decodePosition(undefined), undefined);
});

test('what is changed, or stands under another key, is nothing', (t) => {
  const readers = {
    gap: (key: Buffer, value: Buffer) => decodeGap(key, value),
    quarantine: (key: Buffer, value: Buffer) => decodeQuarantine(key, value),
    block: (key: Buffer, value: Buffer) => decodeBlock(key, value),
    identity: (_key: Buffer, value: Buffer) => decodeIdentity(value),
    position: (_key: Buffer, value: Buffer) => decodePosition(value),
    run: (key: Buffer, value: Buffer) => decodeRun(key, value),
  };
  const anyPut: fc.Arbitrary<readonly [name: keyof typeof readers, put: Put]> = fc.oneof(
    anyGap.map((gap) => ['gap', gapPut(gap)] as const),
    anyEntry.map((entry) => ['quarantine', quarantinePut(entry)] as const),
    anyBlock.map((block) => ['block', blockPut(block)] as const),
    anyPosition.map((position) => ['position', positionPut(position) as Put] as const),
    fc.constant(['identity', identityPut('pump-7')] as const),
  );
  const anyChanged = anyPut.chain(([name, put]) => fc.tuple(fc.constant(name), fc.constant(put), changed(put.value)));
  holds(t, 2_000, anyChanged, ([name, { key, value }, bytes]) => {
    if (value.equals(bytes)) return;
    assert.equal(readers[name](key, Buffer.from(bytes)), undefined, name);
    for (const read of Object.values(readers)) {
      if (name !== 'identity' && name !== 'position') assert.equal(read(Buffer.concat([key, key]), value), undefined);
    }
  });
});

test('a record of one kind is none of another, for their keys are not alike', () => {
  const gap = gapPut({ first: 7, last: 9, stream: Buffer.alloc(16), reason: 'quota', sums: Buffer.alloc(0) });
  assert.equal(decodeQuarantine(numberKey(QUEUE.quarantine, 7), gap.value), undefined);
  assert.equal(decodeIdentity(gap.value), undefined);
  assert.notDeepEqual(gap.key, IDENTITY_KEY);
});
