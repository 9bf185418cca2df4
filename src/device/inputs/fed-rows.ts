/**
 * FedRows: what some bytes of an input have come to.
 *
 * Owns the faults that a row has before anybody reads it.
 */
import type { TelemetryEvent } from '../../codec/index.ts';
import { type RefusedRow, RowError, shown } from './refusal.ts';
import type { RejectedRow } from './rejected-rows.ts';
import { type RawRow, ROW_BYTES_MAX } from './row-splitter.ts';

/** Where a row is. */
export interface KeptRow {
  readonly line: number;
  /** In the source. */
  readonly at: number;
  /** Its line end included. */
  readonly bytes: number;
  /** Where in the source the heading is that it stands under: offset and length, its line end included. */
  readonly heading?: readonly [at: number, bytes: number] | undefined;
}

/** Those that stand under the same heading together, in their order. */
export function byHeading(rows: readonly KeptRow[]): readonly (readonly KeptRow[])[] {
  const groups = new Map<number | undefined, KeptRow[]>();
  for (const row of rows) {
    const group = groups.get(row.heading?.[0]);
    if (group === undefined) groups.set(row.heading?.[0], [row]);
    else group.push(row);
  }
  return [...groups.values()];
}

export type LocatedRow = RefusedRow & KeptRow;

export interface FedRows {
  readonly events: readonly TelemetryEvent[];
  readonly refused: readonly LocatedRow[];
  readonly rejected: readonly RejectedRow[];
  /** Rows, refused ones included; no headings and blank lines. */
  readonly rows: number;
  /** Rows that were passed over. */
  readonly passed: number;
  /** Rows with a time and no value: no event, and none that is refused. */
  readonly valueless: number;
}

export function joinRows(fed: readonly FedRows[]): FedRows {
  return {
    events: fed.flatMap(({ events }) => events),
    refused: fed.flatMap(({ refused }) => refused),
    rejected: fed.flatMap(({ rejected }) => rejected),
    rows: fed.reduce((sum, { rows }) => sum + rows, 0),
    passed: fed.reduce((sum, { passed }) => sum + passed, 0),
    valueless: fed.reduce((sum, { valueless }) => sum + valueless, 0),
  };
}

/** @throws RowError where the row cannot be read, whatever is in it */
export function checkFault(
  { fault, isTorn, line, lines = 1 }: RawRow,
  text: string | undefined,
  isWholeByItself: boolean,
  lastLine: boolean,
): void {
  if (fault === 'too-long' || fault === 'more')
    throw new RowError('row-too-long', `a line of more than ${ROW_BYTES_MAX} bytes`);
  if (fault === 'hole')
    throw new RowError('row-hole', 'NUL bytes, as a power cut leaves them: rows may be missing here');
  if (fault === 'quoted-lines') {
    throw new RowError(
      'row-quoted-lines',
      `lines ${line} to ${line + lines - 1} are one row by its quotes, and at least one of them could be a row ` +
        'itself: --quoted-lines text if they are text in a cell, --quoted-lines rows if a quote is a stray one',
    );
  }
  if (fault === 'quote') throw new RowError('row-malformed', 'no CSV: a quote without its partner');
  if (text === undefined)
    throw new RowError('row-encoding', 'bytes that are no text in this encoding; --encoding says what they are');
  if (isWholeByItself) return;
  if (isTorn) throw tornAtHole(text);
  if (fault === 'unfinished' && !lastLine) {
    throw new RowError(
      'row-unfinished',
      `the input ends in the middle of it, or without a line end (then --last-line): ${shown(text)}`,
    );
  }
}

export function tornAtHole(text: string): RowError {
  return new RowError('row-hole', `beside NUL bytes, so a part of it may be missing: ${shown(text)}`);
}
