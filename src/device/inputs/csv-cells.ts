/**
 * CsvCells: the cells of rows.
 *
 * Owns quotes. Promises that a row whose quotes do not pair up is refused by itself, and that a row costs little where
 * it has none.
 */
import { type CsvError, parse } from 'csv-parse/sync';
import { RowError, shown } from './refusal.ts';

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

/**
 * @param isLoose a quote that does not begin a cell is a letter like any other, as in TSV
 */
export function createCsvCells(delimiter: string, isLoose: boolean): CsvCells {
  return new Cells(delimiter, isLoose);
}

class Cells implements CsvCells {
  readonly #delimiter: string;
  readonly #isLoose: boolean;

  constructor(delimiter: string, isLoose: boolean) {
    this.#delimiter = delimiter;
    this.#isLoose = isLoose;
  }

  rowsOf(texts: readonly string[]): (CellRow | RowError)[] {
    const rows: (CellRow | RowError)[] = [];
    const quoted: number[] = [];
    for (let at = 0; at < texts.length; at++) {
      const text = texts[at]!;
      if (text.includes(QUOTE) && this.#hasQuotes(text)) quoted.push(at);
      else rows[at] = { cells: text.split(this.#delimiter), text };
    }
    if (quoted.length > 0) this.#parse(texts, quoted, rows);
    return rows;
  }

  #hasQuotes(text: string): boolean {
    return !this.#isLoose || text.split(this.#delimiter).some((cell) => cell.trimStart().startsWith(QUOTE));
  }

  /** Many at a time, and half as many where one of them is broken. */
  #parse(texts: readonly string[], places: readonly number[], rows: (CellRow | RowError)[]): void {
    const some = places.map((at) => texts[at]!);
    const records = this.#records(some);
    if (!(records instanceof RowError) && records.length === some.length) {
      for (const [i, at] of places.entries()) rows[at] = this.#checked({ cells: records[i]!, text: some[i]! });
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

  /** Spaces before a quote leave open whether it is a letter. */
  #checked(row: CellRow): CellRow | RowError {
    if (!this.#isLoose || !row.cells.some((cell) => /^\s+"/.test(cell))) return row;
    return new RowError('row-malformed', 'a cell with spaces before its quote: without them it is a quoted cell');
  }

  #records(texts: readonly string[]): string[][] | RowError {
    try {
      return parse(texts.join('\n'), {
        delimiter: this.#delimiter,
        record_delimiter: '\n',
        relax_column_count: true,
        relax_quotes: this.#isLoose,
      });
    } catch (error) {
      return new RowError(
        'row-malformed',
        `no CSV: a quote within a cell, or one without its partner (${(error as CsvError).code})`,
      );
    }
  }

  quotesIn({ cells, text }: CellRow): (at: number) => boolean {
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

/** @throws RowError `row-cells` where the row may be torn, or has a delimiter too many */
export function checkLength(cells: readonly string[], columns: number, delimiter: string, shortRows: boolean): void {
  if (cells.length === columns) return;
  if (cells.length < columns) {
    if (shortRows) return;
    throw new RowError(
      'row-cells',
      `${cells.length} cells for ${columns} columns: the row may be torn; --short-rows if it is whole`,
    );
  }
  for (let at = columns; at < cells.length; at++) {
    if (cells[at]!.trim() === '') continue;
    throw new RowError(
      'row-cells',
      `${cells.length} cells for ${columns} columns: one may hold ${shown(delimiter)} without quotes`,
    );
  }
}

/** Without the spaces around it, unless they are in quotes. */
export function named(cell: string, isQuoted: ((at: number) => boolean) | undefined, at: number): string {
  const name = cell.trim();
  return name !== cell && isQuoted?.(at) ? cell : name;
}
