/**
 * StreamInput: standard input, a named pipe, a serial port: what can be read once.
 *
 * Promises to open it once and to keep nothing about it: there is no way back in it, so there are no marks. A signal
 * ends the wait for the next row.
 */
import { constants, createReadStream, open } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { isatty, ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import type { FedRows } from './fed-rows.ts';
import type { Chunk, Input, Rest } from './input.ts';
import { assertRows } from './input-format.ts';
import { RowFeed } from './row-feed.ts';
import type { InputFormat, RowOptions } from './row-reader.ts';
import { type Encoding, encodingAt } from './source-text.ts';

export interface StreamOptions extends RowOptions {
  readonly format: InputFormat;
  readonly encoding: Encoding | undefined;
  readonly lastLine: boolean;
}

/** More lines than this are not held up by a quote that waits for its partner. */
const QUOTED_ROWS_MAX = 16;

export class StreamInput implements Input {
  readonly bytes = undefined;
  readonly skipped = 0;
  readonly isEndless = true;
  readonly isKept = false;
  readonly #stream: Readable;
  readonly #options: StreamOptions;
  #feed: RowFeed | undefined;
  /** Until there are enough to see the encoding. */
  #first: Buffer = Buffer.alloc(0);
  /** The byte order mark. */
  #mark: Buffer = Buffer.alloc(0);
  #rows = 0;
  #valueless = 0;

  constructor(stream: Readable, options: StreamOptions) {
    this.#stream = stream;
    this.#options = options;
  }

  get preamble(): Buffer {
    return Buffer.concat([this.#mark, this.#feed?.preamble ?? Buffer.alloc(0)]);
  }

  async *chunks(signal: AbortSignal): AsyncGenerator<Chunk, void, void> {
    const stop = (): void => void this.#stream.destroy();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      for await (const bytes of this.#stream as AsyncIterable<Buffer>) {
        const fed = this.#push(bytes);
        if (fed && fed.rows + fed.rejected.length > 0) yield this.#chunk(fed);
        if (signal.aborted) return;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      stop();
    }
    if (signal.aborted) return;
    const first = this.#feed ? undefined : this.#begin(this.#first);
    if (first && first.rows + first.rejected.length > 0) yield this.#chunk(first);
    const last = this.#feed!.end(true);
    if (last.rows + last.rejected.length > 0) yield this.#chunk(last);
  }

  rest(): Rest {
    const { names: unknownNames = [], known: knownNames = [] } = this.#feed?.unknown() ?? {};
    const waitingBytes = this.#feed?.waiting ?? this.#first.length;
    const names = { unknownNames: this.#rows > 0 ? unknownNames : [], knownNames };
    const quotedNumbers = this.#feed?.quotedNumbers ?? [];
    return { waitingBytes, lostBytes: 0, unreadable: 0, ...names, quotedNumbers, valueless: this.#valueless };
  }

  #push(bytes: Buffer): FedRows | undefined {
    if (this.#feed) return this.#feed.push(bytes);
    this.#first = Buffer.concat([this.#first, bytes]);
    return this.#first.length < 4 ? undefined : this.#begin(this.#first);
  }

  #begin(bytes: Buffer): FedRows {
    assertRows(bytes, '-');
    const { encoding, markBytes } = encodingAt(bytes, this.#options.encoding);
    this.#mark = Buffer.from(bytes.subarray(0, markBytes));
    const once = { quotedRowsMax: QUOTED_ROWS_MAX, isReadOnce: true };
    this.#feed = new RowFeed({ ...this.#options, ...once, encoding, offset: markBytes });
    return this.#feed.push(bytes.subarray(markBytes));
  }

  #chunk({ events, refused, rejected, rows, valueless }: FedRows): Chunk {
    this.#rows += rows;
    this.#valueless += valueless;
    return { events, refused, rejected, rows: this.#rows, bytes: this.#feed!.offset, marks: () => [] };
  }
}

/** Opens a named pipe or a device without waiting for whoever writes to it. */
export async function openStream(path: string, isPipe: boolean): Promise<Readable> {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
  // The stream closes the descriptor: a file handle would close it once more when it is collected.
  const fd = await promisify(open)(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (isatty(fd)) return new ReadStream(fd);
  // Waits for bytes, where a file's stream would take the missing writer for the end.
  return isPipe ? new Socket({ fd, readable: true, writable: false }) : createReadStream('', { fd });
}
