/**
 * CsvCells: the cells of rows.
 *
 * Owns quotes. Promises that a row whose quotes do not pair up is refused by itself, and that a row costs little where it has none.
 */
import { type CsvError, parse } from 'csv-parse/sync';
import { RowError } from './refusal.ts';

export const QUOTE = '"';

export interface CellRow {
  readonly cells: readonly string[];
  readonly text: string;
}

export interface CsvCells {
  rowsOf(texts: readonly string[]): (CellRow | RowError)[];
  /** Which cells of the row are in quotes. */
  quotedIn(row: CellRow): readonly boolean[];
}

export function createCsvCells(delimiter: string, hasQuotes: boolean): CsvCells {
  return new Cells(delimiter, hasQuotes);
}

class Cells implements CsvCells {
  readonly #delimiter: string;
  readonly #hasQuotes: boolean;

  constructor(delimiter: string, hasQuotes: boolean) {
    this.#delimiter = delimiter;
    this.#hasQuotes = hasQuotes;
  }

  rowsOf(texts: readonly string[]): (CellRow | RowError)[] {
    const rows: (CellRow | RowError)[] = [];
    const quoted: number[] = [];
    for (let at = 0; at < texts.length; at++) {
      const text = texts[at]!;
      if (this.#hasQuotes && text.includes(QUOTE)) quoted.push(at);
      else rows[at] = { cells: text.split(this.#delimiter), text };
    }
    if (quoted.length > 0) this.#parse(texts, quoted, rows);
    return rows;
  }

  /** Many at a time, and half as many where one of them is broken. */
  #parse(texts: readonly string[], places: readonly number[], rows: (CellRow | RowError)[]): void {
    const some = places.map((at) => texts[at]!);
    const records = this.#records(some);
    if (!(records instanceof RowError) && records.length === some.length) {
      for (const [i, at] of places.entries()) rows[at] = { cells: records[i]!, text: some[i]! };
    } else if (places.length === 1) {
      rows[places[0]!] =
        records instanceof RowError
          ? records
          : new RowError('row-malformed', 'quotes that do not pair up within the row');
    } else {
      const half = places.length >> 1;
      this.#parse(texts, places.slice(0, half), rows);
      this.#parse(texts, places.slice(half), rows);
    }
  }

  #records(texts: readonly string[]): string[][] | RowError {
    try {
      return parse(texts.join('\n'), { delimiter: this.#delimiter, record_delimiter: '\n', relax_column_count: true });
    } catch (error) {
      return new RowError(
        'row-malformed',
        `no CSV: a quote within a cell, or one without its partner (${(error as CsvError).code})`,
      );
    }
  }

  quotedIn({ text }: CellRow): readonly boolean[] {
    const quoted: boolean[] = [];
    let at = 0;
    for (;;) {
      const isQuoted = this.#hasQuotes && text[at] === QUOTE;
      quoted.push(isQuoted);
      if (isQuoted) {
        at = text.indexOf(QUOTE, at + 1);
        while (text[at + 1] === QUOTE) at = text.indexOf(QUOTE, at + 2);
      }
      at = text.indexOf(this.#delimiter, at);
      if (at < 0) return quoted;
      at++;
    }
  }
}
