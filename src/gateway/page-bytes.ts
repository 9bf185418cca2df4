/**
 * PageWriter and PageReader: the primitives that pages are made of on disk.
 *
 * Owns numbers of few bytes, integers of any size, doubles and texts as bytes and back. Promises that what was written
 * is read as it was, and that reading never passes the end. Never knows what a page holds.
 */

/** Above this, magnitudes are written byte by byte; below it, everything fits a double with room for sign and mark. */
const SMALL_MAX = 2n ** 50n;

export interface PageWriter {
  /** A whole number from 0 to 2^53 − 1, seven bits a byte. */
  natural(value: number): void;
  /** A whole number from −2^52 to 2^52. */
  integer(value: number): void;
  /** A whole number of any size. */
  digits(value: bigint): void;
  double(value: number): void;
  text(value: string): void;
  /** With their length before them. */
  bytes(value: Uint8Array): void;
  /** As they are. */
  raw(value: Uint8Array): void;
  /** What was written. The writer is empty afterwards and may be used again. */
  finish(): Uint8Array;
  /** How many bytes have been written. */
  readonly length: number;
}

export function createPageWriter(): PageWriter {
  return new Writer();
}

/** Writers that nobody uses. */
const spareWriters: PageWriter[] = [];

/** A writer that is empty. Whoever puts its work down in the middle keeps it until it is done. */
export function takePageWriter(): PageWriter {
  return spareWriters.pop() ?? createPageWriter();
}

/** @param writer one that is empty again */
export function givePageWriter(writer: PageWriter): void {
  spareWriters.push(writer);
}

/** What a writer begins with, and what it keeps at most when it is empty again, bytes. */
const WRITER_BYTES = 8 << 10;
const KEPT_BYTES_MAX = 1 << 20;

class Writer implements PageWriter {
  #bytes = Buffer.allocUnsafeSlow(WRITER_BYTES);
  #at = 0;

  natural(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      // Bit operations take 32 bits: the greater ones are divided down first.
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80;
      rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    this.#bytes[this.#at++] = rest;
  }

  integer(value: number): void {
    this.natural(value < 0 ? -2 * value - 1 : 2 * value);
  }

  digits(value: bigint): void {
    if (value >= -SMALL_MAX && value <= SMALL_MAX) {
      const small = Number(value);
      this.natural(small < 0 ? -4 * small - 2 : 4 * small);
      return;
    }
    const hex = (value < 0n ? -value : value).toString(16);
    const magnitude = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
    this.natural(4 * magnitude.length + (value < 0n ? 3 : 1));
    this.raw(magnitude);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  text(value: string): void {
    this.natural(Buffer.byteLength(value));
    this.#reserve(3 * value.length);
    this.#at += this.#bytes.write(value, this.#at);
  }

  bytes(value: Uint8Array): void {
    this.natural(value.length);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  finish(): Uint8Array {
    const written = Buffer.from(this.#bytes.subarray(0, this.#at));
    this.#at = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = Buffer.allocUnsafeSlow(WRITER_BYTES);
    return written;
  }

  get length(): number {
    return this.#at;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * this.#bytes.length + bytes);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** Every method throws a RangeError where the bytes are not what a writer wrote. */
export interface PageReader {
  natural(): number;
  integer(): number;
  digits(): bigint;
  double(): number;
  text(): string;
  /** What `bytes` wrote; a view. */
  bytes(): Uint8Array;
  /** A natural that announces how many things follow, each of a byte at least. */
  count(): number;
  /** Passes over what `digits` wrote. */
  skipDigits(): void;
  skip(bytes: number): void;
  /** How many bytes have been read. */
  readonly position: number;
  /** Nothing may be left. */
  end(): void;
}

export function createPageReader(bytes: Uint8Array): PageReader {
  return new Reader(bytes);
}

class Reader implements PageReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  natural(): number {
    let value = 0;
    let unit = 1;
    for (;;) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new RangeError('a page cut short');
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) break;
      unit *= 0x80;
    }
    if (value > Number.MAX_SAFE_INTEGER) throw new RangeError('a number too great');
    return value;
  }

  integer(): number {
    const folded = this.natural();
    return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
  }

  digits(): bigint {
    const head = this.natural();
    if (head % 2 === 0) return BigInt(head % 4 === 0 ? head / 4 : -(head + 2) / 4);
    const length = Math.floor(head / 4);
    if (length === 0) throw new RangeError('a number without digits');
    const magnitude = BigInt(`0x${this.#take(length).toString('hex')}`);
    return head % 4 === 3 ? -magnitude : magnitude;
  }

  double(): number {
    return this.#take(8).readDoubleLE();
  }

  text(): string {
    return this.#take(this.natural()).toString();
  }

  bytes(): Uint8Array {
    return this.#take(this.natural());
  }

  count(): number {
    const count = this.natural();
    if (count > this.#bytes.length - this.#at) throw new RangeError('a count beyond the end');
    return count;
  }

  skipDigits(): void {
    const head = this.natural();
    if (head % 2 === 1) this.skip(Math.floor(head / 4));
  }

  skip(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) throw new RangeError('a page cut short');
    this.#at += bytes;
  }

  get position(): number {
    return this.#at;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new RangeError('bytes after the end');
  }

  #take(length: number): Buffer {
    const from = this.#at;
    if (from + length > this.#bytes.length) throw new RangeError('a page cut short');
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }
}
