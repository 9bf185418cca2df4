/**
 * RowFeed: from bytes to events and refused rows.
 *
 * Owns the way of a row: split, decoded, read, and checked as `record()` would, so that one bad row does not refuse a
 * whole chunk. Promises that every byte is in a row, in what waits for its line end, or in neither because it is blank
 * or a heading; and the same result however the bytes are cut, and wherever an earlier run has ended.
 */
import { CodecError, createTableBuilder, type TableBuilder, type TelemetryEvent } from '../../codec/index.ts';
import { Columns, type LearntKinds } from './columns.ts';
import { delimiterOf } from './csv-heading.ts';
import { CsvRows } from './csv-rows.ts';
import { checkFault, type FedRows, joinRows, type KeptRow, type LocatedRow, tornAtHole } from './fed-rows.ts';
import { splitKept } from './kept-rows.ts';
import { isWhole, NdjsonRows } from './ndjson-rows.ts';
import { Preamble } from './preamble.ts';
import { RowError } from './refusal.ts';
import { type HeadingLine, RejectedRows } from './rejected-rows.ts';
import type { OutlineOf } from './row-outline.ts';
import { type InputFormat, type ReadRow, type RowOptions, type RowReader, WITHOUT_VALUE } from './row-reader.ts';
import { type Cut, type RawRow, RowSplitter, type SplitterOptions, type SplitterState } from './row-splitter.ts';
import { createSourceText, type Encoding, lineEndIn, type SourceText, withoutMark } from './source-text.ts';

/** What must be known to go on in the middle of an input. */
export interface FeedState {
  readonly splitter: SplitterState;
  readonly kinds: LearntKinds;
  /** Where in the source the heading is that holds now: offset and length, its line end included. */
  readonly heading?: readonly [at: number, bytes: number] | undefined;
  /** Why no row below the heading that came last can be read. */
  readonly unusable?: string | undefined;
  /** Bytes before the first row. */
  readonly preamble: number;
  /** Names that flags have mentioned and the input had. */
  readonly seen?: readonly string[] | undefined;
}

export interface FeedOptions extends RowOptions {
  readonly format: InputFormat;
  readonly encoding: Encoding;
  /** Bytes of the source before the first one that is pushed. */
  readonly offset: number;
  readonly state?: FeedState | undefined;
  /** The heading that `state` names. */
  readonly heading?: HeadingLine | undefined;
  /** A last row without a line end is whole. */
  readonly lastLine: boolean;
  /** More lines within quotes that could be rows are rows: for an input that may bring the other quote hours later. */
  readonly quotedRowsMax?: number | undefined;
  /** So many rows are passed over: they were recorded before. @default 0 */
  readonly skipRows?: number;
  /** What was read is gone: where a file would end the run, rows are refused. */
  readonly isReadOnce?: boolean | undefined;
  readonly onRow?: ((text: string, event: TelemetryEvent, outlineOf: OutlineOf) => void) | undefined;
}

export class RowFeed {
  readonly #source: SourceText;
  readonly #splitter: RowSplitter;
  readonly #splitterOptions: SplitterOptions;
  readonly #columns: Columns;
  readonly #reader: RowReader;
  readonly #csv: CsvRows | undefined;
  readonly #lastLine: boolean;
  readonly #onRow: FeedOptions['onRow'];
  #check: TableBuilder = createTableBuilder();
  #offset: number;
  #heading: readonly [number, number] | undefined;
  readonly #preamble: Preamble;
  /** By earlier runs. */
  readonly #seen: readonly string[];
  #skipRows: number;
  readonly #rejected: RejectedRows;
  /** The line on which the last hole is: it costs one row, whatever is left of that. */
  #holeLine: number | undefined;

  constructor(options: FeedOptions) {
    const { format, state } = options;
    this.#offset = options.offset;
    this.#lastLine = options.lastLine;
    this.#skipRows = options.skipRows ?? 0;
    this.#seen = state?.seen ?? [];
    this.#onRow = options.onRow;
    this.#source = createSourceText(options.encoding);
    this.#columns = new Columns(options, state?.kinds);
    this.#csv = format === 'ndjson' ? undefined : new CsvRows({ ...options, format }, this.#columns);
    this.#reader = this.#csv ?? new NdjsonRows(options, this.#columns, state?.seen);
    const splitterOptions = {
      quotedBy: format === 'ndjson' ? undefined : delimiterOf({ ...options, format }).charCodeAt(0),
      ...{ quotedLines: options.quotedLines, quotedRowsMax: options.quotedRowsMax },
      // Bytes that are no text in the encoding would make a refused row, too.
      mayBeRow: (line: Buffer) =>
        this.#reader.mayBeRow(this.#source.texts(line)(0, line.length) ?? line.toString('latin1')),
    };
    this.#splitterOptions = splitterOptions;
    this.#splitter = new RowSplitter(splitterOptions, state?.splitter);
    this.#preamble = new Preamble(this.#source, this.#csv !== undefined && state === undefined, state?.preamble);
    const { within, lines } = this.#splitter.state;
    const { isWholeByItself } = this.#reader;
    this.#rejected = new RejectedRows(this.#source, { ...options, isWholeByItself, isLineOpen: within === 'long' });
    if (within === 'hole') this.#holeLine = lines + 1;
    if (state === undefined) return;
    this.#heading = state.heading;
    if (options.heading !== undefined) this.#useHeading(options.heading);
    this.#csv?.holdHeading(false, state.unusable);
  }

  /** In the source, behind the last row that is done with. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes of the source that wait for their line end. */
  get waiting(): number {
    const { rest } = this.#splitter;
    return this.#source.sourceBytes(rest, 0, rest.length) + this.#source.kept;
  }

  /** Nothing but a hole has come since the last row: it may be room that is still to be filled. */
  get isInHole(): boolean {
    return this.#splitter.state.within === 'hole' && this.#splitter.rest.length === 0;
  }

  get state(): FeedState {
    const { state: splitter } = this.#splitter;
    const seen = [...new Set([...this.#seen, ...this.#reader.seen])];
    const unusable = this.#csv?.unusable;
    const preamble = this.#preamble.length;
    return { splitter, kinds: this.#columns.learnt, heading: this.#heading, unusable, preamble, seen };
  }

  /** What stands before the first row, as in the source. */
  get preamble(): Buffer {
    return this.#preamble.bytes;
  }

  assertColumns(headings: readonly string[]): void {
    this.#csv?.assertColumns(headings, this.#seen);
    if (this.#preamble.hasRows) this.#csv?.assertReached(this.#splitter.state.lines + 1);
  }

  unknown(): { readonly names: readonly string[]; readonly known: readonly string[] } {
    return this.#reader.unknown();
  }

  get quotedNumbers(): readonly string[] {
    return this.#columns.quotedNumbers;
  }

  /** @throws InputError where nothing can be made of the input */
  push(bytes: Buffer): FedRows {
    let text = this.#source.bytes(bytes);
    const fed: FedRows[] = [];
    // The heading tells rows from what stands between quotes, so it comes first by itself.
    while (this.#csv !== undefined && this.#csv.headingText === undefined && text.length > 0) {
      const end = lineEndIn(text);
      fed.push(this.#feed(this.#splitter.cut(text.subarray(0, end))));
      text = text.subarray(end);
    }
    if (text.length > 0) fed.push(this.#feed(this.#splitter.cut(text)));
    return fed.length === 1 ? fed[0]! : joinRows(fed);
  }

  /**
   * The input has ended. Takes the last row where it is known to be whole.
   * @param isGone what is left cannot be read again: a row that may be torn is refused, and else it waits
   */
  end(isGone: boolean): FedRows {
    const { rest } = this.#splitter;
    const lines = this.#splitter.state.lines + (rest.length > 0 ? 1 : 0);
    if (!this.#preamble.hasRows && lines > 0) this.#csv?.assertReached(lines);
    if (rest.length === 0) return joinRows([]);
    const text = this.#source.texts(rest)(0, rest.length);
    const isRow = this.#lastLine || (this.#reader.isWholeByItself && isWhole(text));
    return this.#feed(this.#splitter.cut(Buffer.alloc(0), isRow || isGone ? 'last' : 'end'));
  }

  /** Reads refused rows again, under their own heading; those that are refused again keep the place that was given. */
  retry(rows: readonly (readonly [row: KeptRow, bytes: Buffer])[], heading?: HeadingLine): FedRows {
    const text = this.#csv?.headingText;
    const unusable = this.#csv?.unusable;
    const now = text === undefined ? undefined : { text, bytes: this.#rejected.heading! };
    if (heading !== undefined) this.#useHeading(heading);
    this.#csv?.holdHeading(true);
    const cut = splitKept(rows, this.#source, this.#splitterOptions, this.#splitter.state.isCr);
    const headingAt = this.#heading;
    const fed = this.#read(cut);
    this.#heading = headingAt;
    if (now !== undefined) this.#useHeading(now);
    this.#csv?.holdHeading(false, unusable);
    return { ...fed, refused: fed.refused.map((row) => ({ ...row, ...cut.kept.get(row.line)! })) };
  }

  #useHeading({ text, bytes }: HeadingLine): void {
    this.#rejected.heading = bytes;
    if (text !== this.#csv?.headingText) this.#csv?.resume(text);
  }

  #feed(cut: Cut): FedRows {
    const fed = this.#read(cut);
    this.#preamble.add(cut.bytes.subarray(0, cut.taken));
    this.#offset += this.#source.sourceBytes(cut.bytes, 0, cut.taken);
    return fed;
  }

  #read(cut: Cut): FedRows {
    const { bytes, rows } = cut;
    const textOf = this.#source.texts(bytes);
    const texts = rows.map(({ fault, start, end }) =>
      fault === undefined || fault === 'unfinished' ? withoutMark(textOf(start, end)) : undefined,
    );
    const read = this.#reader.open(texts.map((text) => text ?? ''));
    const events: TelemetryEvent[] = [];
    const refused: LocatedRow[] = [];
    this.#check = createTableBuilder();
    let count = 0;
    let passed = 0;
    let valueless = 0;
    for (let at = 0; at < rows.length; at++) {
      const row = rows[at]!;
      const text = texts[at];
      if (text !== undefined && text.trim() === '') continue;
      const headingBefore = this.#csv?.headingText;
      const outcome = this.#outcome(row, text, () => read(at, row.line));
      if (outcome === undefined) {
        if (this.#csv?.headingText !== headingBefore) this.#noteHeading(cut, row);
        continue;
      }
      this.#preamble.end(bytes.subarray(0, row.start), this.#offset);
      if (this.#skipRows > 0) {
        this.#skipRows--;
        passed++;
        continue;
      }
      if (outcome === WITHOUT_VALUE) valueless++;
      else if (!(outcome instanceof Error)) {
        events.push(outcome);
        this.#onRow?.(text!, outcome, this.#reader.outlineOf);
      }
      if (!(outcome instanceof Error)) {
        count++;
        continue;
      }
      this.#rejected.add(bytes, row);
      if (this.#isCounted(row, outcome)) continue;
      count++;
      refused.push(this.#located(cut, row, outcome));
    }
    return { events, refused, rejected: this.#rejected.take(), rows: count, passed, valueless };
  }

  /** An event that can be recorded, why it cannot, or undefined for what is no row. */
  #outcome(
    row: RawRow,
    text: string | undefined,
    read: () => ReadRow | undefined,
  ): ReadRow | RowError | CodecError | undefined {
    try {
      checkFault(row, text, this.#reader.isWholeByItself, this.#lastLine);
      this.#columns.begin();
      const event = read();
      if (event === undefined || event === WITHOUT_VALUE) return event;
      this.#add(event);
      this.#columns.learn();
      return event;
    } catch (error) {
      if (!(error instanceof RowError || error instanceof CodecError)) throw error;
      if (row.isTorn && error.code === 'row-malformed') return tornAtHole(text ?? '');
      if (this.#csv === undefined || this.#csv.headingText !== undefined || row.fault === 'hole') return error;
      // No row can be read without its heading; what stands above it may be anything.
      this.#csv.refuseHeading(row.line, error);
      return undefined;
    }
  }

  /** More of a row that is too long, or that a hole has torn. */
  #isCounted({ line, fault }: RawRow, { code }: RowError | CodecError): boolean {
    if (fault === 'more') return true;
    if (code !== 'row-hole') return false;
    const isCounted = line === this.#holeLine;
    this.#holeLine = line;
    return isCounted;
  }

  #add(event: TelemetryEvent): void {
    if (this.#check.add(event)) return;
    this.#check = createTableBuilder();
    this.#check.add(event);
  }

  #located({ bytes }: Cut, { line, start, next }: RawRow, { code, message }: RowError | CodecError): LocatedRow {
    const at = this.#offset + this.#source.sourceBytes(bytes, 0, start);
    return { line, code, message, at, bytes: this.#source.sourceBytes(bytes, start, next), heading: this.#heading };
  }

  #noteHeading({ bytes }: Cut, { start, next }: RawRow): void {
    const before = this.#source.sourceBytes(bytes, 0, start);
    this.#heading = [this.#offset + before, this.#source.sourceBytes(bytes, start, next)];
    this.#rejected.heading = this.#source.original(Buffer.from(bytes.subarray(start, next)));
  }
}
