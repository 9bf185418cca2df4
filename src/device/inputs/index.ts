/**
 * inputs: what `tidegate-device run` can read, each kind a file behind one `Input`.
 *
 * Read in this order: input → file-input → file-progress → row-feed → row-splitter → csv-rows, ndjson-rows → columns.
 */
import { stat } from 'node:fs/promises';
import { type FileOptions, openFileInput } from './file-input.ts';
import type { Input } from './input.ts';
import { formatIn, formatOf } from './input-format.ts';
import { InputError } from './refusal.ts';
import { openRejects, type Rejects } from './rejects.ts';
import { assertFlags } from './row-flags.ts';
import type { InputFormat } from './row-reader.ts';
import { openStream, StreamInput } from './stream-input.ts';

export { type Chunk, type Input, NOTHING_LEFT, type Rest } from './input.ts';
export { formatOf } from './input-format.ts';
export { type TimeZone, timeZoneOf } from './local-times.ts';
export { QUOTED_LINES } from './quoted-row.ts';
export { InputError, type InputErrorCode, type RefusalCode, type RefusedRow, RowError, shown } from './refusal.ts';
export type { RejectedRow } from './rejected-rows.ts';
export type { Rejects } from './rejects.ts';
export type { DecimalMark } from './row-numbers.ts';
export { INPUT_FORMATS, type InputFormat, type RowOptions } from './row-reader.ts';
export { TIME_UNITS, type TimeUnit } from './row-times.ts';
export { SimulatedInput } from './simulated-input.ts';
export { encodingOf } from './source-text.ts';
export { compileTimeFormat } from './time-format.ts';

export type ReadOptions = Omit<FileOptions, 'format' | 'hasRejects' | 'rejectsBytes'> & {
  /** By the name of the file, or what is in it, unless it is given. */
  readonly format: InputFormat | undefined;
  /** File for refused rows. */
  readonly rejects: string | undefined;
};

export interface OpenInput {
  readonly input: Input;
  readonly rejects: Rejects | undefined;
}

const STANDARD_INPUT = /^(-|\/dev\/stdin|\/dev\/fd\/0|\/proc\/self\/fd\/0)$/;

/**
 * Opens what a path names: a file, a named pipe, a device; `-` is standard input.
 * @throws InputError; any error of the file system, such as ENOENT
 */
export async function openInput(options: ReadOptions): Promise<OpenInput> {
  const { path, rejects: rejectsPath } = options;
  const kind = path === '-' ? undefined : await stat(path).catch(unreadable(path));
  if (kind?.isDirectory()) throw new InputError('input-kind', `${path} is a directory: name a file in it`);
  if (kind?.isSocket() && !STANDARD_INPUT.test(path)) {
    throw new InputError('input-kind', `${path} is a socket: have a program read it, and pipe its output to --input -`);
  }
  if (kind?.isFile()) {
    let rejects: Rejects | undefined;
    const hasRejects = rejectsPath !== undefined;
    const format = await formatIn(path, options.format, options.encoding).catch(unreadable(path));
    assertFlags(options, format);
    const rejectsBytes = () => rejects?.bytes ?? 0;
    const file = await openFileInput({ ...options, format, hasRejects, rejectsBytes }).catch(unreadable(path));
    if (hasRejects) {
      rejects = await openRejects(rejectsPath, path, (at) => file.rejectsBefore(at)).catch(async (error) => {
        await file.close();
        throw error;
      });
    }
    return { input: file, rejects };
  }
  const rejects = rejectsPath === undefined ? undefined : await openRejects(rejectsPath, undefined, undefined);
  const format = options.format ?? formatOf(path) ?? 'ndjson';
  assertFlags(options, format);
  const stream = STANDARD_INPUT.test(path) ? process.stdin : await openStream(path, kind!.isFIFO());
  return { input: new StreamInput(stream, { ...options, format }), rejects };
}

/** Why a person cannot have it read; what else the file system says goes on as it is. */
function unreadable(path: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    const why = {
      ENOENT: 'there is no such file',
      ENOTDIR: 'there is no such file',
      EACCES: 'this user may not read it',
    };
    const words = why[error.code as keyof typeof why];
    if (words === undefined) throw error;
    throw new InputError('input-unreadable', `cannot read ${path}: ${words}; --input names a file, a pipe or -`);
  };
}
