/**
 * Preamble: what stands before the first row, as in the source: headings, lines of text, rules.
 */
import { ROW_BYTES_MAX } from './row-splitter.ts';
import type { SourceText } from './source-text.ts';

export class Preamble {
  readonly #source: SourceText;
  /** Undefined where nobody needs them: in the middle of an input, and where rows have no heading. */
  readonly #parts: Buffer[] | undefined;
  /** Of the source, before the first row. */
  length: number;
  hasRows: boolean;

  /** @param length where an earlier run has found the first row */
  constructor(source: SourceText, isKept: boolean, length = 0) {
    this.#source = source;
    this.#parts = isKept && length === 0 ? [] : undefined;
    this.length = length;
    this.hasRows = length > 0;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts ?? []);
  }

  /** What stands before a row, until there is one. */
  add(bytes: Buffer): void {
    if (!this.hasRows && bytes.length <= ROW_BYTES_MAX) this.#parts?.push(this.#source.original(Buffer.from(bytes)));
  }

  /** The first row follows these bytes. */
  end(bytes: Buffer, offset: number): void {
    if (this.hasRows) return;
    this.add(bytes);
    this.hasRows = true;
    this.length = offset + this.#source.sourceBytes(bytes, 0, bytes.length);
  }
}
