/**
 * Compression: batch bytes to body bytes and back (proto-spec/batch.md, "Compression").
 *
 * Owns the content encodings. Promises that inflating stops at the limit, whatever the body claims, and that the work is
 * done off the event loop. Never picks an encoding by itself: a device falls back through the list it is told.
 */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { CodecError } from './errors.ts';
import { BATCH_BYTES_MAX } from './limits.ts';

export type ContentEncoding = 'zstd' | 'br' | 'gzip' | 'identity';

interface Format {
  readonly compress: (bytes: Uint8Array) => Promise<Uint8Array>;
  readonly inflate: (bytes: Uint8Array, bytesMax: number) => Promise<Uint8Array>;
}

const { constants } = zlib;
const gzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gzip);
const gunzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gunzip);
const brotliCompress = promisify<Uint8Array, zlib.BrotliOptions, Buffer>(zlib.brotliCompress);
const brotliDecompress = promisify<Uint8Array, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress);

/**
 * Packed columns have few long repeats, so higher brotli qualities cost more time than they save bytes; the window
 * covers the largest usual batch and keeps the state of each compressor small.
 */
const BROTLI_QUALITY = 4;
const BROTLI_WINDOW = 18;

const FORMATS: Partial<Record<ContentEncoding, Format>> = {
  ...zstdFormat(),
  br: {
    compress: (bytes) =>
      brotliCompress(bytes, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
          [constants.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        },
      }),
    inflate: (bytes, maxOutputLength) => brotliDecompress(bytes, { maxOutputLength }),
  },
  gzip: {
    compress: (bytes) => gzip(bytes, { level: 6 }),
    inflate: (bytes, maxOutputLength) => gunzip(bytes, { maxOutputLength }),
  },
  identity: {
    compress: async (bytes) => bytes,
    inflate: async (bytes, bytesMax) => {
      if (bytes.length > bytesMax) throw tooLarge(bytesMax);
      return bytes;
    },
  },
};

/** What this runtime can do, the ones that serve packed columns best first. */
export const CONTENT_ENCODINGS: readonly ContentEncoding[] = (['br', 'zstd', 'gzip', 'identity'] as const).filter(
  (encoding) => FORMATS[encoding] !== undefined,
);

export function isContentEncoding(text: string): text is ContentEncoding {
  return CONTENT_ENCODINGS.some((encoding) => encoding === text);
}

export function compressBody(encoding: ContentEncoding, bytes: Uint8Array): Promise<Uint8Array> {
  return formatOf(encoding).compress(bytes);
}

/**
 * @throws CodecError `encoding-unsupported`, `body-corrupt`, or `body-too-large` once more than `bytesMax` have come out
 */
export async function inflateBody(
  encoding: string,
  body: Uint8Array,
  bytesMax: number = BATCH_BYTES_MAX,
): Promise<Uint8Array> {
  const format = formatOf(encoding);
  try {
    return await format.inflate(body, bytesMax);
  } catch (cause) {
    if (cause instanceof CodecError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(bytesMax);
    throw new CodecError('body-corrupt', `the body does not inflate as ${encoding}`, { cause });
  }
}

function formatOf(encoding: string): Format {
  const format = isContentEncoding(encoding) ? FORMATS[encoding] : undefined;
  if (format) return format;
  throw new CodecError('encoding-unsupported', `content encoding ${encoding}; known: ${CONTENT_ENCODINGS.join(', ')}`);
}

function tooLarge(bytesMax: number): CodecError {
  return new CodecError('body-too-large', `the body inflates to more than ${bytesMax} bytes`);
}

type ZstdCall = (
  bytes: Uint8Array,
  options: { maxOutputLength?: number },
  done: (error: Error | null, result: Buffer) => void,
) => void;

/** Zstandard came to Node with 22.15; the types that we build against are older. */
function zstdFormat(): { zstd?: Format } {
  const { zstdCompress, zstdDecompress } = zlib as { zstdCompress?: ZstdCall; zstdDecompress?: ZstdCall };
  if (!zstdCompress || !zstdDecompress) return {};
  const compress = promisify(zstdCompress);
  const decompress = promisify(zstdDecompress);
  return {
    zstd: {
      compress: (bytes) => compress(bytes, {}),
      inflate: (bytes, maxOutputLength) => decompress(bytes, { maxOutputLength }),
    },
  };
}
