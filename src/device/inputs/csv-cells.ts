/**
 * CsvCells: the cells of rows.
 *
 * Owns quotes. Promises that a row whose quotes do not pair up is refused by itself, and that a row costs little where
 * it has none.
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
  /** Tells which cells of the row are in quotes. */
  quotesIn(row: CellRow): (at: number) => boolean;
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

  quotesIn({ cells, text }: CellRow): (at: number) => boolean {
    if (!this.#hasQuotes) return () => false;
    let plainFrom = -1;
    let quoted: readonly boolean[] | undefined;
    return (at) => {
      if (plainFrom < 0) plainFrom = plainCells(cells, text);
      if (at >= plainFrom) return false;
      quoted ??= this.#quoted(text);
      return quoted[at] === true;
    };
  }

  #quoted(text: string): boolean[] {
    const quoted: boolean[] = [];
    let at = 0;
    for (;;) {
      const isQuoted = text[at] === QUOTE;
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

/** Where the cells begin that come behind the last quote: in most rows with quotes all but the time. */
function plainCells(cells: readonly string[], text: string): number {
  const quote = text.lastIndexOf(QUOTE);
  let from = cells.length;
  let start = text.length;
  while (from > 0 && start - cells[from - 1]!.length > quote) start -= cells[--from]!.length + 1;
  return from;
}

export function unquoted(cell: string): string {
  return cell.startsWith(QUOTE) && cell.endsWith(QUOTE) ? cell.slice(1, -1) : cell;
}
