/**
 * RowReader: from the text of a row to an event.
 *
 * Owns the contract of the formats, each of which is a file, and what can be said about rows on the command line.
 */
import type { TelemetryEvent } from '../../codec/index.ts';
import type { ColumnOptions } from './columns.ts';
import type { QuotedLines } from './quoted-row.ts';
import type { OutlineOf } from './row-outline.ts';
import type { TimeOptions } from './row-times.ts';

export const INPUT_FORMATS = ['ndjson', 'csv', 'tsv', 'toa5'] as const;
export type InputFormat = (typeof INPUT_FORMATS)[number];

export interface RowOptions extends ColumnOptions, TimeOptions {
  /** Where the row names none. */
  readonly sensor: string;
  /** One ASCII character between cells. @default `,`, or a tab for `tsv` */
  readonly delimiter?: string | undefined;
  /** Line of the names of columns, 1-based. @default 1, or 2 for `toa5` */
  readonly headingLine?: number | undefined;
  /** Line of the first row. @default the one behind the heading, or 5 for `toa5` */
  readonly rowsLine?: number | undefined;
  /** A row may have fewer cells than there are columns. @default false */
  readonly shortRows?: boolean | undefined;
  /**
   * What lines within a quoted cell are that could be rows: a part of the cell, or rows behind a stray quote. Left out,
   * the whole row is refused.
   */
  readonly quotedLines?: QuotedLines | undefined;
}

/** A row with a time, and nothing but what means no value where its values are: nothing was measured then. */
export const WITHOUT_VALUE = Symbol('without value');

export type ReadRow = TelemetryEvent | typeof WITHOUT_VALUE;

export interface RowReader {
  /** Tells whether a row can be known to be whole without its line end. */
  readonly isWholeByItself: boolean;
  /**
   * Prepares these rows; the function that it gives reads each, in their order. It gives undefined for what is no row:
   * headings.
   * @throws (the function) RowError, CodecError for the row; InputError for all of the input
   */
  open(texts: readonly string[]): (at: number, line: number) => ReadRow | undefined;
  /** Of rows under the heading that holds now. */
  readonly outlineOf: OutlineOf;
  /** Tells whether this line by itself could be a row of the format, be it one that is refused. */
  mayBeRow(text: string): boolean;
  /** Names that flags mention and that the input had. */
  readonly seen: readonly string[];
  /** Names that flags mention and no row had so far, and names that there are. */
  unknown(): { readonly names: readonly string[]; readonly known: readonly string[] };
}
