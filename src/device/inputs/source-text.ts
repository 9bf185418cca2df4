/**
 * SourceText: the bytes of an input as text.
 *
 * Owns encodings. Splitting goes by bytes, so UTF-16 becomes UTF-8 before it; every other encoding here keeps ASCII as
 * ASCII. Promises that bytes which are no text in the encoding are found out and never replaced.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { InputError } from './refusal.ts';

/** As `TextDecoder` calls it, which knows no `ascii`. */
export type Encoding = string;

interface Mark {
  readonly encoding: Encoding;
  readonly bytes: readonly number[];
}

const BYTE_ORDER_MARKS: readonly Mark[] = [
  { encoding: 'utf-8', bytes: [0xef, 0xbb, 0xbf] },
  { encoding: 'utf-16le', bytes: [0xff, 0xfe] },
  { encoding: 'utf-16be', bytes: [0xfe, 0xff] },
];

/** Each byte is one character, and those below 128 are ASCII. */
const ONE_BYTE_ENCODINGS = /^(windows-\d+|iso-8859-\d+(-i)?|koi8-[ru]|ibm866|macintosh|x-mac-cyrillic)$/;

/** In UTF-8 no such byte exists: it stands for half a surrogate pair, which is no text. */
const NO_TEXT = 0xff;

/** The encoding by any of its names; undefined where rows cannot be read in it. */
export function encodingOf(label: string): Encoding | undefined {
  try {
    if (/^(us-?)?ascii$/i.test(label.trim())) return 'ascii';
    const { encoding } = new TextDecoder(label);
    return /^utf-(8|16le|16be)$/.test(encoding) || ONE_BYTE_ENCODINGS.test(encoding) ? encoding : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What the first bytes say, and how many of them say it.
 * @param named the encoding that was asked for; undefined for UTF-8 unless a byte order mark says otherwise
 * @throws InputError `input-encoding`
 */
export function encodingAt(head: Buffer, named: Encoding | undefined): { encoding: Encoding; markBytes: number } {
  const mark = BYTE_ORDER_MARKS.find(({ bytes }) => bytes.every((byte, i) => head[i] === byte));
  if (mark) {
    if (named !== undefined && named !== mark.encoding) {
      throw new InputError(
        'input-encoding',
        `the input begins as ${mark.encoding}, not as ${named}; leave --encoding out`,
      );
    }
    return { encoding: mark.encoding, markBytes: mark.bytes.length };
  }
  const isWide = (head[0] === 0) !== (head[1] === 0) && head.length >= 2;
  if (isWide && !named?.startsWith('utf-16')) {
    const guess = head[0] === 0 ? 'utf-16be' : 'utf-16le';
    throw new InputError(
      'input-encoding',
      `the first bytes are not ${named ?? 'UTF-8'}; give --encoding ${guess} if it is that`,
    );
  }
  return { encoding: named ?? 'utf-8', markBytes: 0 };
}

/** Text of the rows in a piece of bytes; undefined for a row that is none. */
export type TextOf = (start: number, end: number) => string | undefined;

export interface SourceText {
  /** Bytes to split. What is of no use yet is kept until more comes. */
  bytes(more: Buffer): Buffer;
  /** Bytes of the source that so many of those to split stand for. */
  sourceBytes(bytes: Buffer, start: number, end: number): number;
  /** As in the source. */
  original(bytes: Buffer): Buffer;
  /** Bytes of the source that are kept. */
  readonly kept: number;
  texts(bytes: Buffer): TextOf;
}

export function createSourceText(encoding: Encoding): SourceText {
  if (encoding.startsWith('utf-16')) return new WideText(encoding === 'utf-16be');
  if (encoding === 'windows-1252') return new WesternText();
  if (encoding === 'ascii') return new AsciiText();
  return encoding === 'utf-8' ? new Utf8Text() : new OneByteText(encoding);
}

abstract class NarrowText implements SourceText {
  readonly kept = 0;
  bytes(more: Buffer): Buffer {
    return more;
  }
  sourceBytes(_bytes: Buffer, start: number, end: number): number {
    return end - start;
  }
  original(bytes: Buffer): Buffer {
    return bytes;
  }
  abstract texts(bytes: Buffer): TextOf;
}

class Utf8Text extends NarrowText {
  texts(bytes: Buffer): TextOf {
    return utf8Texts(bytes);
  }
}

class AsciiText extends NarrowText {
  texts(bytes: Buffer): TextOf {
    return (start, end) => (isAscii(bytes.subarray(start, end)) ? bytes.toString('latin1', start, end) : undefined);
  }
}

class OneByteText extends NarrowText {
  readonly #decoder: InstanceType<typeof TextDecoder>;
  constructor(encoding: Encoding) {
    super();
    this.#decoder = new TextDecoder(encoding, { fatal: true });
  }
  texts(bytes: Buffer): TextOf {
    if (isAscii(bytes)) return utf8Texts(bytes);
    return (start, end) => {
      try {
        return this.#decoder.decode(bytes.subarray(start, end));
      } catch {
        return undefined;
      }
    };
  }
}

/** What windows-1252 has where ISO 8859-1 has control characters; a space for the five bytes that it leaves open. */
const WESTERN = '€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ';

/** Windows-1252 by a table of our own: TextDecoder of Node 20 takes it for ISO 8859-1. */
class WesternText extends NarrowText {
  texts(bytes: Buffer): TextOf {
    if (isAscii(bytes)) return utf8Texts(bytes);
    return (start, end) => {
      let isText = true;
      const text = bytes.toString('latin1', start, end).replace(/[\x80-\x9f]/g, (byte) => {
        const character = WESTERN[byte.charCodeAt(0) - 0x80]!;
        if (character === ' ') isText = false;
        return character;
      });
      return isText ? text : undefined;
    };
  }
}

class WideText implements SourceText {
  readonly #isBigEndian: boolean;
  #rest: Buffer = Buffer.alloc(0);

  constructor(isBigEndian: boolean) {
    this.#isBigEndian = isBigEndian;
  }

  get kept(): number {
    return this.#rest.length;
  }

  bytes(more: Buffer): Buffer {
    const all = this.#rest.length === 0 ? more : Buffer.concat([this.#rest, more]);
    let whole = all.length - (all.length % 2);
    const littleEndian = this.#swapped(all.subarray(0, whole));
    // The first half of a pair waits for the second.
    if (whole >= 2 && (littleEndian[whole - 1]! & 0xfc) === 0xd8) whole -= 2;
    this.#rest = Buffer.from(all.subarray(whole));
    const text = littleEndian.toString('utf16le', 0, whole);
    if (text.isWellFormed()) return Buffer.from(text);
    return Buffer.concat(
      [...text].map((character) => (character.isWellFormed() ? Buffer.from(character) : Buffer.of(NO_TEXT))),
    );
  }

  sourceBytes(bytes: Buffer, start: number, end: number): number {
    let units = 0;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      if (byte < 0x80 || byte >= 0xc0) units += byte >= 0xf0 && byte !== NO_TEXT ? 2 : 1;
    }
    return 2 * units;
  }

  original(bytes: Buffer): Buffer {
    return this.#swapped(Buffer.from(bytes.toString(), 'utf16le'));
  }

  texts(bytes: Buffer): TextOf {
    return utf8Texts(bytes);
  }

  #swapped(bytes: Buffer): Buffer {
    return this.#isBigEndian ? Buffer.from(bytes).swap16() : bytes;
  }
}

function utf8Texts(bytes: Buffer): TextOf {
  if (isAscii(bytes)) {
    const whole = bytes.toString('latin1');
    return (start, end) => whole.slice(start, end);
  }
  if (isUtf8(bytes)) return (start, end) => bytes.toString('utf8', start, end);
  return (start, end) => (isUtf8(bytes.subarray(start, end)) ? bytes.toString('utf8', start, end) : undefined);
}

/** Behind the first line end; all of it where there is none. */
export function lineEndIn(bytes: Buffer): number {
  const ends = [bytes.indexOf(0x0a), bytes.indexOf(0x0d)].filter((at) => at >= 0);
  return ends.length === 0 ? bytes.length : Math.min(...ends) + 1;
}

/** Without a byte order mark. */
export function withoutMark(text: string | undefined): string | undefined {
  return text?.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** Text of a piece that is read by itself; undefined where it is none. */
export function textIn(bytes: Buffer, encoding: Encoding): string | undefined {
  const source = createSourceText(encoding);
  const whole = source.bytes(bytes);
  return withoutMark(source.texts(whole)(0, whole.length));
}
