/**
 * Codes: integers of either sign as natural numbers, and those as bytes (proto-spec/batch.md, "Integer columns").
 *
 * Owns zigzag, varints and byte planes. Promises that reading gives back what was written, and refuses a code that a
 * double cannot count. Never knows what differences were taken before.
 */
import { badColumn } from './errors.ts';

/** What a double counts exactly. */
export const CODE_MAX = Number.MAX_SAFE_INTEGER;

/** Seven bytes hold CODE_MAX. */
export const PLANES_MAX = 7;

/** What the eighth byte of a varint, its last, counts in. */
const VARINT_UNIT_MAX = 0x80 ** 7;

export function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

export function unzigzag(code: number): number {
  const half = Math.floor(code / 2);
  return code === 2 * half ? half : -half - 1;
}

export function varintBytes(code: number): number {
  if (code < 0x80) return 1;
  if (code < 0x4000) return 2;
  if (code < 0x200000) return 3;
  if (code < 0x10000000) return 4;
  if (code < 0x800000000) return 5;
  if (code < 0x40000000000) return 6;
  return code < 0x2000000000000 ? 7 : 8;
}

export function putVarint(bytes: Uint8Array, at: number, code: number): number {
  let rest = code;
  let to = at;
  while (rest >= 0x10000000) {
    bytes[to++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest >= 0x80) {
    bytes[to++] = (rest & 0x7f) | 0x80;
    rest >>= 7;
  }
  bytes[to++] = rest;
  return to;
}

export function planesFor(code: number): number {
  let planes = 1;
  for (let limit = 256; code >= limit; limit *= 256) planes++;
  return planes;
}

export function putPlanes(bytes: Uint8Array, at: number, stride: number, planes: number, code: number): void {
  let rest = code;
  for (let plane = 0; plane < planes; plane++) {
    bytes[at + plane * stride] = rest & 0xff;
    rest = rest < 0x80000000 ? rest >> 8 : Math.floor(rest / 256);
  }
}

/**
 * Reads varints into `into[from]` … `into[to - 1]`, as integers, and gives the place behind them. That place lies past
 * the end where the last of them is cut off: the caller compares.
 * @throws CodecError `batch-column`
 */
export function readVarints(bytes: Uint8Array, start: number, into: Float64Array, from: number, to: number): number {
  let at = start;
  for (let i = from; i < to; i++) {
    let code = bytes[at++]!;
    let byte = 0;
    if (code >= 0x80) {
      byte = bytes[at++]!;
      code += (byte - 1) * 0x80;
    }
    if (byte < 0x80) {
      // Nearly all of them: one byte or two, which bit operations hold.
      into[i] = (code >>> 1) ^ -(code & 1);
      continue;
    }
    for (let unit = 0x4000; byte >= 0x80; unit *= 0x80) {
      if (unit > VARINT_UNIT_MAX) throw badColumn('varint too long');
      byte = bytes[at++]!;
      code += (byte - 1) * unit;
    }
    if (!(code <= CODE_MAX)) throw badColumn('varint out of range or cut short');
    into[i] = unzigzag(code);
  }
  return at;
}

/**
 * Reads byte planes into the rest of `into` from `from` on, as integers, and gives the place behind them.
 * @throws CodecError `batch-column`
 */
export function readPlanes(bytes: Uint8Array, start: number, into: Float64Array, from: number, planes: number): number {
  const stride = into.length - from;
  if (bytes.length - start < planes * stride) throw badColumn('byte planes cut short');
  if (planes <= 2) readNarrowPlanes(bytes, start, into, from, planes);
  else readWidePlanes(bytes, start, into, from, planes);
  return start + planes * stride;
}

/** One or two, which nearly all are. */
function readNarrowPlanes(bytes: Uint8Array, low: number, into: Float64Array, from: number, planes: number): void {
  const stride = into.length - from;
  const high = low + stride;
  for (let i = 0; i < stride; i++) {
    let code = bytes[low + i]!;
    if (planes === 2) code |= bytes[high + i]! << 8;
    into[from + i] = (code >>> 1) ^ -(code & 1);
  }
}

function readWidePlanes(bytes: Uint8Array, start: number, into: Float64Array, from: number, planes: number): void {
  let at = start;
  for (let plane = 0, unit = 1; plane < planes; plane++, unit *= 0x100) {
    for (let i = from; i < into.length; i++) into[i]! += bytes[at++]! * unit;
  }
  for (let i = from; i < into.length; i++) {
    const code = into[i]!;
    if (code > CODE_MAX) throw badColumn('code out of range');
    into[i] = unzigzag(code);
  }
}
