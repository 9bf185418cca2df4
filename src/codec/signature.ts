/**
 * Signature: HMAC-SHA-256 over requests and answers (proto-spec/signing.md).
 *
 * Owns the canonical bytes and the form of the `X-Key-Id`, `X-Signature` and `X-Head-Signature` headers. Promises
 * constant-time comparison, and that no two different messages have the same canonical bytes: every part before the
 * body is free of newlines. Never sees a clock: whether a timestamp is acceptable is the caller's to say.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { ID_PATTERN } from './limits.ts';

/** Header names, in the lower case that Node gives them. */
export const HEADER = {
  device: 'x-device-id',
  key: 'x-key-id',
  timestamp: 'x-timestamp',
  signature: 'x-signature',
  headSignature: 'x-head-signature',
} as const;

export const BATCH_MEDIA_TYPE = 'application/vnd.tidegate.batch+msgpack';

/** What a request's signature covers besides its body. */
export interface RequestHead {
  readonly deviceId: string;
  readonly keyId: string;
  /** Epoch milliseconds. */
  readonly timestamp: number;
  readonly contentEncoding: string;
}

/** What a head's signature covers. The request's signature covers the body, so the head speaks for the body, too. */
export interface SignedHead extends RequestHead {
  /** Bytes of the body as sent. */
  readonly contentLength: number;
  /** The request's signature under the same key, lower-case hex. */
  readonly requestSignature: string;
}

/** What an answer's signature covers besides its body. */
export interface AnswerHead {
  readonly status: number;
  /** Lower-case hex of the request's signature: ties the answer to that very request. */
  readonly requestSignature: string;
  /** The gateway's clock, epoch milliseconds. */
  readonly timestamp: number;
}

/** Values of `v1=` that one header may hold: two keys at each end of a rotation. */
const SIGNATURES_MAX = 4;

/** Key ids that one header may list: the old and the new of a rotation. */
const KEY_IDS_MAX = 2;

/** Characters of either header. */
const LIST_LENGTH_MAX = 1_024;

const NOTHING = new Uint8Array(0);

const VALUE_PATTERN = /^v1=([0-9a-f]{64})$/;

/** Lower-case hex. */
export function signRequest(secret: Uint8Array, head: RequestHead, body: Uint8Array): string {
  return mac(secret, requestPrefix(head), body).toString('hex');
}

/** The first of the offered signatures that is right for this secret; undefined where none is. */
export function verifyRequest(
  secret: Uint8Array,
  head: RequestHead,
  body: Uint8Array,
  offered: readonly string[],
): string | undefined {
  const expected = mac(secret, requestPrefix(head), body);
  return offered.find((signature) => equals(expected, signature));
}

/** Lower-case hex. */
export function signHead(secret: Uint8Array, head: SignedHead): string {
  return mac(secret, headPrefix(head), NOTHING).toString('hex');
}

export function verifyHead(secret: Uint8Array, head: SignedHead, offered: readonly string[]): boolean {
  const expected = mac(secret, headPrefix(head), NOTHING);
  return offered.some((signature) => equals(expected, signature));
}

export function signAnswer(secret: Uint8Array, head: AnswerHead, body: Uint8Array): string {
  return mac(secret, answerPrefix(head), body).toString('hex');
}

export function verifyAnswer(
  secret: Uint8Array,
  head: AnswerHead,
  body: Uint8Array,
  offered: readonly string[],
): boolean {
  const expected = mac(secret, answerPrefix(head), body);
  return offered.some((signature) => equals(expected, signature));
}

export function formatSignatures(signatures: readonly string[]): string {
  return signatures.map((signature) => `v1=${signature}`).join(', ');
}

/** The hex values of a header; undefined where it is missing or not of the form. Unknown schemes are passed over. */
export function parseSignatures(header: string | undefined): string[] | undefined {
  const values = listed(header);
  if (values === undefined) return undefined;
  const known = values.filter((value) => value.startsWith('v1='));
  if (known.length === 0 || known.length > SIGNATURES_MAX) return undefined;
  const signatures = known.map((value) => VALUE_PATTERN.exec(value)?.[1]);
  return signatures.every((signature) => signature !== undefined) ? signatures : undefined;
}

/** The ids of an `X-Key-Id` header; undefined where it is missing or not of the form. */
export function parseKeyIds(header: string | undefined): string[] | undefined {
  const ids = listed(header);
  return ids && ids.length <= KEY_IDS_MAX && ids.every((id) => ID_PATTERN.test(id)) ? ids : undefined;
}

/** The values between commas, without spaces and tabs around them; undefined for no header, or a long one. */
function listed(header: string | undefined): string[] | undefined {
  // Before anything is looked for: a pattern for the ends of a value takes the square of its length.
  if (header === undefined || header.length > LIST_LENGTH_MAX) return undefined;
  return header.split(',').map((part) => part.replace(/^[ \t]+|[ \t]+$/g, ''));
}

function requestPrefix({ deviceId, keyId, timestamp, contentEncoding }: RequestHead): string {
  return `tidegate-request-v1\n${deviceId}\n${keyId}\n${timestamp}\n${contentEncoding}\n`;
}

function headPrefix({
  deviceId,
  keyId,
  timestamp,
  contentEncoding,
  contentLength,
  requestSignature,
}: SignedHead): string {
  const body = `${contentEncoding}\n${contentLength}\n${requestSignature}`;
  return `tidegate-head-v1\n${deviceId}\n${keyId}\n${timestamp}\n${body}\n`;
}

function answerPrefix({ status, requestSignature, timestamp }: AnswerHead): string {
  return `tidegate-answer-v1\n${status}\n${requestSignature}\n${timestamp}\n`;
}

function mac(secret: Uint8Array, prefix: string, body: Uint8Array): Buffer {
  // Headers are bytes, which Node gives as latin1.
  return createHmac('sha256', secret).update(prefix, 'latin1').update(body).digest();
}

function equals(expected: Buffer, signature: string): boolean {
  const offered = Buffer.from(signature, 'hex');
  return offered.length === expected.length && timingSafeEqual(expected, offered);
}
