/**
 * The two records of an accepted batch as bytes, sealed.
 *
 *     batch:  length of encoding (1), encoding, length of device id (1), device id, stream (16), first (8),
 *             received at (8), body
 *     extent: last (8), earliest ts (8), latest ts (8), received at (8), bytes of body (4)
 *
 * Numbers are big-endian doubles, which hold every sequence and any time exactly. Promises that bytes of another shape
 * or that have changed are `corrupt`.
 */
import assert from 'node:assert';
import { StoreError } from './errors.ts';
import type { AcceptedBatch, StreamKey } from './gateway-store.ts';
import { assertRange } from './intervals.ts';
import { seal, unsealOrThrow } from './seal.ts';

const TEXT_BYTES_MAX = 255;
const STREAM_BYTES = 16;
const NUMBER_BYTES = 8;
const FIXED_BYTES = 2 + STREAM_BYTES + 2 * NUMBER_BYTES;
const EXTENT_BYTES = 4 * NUMBER_BYTES + 4;

/** What can be known of a batch without its body. */
export interface ExtentValue extends Omit<AcceptedBatch, 'first' | 'encoding' | 'body'> {
  readonly bodyBytes: number;
}

export type BatchValue = StreamKey & Pick<AcceptedBatch, 'first' | 'receivedAt' | 'encoding' | 'body'>;

export function assertBatch(batch: AcceptedBatch): void {
  assertRange(batch);
  assert(batch.tsMin <= batch.tsMax && Number.isFinite(batch.tsMax - batch.tsMin), 'a batch spans a time');
  assert(Number.isFinite(batch.receivedAt), 'a batch came at some time');
  assert(Buffer.byteLength(batch.encoding) <= TEXT_BYTES_MAX, 'the name of an encoding is short');
}

export function encodeBatch(key: Buffer, { deviceId, stream }: StreamKey, batch: AcceptedBatch): Buffer {
  const encodingBytes = Buffer.byteLength(batch.encoding);
  const bytes = Buffer.allocUnsafe(FIXED_BYTES + encodingBytes + deviceId.length);
  let at = bytes.writeUInt8(encodingBytes);
  at += bytes.write(batch.encoding, at);
  at = bytes.writeUInt8(deviceId.length, at);
  at += bytes.write(deviceId, at, 'latin1');
  at += bytes.write(stream, at, 'hex');
  at = bytes.writeDoubleBE(batch.first, at);
  bytes.writeDoubleBE(batch.receivedAt, at);
  return seal(key, bytes, batch.body);
}

export function decodeBatch(key: Buffer, value: Buffer): BatchValue {
  const bytes = unsealOrThrow(key, value);
  const encodingEnd = 1 + (bytes[0] ?? 0);
  const deviceEnd = encodingEnd + 1 + (bytes[encodingEnd] ?? 0);
  const at = deviceEnd + STREAM_BYTES;
  if (bytes.length < at + 2 * NUMBER_BYTES) throw new StoreError('corrupt', 'not an accepted batch');
  return {
    encoding: bytes.toString('utf8', 1, encodingEnd),
    deviceId: bytes.toString('latin1', encodingEnd + 1, deviceEnd),
    stream: bytes.toString('hex', deviceEnd, at),
    first: bytes.readDoubleBE(at),
    receivedAt: bytes.readDoubleBE(at + NUMBER_BYTES),
    body: bytes.subarray(at + 2 * NUMBER_BYTES),
  };
}

export function encodeExtent(key: Buffer, batch: AcceptedBatch): Buffer {
  const bytes = Buffer.allocUnsafe(EXTENT_BYTES);
  let at = bytes.writeDoubleBE(batch.last);
  at = bytes.writeDoubleBE(batch.tsMin, at);
  at = bytes.writeDoubleBE(batch.tsMax, at);
  at = bytes.writeDoubleBE(batch.receivedAt, at);
  bytes.writeUInt32BE(batch.body.length, at);
  return seal(key, bytes);
}

export function decodeExtent(key: Buffer, value: Buffer): ExtentValue {
  const bytes = unsealOrThrow(key, value);
  if (bytes.length !== EXTENT_BYTES) throw new StoreError('corrupt', 'not the extent of a batch');
  return {
    last: bytes.readDoubleBE(0),
    tsMin: bytes.readDoubleBE(NUMBER_BYTES),
    tsMax: bytes.readDoubleBE(2 * NUMBER_BYTES),
    receivedAt: bytes.readDoubleBE(3 * NUMBER_BYTES),
    bodyBytes: bytes.readUInt32BE(4 * NUMBER_BYTES),
  };
}
