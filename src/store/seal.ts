/**
 * The seal on a stored value: a checksum of the value and of the key that it stands under.
 *
 * Promises that a value which has changed on disk, or which stands under another key, is told from a good one. Never
 * knows what a value means.
 *
 * Sealed value: crc32 of key and body (u32, big-endian), body.
 */
import { crc32 } from 'node:zlib';
import { StoreError } from './errors.ts';

export const SEAL_BYTES = 4;

/** Keeps the place of the seal. */
const NO_SEAL = Buffer.alloc(SEAL_BYTES);

export function seal(key: Buffer, ...body: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat([NO_SEAL, ...body]);
  value.writeUInt32BE(checksum(key, value));
  return value;
}

/** The body; undefined where the seal is broken. */
export function unseal(key: Buffer, value: Buffer | undefined): Buffer | undefined {
  if (value === undefined || value.length < SEAL_BYTES) return undefined;
  return value.readUInt32BE() === checksum(key, value) ? value.subarray(SEAL_BYTES) : undefined;
}

/** The body. Throws `corrupt` where the seal is broken. */
export function unsealOrThrow(key: Buffer, value: Buffer): Buffer {
  const body = unseal(key, value);
  if (body === undefined) throw new StoreError('corrupt', `the record ${key.toString('hex')} is damaged`);
  return body;
}

function checksum(key: Buffer, value: Buffer): number {
  return crc32(value.subarray(SEAL_BYTES), crc32(key));
}
