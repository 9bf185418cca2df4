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

/** The families of a device's queue database. */
export const QUEUE = {
  /** Identity, head, delivered totals: single records with a text name. */
  meta: 0x10,
  /** First sequence of a stream's run → 16 bytes of stream id. */
  stream: 0x11,
  /** First sequence → block. */
  block: 0x12,
  /** First sequence → refused events. */
  quarantine: 0x13,
  /** First sequence → declared gap. */
  gap: 0x14,
  /** First sequence → bytes of a block that failed its checksum, kept for inspection. */
  damaged: 0x15,
} as const;

/** The families of a gateway's database. */
export const GATEWAY = {
  meta: 0x20,
  /** Device, stream → ledger. */
  ledger: 0x21,
  /** Device, kind, sensor, start → page. */
  page: 0x22,
  /** Acceptance number → accepted batch. */
  batch: 0x23,
  /** Device, stream, first sequence → where the accepted batch is and what it spans. */
  extent: 0x24,
} as const;

const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;
const STREAM = /^[0-9a-f]{32}$/;
const STREAM_BYTES = 16;
const NUMBER_BYTES = 8;

/**
 * Text in a key: NUL becomes 00 02 and the end is 00 01, so that any text is safe, a text comes before every longer one
 * that begins with it, and byte order is that of the UTF-8.
 */
const TEXT_END = '\x00\x01';
const TEXT_NUL = '\x00\x02';

/** Ascending by kind, so that one kind of page of one device lies together, and so do all `device` pages. */
const KIND_BYTE: Record<PageKind, number> = { device: 1, total: 2, minute: 3, hour: 4, day: 5 };

export function assertStreamKey({ deviceId, stream }: StreamKey): void {
  assertDeviceId(deviceId);
  assert(STREAM.test(stream), 'a stream is 32 lower-case hexadecimal digits');
}

export function assertPageKey({ deviceId, kind, sensor, start }: PageKey): void {
  assertDeviceId(deviceId);
  assert(KIND_BYTE[kind] !== undefined, 'a known kind of page');
  // A lone surrogate has no UTF-8: two different sensors would share a page.
  assert(!/\p{Surrogate}/u.test(sensor), 'a sensor is well-formed text');
  assert(Buffer.byteLength(sensor) <= SENSOR_BYTES_MAX, `a sensor takes at most ${SENSOR_BYTES_MAX} bytes`);
  assert(Number.isSafeInteger(start), 'a page starts at a whole millisecond');
}

function assertDeviceId(deviceId: string): void {
  assert(DEVICE_ID.test(deviceId), 'a device id');
}

/** Device, NUL, stream. */
export function ledgerKey(key: StreamKey): Buffer {
  return streamKey(GATEWAY.ledger, key, 0);
}

/** All ledgers of one device. */
export function ledgerRange(deviceId: string): Bounds {
  return deviceRange(Buffer.from([GATEWAY.ledger]), deviceId);
}

export function streamOfLedgerKey(key: Buffer): string {
  return key.toString('hex', key.length - STREAM_BYTES);
}

/** Kind, device, NUL, sensor, start. */
export function pageKey(key: PageKey): Buffer {
  assertPageKey(key);
  const text = key.sensor.includes('\0') ? key.sensor.replaceAll('\0', TEXT_NUL) : key.sensor;
  const head = `${key.deviceId}\0${text}${TEXT_END}`;
  const bytes = Buffer.allocUnsafe(2 + Buffer.byteLength(head) + NUMBER_BYTES);
  bytes[0] = GATEWAY.page;
  bytes[1] = KIND_BYTE[key.kind];
  const at = 2 + bytes.write(head, 2);
  // The sign bit turned over puts negative starts before the others.
  bytes.writeUInt32BE((Math.floor(key.start / 2 ** 32) ^ 0x80000000) >>> 0, at);
  bytes.writeUInt32BE(key.start >>> 0, at + 4);
  return bytes;
}

/** The sensor and start of a page key. */
export function sensorAndStartOf(key: Buffer): { sensor: string; start: number } {
  const at = key.length - NUMBER_BYTES;
  const text = key.toString('utf8', key.indexOf(0) + 1, at - TEXT_END.length);
  const start = (key.readUInt32BE(at) - 2 ** 31) * 2 ** 32 + key.readUInt32BE(at + 4);
  return { sensor: text.replaceAll(TEXT_NUL, '\0'), start };
}

/** All pages of one kind of one device. */
export function pageRange(deviceId: string, kind: PageKind): Bounds {
  return deviceRange(Buffer.from([GATEWAY.page, KIND_BYTE[kind]]), deviceId);
}

/** The first key that a page of a later sensor can have. */
export function laterSensorKey(key: Buffer): Buffer {
  const later = Buffer.from(key.subarray(0, key.length - NUMBER_BYTES));
  later[later.length - 1]! += 1;
  return later;
}

/** The `device` pages of all devices, or of those behind one. */
export function devicePageRange(after?: string): Bounds {
  const prefix = Buffer.from([GATEWAY.page, KIND_BYTE.device]);
  const gte = after === undefined ? prefix : deviceRange(prefix, after).lt;
  return { gte, lt: Buffer.from([GATEWAY.page, KIND_BYTE.device + 1]) };
}

export function deviceOfPageKey(key: Buffer): string {
  return key.toString('latin1', 2, key.indexOf(0));
}

/** Device, NUL, stream, first sequence, acceptance number. */
export function extentKey(key: StreamKey, first: number, number: number): Buffer {
  const bytes = streamKey(GATEWAY.extent, key, 2 * NUMBER_BYTES);
  writeNumber(bytes, first, bytes.length - 2 * NUMBER_BYTES);
  writeNumber(bytes, number, bytes.length - NUMBER_BYTES);
  return bytes;
}

export function partsOfExtentKey(key: Buffer): StreamKey & { first: number; number: number } {
  const end = key.indexOf(0);
  const at = end + 1 + STREAM_BYTES;
  return {
    deviceId: key.toString('latin1', 1, end),
    stream: key.toString('hex', end + 1, at),
    first: readNumber(key, at),
    number: readNumber(key, at + NUMBER_BYTES),
  };
}

/** All extents of one device. */
export function extentRange(deviceId: string): Bounds {
  return deviceRange(Buffer.from([GATEWAY.extent]), deviceId);
}

function streamKey(family: number, key: StreamKey, tailBytes: number): Buffer {
  assertStreamKey(key);
  const { deviceId, stream } = key;
  const bytes = Buffer.allocUnsafe(2 + deviceId.length + STREAM_BYTES + tailBytes);
  bytes[0] = family;
  bytes.latin1Write(deviceId, 1);
  bytes[1 + deviceId.length] = 0;
  bytes.hexWrite(stream, 2 + deviceId.length);
  return bytes;
}

function deviceRange(prefix: Buffer, deviceId: string): Bounds {
  assertDeviceId(deviceId);
  const device = Buffer.concat([prefix, Buffer.from(deviceId)]);
  return { gte: Buffer.concat([device, Buffer.from([0])]), lt: Buffer.concat([device, Buffer.from([1])]) };
}
