/**
 * Outline: a walk over msgpack headers before anything is decoded (proto-spec/batch.md, "Structure").
 *
 * Owns the bounds that the msgpack library leaves open: nesting, the number of values, text that is not what its reader
 * would make of it, and where in the bytes a fault lies. Promises to allocate nothing in proportion to the input and to
 * visit each header once. Never looks at a value's meaning.
 */
import { isUtf8 } from 'node:buffer';
import { CodecError, type CodecErrorCode } from './errors.ts';
import { DEPTH_MAX, NODES_MAX } from './limits.ts';

/**
 * @throws CodecError `batch-malformed` (cut short, nested too deep, text that is not UTF-8, extension types, bytes after
 *   the end) or `batch-limit` (too many values), with the byte offset
 */
export function checkOutline(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  /** Values still to come at each level; the walk ends when level 0 has none. */
  const open = [1];
  let at = 0;
  let nodes = 0;
  while (open.length > 0) {
    if (open.at(-1) === 0) {
      open.pop();
      continue;
    }
    open[open.length - 1]!--;
    if (++nodes > NODES_MAX) throw fault('batch-limit', `more than ${NODES_MAX} values`, at);
    const header = headerAt(view, at);
    if (header.children > 0) {
      if (open.length > DEPTH_MAX) throw fault('batch-malformed', `nested deeper than ${DEPTH_MAX}`, at);
      // Every child takes a byte at least, so a count that the rest cannot hold is refused before it is walked.
      if (header.children > bytes.length - at - header.bytes)
        throw fault('batch-malformed', 'more children than bytes', at);
      open.push(header.children);
    }
    const next = at + header.bytes;
    if (next > bytes.length) throw fault('batch-malformed', 'cut short', at);
    if (header.textBytes > 0) checkText(bytes.subarray(next - header.textBytes, next), at);
    at = next;
  }
  if (at !== bytes.length) throw fault('batch-malformed', 'bytes after the end', at);
}

interface Header {
  /** Bytes of the header with its own payload, not counting children. */
  readonly bytes: number;
  readonly children: number;
  /** Bytes of text, which end what this header stands for. */
  readonly textBytes: number;
}

function headerAt(view: DataView, at: number): Header {
  const left = view.byteLength - at;
  const need = (bytes: number): void => {
    if (left < bytes) throw fault('batch-malformed', 'cut short', at);
  };
  need(1);
  const type = view.getUint8(at);
  if (type <= 0x7f || type >= 0xe0) return leaf(1);
  if (type <= 0x8f) return container(1, 2 * (type & 0x0f));
  if (type <= 0x9f) return container(1, type & 0x0f);
  if (type <= 0xbf) return text(1, type & 0x1f);
  const length = (bytes: number): number => {
    need(1 + bytes);
    if (bytes === 1) return view.getUint8(at + 1);
    return bytes === 2 ? view.getUint16(at + 1) : view.getUint32(at + 1);
  };
  switch (type) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return leaf(1);
    case 0xc4:
      return leaf(2 + length(1));
    case 0xc5:
      return leaf(3 + length(2));
    case 0xc6:
      return leaf(5 + length(4));
    case 0xcc:
    case 0xd0:
      return leaf(2);
    case 0xcd:
    case 0xd1:
      return leaf(3);
    case 0xca:
    case 0xce:
    case 0xd2:
      return leaf(5);
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return leaf(9);
    case 0xd9:
      return text(2, length(1));
    case 0xda:
      return text(3, length(2));
    case 0xdb:
      return text(5, length(4));
    case 0xdc:
      return container(3, length(2));
    case 0xdd:
      return container(5, length(4));
    case 0xde:
      return container(3, 2 * length(2));
    case 0xdf:
      return container(5, 2 * length(4));
    default:
      throw fault('batch-malformed', `type 0x${type.toString(16)} has no place in a batch`, at);
  }
}

function leaf(bytes: number): Header {
  return { bytes, children: 0, textBytes: 0 };
}

function text(headerBytes: number, textBytes: number): Header {
  return { bytes: headerBytes + textBytes, children: 0, textBytes };
}

function container(bytes: number, children: number): Header {
  return { bytes, children, textBytes: 0 };
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
