/**
 * CRC-32C as RocksDB stores it, and what it can do besides finding damage: put one flipped bit right.
 *
 * Owns that arithmetic. A checksum that is off by what one flipped bit makes of it names that bit, for no two bits
 * within 2^31 of each other leave the same trace. Promises that what it calls whole or mended fits its checksum. Never
 * guesses at more than one bit; but three that were flipped look like one other once in some 10^5 times, and then it is
 * the seals of the records within that tell.
 */

/** `mended`: one bit was wrong, and is right now. `broken`: more than one is wrong, and nothing was changed. */
export type Condition = 'whole' | 'mended' | 'broken';

const POLYNOMIAL = 0x82f63b78;
const MASK_DELTA = 0xa282ead8;

const TABLE = tableOf(POLYNOMIAL);
/** `SLICES[k * 256 + byte]` is what a byte leaves that is followed by `k` zeros. */
const SLICES = slicesOf(TABLE);
/** The place in the table of the entry with this highest byte; each occurs once. */
const PLACE_OF_TOP = Uint8Array.from(TABLE.keys()).sort((a, b) => (TABLE[a]! >>> 24) - (TABLE[b]! >>> 24));
/** The bit of the last byte that leaves this trace. */
const BIT_OF_TRACE = new Map(Array.from({ length: 8 }, (_, bit) => [TABLE[1 << bit]!, bit]));

function tableOf(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    return crc;
  });
}

function slicesOf(table: Uint32Array): Uint32Array {
  const slices = new Uint32Array(8 * 256);
  slices.set(table);
  for (let at = 256; at < slices.length; at += 1) {
    const shorter = slices[at - 256]!;
    slices[at] = table[shorter & 0xff]! ^ (shorter >>> 8);
  }
  return slices;
}

/** Eight bytes at a time, whose traces do not wait for one another: three times as fast as one by one. */
function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = 0xffffffff;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    const first = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc =
      SLICES[0x700 | (first & 0xff)]! ^
      SLICES[0x600 | ((first >>> 8) & 0xff)]! ^
      SLICES[0x500 | ((first >>> 16) & 0xff)]! ^
      SLICES[0x400 | (first >>> 24)]! ^
      SLICES[0x300 | bytes[at + 4]!]! ^
      SLICES[0x200 | bytes[at + 5]!]! ^
      SLICES[0x100 | bytes[at + 6]!]! ^
      SLICES[bytes[at + 7]!]!;
  }
  for (; at < end; at += 1) crc = TABLE[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** As RocksDB stores it, so that a checksum among the bytes does not upset that of the bytes. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}

function unmasked(stored: number): number {
  const turned = (stored - MASK_DELTA) >>> 0;
  return ((turned >>> 17) | (turned << 15)) >>> 0;
}

/** Whether the bytes from `start` to `end` fit their checksum at `checksumAt`. */
export function fits(bytes: Buffer, start: number, end: number, checksumAt: number): boolean {
  return bytes.readUInt32LE(checksumAt) === masked(crc32c(bytes, start, end));
}

/** Holds the bytes from `start` to `end` against their checksum at `checksumAt`; what one bit explains is put right. */
export function mend(bytes: Buffer, start: number, end: number, checksumAt: number): Condition {
  const stored = bytes.readUInt32LE(checksumAt);
  const computed = crc32c(bytes, start, end);
  if (masked(computed) === stored) return 'whole';
  if (isOneBit(masked(computed) ^ stored)) {
    bytes.writeUInt32LE(masked(computed), checksumAt);
    return 'mended';
  }
  let trace = (computed ^ unmasked(stored)) >>> 0;
  // Byte by byte from the end: what the trace was before the bytes behind this one were taken in.
  for (let at = end - 1; at >= start; at -= 1) {
    const bit = BIT_OF_TRACE.get(trace);
    if (bit !== undefined) {
      bytes[at] = bytes[at]! ^ (1 << bit);
      return 'mended';
    }
    const place = PLACE_OF_TOP[trace >>> 24]!;
    trace = (((trace ^ TABLE[place]!) << 8) | place) >>> 0;
  }
  return 'broken';
}

/** Writes the checksum of the bytes from `start` to `end`. */
export function writeChecksum(bytes: Buffer, start: number, end: number, checksumAt: number): void {
  bytes.writeUInt32LE(masked(crc32c(bytes, start, end)), checksumAt);
}

function isOneBit(word: number): boolean {
  return word !== 0 && (word & (word - 1)) === 0;
}
