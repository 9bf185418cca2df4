/**
 * RowSplitter: bytes in pieces of any length, cut into rows.
 *
 * Owns what a row is: a line, or in CSV several where a quoted cell holds line ends. Works on bytes of UTF-8 or of an
 * encoding with one byte a character. Promises bounded memory and the same rows however the bytes are cut: one long
 * line, one hole of NULs, one quote without its partner costs that row, and the next line is a row again.
 */

import { QUOTE, type QuotedOptions, walkRow } from './quoted-row.ts';

/** No event takes more: 128 texts of 4 KiB, each character of them escaped. */
export const ROW_BYTES_MAX = 4 * 1024 * 1024;

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;

/**
 * - `too-long`: the beginning of a line above the limit; `more` of it follows.
 * - `hole`: NUL bytes.
 * - `quote`: a quote without its partner.
 * - `quoted-lines`: lines within quotes could be rows.
 * - `unfinished`: without a line end.
 */
export type RowFault = 'too-long' | 'more' | 'hole' | 'quote' | 'quoted-lines' | 'unfinished';

export interface RawRow {
  /** 1-based. */
  readonly line: number;
  /** Where its bytes are in those of the cut, without the line end. */
  readonly start: number;
  readonly end: number;
  /** Behind its line end. */
  readonly next: number;
  readonly fault?: RowFault;
  /** How many lines it has. @default 1 */
  readonly lines?: number;
  /** A hole came before or behind it on the same line. */
  readonly isTorn?: boolean;
}

export interface Cut {
  readonly bytes: Buffer;
  readonly rows: readonly RawRow[];
  /** How many of the bytes are done with; the others come again with the next cut. */
  readonly taken: number;
}

export interface SplitterOptions extends Pick<QuotedOptions, 'mayBeRow' | 'quotedLines' | 'quotedRowsMax'> {
  /** The byte between cells where quotes have a meaning; undefined where they have none. */
  readonly quotedBy: number | undefined;
}

/**
 * - `piece`: more will come.
 * - `end`: there is no more for now; what has no line end waits for it, and a quote without its partner does not hold
 *   up rows.
 * - `last`: no more will come; what has no line end is a row, too.
 */
export type CutAs = 'piece' | 'end' | 'last';

/** What must be known to go on in the middle of an input. */
export interface SplitterState {
  /** Lines before. */
  readonly lines: number;
  /** Line ends are CR without LF. Undefined until the first one has been seen. */
  readonly isCr?: boolean | undefined;
  /** Within a line that is too long, or behind a hole. */
  readonly within?: 'long' | 'hole' | undefined;
  /** The last byte was a CR that ended a row: an LF now is a part of that line end. */
  readonly isAfterCr?: boolean | undefined;
}

export class RowSplitter {
  readonly #options: SplitterOptions;
  #rest: Buffer = Buffer.alloc(0);
  #state: { lines: number; isCr: boolean | undefined; within: 'long' | 'hole' | undefined; isAfterCr: boolean };
  /** So far there is no line end in what is left. */
  #searched = 0;
  #isEnd = false;
  /** For the rows with quotes of this cut. */
  #walking: QuotedOptions | undefined;
  readonly #next = { lf: -1, nul: -1, quote: -1 };

  constructor(options: SplitterOptions, state: SplitterState = { lines: 0 }) {
    this.#options = options;
    const { lines, isCr, within, isAfterCr = false } = state;
    this.#state = { lines, isCr, within, isAfterCr };
  }

  get state(): SplitterState {
    return { ...this.#state };
  }

  /** Bytes that wait for their line end. */
  get rest(): Buffer {
    return this.#rest;
  }

  /** The rows that these bytes complete. */
  cut(more: Buffer, as: CutAs = 'piece'): Cut {
    const isLast = as === 'last';
    this.#isEnd = as === 'end';
    this.#walking = undefined;
    const bytes = this.#rest.length === 0 ? more : Buffer.concat([this.#rest, more]);
    const rows: RawRow[] = [];
    let at = 0;
    this.#next.lf = this.#next.nul = this.#next.quote = -1;
    if (this.#state.isCr === undefined && !this.#seeLineEnds(bytes, isLast)) return this.#keep(bytes, 0, rows);
    while (at < bytes.length) {
      const next = this.#row(bytes, at, rows, isLast);
      if (next === at) break;
      at = next;
      this.#searched = 0;
    }
    return this.#keep(bytes, at, rows);
  }

  #keep(bytes: Buffer, taken: number, rows: RawRow[]): Cut {
    this.#rest = taken < bytes.length ? bytes.subarray(taken) : Buffer.alloc(0);
    return { bytes, rows, taken };
  }

  /** By the first line end of the input; false where that has not come yet. */
  #seeLineEnds(bytes: Buffer, isLast: boolean): boolean {
    const lf = bytes.indexOf(LF);
    const cr = bytes.indexOf(CR);
    if (lf < 0 && cr < 0) {
      if (!isLast && bytes.length <= ROW_BYTES_MAX && !bytes.includes(NUL)) return false;
      // What is too long, or a hole, is dealt with whatever ends the line.
      if (isLast) this.#state.isCr = false;
      return true;
    }
    if (cr >= 0 && cr === bytes.length - 1 && !isLast && lf < 0) return bytes.length > ROW_BYTES_MAX;
    this.#state.isCr = cr >= 0 && (lf < 0 || cr < lf) && bytes[cr + 1] !== LF;
    return true;
  }

  /** Adds the row at this place; its place again where its end has not come yet. */
  #row(bytes: Buffer, at: number, rows: RawRow[], isLast: boolean): number {
    const state = this.#state;
    if (state.isAfterCr) {
      state.isAfterCr = false;
      if (bytes[at] === LF) return at + 1;
    }
    if (bytes[at] === NUL) return this.#hole(bytes, at, rows, isLast);
    const isTorn = state.within === 'hole';
    const end = this.#lineEnd(bytes, at);
    if (state.within === 'long') {
      const next = end < 0 ? bytes.length : this.#behind(bytes, end);
      rows.push({ line: state.lines + 1, start: at, end: next, next, fault: 'more' });
      if (end >= 0) {
        state.within = undefined;
        if (next > end) state.lines++;
      }
      return next;
    }
    const quoteAt = this.#options.quotedBy === undefined ? -1 : this.#find(bytes, 'quote', QUOTE, at);
    // Without any line end it cannot be whole; to walk over it at each piece would be the square of its length.
    if (quoteAt >= 0 && (end < 0 ? isLast : quoteAt < end)) {
      const next = this.#quoted(bytes, at, end, rows, isLast);
      if (next !== undefined) return next;
    }
    if (end >= 0) return this.#add(bytes, at, end, rows, isTorn ? { isTorn } : {});
    return this.#unended(bytes, at, rows, isLast);
  }

  #unended(bytes: Buffer, at: number, rows: RawRow[], isLast: boolean): number {
    const { length } = bytes;
    const line = this.#state.lines + 1;
    if (length - at > ROW_BYTES_MAX) {
      rows.push({ line, start: at, end: length, next: length, fault: 'too-long' });
      this.#state.within = 'long';
      return length;
    }
    this.#searched = length - at;
    if (!isLast) return at;
    const isTorn = this.#state.within === 'hole';
    rows.push({ line, start: at, end: length, next: length, fault: 'unfinished', ...(isTorn && { isTorn }) });
    this.#state.within = undefined;
    return length;
  }

  #hole(bytes: Buffer, at: number, rows: RawRow[], isLast: boolean): number {
    let end = at;
    while (end < bytes.length && bytes[end] === NUL) end++;
    // NULs at the end of what there is may be room that a logger has set aside, and is about to fill.
    if (end === bytes.length && !isLast && end - at <= ROW_BYTES_MAX && this.#state.within !== 'hole') return at;
    // The same hole, cut by the pieces in which it comes.
    if (this.#state.within !== 'hole') {
      rows.push({ line: this.#state.lines + 1, start: at, end, next: end, fault: 'hole' });
    }
    this.#state.within = 'hole';
    return end;
  }

  /** A row that ends here, at a line end or at a hole. */
  #add(bytes: Buffer, start: number, end: number, rows: RawRow[], more: Partial<RawRow>, lines = 1): number {
    const state = this.#state;
    const atHole = bytes[end] === NUL;
    const next = this.#behind(bytes, end);
    let textEnd = end;
    if (!state.isCr) while (textEnd > start && bytes[textEnd - 1] === CR) textEnd--;
    if (textEnd > start) {
      rows.push({ line: state.lines + 1, start, end: textEnd, next, ...more, ...(atHole && { isTorn: true }) });
    }
    state.within = undefined;
    if (!atHole) state.lines += lines;
    return next;
  }

  /** Behind the line end at this place. A hole is a line end that is not passed over. */
  #behind(bytes: Buffer, end: number): number {
    if (end === bytes.length) return end;
    if (bytes[end] === NUL) return end;
    if (bytes[end] === LF) return end + 1;
    this.#state.isAfterCr = true;
    return end + 1;
  }

  /** The next LF, CR where that ends lines, or NUL; -1 where there is none yet. */
  #lineEnd(bytes: Buffer, at: number): number {
    const from = at + this.#searched;
    const lf = this.#find(bytes, 'lf', LF, from);
    const nul = this.#find(bytes, 'nul', NUL, from);
    let end = lf < 0 || (nul >= 0 && nul < lf) ? nul : lf;
    if (this.#state.isCr) {
      const cr = bytes.indexOf(CR, from);
      if (cr >= 0 && (end < 0 || cr < end)) end = cr;
    }
    return end;
  }

  /** Remembers where the next one is, so that rare bytes are not searched for at each row. */
  #find(bytes: Buffer, what: 'lf' | 'nul' | 'quote', byte: number, from: number): number {
    if (this.#next[what] < from) {
      const at = bytes.indexOf(byte, from);
      this.#next[what] = at < 0 ? Number.POSITIVE_INFINITY : at;
    }
    return this.#next[what] === Number.POSITIVE_INFINITY ? -1 : this.#next[what];
  }

  /**
   * A row with quotes before its first line end. Undefined where it is a plain line after all, `at` where more must
   * come.
   */
  #quoted(bytes: Buffer, at: number, lineEnd: number, rows: RawRow[], isLast: boolean): number | undefined {
    const isTorn = this.#state.within === 'hole';
    this.#walking ??= { ...this.#options, delimiter: this.#options.quotedBy!, isCr: this.#state.isCr === true, isLast };
    const { end, lines, stray, open, rowLines } = walkRow(bytes, at, this.#walking);
    if (stray || (open && this.#isEnd && rowLines > 0)) {
      if (lineEnd >= 0) return this.#add(bytes, at, lineEnd, rows, { fault: 'quote' });
      return undefined;
    }
    if (open) return lineEnd < 0 ? undefined : at;
    if (end < 0) return undefined;
    if (rowLines > 0) return this.#add(bytes, at, end, rows, { fault: 'quoted-lines', lines }, lines);
    if (end === bytes.length) return this.#unended(bytes, at, rows, isLast);
    return this.#add(bytes, at, end, rows, isTorn ? { isTorn } : {}, lines);
  }
}
