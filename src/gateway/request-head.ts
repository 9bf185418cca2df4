/**
 * RequestHead: what the headers of a batch say, checked before anything is done with its body.
 *
 * Owns the reading of the request headers of proto-spec/signing.md. Who asks is read first, since an answer to a known
 * key is signed even where something else in the head is wrong. Never looks up a key.
 */
import type { IncomingMessage } from 'node:http';
import { BATCH_MEDIA_TYPE, HEADER, ID_PATTERN, parseKeyIds, parseSignatures } from '../codec/index.ts';
import { GatewayError } from './errors.ts';

/** Who asks, and what an answer has to be signed over. */
export interface Caller {
  readonly deviceId: string;
  /** One, or two while a key rotates. */
  readonly keyIds: readonly string[];
  /** Lower-case hex; at least one. */
  readonly signatures: readonly string[];
}

export interface BatchRequestHead extends Caller {
  /** The clock that the device signed with, epoch milliseconds. */
  readonly timestamp: number;
  /** Lower-case hex; none where the device does not sign heads. */
  readonly headSignatures: readonly string[];
  /** As it stands in the header, whatever it says: it is signed like this, and judged when the signature is right. */
  readonly contentEncoding: string;
  /** As it stands in the header; not signed, and judged when the signature is right. */
  readonly contentType: string | undefined;
  /** Undefined where the body comes in chunks. */
  readonly contentLength: number | undefined;
}

/** What is read of a request before its body. */
export type RequestHeaders = Pick<IncomingMessage, 'headers' | 'rawHeaders'>;

/** A value that this version can judge. A head that has none is not authentic, as one without the header is not. */
const KNOWN_SCHEME = /(?:^|,)[ \t]*v1=/;

/**
 * The values of a header, one for each time that it is there. Read from what came, for `headersDistinct` makes lists of
 * all headers at each request.
 *
 * @param name in lower case
 */
export function valuesOf({ rawHeaders }: RequestHeaders, name: string): readonly string[] {
  const values: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const raw = rawHeaders[at]!;
    if (raw.length === name.length && raw.toLowerCase() === name) values.push(rawHeaders[at + 1]!);
  }
  return values;
}

/** @throws GatewayError `headers-invalid` */
export function readCaller(request: RequestHeaders): Caller {
  const deviceId = required(request, HEADER.device);
  if (!ID_PATTERN.test(deviceId)) throw invalid(`${HEADER.device} is no id`);
  const keyIds = parseKeyIds(required(request, HEADER.key));
  if (keyIds === undefined) throw invalid(`${HEADER.key} must be one or two ids`);
  const signatures = parseSignatures(required(request, HEADER.signature));
  if (signatures === undefined) throw invalid(`${HEADER.signature} must be v1=<64 hex digits>`);
  return { deviceId, keyIds, signatures };
}

/** @throws GatewayError `headers-invalid` */
export function readRequestHead(request: RequestHeaders, caller: Caller): BatchRequestHead {
  const timestamp = Number(required(request, HEADER.timestamp));
  // What is signed is the number, so only one way to write it is taken.
  if (!Number.isSafeInteger(timestamp) || String(timestamp) !== single(request, HEADER.timestamp)) {
    throw invalid(`${HEADER.timestamp} must be epoch milliseconds`);
  }
  const headSignature = single(request, HEADER.headSignature);
  const isKnown = headSignature !== undefined && KNOWN_SCHEME.test(headSignature);
  const headSignatures = isKnown ? parseSignatures(headSignature) : [];
  if (headSignatures === undefined) throw invalid(`${HEADER.headSignature} must be v1=<64 hex digits>`);
  // The parser of Node has checked this one.
  const contentLength = request.headers['content-length'];
  return {
    ...caller,
    timestamp,
    headSignatures,
    contentEncoding: list(request, 'content-encoding') ?? 'identity',
    contentType: list(request, 'content-type'),
    contentLength: contentLength === undefined ? undefined : Number(contentLength),
  };
}

/** @throws GatewayError `headers-invalid` where the body is not said to be a batch */
export function checkContentType({ contentType = 'nothing' }: BatchRequestHead): void {
  const mediaType = contentType.split(';', 1)[0]!.trim().toLowerCase();
  if (mediaType !== BATCH_MEDIA_TYPE) throw invalid(`content-type must be ${BATCH_MEDIA_TYPE}`);
}

function required(request: RequestHeaders, name: string): string {
  const value = single(request, name);
  if (value === undefined) throw invalid(`${name} is missing`);
  return value;
}

function single(request: RequestHeaders, name: string): string | undefined {
  const values = valuesOf(request, name);
  if (values.length > 1) throw invalid(`${name} stands more than once`);
  return values[0];
}

/** Lines of one list header mean the same as one line with commas. */
function list(request: RequestHeaders, name: string): string | undefined {
  const values = valuesOf(request, name);
  return values.length === 0 ? undefined : values.join(', ');
}

function invalid(message: string): GatewayError {
  return new GatewayError('headers-invalid', message);
}
