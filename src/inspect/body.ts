/**
 * Body: bytes as sent or as packed, opened as a batch.
 *
 * Owns the guess at a content encoding that nobody has told. Promises that a fault carries its place in the
 * uncompressed batch wherever it has one. Never guesses against what it was told.
 */
import {
  type Batch,
  CodecError,
  type CodecErrorCode,
  type ContentEncoding,
  columnFaultOffset,
  decodeBatch,
  inflateBody,
} from '../codec/index.ts';

export interface OpenedBody {
  readonly encoding: ContentEncoding;
  readonly bodyBytes: number;
  /** The uncompressed batch. */
  readonly packed: Uint8Array;
  readonly batch: Batch;
}

/**
 * @param encoding undefined to find out
 * @throws CodecError, with an `offset` where the fault has one place
 */
export async function openBody(body: Uint8Array, encoding?: ContentEncoding): Promise<OpenedBody> {
  const candidates = encoding === undefined ? likelyEncodings(body) : [encoding];
  let fault: unknown;
  for (const candidate of candidates) {
    try {
      const packed = await inflateBody(candidate, body);
      return { encoding: candidate, bodyBytes: body.length, packed, batch: decodeLocated(packed) };
    } catch (error) {
      // Of several faults the first is shown, unless a later candidate has at least inflated.
      if (fault === undefined || !isCode(error, 'body-corrupt')) fault = error;
    }
  }
  throw fault;
}

/** gzip and zstd begin with a magic number and a batch with a map, which a brotli stream may do as well. */
function likelyEncodings(body: Uint8Array): readonly ContentEncoding[] {
  const [first = 0, second, third, fourth] = body;
  if (first === 0x1f && second === 0x8b) return ['gzip'];
  if (first === 0x28 && second === 0xb5 && third === 0x2f && fourth === 0xfd) return ['zstd'];
  const isMap = (first & 0xf0) === 0x80 || first === 0xde || first === 0xdf;
  return isMap ? ['identity', 'br'] : ['br'];
}

function decodeLocated(packed: Uint8Array): Batch {
  try {
    return decodeBatch(packed);
  } catch (error) {
    if (!(error instanceof CodecError) || error.code !== 'batch-column') throw error;
    const offset = columnFaultOffset(packed);
    if (offset === undefined) throw error;
    throw new CodecError(error.code, `${error.message}, in the column at byte ${offset}`, { offset, cause: error });
  }
}

function isCode(error: unknown, code: CodecErrorCode): boolean {
  return error instanceof CodecError && error.code === code;
}
