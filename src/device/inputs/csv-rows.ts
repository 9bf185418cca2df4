/**
 * CsvRows: rows of cells under a heading.
 *
 * Owns headings, cells and quotes. Promises that each cell is read under the name that stood above it: a heading that
 * comes again is no row, and one that comes again in another order changes the columns.
 */
import { CodecError } from '../../codec/index.ts';
import type { Column, Columns } from './columns.ts';
import { type CellRow, type CsvCells, checkLength, createCsvCells, named, QUOTE, unquoted } from './csv-cells.ts';
import {
  areWrittenOtherwise,
  assertFound,
  assertGoesOn,
  assertNamedOnce,
  assertNoNote,
  assertReached,
  type CsvOptions,
  delimiterOf,
  listed,
  namedIn,
  namesOf,
  trimmed,
} from './csv-heading.ts';
import { EventDraft } from './event-draft.ts';
import { InputError, RowError } from './refusal.ts';
import { NUMBER_PATTERN, numberText } from './row-numbers.ts';
import { type OutlineOf, outlineOfCells } from './row-outline.ts';
import { type ReadRow, type RowReader, WITHOUT_VALUE } from './row-reader.ts';
import { createTimeReader, type TimeReader } from './row-times.ts';

const TIME_LIKE = /^\d[\d\s.,:/TZ+-]*([AaPp]\.?[Mm]\.?|[A-Z]{3,4})?$/;

const HEADING_CELLS_MAX = 4_096;

export class CsvRows implements RowReader {
  readonly isWholeByItself = false;
  readonly #options: CsvOptions;
  readonly #columns: Columns;
  readonly #readTime: TimeReader;
  readonly #delimiter: string;
  readonly #cells: CsvCells;
  readonly #headingLine: number;
  readonly #rowsLine: number;
  #heading: readonly Column[] | undefined;
  #names: readonly string[] = [];
  /** Where the columns are that make up the time together. */
  #timeAt: readonly number[] = [];
  readonly #seen = new Set<string>();
  #unusable: string | undefined;
  #isHeld = false;
  headingText: string | undefined;
  outlineOf: OutlineOf = (text) => text;

  constructor(options: CsvOptions, columns: Columns) {
    const { format, headingLine = format === 'toa5' ? 2 : 1 } = options;
    this.#options = options;
    this.#columns = columns;
    this.#readTime = createTimeReader(options);
    this.#delimiter = delimiterOf(options);
    this.#cells = createCsvCells(this.#delimiter, format === 'tsv');
    this.#headingLine = headingLine;
    this.#rowsLine = options.rowsLine ?? (format === 'toa5' ? Math.max(5, headingLine + 1) : headingLine + 1);
  }

  open(texts: readonly string[]): (at: number, line: number) => ReadRow | undefined {
    const rows = this.#cells.rowsOf(texts);
    return (at, line) => {
      const row = rows[at]!;
      if (this.#heading === undefined || line < this.#rowsLine) {
        this.#readHeading(row, line, texts[at]!);
        return undefined;
      }
      if (row instanceof RowError) throw row;
      return this.#eventOf(row, this.#heading, line);
    };
  }

  unknown(): { readonly names: readonly string[]; readonly known: readonly string[] } {
    return { names: [], known: this.#names };
  }

  get seen(): string[] {
    return [...this.#seen];
  }

  /**
   * With as many cells as there are columns: where the time is a time, of whatever form, or none, or where columns of
   * numbers hold numbers. With more or fewer: where it has a time. Else a line of text has as many commas by chance.
   */
  mayBeRow(text: string): boolean {
    const heading = this.#heading;
    if (heading === undefined || text.trim() === '') return false;
    const cells = text.split(this.#delimiter, HEADING_CELLS_MAX).map((cell) => unquoted(cell.trim()));
    const time = this.#timeText(cells);
    if (time !== undefined && (cells.length > 1 || heading.length === 1) && this.#isTime(time)) return true;
    while (cells.length > heading.length && cells.at(-1) === '') cells.pop();
    if (cells.length !== heading.length || cells.length === 1) return false;
    // The line on which a cell ends has numbers of its own row behind that.
    return time === '' || TIME_LIKE.test(time!) || (!text.includes(QUOTE) && this.#holdsNumbers(cells, heading));
  }

  #holdsNumbers(cells: readonly string[], heading: readonly Column[]): boolean {
    const numbers = cells.filter((cell, at) => cell !== '' && heading[at]!.kind === 'number');
    return numbers.length > 0 && numbers.every((cell) => numberText(cell, this.#columns.decimal) !== undefined);
  }

  /** Why no row below the heading that came last can be read. */
  get unusable(): string | undefined {
    return this.#unusable;
  }

  /** @param isHeld rows are read one by one, and what stood between them is not there: no other heading begins */
  holdHeading(isHeld: boolean, unusable?: string): void {
    this.#isHeld = isHeld;
    this.#unusable = unusable;
  }

  /** Takes up the heading of an earlier run. */
  resume(text: string): void {
    const [row] = this.#cells.rowsOf([text]);
    if (row === undefined || row instanceof RowError)
      throw new InputError('input-heading', 'the heading is not what it was');
    this.#use(row.cells, text);
  }

  /**
   * Of a run that goes on, and does not read the first heading.
   * @param headings of rows that are to be read once more
   * @param seen names that flags of earlier runs have mentioned and that the input has
   * @throws InputError `input-columns`
   */
  assertColumns(headings: readonly string[], seen: readonly string[]): void {
    if (this.#heading === undefined) return;
    const cells = this.#cells.rowsOf(headings).flatMap((row) => (row instanceof RowError ? [] : row.cells));
    const known = [...this.#names, ...cells.map((cell) => cell.trim()), ...seen];
    // What is called otherwise in the heading that holds is not found by what an earlier one had.
    this.#assertFound([...this.#columns.unmapped(this.#names), ...this.#columns.undeclared(known)]);
  }

  /** @throws InputError `input-heading` where this line is to be the heading */
  refuseHeading(line: number, { message }: Error): void {
    if (line >= this.#headingLine) throw this.#headingError(line, { message });
  }

  /** @throws InputError `input-heading` where a flag names a line behind the last one */
  assertReached(lines: number): void {
    assertReached(this.#options, lines);
  }

  #headingError(line: number, { message }: Pick<Error, 'message'>): InputError {
    return new InputError(
      'input-heading',
      `line ${line} cannot be the heading: ${message}; --heading-line says where it is`,
    );
  }

  #readHeading(row: CellRow | RowError, line: number, text: string): void {
    if (line === 1 && this.#headingLine === 1) assertNoNote(text, this.#options.format);
    if (line < this.#headingLine || this.#heading !== undefined) return;
    if (row instanceof RowError) throw this.#headingError(line, row);
    this.#use(row.cells, text);
    this.#assertFound([...this.#columns.unmapped(this.#names), ...this.#columns.undeclared(this.#names)]);
    if (!this.#heading!.some(({ role }) => role === 'ts')) {
      throw new InputError(
        'input-heading',
        'no column is the time: --map ts=NAME says which, --time-columns DATE,TIME which two; ' +
          listed(this.#names, this.#delimiter),
      );
    }
  }

  #use(cells: readonly string[], text: string): void {
    const names = namesOf(cells);
    const heading = names.map((name) => this.#columns.of(name));
    assertNamedOnce(names, heading);
    this.#heading = heading;
    this.#names = names;
    this.#timeAt = [...(this.#options.timeColumns ?? [])].map((name) => names.indexOf(name));
    this.headingText = text;
    this.outlineOf = (row) => {
      const [read] = this.#cells.rowsOf([row]);
      return read === undefined || read instanceof RowError ? row : outlineOfCells(names, read.cells);
    };
    for (const name of this.#columns.found(names)) this.#seen.add(name);
  }

  #assertFound(missing: readonly string[]): void {
    assertFound(missing, { names: this.#names, delimiter: this.#delimiter });
  }

  #eventOf(row: CellRow, heading: readonly Column[], line: number): ReadRow | undefined {
    const { cells, text } = row;
    if (cells.every((cell) => cell.trim() === '')) return undefined;
    const draft = new EventDraft();
    try {
      // First, since it tells rows from headings.
      this.#setTime(draft, cells, heading);
    } catch (error) {
      if (this.#isHeading(cells, text, line)) return undefined;
      throw error;
    }
    if (this.#unusable !== undefined) throw new RowError('row-cells', this.#unusable);
    checkLength(cells, heading.length, this.#delimiter, this.#options.shortRows === true);
    const isQuoted = text.includes(QUOTE) ? this.#cells.quotesIn(row) : undefined;
    let fields = 0;
    for (let at = 0; at < heading.length; at++) {
      const column = heading[at]!;
      const cell = cells[at];
      if (column.role === 'field') fields++;
      if (cell === undefined) continue;
      if (column.role === 'field') {
        const value = this.#columns.valueOfCell(column, cell, isQuoted, at);
        if (value !== undefined) draft.setField(column, value);
      } else if (column.role === 'sensor' && cell.trim() !== '') draft.setSensor(named(cell, isQuoted, at));
    }
    const event = draft.event(this.#options.sensor);
    return fields > 0 && draft.isEmpty ? WITHOUT_VALUE : event;
  }

  #setTime(draft: EventDraft, cells: readonly string[], heading: readonly Column[]): void {
    if (this.#timeAt.length > 0) {
      if (this.#timeAt.some((at) => (cells[at] ?? '').trim() === ''))
        throw new CodecError('event-time', 'a part of the time is empty: --time-columns names all of them');
      draft.setTime(this.#timeText(cells), this.#readTime);
    }
    for (let at = 0; at < heading.length; at++) {
      if (heading[at]!.role !== 'ts' || this.#timeAt.includes(at)) continue;
      const cell = cells[at];
      if (cell !== undefined && cell.trim() !== '') draft.setTime(cell, this.#readTime);
    }
  }

  /** What the time is read from; undefined where the row does not go so far. */
  #timeText(cells: readonly string[]): string | undefined {
    if (this.#timeAt.length === 0) return cells[this.#heading!.findIndex(({ role }) => role === 'ts')];
    return this.#timeAt
      .map((at) => (cells[at] ?? '').trim())
      .join(' ')
      .trim();
  }

  /**
   * Files that were joined bring their headings along. In another order, or with other names beside the known ones, it
   * holds from here on.
   */
  #isHeading(cells: readonly string[], text: string, line: number): boolean {
    if (cells.length > HEADING_CELLS_MAX) return false;
    const names = trimmed(cells);
    const known = this.#names;
    const isSame =
      known.length <= names.length && names.every((name, i) => (known[i] ?? '') === (name || `column ${i + 1}`));
    if (isSame && this.#unusable === undefined) return true;
    const named = namedIn(names, known, (name) => this.#isName(name));
    if (named === undefined) return false;
    const shared = named.filter((name) => known.includes(name)).length;
    const time = this.#heading?.find(({ role }) => role === 'ts')?.column;
    if (shared === 0 || !((time !== undefined && names.includes(time)) || 2 * shared >= named.length)) {
      if (!areWrittenOtherwise(named, known)) return false;
      throw this.#noHeading('it writes the names of columns in another way');
    }
    if (!names.some((name) => this.#columns.isTime(name))) {
      if (new Set(names).size < names.length) return false;
      // A row of texts whose time is none; where all else stands below its own name, nothing changes with it either
      // way.
      if (names.every((name, at) => known[at] === name || this.#heading![at]?.role === 'ts')) return false;
      throw this.#noHeading('no column of it is the time; it may also be a row without one');
    }
    if (this.#isHeld) throw this.#noHeading('rows were refused below it; --from-start reads all under their headings');
    this.#unusable = undefined;
    const before = { names: known, hasSensor: this.#heading!.some(({ role }) => role === 'sensor') };
    const next = { names: namesOf(cells), delimiter: this.#delimiter };
    try {
      if (this.#options.isReadOnce) assertGoesOn(next, before, this.#columns, line);
      this.#use(cells, text);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      throw this.#noHeading(error.message);
    }
    if (!this.#options.isReadOnce) assertGoesOn(next, before, this.#columns, line);
    return true;
  }

  #noHeading(why: string): RowError {
    this.#unusable = `under another heading that cannot be used: ${why}`;
    return new RowError('row-cells', `another heading that cannot be used: ${why}`);
  }

  #isName(text: string): boolean {
    return text !== '' && !NUMBER_PATTERN.test(text) && !TIME_LIKE.test(text) && !this.#isTime(text);
  }

  #isTime(text: string): boolean {
    try {
      this.#readTime(text);
      return true;
    } catch {
      return false;
    }
  }
}
