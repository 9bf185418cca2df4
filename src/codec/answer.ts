/**
 * Answer: what a gateway says to one batch (proto-spec/delivery.md, "Answers").
 *
 * Owns the bodies of acknowledgements and problems, and the one table from problem code to HTTP status. Promises that
 * what parses is complete. Never signs: an answer means something only once its signature has been verified.
 */
import { INTEGER_MAX } from './limits.ts';

/** The batch is counted, now or earlier. */
export interface Acknowledgement {
  /** 32 hex digits. */
  readonly stream: string;
  readonly first: number;
  readonly count: number;
  /** Events that this request added. */
  readonly inserted: number;
  /** Events that had been counted before. */
  readonly duplicates: number;
}

/** Every way of saying no, with its status. */
export const PROBLEM_STATUS = {
  'headers-invalid': 400,
  'query-invalid': 400,
  'body-corrupt': 400,
  'batch-malformed': 400,
  'batch-column': 400,
  'key-unknown': 401,
  'signature-mismatch': 401,
  'clock-skew': 401,
  'token-invalid': 401,
  'key-revoked': 403,
  'interval-limit': 403,
  'stream-limit': 403,
  'storage-limit': 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'request-timeout': 408,
  'sequence-collision': 409,
  'body-too-large': 413,
  'batch-limit': 413,
  'encoding-unsupported': 415,
  'batch-version': 415,
  'sensor-limit': 422,
  'measure-limit': 422,
  'headers-too-large': 431,
  internal: 500,
  overloaded: 503,
  'store-unavailable': 503,
} as const satisfies Record<string, number>;

export type ProblemCode = keyof typeof PROBLEM_STATUS;

/** RFC 9457, with members of our own. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ProblemCode;
  readonly detail?: string;
  /** `clock-skew`: the gateway's clock, epoch milliseconds. */
  readonly clock?: number;
  /** How long to wait before trying again. */
  readonly retryAfterMs?: number;
  /** `sequence-collision`: the ranges whose ids stand for other events. */
  readonly collisions?: readonly (readonly [first: number, last: number])[];
  /** `encoding-unsupported`: what the gateway can inflate. */
  readonly acceptEncoding?: readonly string[];
  /** `body-too-large`, `batch-limit`: the gateway's own bounds. */
  readonly bodyBytesMax?: number;
  readonly eventsMax?: number;
}

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

export function problemOf(
  code: ProblemCode,
  detail: string,
  members: Partial<Omit<Problem, 'type' | 'title' | 'status' | 'code' | 'detail'>> = {},
): Problem {
  const title = code.replaceAll('-', ' ');
  return { type: `urn:tidegate:problem:${code}`, title, status: PROBLEM_STATUS[code], code, detail, ...members };
}

export function encodeAnswer(answer: Acknowledgement | Problem): Uint8Array {
  return Buffer.from(JSON.stringify(answer));
}

/** Undefined where the bytes are no acknowledgement. */
export function parseAcknowledgement(body: Uint8Array): Acknowledgement | undefined {
  const value = parseObject(body);
  if (!value) return undefined;
  const { stream, first, count, inserted, duplicates } = value;
  if (typeof stream !== 'string' || !/^[0-9a-f]{32}$/.test(stream)) return undefined;
  if (![first, count, inserted, duplicates].every(isNatural)) return undefined;
  return { stream, first, count, inserted, duplicates } as Acknowledgement;
}

/** Undefined where the bytes are no problem with a code that we know. */
export function parseProblem(body: Uint8Array): Problem | undefined {
  const value = parseObject(body);
  if (!value || typeof value['code'] !== 'string' || !Object.hasOwn(PROBLEM_STATUS, value['code'])) return undefined;
  const { clock, retryAfterMs, collisions, acceptEncoding, bodyBytesMax, eventsMax, detail } = value;
  return problemOf(value['code'] as ProblemCode, typeof detail === 'string' ? detail : '', {
    ...(isTime(clock) && { clock }),
    ...(isNatural(retryAfterMs) && { retryAfterMs }),
    ...(isNatural(bodyBytesMax) && { bodyBytesMax }),
    ...(isNatural(eventsMax) && { eventsMax }),
    ...(Array.isArray(collisions) && collisions.every(isRange) && { collisions }),
    ...(Array.isArray(acceptEncoding) &&
      acceptEncoding.every((name) => typeof name === 'string') && { acceptEncoding }),
  });
}

function parseObject(body: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString());
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Within what a batch can say: a device that took another for its clock could never be understood again. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= INTEGER_MAX;
}

function isNatural(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isRange(value: unknown): value is [number, number] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [first, last] = value as unknown[];
  return isNatural(first) && isNatural(last) && first <= last;
}
