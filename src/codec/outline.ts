/**
 * Outline: a walk over msgpack headers before anything is decoded (proto-spec/batch.md, "Structure").
 *
 * Owns the bounds that the msgpack library leaves open: nesting, the number of values, text that is not what its reader
 * would make of it, and where in the bytes a fault lies. Promises to allocate nothing in proportion to the input and to
 * visit each header once. Never looks at a value's meaning.
 */
import { isUtf8 } from 'node:buffer';
import { CodecError, type CodecErrorCode } from './errors.ts';
import { COLUMNS_MAX, DEPTH_MAX, NODES_MAX, TEXT_BYTES_MAX } from './limits.ts';
import { allAtOnce, type Steps } from './steps.ts';

/** Values between two steps, and what each weighs (see `Steps`). */
const STEP_VALUES = 256;
const VALUE_WEIGHT = 4;

/**
 * @throws CodecError `batch-malformed` (cut short, nested too deep, text that is not UTF-8, extension types, bytes
 *   after the end) or `batch-limit` (too many values), with the byte offset
 */
export function checkOutline(bytes: Uint8Array): void {
  allAtOnce(outlineInSteps(bytes));
}

/** As `checkOutline`, with a step for some hundred values; gives how many values there are. */
export function* outlineInSteps(bytes: Uint8Array): Steps<number> {
  const header = new Header(bytes);
  /** Values still to come at each level; the walk ends when level 0 has none. */
  const open = [1];
  let nodes = 0;
  while (open.length > 0) {
    const level = open.length - 1;
    if (open[level] === 0) {
      open.pop();
      continue;
    }
    open[level]! -= 1;
    const { at } = header;
    if (++nodes > NODES_MAX) throw fault('batch-limit', `more than ${NODES_MAX} values`, at);
    if (nodes % STEP_VALUES === 0) yield VALUE_WEIGHT * STEP_VALUES;
    header.read();
    if (header.isMap && header.children > 2 * COLUMNS_MAX) throw fault('batch-malformed', 'a map of too many keys', at);
    if (header.children > 0) {
      if (open.length > DEPTH_MAX) throw fault('batch-malformed', `nested deeper than ${DEPTH_MAX}`, at);
      // Every child takes a byte at least, so a count that the rest cannot hold is refused before it is walked.
      if (header.children > bytes.length - header.next) throw fault('batch-malformed', 'more children than bytes', at);
      open.push(header.children);
    }
    if (header.next > bytes.length) throw fault('batch-malformed', 'cut short', at);
    // Before it is looked at: a text may be all of a batch.
    if (header.textBytes > TEXT_BYTES_MAX) throw fault('batch-malformed', 'a text of too many bytes', at);
    if (header.textBytes > 0) checkText(bytes.subarray(header.next - header.textBytes, header.next), at);
    header.at = header.next;
  }
  if (header.at !== bytes.length) throw fault('batch-malformed', 'bytes after the end', header.at);
  return nodes;
}

/** A header that does not fit one byte: its own bytes, and among them those of a length, of what. */
interface Form {
  readonly bytes: number;
  readonly lengthBytes: number;
  readonly lengthOf: 'nothing' | 'bytes' | 'text' | 'array' | 'map';
}

const CHILDREN: Partial<Record<Form['lengthOf'], number>> = { array: 1, map: 2 };

/** By type, from 0xc0 on; extension types have none. */
const FORMS: ReadonlyMap<number, Form> = new Map([
  ...[0xc0, 0xc2, 0xc3].map((type) => [type, leaf(1)] as const),
  ...[0xcc, 0xd0].map((type) => [type, leaf(2)] as const),
  ...[0xcd, 0xd1].map((type) => [type, leaf(3)] as const),
  ...[0xca, 0xce, 0xd2].map((type) => [type, leaf(5)] as const),
  ...[0xcb, 0xcf, 0xd3].map((type) => [type, leaf(9)] as const),
  ...[0xc4, 0xc5, 0xc6].map((type, at) => [type, withLength(2 ** at, 'bytes')] as const),
  ...[0xd9, 0xda, 0xdb].map((type, at) => [type, withLength(2 ** at, 'text')] as const),
  ...[0xdc, 0xdd].map((type, at) => [type, withLength(2 ** (at + 1), 'array')] as const),
  ...[0xde, 0xdf].map((type, at) => [type, withLength(2 ** (at + 1), 'map')] as const),
]);

function leaf(bytes: number): Form {
  return { bytes, lengthBytes: 0, lengthOf: 'nothing' };
}

function withLength(lengthBytes: number, lengthOf: Form['lengthOf']): Form {
  return { bytes: 1 + lengthBytes, lengthBytes, lengthOf };
}

/** One header after the other, in the same object. */
export class Header {
  /** Where it is. */
  at = 0;
  /** Behind it with its own payload, not counting children. */
  next = 0;
  children = 0;
  isMap = false;
  /** Bytes of text, which end what this header stands for. */
  textBytes = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Reads the header at `at`. */
  read(): void {
    const type = this.#natural(0, 1);
    if (type <= 0x7f || type >= 0xe0) this.#is(1, 0, 0);
    else if (type <= 0x8f) this.#is(1, 0, 2 * (type & 0x0f), true);
    else if (type <= 0x9f) this.#is(1, 0, type & 0x0f);
    else if (type <= 0xbf) this.#is(1, type & 0x1f, 0);
    else {
      const form = FORMS.get(type);
      if (!form) throw fault('batch-malformed', `type 0x${type.toString(16)} has no place in a batch`, this.at);
      const length = this.#natural(1, form.lengthBytes);
      const payload = form.lengthOf === 'bytes' ? length : 0;
      this.#is(
        form.bytes + payload,
        form.lengthOf === 'text' ? length : 0,
        length * (CHILDREN[form.lengthOf] ?? 0),
        form.lengthOf === 'map',
      );
    }
  }

  #is(bytes: number, textBytes: number, children: number, isMap = false): void {
    this.next = this.at + bytes + textBytes;
    this.textBytes = textBytes;
    this.children = children;
    this.isMap = isMap;
  }

  /** A big-endian whole number of so many bytes, so far behind the header's begin. */
  #natural(offset: number, bytes: number): number {
    const from = this.at + offset;
    if (from + bytes > this.#bytes.length) throw fault('batch-malformed', 'cut short', this.at);
    let value = 0;
    for (let at = from; at < from + bytes; at++) value = value * 0x100 + this.#bytes[at]!;
    return value;
  }
}

/** The library reads malformed UTF-8 as something else, and drops a byte order mark from long texts. */
function checkText(bytes: Uint8Array, at: number): void {
  if (!isUtf8(bytes)) throw fault('batch-malformed', 'text that is not UTF-8', at);
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw fault('batch-malformed', 'text with a byte order mark', at);
  }
}

function fault(code: CodecErrorCode, message: string, offset: number): CodecError {
  return new CodecError(code, `${message} at byte ${offset}`, { offset });
}
