/**
 * Keys: the one place that knows how records are named on disk.
 *
 * Owns the byte layout of every key in both databases. Promises that byte order is the order in which we read: numbers
 * are big-endian, text ends in a NUL that ids cannot hold. Never knows what a value means.
 */
import assert from 'node:assert';

/** Each family of records has a first byte of its own, so that one range never runs into another. */
export function familyRange(family: number): { gte: Buffer; lt: Buffer } {
  return { gte: Buffer.from([family]), lt: Buffer.from([family + 1]) };
}

/** A family byte followed by an unsigned 53-bit number in 8 big-endian bytes. */
export function numberKey(family: number, number: number): Buffer {
  assert(Number.isSafeInteger(number) && number >= 0, 'a key number is a safe, non-negative integer');
  const key = Buffer.alloc(9);
  key[0] = family;
  key.writeUInt32BE(Math.floor(number / 2 ** 32), 1);
  key.writeUInt32BE(number >>> 0, 5);
  return key;
}

/** The number of a key that `numberKey` made. */
export function numberOfKey(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint32(1) * 2 ** 32 + view.getUint32(5);
}

/**
 * The families of a device's queue database. Blocks come after what seldom changes, so that a file of nothing but new
 * blocks lies behind every other: RocksDB then keeps it as it is, and does not merge it with all that is there.
 */
export const QUEUE = {
  /** Identity, position, delivered totals: single records with a text name. */
  meta: 0x10,
  /** First sequence of a stream's run → stream. */
  stream: 0x11,
  /** First sequence → refused events. */
  quarantine: 0x12,
  /** First sequence → gap that the gateway has not acknowledged. */
  gap: 0x13,
  /** First sequence → what was stored as a block but failed its checksum, kept for inspection. */
  damaged: 0x14,
  /** First sequence → block. */
  block: 0x15,
  /** Text name → note that is stored with blocks. */
  mark: 0x16,
} as const;

/** The families of a gateway's database. */
export const GATEWAY = {
  /** The format record, by its text name. */
  meta: 0x20,
  /** Device, stream → ledger; device, stream, first sequence → chunk of a ledger that is cut. */
  ledger: 0x21,
  /** Kind, device, sensor, start → page. */
  page: 0x22,
  /** Acceptance number → accepted batch. */
  batch: 0x23,
  /** Device, stream, first sequence, acceptance number → what the accepted batch spans. */
  extent: 0x24,
  /** Device → holdings. */
  holdings: 0x25,
} as const;
