/**
 * Tree: msgpack as it stands in the bytes, to be bent and written again.
 *
 * Owns a reader of what is well-formed and a writer of what need not be: headers may lie, keys may stand twice, numbers
 * may be of any size. Promises that what was read and not changed is written as it was read, but for the formats of
 * numbers and lengths. Shares no code with what it attacks.
 */

export type Tree =
  | { readonly kind: 'nil' }
  | { readonly kind: 'flag'; value: boolean }
  | { readonly kind: 'whole'; value: bigint }
  | { readonly kind: 'float'; value: number }
  | { readonly kind: 'text'; bytes: Uint8Array }
  | { readonly kind: 'bin'; bytes: Uint8Array }
  | { readonly kind: 'list'; items: Tree[] /** Said in the place of their number. */; says?: number }
  | { readonly kind: 'map'; items: Tree[]; says?: number }
  /** As it is. */
  | { readonly kind: 'raw'; bytes: Uint8Array };

export const NIL: Tree = { kind: 'nil' };

export function text(value: string): Tree {
  return { kind: 'text', bytes: Buffer.from(value) };
}

export function whole(value: number | bigint): Tree {
  return { kind: 'whole', value: BigInt(value) };
}

/** Reads a whole of well-formed msgpack. */
export function readTree(bytes: Uint8Array): Tree {
  return new Reader(bytes).tree();
}

export function writeTree(tree: Tree): Buffer {
  const writer = new Writer();
  writer.tree(tree);
  return writer.finish();
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  tree(): Tree {
    const type = this.#bytes[this.#at++]!;
    if (type <= 0x7f) return whole(type);
    if (type >= 0xe0) return whole(type - 0x100);
    if (type <= 0x8f) return this.#map(type & 0x0f);
    if (type <= 0x9f) return this.#list(type & 0x0f);
    if (type <= 0xbf) return { kind: 'text', bytes: this.#take(type & 0x1f) };
    switch (type) {
      case 0xc0:
        return NIL;
      case 0xc2:
      case 0xc3:
        return { kind: 'flag', value: type === 0xc3 };
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return { kind: 'bin', bytes: this.#take(this.#natural(1 << (type - 0xc4))) };
      case 0xca:
        return { kind: 'float', value: this.#take(4).readFloatBE() };
      case 0xcb:
        return { kind: 'float', value: this.#take(8).readDoubleBE() };
      case 0xcc:
      case 0xcd:
      case 0xce:
        return whole(this.#natural(1 << (type - 0xcc)));
      case 0xcf:
        return whole(this.#take(8).readBigUInt64BE());
      case 0xd0:
        return whole(this.#take(1).readInt8());
      case 0xd1:
        return whole(this.#take(2).readInt16BE());
      case 0xd2:
        return whole(this.#take(4).readInt32BE());
      case 0xd3:
        return whole(this.#take(8).readBigInt64BE());
      case 0xd9:
      case 0xda:
      case 0xdb:
        return { kind: 'text', bytes: this.#take(this.#natural(1 << (type - 0xd9))) };
      case 0xdc:
      case 0xdd:
        return this.#list(this.#natural(type === 0xdc ? 2 : 4));
      case 0xde:
      case 0xdf:
        return this.#map(this.#natural(type === 0xde ? 2 : 4));
      default:
        throw new Error(`nothing of ours begins with ${type.toString(16)}`);
    }
  }

  #list(count: number): Tree {
    return { kind: 'list', items: Array.from({ length: count }, () => this.tree()) };
  }

  #map(count: number): Tree {
    return { kind: 'map', items: Array.from({ length: 2 * count }, () => this.tree()) };
  }

  #natural(bytes: number): number {
    return this.#take(bytes).readUIntBE(0, bytes);
  }

  #take(length: number): Buffer {
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** The first byte of a header with its length in the low bits, and its maximum; then by 1, 2 and 4 bytes of length. */
interface Form {
  readonly narrow?: readonly [type: number, most: number];
  readonly wide: readonly [one: number | undefined, two: number, four: number];
}

const TEXT: Form = { narrow: [0xa0, 31], wide: [0xd9, 0xda, 0xdb] };
const BIN: Form = { wide: [0xc4, 0xc5, 0xc6] };
const LIST: Form = { narrow: [0x90, 15], wide: [undefined, 0xdc, 0xdd] };
const MAP: Form = { narrow: [0x80, 15], wide: [undefined, 0xde, 0xdf] };

class Writer {
  #bytes = Buffer.allocUnsafe(4_096);
  #at = 0;

  tree(tree: Tree): void {
    switch (tree.kind) {
      case 'nil':
        this.#byte(0xc0);
        break;
      case 'flag':
        this.#byte(tree.value ? 0xc3 : 0xc2);
        break;
      case 'whole':
        this.#whole(tree.value);
        break;
      case 'float':
        this.#byte(0xcb);
        this.#reserve(8);
        this.#at = this.#bytes.writeDoubleBE(tree.value, this.#at);
        break;
      case 'text':
        this.#header(TEXT, tree.bytes.length);
        this.#raw(tree.bytes);
        break;
      case 'bin':
        this.#header(BIN, tree.bytes.length);
        this.#raw(tree.bytes);
        break;
      case 'list':
        this.#header(LIST, tree.says ?? tree.items.length);
        for (const item of tree.items) this.tree(item);
        break;
      case 'map':
        this.#header(MAP, tree.says ?? tree.items.length >> 1);
        for (const item of tree.items) this.tree(item);
        break;
      case 'raw':
        this.#raw(tree.bytes);
    }
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #whole(value: bigint): void {
    if (value >= -0x20n && value < 0x80n) {
      this.#byte(Number(BigInt.asUintN(8, value)));
      return;
    }
    this.#byte(value >= 0n ? 0xcf : 0xd3);
    this.#reserve(8);
    this.#at = this.#bytes.writeBigUInt64BE(BigInt.asUintN(64, value), this.#at);
  }

  #header({ narrow, wide: [one, two, four] }: Form, length: number): void {
    this.#reserve(5);
    if (narrow !== undefined && length <= narrow[1]) this.#byte(narrow[0] | length);
    else if (one !== undefined && length < 0x100) {
      this.#byte(one);
      this.#byte(length);
    } else if (length < 0x10000) {
      this.#byte(two);
      this.#at = this.#bytes.writeUInt16BE(length, this.#at);
    } else {
      this.#byte(four);
      this.#at = this.#bytes.writeUInt32BE(length, this.#at);
    }
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = byte;
  }

  #raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * this.#bytes.length + bytes);
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}
