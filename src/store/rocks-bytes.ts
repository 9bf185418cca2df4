/**
 * What RocksDB's formats are made of: numbers of few bytes, and texts behind their length. Reading past the end throws
 * a RangeError.
 */
export class RocksReader {
  readonly #bytes: Buffer;
  position: number;

  constructor(bytes: Buffer, position = 0) {
    this.#bytes = bytes;
    this.position = position;
  }

  get isAtEnd(): boolean {
    return this.position >= this.#bytes.length;
  }

  /** Seven bits a byte. Beyond 2^53 it is not exact, which no file's number or place is. */
  varint(): number {
    for (let value = 0, scale = 1; ; scale *= 0x80) {
      const byte = this.#bytes.readUInt8(this.position++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  take(length: number): Buffer {
    this.position += length;
    if (this.position > this.#bytes.length) throw new RangeError('a text is cut short');
    return this.#bytes.subarray(this.position - length, this.position);
  }
}
