import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLedger, decodeLedger, encodeLedger, type Ledger } from '../../src/store/index.ts';
import { digestOver } from './ledger-model.ts';
import { seedOf } from './random.ts';

/** 64 bits that no encoding can shorten. */
const DIGEST = 0xfedc_ba98_7654_3210n;

/** Batches of one length, one after the other. */
function inOrder(batches: number, length: number): Ledger {
  const ledger = createLedger();
  for (let i = 0; i < batches; i += 1) ledger.add({ first: i * length + 1, last: (i + 1) * length, digest: DIGEST });
  return ledger;
}

test('a stream without holes takes at most 100 bytes, however long', () => {
  for (const length of [1, 500, 5_000, 2_000_000]) {
    for (const batches of [1, 7, 1_000]) {
      const bytes = encodeLedger(inOrder(batches, length)).length;
      assert.ok(bytes <= 100, `${batches} batches of ${length}: ${bytes} bytes`);
    }
  }
  const longest = createLedger();
  longest.add({ first: 1, last: Number.MAX_SAFE_INTEGER - 6 * 2 ** 20, digest: DIGEST });
  for (let i = 6; i > 0; i -= 1) {
    const last = Number.MAX_SAFE_INTEGER - (i - 1) * 2 ** 20;
    longest.add({ first: last - 2 ** 20 + 1, last, digest: DIGEST });
  }
  assert.equal(longest.count, Number.MAX_SAFE_INTEGER);
  assert.ok(encodeLedger(longest).length <= 100, `${encodeLedger(longest).length} bytes`);
});

test('also where four batches in flight overtake each other', () => {
  const ledger = createLedger();
  for (let i = 0; i < 1_000; i += 1) {
    const place = i - (i % 4) + (3 - (i % 4));
    ledger.add({ first: place * 500 + 1, last: (place + 1) * 500, digest: DIGEST });
    if (i % 4 === 3) assert.ok(encodeLedger(ledger).length <= 100, `${encodeLedger(ledger).length} bytes`);
  }
});

test('in any order of arrival a stream without holes stays within a constant', (t) => {
  const seed = seedOf(t);
  const order = fc.shuffledSubarray([...Array(60).keys()], { minLength: 60 });
  const property = fc.property(order, (places) => {
    const ledger = createLedger();
    for (const place of places) ledger.add({ first: place * 500 + 1, last: (place + 1) * 500, digest: DIGEST });
    assert.equal(ledger.intervals().length, 1);
    assert.ok(encodeLedger(ledger).length <= 160, `${encodeLedger(ledger).length} bytes`);
  });
  fc.assert(property, { seed, numRuns: 100 });
});

test('what is encoded decodes to the same ledger', () => {
  const ledger = inOrder(20, 50);
  ledger.add({ first: 5_000, last: 5_001, digest: 0n });
  ledger.addGap({ first: 900, last: 1_200 });
  ledger.addGap({ first: 4_000, last: 4_000 });
  const again = decodeLedger(encodeLedger(ledger));
  assert.deepEqual(again.intervals(), ledger.intervals());
  assert.deepEqual(again.gaps(), ledger.gaps());
  assert.deepEqual([again.count, again.gapCount], [ledger.count, ledger.gapCount]);
  const compared = ledger.compare(651, 5_001, () => DIGEST);
  assert.deepEqual(compared, {
    same: [{ first: 751, last: 1_000 }],
    different: [{ first: 5_000, last: 5_001 }],
    unknown: [{ first: 651, last: 750 }],
  });
  assert.deepEqual(
    again.compare(651, 5_001, () => DIGEST),
    compared,
  );
  assert.deepEqual(encodeLedger(again), encodeLedger(ledger));
  // The place in memory of the bytes does not matter.
  const framed = Buffer.concat([Buffer.from('..'), encodeLedger(ledger), Buffer.from('..')]);
  assert.deepEqual(decodeLedger(framed.subarray(2, -2)).intervals(), ledger.intervals());
});

const corrupt = { name: 'StoreError', code: 'corrupt' };
const DIGEST_BYTES = [1, 2, 3, 4, 5, 6, 7, 8];

const garbage: Record<string, readonly number[]> = {
  'nothing at all': [],
  'another version': [2, 0, 0, 0],
  'cut short in a number': [1],
  'cut short in a digest': [1, 1, 0, 0, 0, 1, 2, 3],
  'bytes left over': [1, 0, 0, 0, 0],
  'more intervals than bytes': [1, 100, 0, 0, 0],
  'more segments than bytes': [1, 1, 0, 100, 0, ...DIGEST_BYTES, 0, 0],
  'a number above 2^53': [1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, ...DIGEST_BYTES, 0, 0],
  'a number without end': [1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, ...DIGEST_BYTES, 0, 0],
  'a number longer than need be': [1, 0x80, 0, 0, 0],
  'a sequence above 2^53': [1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1, ...DIGEST_BYTES, 0, 0],
  'a recent segment that is not there': [1, 1, 0, 0, 0, ...DIGEST_BYTES, 1, 1, 0],
  'a recent segment twice': [1, 1, 0, 0, 0, ...DIGEST_BYTES, 2, 0, 0, 0],
  'settled segments side by side': [1, 1, 0, 1, 0, ...DIGEST_BYTES, 0, ...DIGEST_BYTES, 0, 0],
  'seven recent segments': [
    1,
    1,
    0,
    6,
    ...Array(7)
      .fill([0, ...DIGEST_BYTES])
      .flat(),
    7,
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    0,
  ],
};

for (const [what, bytes] of Object.entries(garbage)) {
  test(`${what} is corrupt`, () => {
    assert.throws(() => decodeLedger(Uint8Array.from(bytes)), corrupt);
  });
}

test('the neighbours of those are not', () => {
  assert.equal(decodeLedger(Uint8Array.from([1, 0, 0, 0])).count, 0);
  assert.equal(decodeLedger(Uint8Array.from([1, 1, 0, 0, 0, ...DIGEST_BYTES, 1, 0, 0])).count, 1);
  const twoSegments = [1, 1, 0, 1, 0, ...DIGEST_BYTES, 0, ...DIGEST_BYTES, 1, 1, 0];
  assert.deepEqual(decodeLedger(Uint8Array.from(twoSegments)).intervals(), [{ first: 1, last: 2 }]);
});

test('bytes either are corrupt or are the only encoding of a ledger', (t) => {
  const seed = seedOf(t);
  const ledgerBytes = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 0, max: 30 })), { maxLength: 15 })
    .map((ranges) => {
      const ledger = createLedger();
      for (const [first, more] of ranges) {
        for (const part of ledger.missing(first, first + more)) {
          ledger.add({ ...part, digest: digestOver(part.first, part.last) });
        }
        if (first % 3 === 0) ledger.addGap({ first: first + 5, last: first + 5 + more });
      }
      return encodeLedger(ledger);
    });
  const mutated = fc.tuple(ledgerBytes, fc.nat(), fc.nat(255), fc.nat(3)).map(([bytes, where, value, how]) => {
    const copy = Buffer.from(bytes);
    const at = where % copy.length;
    if (how === 0) copy[at] = value;
    if (how === 1) return copy.subarray(0, at);
    if (how === 2) return Buffer.concat([copy.subarray(0, at), Buffer.from([value]), copy.subarray(at)]);
    return copy;
  });
  let decoded = 0;
  const property = fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 60 })), (bytes) => {
    let ledger: Ledger;
    try {
      ledger = decodeLedger(bytes);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'corrupt');
      return;
    }
    decoded += 1;
    assert.deepEqual(Buffer.from(encodeLedger(ledger)), Buffer.from(bytes));
  });
  fc.assert(property, { seed, numRuns: 3_000 });
  assert.ok(decoded > 500, `only ${decoded} of the mutations decoded`);
});
