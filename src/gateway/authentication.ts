/**
 * Authentication: whose request it is.
 *
 * Owns the choice of key and the comparison of signatures. Promises that nothing of a body is looked at before its
 * signature is right. Never reads a clock: the time window is the caller's.
 */
import { type RequestHead, verifyRequest } from '../codec/index.ts';
import { GatewayError } from './errors.ts';
import type { KeyRing } from './keyring.ts';
import type { BatchRequestHead } from './request-head.ts';

/** A key that the device named and that the gateway has. */
export interface NamedKey {
  readonly keyId: string;
  readonly secret: Uint8Array;
  readonly revoked: boolean;
}

/** What an answer is signed with. */
export interface AnswerSigner {
  readonly keyId: string;
  readonly secret: Uint8Array;
  /** The signature of the request that this answer belongs to. */
  readonly requestSignature: string;
}

/**
 * The keys of the request that are known; live ones first, else as the device named them.
 * @throws GatewayError `key-unknown` where there is none
 */
export function namedKeys(ring: KeyRing, { deviceId, keyIds }: BatchRequestHead): readonly NamedKey[] {
  const keys: NamedKey[] = [];
  for (const keyId of keyIds) {
    const key = ring.lookup(deviceId, keyId);
    if (key !== undefined) keys.push({ keyId, ...key });
  }
  if (keys.length === 0) throw new GatewayError('key-unknown', 'no such device, or it has no such key');
  return keys.sort((a, b) => Number(a.revoked) - Number(b.revoked));
}

/** The key and signature that are right for this body; undefined where none is. */
export function matchingKey(
  keys: readonly NamedKey[],
  head: BatchRequestHead,
  body: Uint8Array,
): (AnswerSigner & { readonly revoked: boolean }) | undefined {
  for (const key of keys) {
    const signed: RequestHead = {
      deviceId: head.deviceId,
      keyId: key.keyId,
      timestamp: head.timestamp,
      contentEncoding: head.contentEncoding,
    };
    const requestSignature = verifyRequest(key.secret, signed, body, head.signatures);
    if (requestSignature !== undefined) return { ...key, requestSignature };
  }
  return undefined;
}
