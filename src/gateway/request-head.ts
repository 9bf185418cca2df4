/**
 * RequestHead: what the headers of a batch say, checked before anything is done with its body.
 *
 * Owns the reading of the request headers of proto-spec/signing.md. Promises that each of them stands exactly once and is
 * of its form. Never looks up a key.
 */
import type { IncomingMessage } from 'node:http';
import { BATCH_MEDIA_TYPE, HEADER, ID_PATTERN, parseKeyIds, parseSignatures } from '../codec/index.ts';
import { GatewayError } from './errors.ts';

export interface BatchRequestHead {
  readonly deviceId: string;
  /** One, or two while a key rotates. */
  readonly keyIds: readonly string[];
  /** The clock that the device signed with, epoch milliseconds. */
  readonly timestamp: number;
  /** Lower-case hex; at least one. */
  readonly signatures: readonly string[];
  readonly contentEncoding: string;
  /** Undefined where the body comes in chunks. */
  readonly contentLength: number | undefined;
}

/** What is read of a request before its body. */
export type RequestHeaders = Pick<IncomingMessage, 'headers' | 'headersDistinct'>;

const CONTENT_CODING_PATTERN = /^[a-z0-9-]{1,32}$/;

/** @throws GatewayError `headers-invalid` */
export function readRequestHead(request: RequestHeaders): BatchRequestHead {
  const deviceId = required(request, HEADER.device);
  if (!ID_PATTERN.test(deviceId)) throw invalid(`${HEADER.device} is no id`);
  const keyIds = parseKeyIds(required(request, HEADER.key));
  if (keyIds === undefined) throw invalid(`${HEADER.key} must be one or two ids`);
  const timestamp = Number(required(request, HEADER.timestamp));
  // What is signed is the number, so only one way to write it is taken.
  if (!Number.isSafeInteger(timestamp) || String(timestamp) !== single(request, HEADER.timestamp)) {
    throw invalid(`${HEADER.timestamp} must be epoch milliseconds`);
  }
  const signatures = parseSignatures(required(request, HEADER.signature));
  if (signatures === undefined) throw invalid(`${HEADER.signature} must be v1=<64 hex digits>`);
  const mediaType = required(request, 'content-type').split(';', 1)[0]!.trim().toLowerCase();
  if (mediaType !== BATCH_MEDIA_TYPE) throw invalid(`content-type must be ${BATCH_MEDIA_TYPE}`);
  const contentEncoding = single(request, 'content-encoding') ?? 'identity';
  if (!CONTENT_CODING_PATTERN.test(contentEncoding)) throw invalid('content-encoding must be one coding');
  // The parser of Node has checked this one.
  const contentLength = request.headers['content-length'];
  return {
    deviceId,
    keyIds,
    timestamp,
    signatures,
    contentEncoding,
    contentLength: contentLength === undefined ? undefined : Number(contentLength),
  };
}

function required(request: RequestHeaders, name: string): string {
  const value = single(request, name);
  if (value === undefined) throw invalid(`${name} is missing`);
  return value;
}

function single(request: RequestHeaders, name: string): string | undefined {
  const values = request.headersDistinct[name];
  if (values !== undefined && values.length > 1) throw invalid(`${name} stands more than once`);
  return values?.[0];
}

function invalid(message: string): GatewayError {
  return new GatewayError('headers-invalid', message);
}
