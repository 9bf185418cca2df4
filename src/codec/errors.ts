/**
 * CodecError: why an event, a batch or a body was refused.
 *
 * Owns the closed set of codes that stand in `proto-spec/README.md`. Promises that nothing of the input was used when
 * one is thrown. Never reports a bug of ours (those assert) nor a disk or network fault.
 */

/**
 * - `event-time`: `ts` is no integer number of milliseconds in range.
 * - `event-sensor`: the sensor is not a name (see `isName`).
 * - `event-field`: a field name is not a name, there are none or too many fields, or a value is of a type that no
 *   column can hold.
 * - `event-number`: a measure is NaN or infinite.
 * - `event-text`: a text is too long, is not well-formed Unicode, or begins with a byte order mark.
 * - `encoding-unsupported`: this runtime cannot inflate that content encoding.
 * - `body-corrupt`: the compressed bytes do not inflate.
 * - `body-too-large`: the inflated body would pass its limit.
 * - `batch-malformed`: not the msgpack structure that `proto-spec/batch.md` describes.
 * - `batch-version`: a version of the format that this decoder does not know.
 * - `batch-limit`: some count passes its limit; the same events in smaller batches may pass.
 * - `batch-column`: a column's bytes do not decode to as many values as it needs.
 */
export type CodecErrorCode =
  | 'event-time'
  | 'event-sensor'
  | 'event-field'
  | 'event-number'
  | 'event-text'
  | 'encoding-unsupported'
  | 'body-corrupt'
  | 'body-too-large'
  | 'batch-malformed'
  | 'batch-version'
  | 'batch-limit'
  | 'batch-column';

export class CodecError extends Error {
  override readonly name = 'CodecError';
  readonly code: CodecErrorCode;
  /** Byte offset into the uncompressed batch, where the fault has one place. */
  readonly offset: number | undefined;

  constructor(code: CodecErrorCode, message: string, options: { offset?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.offset = options.offset;
  }
}

/** Not of the shape that the specification describes. */
export function malformed(message: string): CodecError {
  return new CodecError('batch-malformed', message);
}

/** Of that shape, and its bytes are not what they should be. */
export function badColumn(message: string): CodecError {
  return new CodecError('batch-column', message);
}
