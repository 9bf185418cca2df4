/**
 * QuotedRow: from the beginning of a row of CSV to its end, over quoted cells that hold delimiters and line ends.
 *
 * Owns when a quote is a stray one: what follows its partner is neither delimiter nor line end, or it has no partner
 * within a bounded number of bytes. Where it has one, and a line between them could be a row, nobody can tell text from
 * rows: it says so.
 */

export const QUOTE = 0x22;

/** A quoted cell goes on over line ends for so long; an event's text is shorter. */
export const QUOTED_BYTES_MAX = 64 * 1024;

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;

export interface QuotedOptions {
  /** The byte between cells. */
  readonly delimiter: number;
  /** Lines end with CR. */
  readonly isCr: boolean;
  /** No more bytes will come. */
  readonly isLast: boolean;
  /** Tells whether a line by itself could be a row, be it one that is refused. */
  readonly mayBeRow: (line: Buffer) => boolean;
  /** What a person says of lines within quotes; undefined where nothing was said. */
  readonly quotedLines?: QuotedLines | undefined;
  /** More lines within quotes that could be rows show the quote to be a stray one. @default no such bound */
  readonly quotedRowsMax?: number | undefined;
}

/** `text`: a part of their cell, whatever they look like. `rows`: no cell goes over a line end. */
export const QUOTED_LINES = ['text', 'rows'] as const;
export type QuotedLines = (typeof QUOTED_LINES)[number];

export interface QuotedRow {
  /** At its line end; -1 where that has not come. */
  readonly end: number;
  readonly lines: number;
  /** A quote is a stray one. */
  readonly stray: boolean;
  /** A quoted cell has no end yet. */
  readonly open: boolean;
  /** Lines within quotes that could be rows. */
  readonly rowLines: number;
}

export function walkRow(bytes: Buffer, start: number, options: QuotedOptions): QuotedRow {
  const { delimiter, isCr, isLast } = options;
  const none = { end: -1, lines: 1, stray: false, open: false, rowLines: 0 };
  const isEnd = (byte: number | undefined): boolean => byte === LF || byte === NUL || (isCr && byte === CR);
  const atEnd = (): QuotedRow => ({ ...none, end: isLast ? bytes.length : -1, lines, open: !isLast, rowLines });
  let lines = 1;
  let rowLines = 0;
  let at = start;
  for (;;) {
    // At the beginning of a cell.
    if (bytes[at] === QUOTE) {
      const close = closingQuote(bytes, at + 1, start, options);
      rowLines += close.rowLines;
      if (close.at === undefined) return { ...none, stray: close.isStray, open: !close.isStray, rowLines };
      lines += close.lines;
      at = close.at + 1;
      if (at >= bytes.length) return atEnd();
      const isCrLf = bytes[at] === CR && !isCr;
      if (bytes[at] !== delimiter && !isEnd(bytes[at]) && !isCrLf) return { ...none, stray: true };
    }
    while (at < bytes.length && bytes[at] !== delimiter && !isEnd(bytes[at])) at++;
    if (at >= bytes.length) return lines > 1 ? atEnd() : none;
    if (bytes[at] !== delimiter) return { ...none, end: at, lines, rowLines };
    at++;
  }
}

interface Closing {
  readonly at?: number;
  /** Line ends before it. */
  readonly lines: number;
  readonly rowLines: number;
  readonly isStray: boolean;
}

/** The quote that ends a cell. */
function closingQuote(bytes: Buffer, from: number, start: number, options: QuotedOptions): Closing {
  const { isCr, isLast, mayBeRow, quotedLines, quotedRowsMax = Number.POSITIVE_INFINITY } = options;
  let lines = 0;
  let rowLines = 0;
  let lineStart = -1;
  const look = (at: number): void => {
    if (lineStart < 0 || quotedLines !== undefined) return;
    if (mayBeRow(bytes.subarray(lineStart, lineEnd(bytes, at, isCr)))) rowLines++;
  };
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      if (bytes[at + 1] === QUOTE) at++;
      else if (at + 1 >= bytes.length && !isLast) return { lines, rowLines, isStray: false };
      else {
        // The line on which it closes may be a row of its own that ends in a quote.
        look(at);
        return { at, lines, rowLines, isStray: false };
      }
    } else if (byte === LF || (isCr && byte === CR)) {
      look(at);
      if (quotedLines === 'rows' || rowLines > quotedRowsMax) return { lines, rowLines, isStray: true };
      lineStart = at + 1;
      lines++;
    } else if (byte === NUL) return { lines, rowLines, isStray: true };
    if (lines > 0 && at - start > QUOTED_BYTES_MAX) return { lines, rowLines, isStray: true };
  }
  return { lines, rowLines, isStray: isLast };
}

function lineEnd(bytes: Buffer, from: number, isCr: boolean): number {
  let end = from;
  while (end < bytes.length && bytes[end] !== LF && !(isCr && bytes[end] === CR)) end++;
  return end;
}
