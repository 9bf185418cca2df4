/**
 * The keys of a gateway's database.
 *
 * Owns how a stream, a page and an accepted batch are named in the families of `GATEWAY`. Promises that byte order is
 * reading order, that devices whose ids begin alike never mix, and that any two different sensors have different keys.
 * Never knows what a value means.
 */
import assert from 'node:assert';
import { type PageKey, type PageKind, type PageRange, SENSOR_BYTES_MAX, type StreamKey } from './gateway-store.ts';
import { GATEWAY, numberKey, numberOfKey } from './keys.ts';
import type { KeySpan } from './rocks.ts';

const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;
const STREAM = /^[0-9a-f]{32}$/;
const LONE_SURROGATE = /\p{Surrogate}/u;
const STREAM_BYTES = 16;
const NUMBER_BYTES = 8;

/**
 * A sensor in a key: NUL becomes 00 02 and the end is 00 01, so that any text is safe, a sensor comes before every
 * longer one that begins with it, and byte order is that of the UTF-8.
 */
const TEXT_END = '\x00\x01';
const TEXT_NUL = '\x00\x02';

/** Kinds come before devices: one kind of page of one device lies together, and so do the `device` pages of all. */
const KIND_BYTE: Readonly<Record<PageKind, number>> = { device: 1, total: 2, minute: 3, hour: 4, day: 5 };

export const FORMAT_KEY = Buffer.from([GATEWAY.meta, ...Buffer.from('format')]);

export function assertDeviceId(deviceId: string): void {
  assert(DEVICE_ID.test(deviceId), 'a device id');
}

export function assertStreamKey({ deviceId, stream }: StreamKey): void {
  assertDeviceId(deviceId);
  assert(STREAM.test(stream), 'a stream is 32 lower-case hexadecimal digits');
}

export function assertPageKey({ deviceId, kind, sensor, start }: PageKey): void {
  assertDeviceId(deviceId);
  assert(KIND_BYTE[kind] !== undefined, 'a known kind of page');
  // A lone surrogate has no UTF-8: two different sensors would share a page.
  assert(!LONE_SURROGATE.test(sensor), 'a sensor is well-formed text');
  assert(Buffer.byteLength(sensor) <= SENSOR_BYTES_MAX, `a sensor takes at most ${SENSOR_BYTES_MAX} bytes`);
  assert(Number.isSafeInteger(start), 'a page starts at a whole millisecond');
  assert(kind !== 'device' || sensor === '', 'a device has one page');
  assert((kind !== 'device' && kind !== 'total') || start === 0, 'a page of all time starts at 0');
}

/** Device. */
export function holdingsKey(deviceId: string): Buffer {
  assertDeviceId(deviceId);
  return Buffer.from([GATEWAY.holdings, ...Buffer.from(deviceId)]);
}

/** Device, NUL, stream. */
export function ledgerKey(key: StreamKey): Buffer {
  return streamKey(GATEWAY.ledger, key, 0);
}

/** Device, NUL, stream, first sequence of the chunk. @param key of the ledger */
export function ledgerChunkKey(key: Buffer, first: number): Buffer {
  const bytes = Buffer.allocUnsafe(key.length + NUMBER_BYTES);
  key.copy(bytes);
  bytes.writeBigUInt64BE(BigInt(first), key.length);
  return bytes;
}

/** All chunks of one ledger. */
export function ledgerChunkBounds(key: Buffer): KeySpan {
  return { gte: ledgerChunkKey(key, 0), lt: Buffer.concat([key, Buffer.alloc(NUMBER_BYTES + 1, 0xff)]) };
}

/** The first key that the ledger behind the one of a chunk can have. */
export function ledgerBehindChunk(key: Buffer): Buffer {
  return Buffer.concat([key.subarray(0, key.length - NUMBER_BYTES), Buffer.alloc(NUMBER_BYTES + 1, 0xff)]);
}

/** Whether a key of the family of ledgers is a ledger's, and not a chunk's. */
export function isLedgerKey(key: Buffer): boolean {
  return key.length === key.indexOf(0) + 1 + STREAM_BYTES;
}

export function deviceOfLedgerKey(key: Buffer): string {
  return key.toString('latin1', 1, key.indexOf(0));
}

export function streamOfLedgerKey(key: Buffer): string {
  return key.toString('hex', key.length - STREAM_BYTES);
}

/** All ledgers of one device, or those of the streams behind one. */
export function ledgerBounds(deviceId: string, after?: string): KeySpan {
  const bounds = deviceBounds([GATEWAY.ledger], deviceId);
  if (after === undefined) return bounds;
  const behindItsChunks = Buffer.alloc(NUMBER_BYTES + 1, 0xff);
  return { ...bounds, gte: Buffer.concat([ledgerKey({ deviceId, stream: after }), behindItsChunks]) };
}

/** Kind, device, NUL, sensor, start. */
export function pageKey(key: PageKey): Buffer {
  assertPageKey(key);
  const head = `${key.deviceId}\0${key.sensor.replaceAll('\0', TEXT_NUL)}${TEXT_END}`;
  const bytes = Buffer.allocUnsafe(2 + Buffer.byteLength(head) + NUMBER_BYTES);
  bytes[0] = GATEWAY.page;
  bytes[1] = KIND_BYTE[key.kind];
  bytes.write(head, 2);
  return writeStart(bytes, key.start);
}

/** What a page key of this device and kind names. */
export function pageOfKey(key: Buffer, deviceId: string, kind: PageKind): PageKey {
  const end = key.length - NUMBER_BYTES - TEXT_END.length;
  const sensor = key.toString('utf8', 2 + deviceId.length + 1, end).replaceAll(TEXT_NUL, '\0');
  return { deviceId, kind, sensor, start: startOf(key) };
}

/** The pages of one kind of one device; without a sensor also those outside the time, see `pageJump`. */
export function pageBounds(deviceId: string, kind: PageKind, { sensor, after, from, to }: PageRange): KeySpan {
  for (const time of [from, to]) assert(time === undefined || Number.isSafeInteger(time), 'a whole millisecond');
  if (sensor === undefined) {
    const all = deviceBounds([GATEWAY.page, KIND_BYTE[kind]], deviceId);
    return after === undefined
      ? all
      : { ...all, gte: laterSensor(pageKey({ deviceId, kind, sensor: after, start: 0 })) };
  }
  const key = pageKey({ deviceId, kind, sensor, start: 0 });
  return {
    gte: writeStart(Buffer.from(key), from ?? Number.MIN_SAFE_INTEGER),
    lt: to === undefined ? laterSensor(key) : writeStart(Buffer.from(key), to),
  };
}

/** Where to read on from a page key that lies outside the time, or is passed over; undefined where it is given. */
export function pageJump(key: Buffer, deviceId: string, kind: PageKind, range: PageRange): Buffer | undefined {
  const { from, to, jump } = range;
  const start = startOf(key);
  if (to !== undefined && start >= to) return laterSensor(key);
  const next = from !== undefined && start < from ? from : jump?.(pageOfKey(key, deviceId, kind));
  if (next === undefined) return undefined;
  assert(next > start, 'a jump leads on');
  return next === Infinity ? laterSensor(key) : writeStart(Buffer.from(key), next);
}

/** The `device` pages of all devices, or of those behind one. */
export function devicePageBounds(after?: string): KeySpan {
  const prefix = [GATEWAY.page, KIND_BYTE.device];
  const gte = after === undefined ? Buffer.from(prefix) : deviceBounds(prefix, after).lt;
  return { gte, lt: Buffer.from([GATEWAY.page, KIND_BYTE.device + 1]) };
}

export function deviceOfPageKey(key: Buffer): string {
  return key.toString('latin1', 2, key.indexOf(0));
}

/** Acceptance number. */
export function batchKey(number: number): Buffer {
  return numberKey(GATEWAY.batch, number);
}

/** The name of an accepted batch's extent. */
export interface ExtentName extends StreamKey {
  readonly first: number;
  readonly number: number;
}

/** Device, NUL, stream, first sequence, acceptance number. */
export function extentKey({ deviceId, stream, first, number }: ExtentName): Buffer {
  const bytes = streamKey(GATEWAY.extent, { deviceId, stream }, 2 * NUMBER_BYTES);
  numberKey(GATEWAY.extent, first).copy(bytes, bytes.length - 2 * NUMBER_BYTES, 1);
  numberKey(GATEWAY.extent, number).copy(bytes, bytes.length - NUMBER_BYTES, 1);
  return bytes;
}

export function extentOfKey(key: Buffer): ExtentName {
  const end = key.indexOf(0);
  const at = end + 1 + STREAM_BYTES;
  return {
    deviceId: key.toString('latin1', 1, end),
    stream: key.toString('hex', end + 1, at),
    // In a number key, too, the number stands behind one other byte.
    first: numberOfKey(key.subarray(at - 1)),
    number: numberOfKey(key.subarray(at - 1 + NUMBER_BYTES)),
  };
}

/** The extents of one device. */
export function deviceExtentBounds(deviceId: string): KeySpan {
  return deviceBounds([GATEWAY.extent], deviceId);
}

/** The extents of one stream whose first sequence is from `first` to `last`. */
export function streamExtentBounds(key: StreamKey, first: number, last: number): KeySpan {
  return {
    gte: extentKey({ ...key, first, number: 0 }),
    lt: extentKey({ ...key, first: last, number: Number.MAX_SAFE_INTEGER }),
  };
}

function streamKey(family: number, key: StreamKey, tailBytes: number): Buffer {
  assertStreamKey(key);
  const head = `${key.deviceId}\0`;
  const bytes = Buffer.allocUnsafe(1 + head.length + STREAM_BYTES + tailBytes);
  bytes[0] = family;
  bytes.write(head, 1, 'latin1');
  bytes.write(key.stream, 1 + head.length, 'hex');
  return bytes;
}

function deviceBounds(prefix: readonly number[], deviceId: string): KeySpan {
  assertDeviceId(deviceId);
  const device = [...prefix, ...Buffer.from(deviceId)];
  return { gte: Buffer.from([...device, 0]), lt: Buffer.from([...device, 1]) };
}

/** The first key that a page of a later sensor can have. */
function laterSensor(key: Buffer): Buffer {
  const later = Buffer.from(key.subarray(0, key.length - NUMBER_BYTES));
  later[later.length - 1]! += 1;
  return later;
}

/** Writes a start at the end of a page key; its sign bit, turned over, puts negative starts before the others. */
function writeStart(key: Buffer, start: number): Buffer {
  const at = key.length - NUMBER_BYTES;
  key.writeUInt32BE((Math.floor(start / 2 ** 32) ^ 0x80000000) >>> 0, at);
  key.writeUInt32BE(start >>> 0, at + 4);
  return key;
}

function startOf(key: Buffer): number {
  const at = key.length - NUMBER_BYTES;
  return (key.readUInt32BE(at) - 2 ** 31) * 2 ** 32 + key.readUInt32BE(at + 4);
}
