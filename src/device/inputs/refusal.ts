/**
 * Refusal: why a row, or a whole input, is not recorded.
 *
 * Owns the codes of both, beside the `event-…` codes of the codec. A refused row leaves the rows around it alone; an
 * `InputError` ends the run before anything is recorded wrongly, and its message names the flag that decides.
 */
import type { CodecErrorCode } from '../../codec/index.ts';

/**
 * - `row-malformed`: not one JSON object; or CSV whose quotes do not pair up within the row.
 * - `row-too-long`: more than `ROW_BYTES_MAX` bytes without a line end.
 * - `row-hole`: NUL bytes in or beside it, as a power cut leaves them: a part of the row may be missing.
 * - `row-encoding`: bytes that are no text in the input's encoding.
 * - `row-cells`: another number of cells than there are columns.
 * - `row-name-twice`: one JSON object has a name twice.
 * - `row-kind`: a text where the column holds numbers, or the other way round.
 * - `row-quoted-lines`: lines within a quoted cell could be rows behind a stray quote.
 * - `row-unfinished`: a pipe has ended in the middle of it.
 */
export type RowErrorCode =
  | 'row-malformed'
  | 'row-too-long'
  | 'row-hole'
  | 'row-encoding'
  | 'row-cells'
  | 'row-name-twice'
  | 'row-kind'
  | 'row-quoted-lines'
  | 'row-unfinished';

export class RowError extends Error {
  override readonly name = 'RowError';
  readonly code: RowErrorCode;

  constructor(code: RowErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export type RefusalCode = RowErrorCode | CodecErrorCode;

export interface RefusedRow {
  /** Of the line on which the row begins, 1-based, the heading included. */
  readonly line: number;
  readonly code: RefusalCode;
  readonly message: string;
}

/**
 * - `input-heading`: the heading of a CSV file cannot be used: a name twice, no column for the time, none at all.
 * - `input-columns`: a flag names a column that the input, or a heading further down, does not have.
 * - `input-flags`: flags that cannot all be meant, or mean nothing in this format.
 * - `input-format`: it is in no format that rows can be read from, or in one that a flag has to name.
 * - `input-encoding`: the first bytes are not in the encoding that was named, or in none that can be told.
 * - `input-changed`: the file is not what it was, and still holds rows that were recorded.
 * - `input-copy`: the file holds rows that were recorded from another one: all of its first ones, more than half of
 *   those that are compared, or the rows from some moment on.
 * - `input-unreadable`: nothing is there, or it may not be read.
 * - `input-kind`: a directory, a socket: nothing that rows can be read from.
 * - `input-refusals`: more refused rows than can be remembered; those that are not, are read again by the next run.
 * - `rejects-unusable`: the file for refused rows is the input itself, is no file, cannot be written, or holds rows of
 *   another heading, or of one where these have none.
 */
export type InputErrorCode =
  | 'input-heading'
  | 'input-columns'
  | 'input-flags'
  | 'input-format'
  | 'input-encoding'
  | 'input-changed'
  | 'input-copy'
  | 'input-unreadable'
  | 'input-kind'
  | 'input-refusals'
  | 'rejects-unusable';

export class InputError extends Error {
  override readonly name = 'InputError';
  /** The call has to be changed before it can work. */
  readonly exitStatus = 2;
  readonly code: InputErrorCode;

  constructor(code: InputErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Text of a file in a message: short, and without what could steer a terminal. */
export function shown(text: string, charsMax = 60): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
  return JSON.stringify(plain.length > charsMax ? `${plain.slice(0, charsMax)}…` : plain);
}
