/**
 * Input: where `tidegate-device run` gets its events from.
 *
 * Owns the contract; each kind of input is a file that keeps it. Whoever reads an input records each chunk, with its
 * marks, before it asks for the next, so that nothing is read that is not on disk a moment later.
 */
import type { TelemetryEvent } from '../../codec/index.ts';
import type { Mark } from '../recorder.ts';
import type { RefusedRow } from './refusal.ts';
import type { RejectedRow } from './rejected-rows.ts';

/** Rows that are recorded together. */
export interface Chunk {
  readonly events: readonly TelemetryEvent[];
  readonly refused: readonly RefusedRow[];
  /** Rows read by this run so far, these and refused ones included. */
  readonly rows: number;
  /** Bytes of the input that are done with. */
  readonly bytes: number;
  /** To store in the same commit as the events: how far the input is recorded. Asked for once `rejected` is on disk. */
  readonly marks: () => readonly Mark[];
  /** Refused rows as they were, to be kept before the marks are stored. */
  readonly rejected: readonly RejectedRow[];
}

/** What an input leaves behind at its end. */
export interface Rest {
  /** Bytes behind the last line end: no row yet. */
  readonly waitingBytes: number;
  /** Bytes that were there and are gone: the file was cut short before they were read. */
  readonly lostBytes: number;
  /** Rows that an earlier run has refused and that cannot become whole. */
  readonly unreadable: number;
  /** Names that flags mention and no row had. */
  readonly unknownNames: readonly string[];
  /** Names that rows had, some of them. */
  readonly knownNames: readonly string[];
  /** Columns that this run took for texts because their first number was in quotes; some of them. */
  readonly quotedNumbers: readonly string[];
  /** Rows with a time and no value: nothing of them is recorded, and nothing is wrong with them. */
  readonly valueless: number;
}

export interface Input {
  /** Bytes in all, where that is known. */
  readonly bytes: number | undefined;
  /** Rows that an earlier run has recorded. */
  readonly skipped: number;
  /** It goes on until it is told to end, and is done then. */
  readonly isEndless: boolean;
  /** Rows that are read and not recorded can be read again. */
  readonly isKept: boolean;
  /** What stands before the first row, as it is in the input: headings, and a byte order mark. */
  readonly preamble: Buffer;
  /** To store before the first refused rows are kept: where in their file they begin. */
  marksBefore?(): readonly Mark[];
  /** Ends early, without an error, once the signal aborts. */
  chunks(signal: AbortSignal): AsyncGenerator<Chunk, void, void>;
  /** Once the chunks have ended. */
  rest(): Rest;
}

export const NOTHING_LEFT: Rest = {
  ...{ waitingBytes: 0, lostBytes: 0, unreadable: 0, valueless: 0 },
  ...{ unknownNames: [], knownNames: [], quotedNumbers: [] },
};
