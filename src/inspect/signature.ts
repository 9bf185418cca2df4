/**
 * Signature: whether a request was signed with this secret (proto-spec/signing.md).
 *
 * Owns the check as a gateway makes it, for someone who writes a client. Never judges the age of a timestamp.
 */
import { CommandError } from '../cli/index.ts';
import {
  type ContentEncoding,
  type Credential,
  ID_PATTERN,
  parseCredential,
  parseSignatures,
  verifyRequest,
} from '../codec/index.ts';

/** What stood in the headers of the request. */
export interface SignedHead {
  readonly deviceId: string;
  readonly timestamp: number;
  /** `X-Signature`, or one of its values in hex. */
  readonly signature: string;
  /** Undefined for the one in the credential. */
  readonly keyId: string | undefined;
  /** Undefined to find out which one was signed. */
  readonly contentEncoding: ContentEncoding | undefined;
}

export interface SignatureVerdict {
  readonly valid: boolean;
  readonly deviceId: string;
  readonly keyId: string;
  readonly timestamp: number;
  /** The content encoding that the signature covers; null where it is invalid. */
  readonly contentEncoding: ContentEncoding | null;
}

const ENCODINGS: readonly ContentEncoding[] = ['br', 'zstd', 'gzip', 'identity'];

/** @throws CommandError `bad-value` where the secret or the signature is not of the form */
export function checkSignature(secretText: string, head: SignedHead, body: Uint8Array): SignatureVerdict {
  const { deviceId, timestamp } = head;
  const credential = credentialFrom(secretText);
  const keyId = head.keyId ?? credential.keyId;
  if (!ID_PATTERN.test(deviceId)) throw new CommandError('bad-value', '--device: expected the id of a device');
  const offered = offeredIn(head.signature);
  const encodings = head.contentEncoding === undefined ? ENCODINGS : [head.contentEncoding];
  const contentEncoding = encodings.find(
    (name) =>
      verifyRequest(credential.secret, { deviceId, keyId, timestamp, contentEncoding: name }, body, offered) !==
      undefined,
  );
  return {
    valid: contentEncoding !== undefined,
    deviceId,
    keyId,
    timestamp,
    contentEncoding: contentEncoding ?? null,
  };
}

function credentialFrom(text: string): Credential {
  const credential = parseCredential(text);
  if (credential) return credential;
  throw new CommandError(
    'bad-value',
    'the secret of --secret-file or TIDEGATE_SECRET must be <key id>.<secret>, as tidegate-gateway keys add wrote it',
  );
}

function offeredIn(text: string): string[] {
  const offered = /^[0-9a-f]{64}$/i.test(text) ? [text.toLowerCase()] : parseSignatures(text);
  if (offered) return offered;
  throw new CommandError('bad-value', '--signature: expected 64 hex digits or the X-Signature header, v1=<hex>');
}
