/**
 * Compression: batch bytes to body bytes and back (proto-spec/batch.md, "Compression").
 *
 * Owns the content encodings. Promises that inflating stops at the limit, whatever the body claims, and that what takes
 * longer than about a millisecond is done off the event loop. Never picks an encoding by itself: a device falls back
 * through the list it is told.
 */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { CodecError } from './errors.ts';
import { BATCH_BYTES_MAX } from './limits.ts';

export type ContentEncoding = 'zstd' | 'br' | 'gzip' | 'identity';

/** One way at a time: `now` on this thread, `later` on another. Both inflate to `maxOutputLength` at most. */
interface Way<Options> {
  readonly now: (bytes: Uint8Array, options: Options) => Uint8Array;
  readonly later: (bytes: Uint8Array, options: Options) => Promise<Uint8Array>;
}

interface Bound {
  readonly maxOutputLength?: number;
}

interface Format {
  readonly compress: Way<Bound>;
  /** Throws where bytes follow the end of what was compressed. */
  readonly inflate: Way<Bound>;
}

/** Up to here a body is inflated at once: the way to another thread and back costs several times what that does. */
const SMALL_BYTES = 32 * 1024;

/**
 * Up to here a batch is compressed at once: any usual one, a millisecond at most. Another thread has to fetch memory
 * from the system for each, and takes two to three times as long.
 */
const SMALL_BATCH_BYTES = 96 * 1024;

/** What a small body may inflate to on this thread; more than usual batches do, less than a millisecond of work. */
const SMALL_INFLATED_BYTES = 512 * 1024;

/** Characters of an encoding that is not known which are said again. */
const SAID_MAX = 40;

const { constants } = zlib;

/**
 * Packed columns have few long repeats, so higher brotli qualities cost more time than they save bytes; the window
 * covers the largest usual batch and keeps the state of each compressor small.
 */
const BROTLI_QUALITY = 4;
const BROTLI_WINDOW = 18;

const BROTLI: zlib.BrotliOptions = {
  params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY, [constants.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW },
};

const FORMATS: Partial<Record<ContentEncoding, Format>> = {
  ...zstdFormat(),
  br: {
    compress: way(zlib.brotliCompressSync, zlib.brotliCompress, BROTLI),
    inflate: toTheEnd(zlib.brotliDecompressSync, zlib.brotliDecompress),
  },
  gzip: {
    compress: way(zlib.gzipSync, zlib.gzip, { level: 6 }),
    inflate: toTheEnd(zlib.gunzipSync, zlib.gunzip),
  },
  identity: { compress: unchanged(), inflate: unchanged() },
};

/** What this runtime can do, the ones that serve packed columns best first. */
export const CONTENT_ENCODINGS: readonly ContentEncoding[] = (['br', 'zstd', 'gzip', 'identity'] as const).filter(
  (encoding) => FORMATS[encoding] !== undefined,
);

export function isContentEncoding(text: string): text is ContentEncoding {
  return CONTENT_ENCODINGS.some((encoding) => encoding === text);
}

export async function compressBody(encoding: ContentEncoding, bytes: Uint8Array): Promise<Uint8Array> {
  const { compress } = formatOf(encoding);
  return bytes.length <= SMALL_BATCH_BYTES ? compress.now(bytes, {}) : compress.later(bytes, {});
}

/**
 * @throws CodecError `encoding-unsupported`, `body-corrupt`, or `body-too-large` once more than `bytesMax` have come
 * out
 */
export async function inflateBody(
  encoding: string,
  body: Uint8Array,
  bytesMax: number = BATCH_BYTES_MAX,
): Promise<Uint8Array> {
  const { inflate } = formatOf(encoding);
  try {
    if (body.length <= SMALL_BYTES) {
      try {
        return inflate.now(body, { maxOutputLength: Math.min(bytesMax, SMALL_INFLATED_BYTES) });
      } catch (error) {
        // A small body that grows large is another thread's work, and bounded there.
        if (!isTooLarge(error) || bytesMax <= SMALL_INFLATED_BYTES) throw error;
      }
    }
    return await inflate.later(body, { maxOutputLength: bytesMax });
  } catch (cause) {
    if (isTooLarge(cause)) throw new CodecError('body-too-large', `the body inflates to more than ${bytesMax} bytes`);
    throw new CodecError('body-corrupt', `the body does not inflate as ${encoding}`, { cause });
  }
}

function isTooLarge(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
}

function formatOf(encoding: string): Format {
  const format = isContentEncoding(encoding) ? FORMATS[encoding] : undefined;
  if (format) return format;
  // As long as whoever sent it liked.
  const said = encoding.slice(0, SAID_MAX);
  throw new CodecError('encoding-unsupported', `content encoding ${said}; known: ${CONTENT_ENCODINGS.join(', ')}`);
}

type Now<Options> = (bytes: Uint8Array, options: Options) => Uint8Array;
type Later<Options> = (
  bytes: Uint8Array,
  options: Options,
  done: (error: Error | null, result: Buffer) => void,
) => void;

function way<Options extends object>(
  now: Now<Options & Bound>,
  later: Later<Options & Bound>,
  fixed: Options,
): Way<Bound> {
  const promised = promisify<Uint8Array, Options & Bound, Buffer>(later);
  return {
    now: (bytes, bound) => now(bytes, { ...fixed, ...bound }),
    later: (bytes, bound) => promised(bytes, { ...fixed, ...bound }),
  };
}

/** What Node gives with the option `info`: what came out, and how many bytes went in. */
interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** Node itself takes what it likes behind the end of a stream for nothing: all of it for Brotli, zeros for gzip. */
function toTheEnd(now: Now<Bound>, later: Later<Bound>): Way<Bound> {
  const whole = (bytes: Uint8Array, { buffer, engine }: Inflated): Buffer => {
    if (engine.bytesWritten === bytes.length) return buffer;
    throw new Error(`${bytes.length - engine.bytesWritten} bytes behind the end`);
  };
  const { now: atOnce, later: offLoop } = way(now, later, { info: true });
  return {
    now: (bytes, bound) => whole(bytes, atOnce(bytes, bound) as unknown as Inflated),
    later: async (bytes, bound) => whole(bytes, (await offLoop(bytes, bound)) as unknown as Inflated),
  };
}

function unchanged(): Way<Bound> {
  const now: Now<Bound> = (bytes, { maxOutputLength = Number.POSITIVE_INFINITY }) => {
    if (bytes.length <= maxOutputLength) return bytes;
    throw Object.assign(new Error('too large'), { code: 'ERR_BUFFER_TOO_LARGE' });
  };
  return { now, later: async (bytes, bound) => now(bytes, bound) };
}

/** Zstandard came to Node with 22.15; the types that we build against are older. */
function zstdFormat(): { zstd?: Format } {
  const { zstdCompress, zstdDecompress, zstdCompressSync, zstdDecompressSync } = zlib as {
    zstdCompress?: Later<Bound>;
    zstdDecompress?: Later<Bound>;
    zstdCompressSync?: Now<Bound>;
    zstdDecompressSync?: Now<Bound>;
  };
  if (!zstdCompress || !zstdDecompress || !zstdCompressSync || !zstdDecompressSync) return {};
  return {
    zstd: {
      compress: way(zstdCompressSync, zstdCompress, {}),
      inflate: toTheEnd(zstdDecompressSync, zstdDecompress),
    },
  };
}
