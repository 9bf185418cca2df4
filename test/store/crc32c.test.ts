import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fits, mend, writeChecksum } from '../../src/store/crc32c.ts';
import { createRandom, seedOf } from './random.ts';

const CHECKSUM_BYTES = 4;

/** Random bytes with their checksum behind them. */
function checked(random: (below: number) => number, length: number): Buffer {
  const bytes = Buffer.from(Array.from({ length: length + CHECKSUM_BYTES }, () => random(256)));
  writeChecksum(bytes, 0, length, length);
  return bytes;
}

function flip(bytes: Buffer, bit: number): void {
  bytes[bit >> 3]! ^= 1 << (bit & 7);
}

test('is the checksum that RocksDB stores', () => {
  const bytes = Buffer.concat([Buffer.from('123456789'), Buffer.alloc(CHECKSUM_BYTES)]);
  writeChecksum(bytes, 0, 9, 9);
  // The check value of CRC-32C is e3069283; turned by 15 bits and moved, as RocksDB masks it.
  const crc = 0xe3069283;
  assert.equal(bytes.readUInt32LE(9), (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  assert.ok(fits(bytes, 0, 9, 9));
  assert.equal(mend(bytes, 0, 9, 9), 'whole');
});

test('puts any one bit right, of the bytes or of their checksum', () => {
  const random = createRandom(11);
  for (const length of [1, 2, 7, 300]) {
    const whole = checked(random, length);
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const bytes = Buffer.from(whole);
      flip(bytes, bit);
      assert.ok(!fits(bytes, 0, length, length));
      assert.equal(mend(bytes, 0, length, length), 'mended');
      assert.ok(bytes.equals(whole), `bit ${bit} of ${length} bytes`);
    }
  }
});

test('what more than one bit has changed is broken and left as it is, but for the few that fit one other bit', (t) => {
  const random = createRandom(seedOf(t));
  let mistaken = 0;
  for (let round = 0; round < 3_000; round += 1) {
    const length = 1 + random(5_000);
    const whole = checked(random, length);
    const bytes = Buffer.from(whole);
    const flips = Array.from({ length: 2 + (round % 3) }, () => random(bytes.length * 8));
    for (const bit of flips) flip(bytes, bit);
    const found = Buffer.from(bytes);
    const condition = mend(bytes, 0, length, length);
    // Two flips may meet in one bit.
    if (condition === 'broken') assert.ok(bytes.equals(found));
    else if (!bytes.equals(whole)) {
      mistaken += 1;
      assert.ok(fits(bytes, 0, length, length), `round ${round}`);
      const areInBytes = flips.every((bit) => bit < 8 * length);
      assert.ok(flips.length === 3 || !areInBytes, 'an even number of flips never looks like one');
    }
  }
  // Three look like one once in 10^5 times for blocks of this size: three or more in one run are no chance.
  assert.ok(mistaken < 3, `${mistaken} of 3,000`);
});
