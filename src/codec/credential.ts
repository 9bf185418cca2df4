/**
 * Credential: one key of one device, as a line of text (proto-spec/signing.md, "Keys").
 *
 * Owns the form `<key id>.<secret>` in which a key travels from the gateway to a device. Promises that a secret has at
 * least 128 bits. Never prints, stores or makes one: randomness comes from the caller.
 */
import { ID_PATTERN } from './limits.ts';

export interface Credential {
  readonly keyId: string;
  readonly secret: Uint8Array;
}

/** Bytes of a secret that this project makes: the block of SHA-256's output, as HMAC recommends. */
export const SECRET_BYTES = 32;

const SECRET_BYTES_MIN = 16;
const SECRET_BYTES_MAX = 128;

export function formatCredential({ keyId, secret }: Credential): string {
  return `${keyId}.${Buffer.from(secret).toString('base64url')}`;
}

/** Undefined where the text is not of the form. */
export function parseCredential(text: string): Credential | undefined {
  const dot = text.lastIndexOf('.');
  const keyId = text.slice(0, Math.max(0, dot));
  const encoded = text.slice(dot + 1);
  const secret = Buffer.from(encoded, 'base64url');
  if (!ID_PATTERN.test(keyId) || secret.toString('base64url') !== encoded) return undefined;
  if (secret.length < SECRET_BYTES_MIN || secret.length > SECRET_BYTES_MAX) return undefined;
  return { keyId, secret };
}
