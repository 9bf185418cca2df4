import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import {
  BATCH_BYTES_MAX,
  BATCH_EVENTS_MAX,
  type BatchHeader,
  COLUMNS_MAX,
  type CodecErrorCode,
  type DeclaredGap,
  decodeBatch,
  encodeBatch,
  encodeColumns,
  eventsOf,
  GAPS_MAX,
  INTEGER_MAX,
  SEQUENCE_MAX,
} from '../../src/codec/index.ts';
import { anyEvents, anyName, coded, headerOf, isTaken, tableOf } from './events.ts';
import { changed, holds } from './property.ts';

const NOTHING = encodeColumns(tableOf([]));
const ONE = encodeColumns(tableOf([{ ts: 5, sensor: 'a', fields: { volume: 1 } }]));

const anyCount = fc.oneof(fc.nat(), fc.nat({ max: SEQUENCE_MAX }), fc.constant(SEQUENCE_MAX));
const anySums = fc.option(
  fc.array(fc.tuple(anyName, fc.constantFrom('0', '-1.5', '12345678901234567890.000000001'))).map(Object.fromEntries),
);
const anyGap: fc.Arbitrary<DeclaredGap> = fc
  .tuple(fc.nat({ max: 2 ** 53 - 2 ** 33 }), fc.nat(), fc.constantFrom('quota', 'damage'), anySums)
  .map(([first, more, reason, sums]) => ({ first: first + 1, last: first + 1 + more, reason, sums }));
const anyHeader: fc.Arbitrary<Omit<BatchHeader, 'count'>> = fc
  .tuple(
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc.nat({ max: SEQUENCE_MAX - 100 }),
    fc.integer({ min: -INTEGER_MAX, max: INTEGER_MAX }),
    fc.tuple(anyCount, anyCount, anyCount, anyCount),
    fc.array(anyGap, { maxLength: GAPS_MAX }),
  )
  .map(([stream, before, sentAt, [recorded, queued, quarantined, gaps], declared]) => ({
    stream,
    first: before + 1,
    sentAt,
    queue: { recorded, queued, quarantined, gaps },
    gaps: declared,
  }));

/** A batch of one event as a plain map. */
function plainBatch(): Record<string, unknown> {
  const volume = ['volume', 0, null, 0, Uint8Array.of(0x10, 2), null, null, null];
  const columns = [1, ['a'], null, Uint8Array.of(0x10, 0x0a), [volume]];
  return { v: 1, stream: new Uint8Array(16), first: 1, count: 1, sent: 0, queue: [1, 1, 0, 0], gaps: [], columns };
}

/** The same with entries put in or, where undefined, left out. */
function batchWith(entries: Record<string, unknown> = {}): Uint8Array {
  const given = Object.entries({ ...plainBatch(), ...entries }).filter(([, value]) => value !== undefined);
  return encode(Object.fromEntries(given));
}

function refuses(code: CodecErrorCode, cases: Record<string, Uint8Array>): void {
  for (const [name, bytes] of Object.entries(cases)) assert.throws(() => decodeBatch(bytes), coded(code), name);
}

test('header and events come back', (t) => {
  holds(t, 300, fc.tuple(anyEvents, anyHeader), ([events, header]) => {
    const given = { ...header, count: events.length };
    const { table, ...back } = decodeBatch(encodeBatch(given, encodeColumns(tableOf(events))));
    assert.deepEqual([...eventsOf(table)], events);
    assert.deepEqual(back, given);
  });
});

test('the columns of a block go into the batch as they are', () => {
  const bytes = Buffer.from(encodeBatch(headerOf(1), ONE));
  assert.equal(bytes[0], 0x88);
  assert(bytes.subarray(-ONE.length).equals(ONE));
});

test('a batch without events reports and declares', () => {
  const header = headerOf(0, { first: SEQUENCE_MAX, gaps: [{ first: 1, last: 9, reason: 'damage', sums: null }] });
  const { table, ...back } = decodeBatch(encodeBatch(header, NOTHING));
  assert.deepEqual(back, header);
  assert.equal(table.count, 0);
});

test('the last sequence there is may be used', () => {
  assert.equal(decodeBatch(encodeBatch(headerOf(1, { first: SEQUENCE_MAX }), ONE)).first, SEQUENCE_MAX);
});

test('the stream does not keep the body alive', () => {
  const bytes = encodeBatch(headerOf(1), ONE);
  for (const body of [bytes, Buffer.from(bytes)]) {
    assert.notEqual(decodeBatch(body).stream.buffer, body.buffer);
  }
});

test('entries in any order and unknown ones beside them are taken', () => {
  const reversed = Object.fromEntries(Object.entries(plainBatch()).reverse());
  const extra = { note: { a: [1] }, text: 'x'.repeat(4_096), nothing: null };
  assert.equal(decodeBatch(encode({ ...extra, ...reversed })).count, 1);
});

test('whole numbers may come as floats', () => {
  const bytes = Buffer.from(batchWith());
  const at = bytes.indexOf(Buffer.from(encode('first'))) + 6;
  const float = Buffer.concat([
    bytes.subarray(0, at),
    Buffer.from('cb3ff0000000000000', 'hex'),
    bytes.subarray(at + 1),
  ]);
  assert.equal(decodeBatch(float).first, 1);
});

test('a version that is not known is told from nonsense', () => {
  refuses('batch-version', {
    'version 2': batchWith({ v: 2 }),
    'version 0': batchWith({ v: 0 }),
    'no version': batchWith({ v: undefined }),
    'a version of text': batchWith({ v: '1' }),
    'a version without a text': batchWith({ v: { toString: null } }),
    'no version but an inherited one': batchWith({ v: { constructor: { name: 1 } } }),
    'version 2 with nothing else': encode({ v: 2 }),
  });
});

test('what is not a batch is refused', () => {
  const gap = (...parts: unknown[]): Uint8Array => batchWith({ gaps: [parts] });
  refuses('batch-malformed', {
    nil: encode(null),
    'a number': encode(5),
    'a list': encode([1, 2]),
    binary: encode(new Uint8Array(4)),
    'no stream': batchWith({ stream: undefined }),
    'a short stream': batchWith({ stream: new Uint8Array(15) }),
    'a stream of text': batchWith({ stream: 'x'.repeat(16) }),
    'no first': batchWith({ first: undefined }),
    'first 0': batchWith({ first: 0 }),
    'first -1': batchWith({ first: -1 }),
    'first 1.5': batchWith({ first: 1.5 }),
    'first 2^53': batchWith({ first: 2 ** 53 }),
    'no count': batchWith({ count: undefined }),
    'a negative count': batchWith({ count: -1 }),
    'a count of text': batchWith({ count: '1' }),
    'another count than the columns': batchWith({ count: 2 }),
    'no sent': batchWith({ sent: undefined }),
    'sent 0.5': batchWith({ sent: 0.5 }),
    'sent too far': batchWith({ sent: INTEGER_MAX + 1 }),
    'no queue': batchWith({ queue: undefined }),
    'a queue of three': batchWith({ queue: [1, 1, 0] }),
    'a negative queue': batchWith({ queue: [1, 1, 0, -1] }),
    'a queue of text': batchWith({ queue: [1, 1, 0, '0'] }),
    'no gaps': batchWith({ gaps: undefined }),
    'gaps of a map': batchWith({ gaps: {} }),
    'a gap of nil': batchWith({ gaps: [null] }),
    'a gap of three': gap(1, 2, 'quota'),
    'a gap backwards': gap(2, 1, 'quota', null),
    'a gap from 0': gap(0, 1, 'quota', null),
    'a gap to 2^53': gap(1, 2 ** 53, 'quota', null),
    'a gap for no reason': gap(1, 2, 'whim', null),
    'a gap of inherited reason': gap(1, 2, 'constructor', null),
    'sums of a list': gap(1, 2, 'quota', []),
    'sums of binary': gap(1, 2, 'quota', new Uint8Array(2)),
    'sums of text': gap(1, 2, 'quota', 'x'),
    'a sum of a number': gap(1, 2, 'quota', { volume: 5 }),
    'a sum that is no decimal': gap(1, 2, 'quota', { volume: '1e5' }),
    'a sum of no name': gap(1, 2, 'quota', { '': '5' }),
    'too many sums': gap(
      1,
      2,
      'quota',
      Object.fromEntries(Array.from({ length: COLUMNS_MAX + 1 }, (_, i) => [`f${i}`, '0'])),
    ),
    'no columns': batchWith({ columns: undefined }),
    'columns of nil': batchWith({ columns: null }),
  });
  const two = encodeColumns(tableOf([1, 2].map((volume) => ({ ts: 5, sensor: 'a', fields: { volume } }))));
  refuses('batch-malformed', { 'a range past the end': encodeBatch(headerOf(2, { first: SEQUENCE_MAX }), two) });
  const numbered = Buffer.concat([Buffer.from([0x89, 1, 1]), batchWith().subarray(1)]);
  const inherited = Buffer.concat([
    Buffer.from([0x89]),
    encode('__proto__'),
    Buffer.from([0x80]),
    batchWith().subarray(1),
  ]);
  refuses('batch-malformed', { 'a key that is a number': numbered, 'a key for the prototype': inherited });
});

test('what passes a count is refused', () => {
  const gap = [1, 1, 'quota', null];
  refuses('batch-limit', {
    'too many events': batchWith({ count: BATCH_EVENTS_MAX + 1 }),
    'too many gaps': batchWith({ gaps: Array.from({ length: GAPS_MAX + 1 }, () => gap) }),
    'too many bytes': new Uint8Array(BATCH_BYTES_MAX + 1),
  });
});

test('a header that breaks the rules is a bug of the caller', () => {
  const gap: DeclaredGap = { first: 1, last: 1, reason: 'quota', sums: null };
  assert.throws(() => encodeBatch(headerOf(1, { stream: new Uint8Array(15) }), ONE), { code: 'ERR_ASSERTION' });
  const gaps = Array.from({ length: GAPS_MAX + 1 }, () => gap);
  assert.throws(() => encodeBatch(headerOf(1, { gaps }), ONE), { code: 'ERR_ASSERTION' });
});

test('a batch that is changed is one, whose parts agree, or is refused', (t) => {
  const anyChanged = fc
    .tuple(anyEvents, anyHeader)
    .chain(([events, header]) =>
      changed(encodeBatch({ ...header, count: events.length }, encodeColumns(tableOf(events)))),
    );
  const codes = ['batch-malformed', 'batch-version', 'batch-limit', 'batch-column'] as const;
  holds(t, 2_000, anyChanged, (bytes) => {
    let batch = decodeBatch(batchWith());
    if (!isTaken(() => (batch = decodeBatch(bytes)), ...codes)) return;
    const { table, ...header } = batch;
    assert(header.count === table.count && header.first + header.count - 1 <= SEQUENCE_MAX);
    // Packed anew its values may take another form, and are the same.
    const { table: again, ...sameHeader } = decodeBatch(encodeBatch(header, encodeColumns(table)));
    assert.deepEqual(sameHeader, header);
    assert.deepEqual([...eventsOf(again)], [...eventsOf(table)]);
  });
});
