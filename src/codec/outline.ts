/**
 * Outline: a walk over msgpack headers before anything is decoded (proto-spec/batch.md, "Structure").
 *
 * Owns the bounds that the msgpack library leaves open: nesting, the number of values, and where in the bytes a fault
 * lies. Promises to allocate nothing in proportion to the input and to visit each header once. Never looks at values.
 */
import { CodecError, type CodecErrorCode } from './errors.ts';
import { DEPTH_MAX, NODES_MAX } from './limits.ts';

/**
 * @throws CodecError `batch-malformed` (cut short, extension types, bytes after the end) or `batch-limit` (nested too
 *   deep, too many values), with the byte offset
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
      if (open.length >= DEPTH_MAX) throw fault('batch-limit', `nested deeper than ${DEPTH_MAX}`, at);
      // Every child takes a byte at least, so a count that the rest cannot hold is refused before it is walked.
      if (header.children > bytes.length - at) throw fault('batch-malformed', 'more children than bytes', at);
      open.push(header.children);
    }
    const next = at + header.bytes;
    if (next > bytes.length) throw fault('batch-malformed', 'cut short', at);
    at = next;
  }
  if (at !== bytes.length) throw fault('batch-malformed', 'bytes after the end', at);
}

interface Header {
  /** Bytes of the header with its own payload, not counting children. */
  readonly bytes: number;
  readonly children: number;
}

function headerAt(view: DataView, at: number): Header {
  const left = view.byteLength - at;
  const need = (bytes: number): void => {
    if (left < bytes) throw fault('batch-malformed', 'cut short', at);
  };
  need(1);
  const type = view.getUint8(at);
  if (type <= 0x7f || type >= 0xe0) return leaf(1);
  if (type <= 0x8f) return { bytes: 1, children: 2 * (type & 0x0f) };
  if (type <= 0x9f) return { bytes: 1, children: type & 0x0f };
  if (type <= 0xbf) return leaf(1 + (type & 0x1f));
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
    case 0xd9:
      return leaf(2 + length(1));
    case 0xc5:
    case 0xda:
      return leaf(3 + length(2));
    case 0xc6:
    case 0xdb:
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
    case 0xdc:
      return { bytes: 3, children: length(2) };
    case 0xdd:
      return { bytes: 5, children: length(4) };
    case 0xde:
      return { bytes: 3, children: 2 * length(2) };
    case 0xdf:
      return { bytes: 5, children: 2 * length(4) };
    default:
      throw fault('batch-malformed', `type 0x${type.toString(16)} has no place in a batch`, at);
  }
}

function leaf(bytes: number): Header {
  return { bytes, children: 0 };
}

function fault(code: CodecErrorCode, message: string, offset: number): CodecError {
  return new CodecError(code, `${message} at byte ${offset}`, { offset });
}
