/**
 * RejectedRows: refused rows as they were in the source, to be kept in a file of their own.
 *
 * Promises that each is told with the heading that it stands under, and that a row of which a part is missing is none
 * that could be taken for whole: a NUL stands in the place of what is missing.
 */
import type { RawRow } from './row-splitter.ts';
import type { SourceText } from './source-text.ts';

const LINE_END = Buffer.from('\n');
const NUL = Buffer.from('\0');

export interface RejectedRow {
  /** As in the source. The beginning of a line that is too long, or more of it, may have no line end. */
  readonly bytes: Buffer;
  /** As in the source, with a line end; undefined where rows have none. */
  readonly heading: Buffer | undefined;
}

/** A heading that rows stand under. */
export interface HeadingLine {
  readonly text: string;
  /** As in the source. */
  readonly bytes: Buffer;
}

export class RejectedRows {
  readonly #source: SourceText;
  /** A row without its line end is whole. */
  readonly #lastLine: boolean;
  /** Rows that are torn cannot be taken for whole ones. */
  readonly #isWholeByItself: boolean;
  /** The row that was rejected last goes on. */
  #isLineOpen: boolean;
  #heading: Buffer | undefined;
  #rows: RejectedRow[] = [];

  constructor(
    source: SourceText,
    options: { readonly lastLine: boolean; readonly isWholeByItself: boolean; readonly isLineOpen: boolean },
  ) {
    this.#source = source;
    this.#lastLine = options.lastLine;
    this.#isWholeByItself = options.isWholeByItself;
    this.#isLineOpen = options.isLineOpen;
  }

  get heading(): Buffer | undefined {
    return this.#heading;
  }

  /** @param heading as in the source; holds for the rows that follow */
  set heading(heading: Buffer | undefined) {
    this.#heading = heading && this.#isEnded(heading) ? heading : heading && Buffer.concat([heading, this.#lineEnd]);
  }

  take(): readonly RejectedRow[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }

  add(bytes: Buffer, { fault, isTorn, start, next }: RawRow): void {
    // There is nothing in a hole.
    if (fault === 'hole') return;
    const parts: Buffer[] = [];
    if (this.#isLineOpen && fault !== 'more') parts.push(LINE_END);
    const last = bytes[next - 1];
    const isEnded = last === 0x0a || last === 0x0d;
    const isPart = !this.#isWholeByItself && (isTorn || (fault === 'unfinished' && !this.#lastLine));
    if (isPart && isEnded) parts.push(NUL);
    parts.push(bytes.subarray(start, next));
    if (isPart && !isEnded) parts.push(NUL);
    this.#isLineOpen = !isEnded && (fault === 'too-long' || fault === 'more');
    if (!isEnded && !this.#isLineOpen) parts.push(LINE_END);
    this.#rows.push({ bytes: this.#source.original(Buffer.concat(parts)), heading: this.#heading });
  }

  get #lineEnd(): Buffer {
    return this.#source.original(LINE_END);
  }

  #isEnded(original: Buffer): boolean {
    return [LINE_END, Buffer.from('\r')].some((end) => {
      const bytes = this.#source.original(end);
      return original.subarray(-bytes.length).equals(bytes);
    });
  }
}
