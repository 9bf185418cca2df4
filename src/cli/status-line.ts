/**
 * StatusLine: one line at the bottom of a terminal that changes, and the log above it.
 *
 * Owns the order of what both write. Promises that a line of the log is written at once and whole, that the status line
 * stands below it, and that it is never wider than the terminal. Where there is no terminal it shows nothing, and the
 * log is as it was.
 */
import { printable, widthOf } from './printable.ts';

export type StatusStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

export interface StatusLine {
  /** What the log is to be written to. */
  readonly log: NodeJS.WritableStream & { readonly isTTY?: boolean };
  show(text: string): void;
  /** Takes it away. */
  clear(): void;
}

const ERASE_LINE = '\r\x1b[2K';
const COLUMNS_DEFAULT = 80;

export function createStatusLine(stream: StatusStream = process.stderr): StatusLine {
  if (!stream.isTTY) return { log: stream, show() {}, clear() {} };
  let text = '';
  const drawn = (): string => cutTo(text, (stream.columns || COLUMNS_DEFAULT) - 1);
  const log = Object.create(stream, {
    write: {
      value: (line: string | Uint8Array) =>
        stream.write(
          text === '' ? line : `${ERASE_LINE}${typeof line === 'string' ? line : Buffer.from(line)}${drawn()}`,
        ),
    },
  }) as StatusLine['log'];
  return {
    log,
    show(next) {
      text = printable(next);
      stream.write(`${ERASE_LINE}${drawn()}`);
    },
    clear() {
      if (text !== '') stream.write(ERASE_LINE);
      text = '';
    },
  };
}

function cutTo(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let cut = text;
  while (cut !== '' && widthOf(cut) >= columns) cut = cut.slice(0, -1);
  return `${cut}…`;
}
