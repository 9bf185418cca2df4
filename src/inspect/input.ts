/**
 * Input: the bytes that a person wants to see, from a file, standard input or text.
 *
 * Owns where they come from. Promises to stop reading behind the largest batch there can be. Never interprets them.
 */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { CommandError } from '../cli/index.ts';
import { BATCH_BYTES_MAX, CodecError } from '../codec/index.ts';

export interface InputChoice {
  /** A path, or `-` for standard input. */
  readonly file: string;
  /** Goes before `file`. */
  readonly hex: string | undefined;
}

/**
 * @throws CommandError `bad-value` where the text is not hex, `input-unreadable`; CodecError `body-too-large`
 */
export async function readInput({ file, hex }: InputChoice, stdin: Readable): Promise<Uint8Array> {
  if (hex !== undefined) return bytesOfHex(hex);
  if (file === '-') return readAll(stdin);
  return readAll(createReadStream(file)).catch((cause: NodeJS.ErrnoException) => {
    if (cause.syscall === undefined) throw cause;
    throw new CommandError('input-unreadable', `cannot read ${file}: name a file with a batch`, { cause });
  });
}

async function readAll(stream: Readable): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > BATCH_BYTES_MAX) {
      throw new CodecError('body-too-large', `the input is longer than any batch, ${BATCH_BYTES_MAX} bytes`);
    }
  }
  return Buffer.concat(chunks);
}

/** Hex digits, with white space wherever it stands in a text made for people. */
function bytesOfHex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '').replace(/^0x/i, '');
  if (digits.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(digits)) {
    throw new CommandError('bad-value', '--hex: expected an even number of hex digits');
  }
  return Buffer.from(digits, 'hex');
}
