/**
 * GatewayError: why a request was refused.
 *
 * Owns the way from everything that can be thrown while a request is served to one problem code; the codes and their
 * statuses are the codec's. Promises that a caller never sees the text of an error that is ours. Never signs or sends.
 */
import {
  CONTENT_ENCODINGS,
  CodecError,
  type CodecErrorCode,
  type Problem,
  type ProblemCode,
  problemOf,
} from '../codec/index.ts';
import { StoreError } from '../store/index.ts';

export type ProblemMembers = NonNullable<Parameters<typeof problemOf>[2]>;

export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ProblemCode;
  readonly members: ProblemMembers;

  constructor(code: ProblemCode, message: string, members: ProblemMembers = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.members = members;
  }

  get problem(): Problem {
    return problemOf(this.code, this.message, this.members);
  }
}

/** How long a client is to wait when the disk does not take writes: long enough to be no load, short enough to see. */
export const STORE_RETRY_AFTER_MS = 5_000;

const CODE_OF_CODEC_ERROR: Record<CodecErrorCode, ProblemCode> = {
  'event-time': 'batch-malformed',
  'event-sensor': 'batch-malformed',
  'event-field': 'batch-malformed',
  'event-number': 'batch-malformed',
  'event-text': 'batch-malformed',
  'encoding-unsupported': 'encoding-unsupported',
  'body-corrupt': 'body-corrupt',
  'body-too-large': 'body-too-large',
  'batch-malformed': 'batch-malformed',
  'batch-version': 'batch-version',
  'batch-limit': 'batch-limit',
  'batch-column': 'batch-column',
};

/** By the `code` of what Fastify throws, and Node's HTTP parser. */
const CODE_OF_HTTP_ERROR: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'headers-invalid',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'headers-invalid',
  FST_ERR_BAD_URL: 'query-invalid',
  FST_ERR_MAX_PARAM_LENGTH: 'query-invalid',
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  // The client went away: nobody will read this, but it is counted.
  ECONNRESET: 'request-timeout',
};

/** Whatever was thrown, as the error to answer with; `internal` for what must be a bug. */
export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  if (error instanceof CodecError) {
    const code = CODE_OF_CODEC_ERROR[error.code];
    const members = code === 'encoding-unsupported' ? { acceptEncoding: CONTENT_ENCODINGS } : {};
    return new GatewayError(code, error.message, members, error);
  }
  if (error instanceof StoreError) {
    const members = { retryAfterMs: STORE_RETRY_AFTER_MS };
    return new GatewayError('store-unavailable', 'the store cannot take or give anything now', members, error);
  }
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  const known = typeof code === 'string' ? CODE_OF_HTTP_ERROR[code] : undefined;
  if (known !== undefined) return new GatewayError(known, (error as Error).message, {}, error);
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new GatewayError('headers-invalid', (error as Error).message, {}, error);
  }
  return new GatewayError('internal', 'something went wrong in the gateway', {}, error);
}
