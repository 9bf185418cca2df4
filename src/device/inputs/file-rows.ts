/**
 * FileRows: the rows of a file as a run from its start would record them, read to be looked at only.
 */
import type { FileHandle } from 'node:fs/promises';
import type { TelemetryEvent } from '../../codec/index.ts';
import { RowFeed } from './row-feed.ts';
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
  onRow: (text: string, event: TelemetryEvent) => boolean,
  bytesMax = Number.POSITIVE_INFINITY,
): Promise<void> {
  let isWanted = true;
  let feed: RowFeed | undefined;
  for (let position = 0; isWanted && position < bytesMax; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position);
    let bytes = buffer.subarray(0, bytesRead);
    if (feed === undefined) {
      const { encoding, markBytes } = encodingAt(bytes.subarray(0, 4), options.encoding);
      bytes = bytes.subarray(markBytes);
      feed = new RowFeed({
        ...options,
        encoding,
        offset: markBytes,
        onRow: (text, event) => {
          if (isWanted) isWanted = onRow(text, event);
        },
      });
    }
    if (bytesRead === 0) {
      feed.end(false);
      return;
    }
    feed.push(bytes);
    position += bytesRead;
  }
}
