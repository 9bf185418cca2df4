/**
 * FileRows: the rows of a file as a run from its start would record them, read to be looked at only.
 */
import type { FileHandle } from 'node:fs/promises';
import type { TelemetryEvent } from '../../codec/index.ts';
import { InputError, shown } from './refusal.ts';
import { type FeedOptions, RowFeed } from './row-feed.ts';
import type { OutlineOf } from './row-outline.ts';
import type { InputFormat, RowOptions } from './row-reader.ts';
import { type Encoding, encodingAt } from './source-text.ts';

export interface FileRowsOptions extends RowOptions {
  readonly format: InputFormat;
  readonly encoding: Encoding | undefined;
  readonly lastLine: boolean;
}

const READ_BYTES = 256 * 1024;

/**
 * Gives each row to `onRow`, until that gives false.
 * @param bytesMax of the file, from its start
 * @throws InputError where nothing can be made of the file
 */
export async function readFileRows(
  file: FileHandle,
  options: FileRowsOptions,
  onRow: (text: string, event: TelemetryEvent, outlineOf: OutlineOf) => boolean,
  bytesMax = Number.POSITIVE_INFINITY,
): Promise<void> {
  let isWanted = true;
  const onRowWanted: typeof onRow = (...row) => {
    if (isWanted) isWanted = onRow(...row);
    return isWanted;
  };
  for await (const { position } of feedFrom(file, { ...options, onRow: onRowWanted })) {
    if (!isWanted || position >= bytesMax) return;
  }
}

/**
 * Flags may name what no row of a first read has: all of the file is looked through before anything is recorded under
 * another name.
 * @param feed has read some rows
 * @throws InputError `input-columns` where no row has a field of this name
 */
export async function assertNames(
  file: FileHandle,
  options: FileRowsOptions,
  feed: RowFeed,
  signal: AbortSignal,
): Promise<void> {
  // Of rows none of which could be read, nobody can tell.
  if (feed.unknown().names.length === 0 || feed.unknown().known.length === 0) return;
  let found = feed.unknown();
  for await (const { feed: all } of feedFrom(file, options)) {
    found = all.unknown();
    if (found.names.length === 0 || signal.aborted) return;
  }
  const list = (some: readonly string[]): string => some.map((name) => shown(name)).join(', ');
  throw new InputError(
    'input-columns',
    `no row has a field called ${list(found.names)}; there are ${list(found.known)}`,
  );
}

/** Read by read, the end of the file included. */
async function* feedFrom(
  file: FileHandle,
  options: FileRowsOptions & Pick<FeedOptions, 'onRow'>,
): AsyncGenerator<{ readonly feed: RowFeed; readonly position: number }, void, void> {
  let feed: RowFeed | undefined;
  for (let position = 0; ; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position);
    let bytes = buffer.subarray(0, bytesRead);
    if (feed === undefined) {
      const { encoding, markBytes } = encodingAt(bytes.subarray(0, 4), options.encoding);
      bytes = bytes.subarray(markBytes);
      feed = new RowFeed({ ...options, encoding, offset: markBytes });
    }
    if (bytesRead === 0) feed.end(false);
    else feed.push(bytes);
    position += bytesRead;
    yield { feed, position };
    if (bytesRead === 0) return;
  }
}
