/**
 * Input: where `tidegate-device run` gets its events from.
 *
 * Owns reading files and pipes row by row, and the mark that says how far a file has been recorded. Promises that a row
 * is recorded once: a file that was interrupted goes on behind its last recorded row. Never holds more than one chunk.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { type CsvError, parse } from 'csv-parse/sync';
import { CodecError, createTableBuilder, type TelemetryEvent } from '../codec/index.ts';
import type { Mark } from './recorder.ts';
import { eventOfJson, eventOfRecord, type RowOptions } from './row.ts';

export const INPUT_FORMATS = ['ndjson', 'csv', 'tsv'] as const;
export type InputFormat = (typeof INPUT_FORMATS)[number];

export interface RefusedRow {
  /** 1-based, the heading included. */
  readonly line: number;
  readonly code: string;
  readonly message: string;
}

/** Rows that are recorded together. */
export interface Chunk {
  readonly events: readonly TelemetryEvent[];
  readonly refused: readonly RefusedRow[];
  /** Rows read so far, these included. */
  readonly rows: number;
  /** Bytes read so far. */
  readonly bytes: number;
}

/** Read from a file at a time: a few thousand rows, which take a few milliseconds to record. */
const READ_BYTES = 256 * 1024;

/** No row is longer: it would not fit an event. */
const LINE_CHARS_MAX = 4 * 1024 * 1024;

/** The part of a file that tells whether it is still the one that the mark is about. */
const HEAD_BYTES = 4_096;

/** Chunks of rows behind the first `skipRows`: one for what each read of the stream has completed. */
export async function* readRows(
  stream: Readable,
  format: InputFormat,
  options: RowOptions,
  skipRows = 0,
): AsyncGenerator<Chunk, void, void> {
  let bytes = 0;
  let rows = 0;
  stream.setEncoding('utf8');
  const texts = async function* () {
    for await (const text of stream as AsyncIterable<string>) {
      const isFirst = bytes === 0;
      bytes += Buffer.byteLength(text);
      yield isFirst ? text.replace(/^\ufeff/, '') : text;
    }
  };
  const batches = format === 'ndjson' ? jsonRows(texts(), options) : csvRows(texts(), format, options);
  for await (const batch of batches) {
    const fresh = batch.slice(Math.max(0, skipRows - rows));
    rows += batch.length;
    if (fresh.length > 0) yield { ...sorted(fresh), rows, bytes };
  }
}

interface Row {
  readonly line: number;
  readonly read: () => TelemetryEvent;
}

/** Reads each row, and takes the check of `record()` before it, so that one bad row does not refuse a whole chunk. */
function sorted(rows: readonly Row[]): Pick<Chunk, 'events' | 'refused'> {
  const events: TelemetryEvent[] = [];
  const refused: RefusedRow[] = [];
  let check = createTableBuilder();
  for (const { line, read } of rows) {
    try {
      const event = read();
      if (!check.add(event)) {
        check = createTableBuilder();
        check.add(event);
      }
      events.push(event);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      refused.push({ line, code: error.code, message: error.message });
    }
  }
  return { events, refused };
}

async function* jsonRows(texts: AsyncIterable<string>, options: RowOptions): AsyncGenerator<Row[], void, void> {
  let line = 0;
  for await (const lines of wholeLines(texts, false)) {
    yield lines
      .replace(/\n$/, '')
      .split('\n')
      .flatMap((text) => {
        const at = ++line;
        return text.trim() === '' ? [] : [{ line: at, read: () => eventOfJson(text, options) }];
      });
  }
}

async function* csvRows(
  texts: AsyncIterable<string>,
  format: 'csv' | 'tsv',
  options: RowOptions,
): AsyncGenerator<Row[], void, void> {
  let columns: readonly string[] | undefined;
  let linesBefore = 0;
  for await (const lines of wholeLines(texts, true)) {
    const rows: Row[] = [];
    try {
      parse(lines, {
        delimiter: format === 'tsv' ? '\t' : ',',
        // Else each piece of a file would be searched for its own.
        record_delimiter: ['\r\n', '\n', '\r'],
        relax_column_count: true,
        skip_empty_lines: true,
        on_record(record: string[], { lines: line }) {
          const heading = columns;
          if (heading === undefined) columns = record.map((name) => name.trim());
          else rows.push({ line: linesBefore + line, read: () => eventOfRecord(heading, record, options) });
          return null;
        },
      });
    } catch (error) {
      // What comes before is recorded; what follows may mean anything.
      yield rows;
      const { code, lines: line } = error as CsvError & { lines: number };
      throw new CodecError('event-field', `line ${linesBefore + line} of the input is not CSV (${code})`);
    }
    yield rows;
    linesBefore += lines.split('\n').length - 1;
  }
}

/** The texts cut anew behind the ends of lines, those within quotes excepted where there are quotes. */
async function* wholeLines(texts: AsyncIterable<string>, hasQuotes: boolean): AsyncGenerator<string, void, void> {
  let rest = '';
  let isQuoted = false;
  for await (const text of texts) {
    let end = 0;
    for (let from = 0; from <= text.length; ) {
      const quote = hasQuotes ? text.indexOf('"', from) : -1;
      const until = quote < 0 ? text.length : quote;
      // Between the quotes only: to look back to the beginning each time would be the square of a long line's length.
      const lineEnd = isQuoted ? -1 : text.slice(from, until).lastIndexOf('\n');
      if (lineEnd >= 0) end = from + lineEnd + 1;
      if (quote >= 0) isQuoted = !isQuoted;
      from = until + 1;
    }
    if (end > 0) yield rest + text.slice(0, end);
    rest = end > 0 ? text.slice(end) : rest + text;
    if (rest.length > LINE_CHARS_MAX) {
      throw new CodecError('event-field', `a line of the input is longer than ${LINE_CHARS_MAX} characters`);
    }
  }
  if (rest !== '') yield rest;
}

/** A file, what is left to read of it, and the mark to store with each chunk. */
export interface InputFile {
  readonly bytes: number;
  readonly skipRows: number;
  read(options: RowOptions): AsyncGenerator<Chunk, void, void>;
  mark(rows: number): Mark;
}

export interface InputFileOptions {
  readonly path: string;
  readonly format: InputFormat;
  /** How far the file was recorded before; rows are skipped only where the file still begins as it did then. */
  readonly stored: (name: string) => Promise<Uint8Array | undefined>;
  readonly fromStart: boolean;
}

interface Progress {
  readonly rows: number;
  readonly headBytes: number;
  readonly headDigest: string;
}

/** @throws any error of the file system, such as ENOENT */
export async function openInputFile({ path, format, stored, fromStart }: InputFileOptions): Promise<InputFile> {
  const name = `input ${await realpath(path)}`;
  const { size } = await stat(path);
  const before = fromStart ? undefined : progressFrom(await stored(name));
  const same = before !== undefined && (await headDigest(path, before.headBytes)) === before.headDigest;
  const skipRows = same ? before.rows : 0;
  const headBytes = Math.min(HEAD_BYTES, size);
  const head = { headBytes, headDigest: await headDigest(path, headBytes) };
  return {
    bytes: size,
    skipRows,
    read: (options) => readRows(createReadStream(path, { highWaterMark: READ_BYTES }), format, options, skipRows),
    mark: (rows) => ({ name, value: Buffer.from(JSON.stringify({ rows, ...head } satisfies Progress)) }),
  };
}

/** By its name; NDJSON unless that says something else. */
export function formatOf(path: string): InputFormat {
  const ending = path.split('.').at(-1)!.toLowerCase();
  return INPUT_FORMATS.find((format) => format === ending) ?? 'ndjson';
}

function progressFrom(bytes: Uint8Array | undefined): Progress | undefined {
  return bytes && (JSON.parse(Buffer.from(bytes).toString()) as Progress);
}

async function headDigest(path: string, bytes: number): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex');
  } finally {
    await file.close();
  }
}
