/**
 * Authentication: whose request it is.
 *
 * Owns the choice of key and the comparison of signatures. Promises that nothing of a body is looked at before its
 * signature is right. Never reads a clock: the time window is the caller's.
 */
import { type RequestHead, verifyHead, verifyRequest } from '../codec/index.ts';
import { GatewayError } from './errors.ts';
import type { KeyRing } from './keyring.ts';
import type { BatchRequestHead, Caller } from './request-head.ts';

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
  /** Of the request that this answer belongs to: the one that matched, or all of them where none did. */
  readonly requestSignatures: readonly string[];
}

/**
 * The keys of the request that are known; live ones first, else as the device named them.
 * @throws GatewayError `key-unknown` where there is none
 */
export function namedKeys(ring: KeyRing, { deviceId, keyIds }: Caller): readonly NamedKey[] {
  const keys: NamedKey[] = [];
  for (const keyId of keyIds) {
    const key = ring.lookup(deviceId, keyId);
    if (key !== undefined) keys.push({ keyId, ...key });
  }
  if (keys.length === 0) throw new GatewayError('key-unknown', 'no such device, or it has no such key');
  return keys.sort((a, b) => Number(a.revoked) - Number(b.revoked));
}

/**
 * What a refusal is signed with where it is not known which key, if any, is the right one. The device looks for its own
 * signature, which may be any of them.
 */
export function signerForDamaged(keys: readonly NamedKey[], { signatures }: Caller): AnswerSigner {
  const { keyId, secret } = keys[0]!;
  return { keyId, secret, requestSignatures: signatures };
}

/**
 * The live key that has signed this head, with the signature that the body is to have; undefined where none has. A head
 * whose length is not known has nothing to hold its body to.
 */
export function matchingHead(keys: readonly NamedKey[], head: BatchRequestHead): AnswerSigner | undefined {
  const { contentLength, headSignatures, signatures } = head;
  if (contentLength === undefined || headSignatures.length === 0) return undefined;
  for (const key of keys) {
    if (key.revoked) continue;
    for (const requestSignature of signatures) {
      const signed = { ...signedPart(key, head), contentLength, requestSignature };
      if (verifyHead(key.secret, signed, headSignatures)) return { ...key, requestSignatures: [requestSignature] };
    }
  }
  return undefined;
}

/** The key and signature that are right for this body; undefined where none is. */
export function matchingKey(
  keys: readonly NamedKey[],
  head: BatchRequestHead,
  body: Uint8Array,
): (AnswerSigner & { readonly revoked: boolean }) | undefined {
  for (const key of keys) {
    const requestSignature = verifyRequest(key.secret, signedPart(key, head), body, head.signatures);
    if (requestSignature !== undefined) return { ...key, requestSignatures: [requestSignature] };
  }
  return undefined;
}

function signedPart({ keyId }: NamedKey, { deviceId, timestamp, contentEncoding }: BatchRequestHead): RequestHead {
  return { deviceId, keyId, timestamp, contentEncoding };
}
