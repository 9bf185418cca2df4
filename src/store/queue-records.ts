/**
 * The small records of a queue, each of them sealed.
 *
 * Owns the byte layout of identity, gap and quarantine records. Promises that a record which has changed on disk is
 * told from a good one. Never does I/O. All numbers are big-endian.
 */
import assert from 'node:assert';
import type { Range } from './intervals.ts';
import { numberKey, numberOfKey, QUEUE } from './keys.ts';
import type { Operation } from './rocks.ts';
import { seal, unseal } from './seal.ts';

/** An operation that stores something. */
export type Put = Operation & { readonly type: 'put' };

export const STREAM_BYTES = 16;
const FORMAT_VERSION = 1;

export const IDENTITY_KEY = Buffer.from([QUEUE.meta, ...Buffer.from('identity')]);
export const POSITION_KEY = Buffer.from([QUEUE.meta, ...Buffer.from('position')]);
export const TOTALS_KEY = Buffer.from([QUEUE.meta, ...Buffer.from('totals')]);

/** Stands before every block for ever, so that a walk over what comes before does not run on over deleted blocks. */
export const FENCE_KEY = Buffer.from([QUEUE.block]);

/** Events that the device gave up: `quota` on purpose, `damage` because the disk lost them. */
export interface Gap extends Range {
  readonly stream: Uint8Array;
  readonly reason: 'quota' | 'damage';
  /** What the events would have added to the totals; empty where that is unknown. */
  readonly sums: Uint8Array;
}

/** Events that the gateway has refused for good. */
export interface QuarantineEntry extends Range {
  readonly stream: Uint8Array;
  /** The events and the refusal. */
  readonly bytes: Uint8Array;
}

export function putSealed(key: Buffer, ...body: readonly Uint8Array[]): Put {
  return { type: 'put', key, value: seal(key, ...body) };
}

export function encodeNumbers(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(8 * numbers.length);
  for (const [i, number] of numbers.entries()) bytes.writeBigUInt64BE(BigInt(number), 8 * i);
  return bytes;
}

export function decodeNumber(bytes: Buffer, index: number): number {
  return Number(bytes.readBigUInt64BE(8 * index));
}

export function markKey(name: string): Buffer {
  return Buffer.from([QUEUE.mark, ...Buffer.from(name)]);
}

/** Body: format version (u32), device id in UTF-8. */
export function identityPut(deviceId: string): Put {
  const version = Buffer.alloc(4);
  version.writeUInt32BE(FORMAT_VERSION);
  return putSealed(IDENTITY_KEY, version, Buffer.from(deviceId));
}

/** Undefined where this is no identity that we can read. */
export function decodeIdentity(value: Buffer): { deviceId: string } | undefined {
  const body = unseal(IDENTITY_KEY, value);
  return body?.readUInt32BE() === FORMAT_VERSION ? { deviceId: body.toString('utf8', 4) } : undefined;
}

/** Body: last sequence (u64), stream (16 bytes), reason (u8: 0 quota, 1 damage), sums. */
export function gapPut({ first, last, stream, reason, sums }: Gap): Put {
  const head = Buffer.concat([encodeNumbers(last), stream, Buffer.from([reason === 'damage' ? 1 : 0])]);
  return putSealed(numberKey(QUEUE.gap, first), head, sums);
}

export function decodeGap(key: Buffer, value: Buffer): Gap | undefined {
  const body = unseal(key, value);
  if (body === undefined) return undefined;
  return {
    first: numberOfKey(key),
    last: decodeNumber(body, 0),
    stream: body.subarray(8, 8 + STREAM_BYTES),
    reason: body[8 + STREAM_BYTES] === 1 ? 'damage' : 'quota',
    sums: body.subarray(9 + STREAM_BYTES),
  };
}

/** Body: last sequence (u64), stream (16 bytes), bytes. */
export function quarantinePut({ first, last, stream, bytes }: QuarantineEntry): Put {
  assert(stream.length === STREAM_BYTES, 'a stream is 16 bytes');
  return putSealed(numberKey(QUEUE.quarantine, first), encodeNumbers(last), stream, bytes);
}

export function decodeQuarantine(key: Buffer, value: Buffer): QuarantineEntry | undefined {
  const body = unseal(key, value);
  if (body === undefined) return undefined;
  return {
    first: numberOfKey(key),
    last: decodeNumber(body, 0),
    stream: body.subarray(8, 8 + STREAM_BYTES),
    bytes: body.subarray(8 + STREAM_BYTES),
  };
}

export function deletions(family: number, firsts: readonly number[]): Operation[] {
  return firsts.map((first) => ({ type: 'del', key: numberKey(family, first) }));
}
