/**
 * Integer columns: a run of integers as seeds and differences (proto-spec/batch.md, "Integer columns").
 *
 * Owns the one packing that times, mantissas, dictionary indices and run lengths share. Promises that decoding gives
 * back every integer within ±INTEGER_MAX, and that no input makes it do more than one pass over `count` values.
 * Never guesses: the encoder sizes every alternative and takes the smallest.
 *
 *   byte 0          order × 16 + layout
 *   `order` seeds   zigzag varints: the first value, then the first difference
 *   residuals       the rest, after `order` rounds of differences, zigzag:
 *                   layout 0: none, all are zero; 1–7: that many byte planes, low bytes first; 15: varints
 */
import assert from 'node:assert';
import { CodecError } from './errors.ts';
import { INTEGER_MAX } from './limits.ts';

const LAYOUT_ZERO = 0;
const LAYOUT_VARINT = 15;
const PLANES_MAX = 7;
const ORDER_MAX = 2;
const VARINT_BYTES_MAX = 8;

export interface Integers {
  readonly values: Float64Array;
  /** The greatest absolute value: tells a summing loop whether plain additions stay exact. */
  readonly magnitude: number;
}

/** Packs the integers; each must be within ±INTEGER_MAX. */
export function encodeIntegers(values: Float64Array): Uint8Array {
  const plan = planFor(values);
  const seeds = Math.min(plan.order, values.length);
  const bytes = new Uint8Array(plan.bytes);
  bytes[0] = plan.order * 16 + plan.layout;
  let at = 1;
  let previous = 0;
  let step = 0;
  for (let i = 0; i < seeds; i++) {
    const value = values[i]!;
    at = putVarint(bytes, at, zigzag(value - (i === 0 ? 0 : previous)));
    step = i === 0 ? 0 : value - previous;
    previous = value;
  }
  if (plan.layout === LAYOUT_ZERO) return bytes;
  const planes = plan.layout;
  const stride = values.length - seeds;
  for (let i = seeds; i < values.length; i++) {
    const value = values[i]!;
    let residual = value;
    if (plan.order > 0) {
      const difference = value - previous;
      residual = plan.order === 1 ? difference : difference - step;
      step = difference;
      previous = value;
    }
    const code = zigzag(residual);
    if (planes === LAYOUT_VARINT) at = putVarint(bytes, at, code);
    else putPlanes(bytes, at + i - seeds, stride, planes, code);
  }
  return bytes;
}

interface Plan {
  readonly order: number;
  readonly layout: number;
  readonly bytes: number;
}

/** One pass that sizes every order in both layouts. */
function planFor(values: Float64Array): Plan {
  const varints = [0, 0, 0];
  const largest = [0, 0, 0];
  const seedBytes = [0, 0, 0];
  let previous = 0;
  let step = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    assert(value <= INTEGER_MAX && value >= -INTEGER_MAX, 'integer out of range');
    const difference = value - previous;
    const raw = zigzag(value);
    const first = zigzag(difference);
    const second = zigzag(difference - step);
    varints[0]! += varintBytes(raw);
    if (raw > largest[0]!) largest[0] = raw;
    if (i === 0) {
      seedBytes[1] = varintBytes(raw);
      seedBytes[2] = seedBytes[1]!;
    } else {
      varints[1]! += varintBytes(first);
      if (first > largest[1]!) largest[1] = first;
      if (i === 1) {
        seedBytes[2]! += varintBytes(first);
        if (first > Number.MAX_SAFE_INTEGER) largest[2] = Number.POSITIVE_INFINITY;
      } else {
        varints[2]! += varintBytes(second);
        if (second > largest[2]!) largest[2] = second;
      }
    }
    step = i === 0 ? 0 : difference;
    previous = value;
  }
  let best: Plan = { order: 0, layout: LAYOUT_VARINT, bytes: 1 + varints[0]! };
  for (let order = ORDER_MAX; order >= 0; order--) {
    // A difference that zigzag would round is not an alternative.
    if (largest[order]! > Number.MAX_SAFE_INTEGER) continue;
    const head = 1 + seedBytes[order]!;
    const rest = Math.max(0, values.length - order);
    if (largest[order] === 0) {
      if (head <= best.bytes) best = { order, layout: LAYOUT_ZERO, bytes: head };
      continue;
    }
    if (head + varints[order]! < best.bytes) best = { order, layout: LAYOUT_VARINT, bytes: head + varints[order]! };
    const planes = planesFor(largest[order]!);
    // On a tie planes win: they inflate to the same size but hold like bytes together.
    if (head + planes * rest <= best.bytes) best = { order, layout: planes, bytes: head + planes * rest };
  }
  return best;
}

/**
 * Unpacks `count` integers.
 * @throws CodecError `batch-column` where the bytes are not exactly that many integers in range.
 */
export function decodeIntegers(bytes: Uint8Array, count: number): Integers {
  const reader = new IntegerReader(bytes);
  const descriptor = reader.byte();
  const order = descriptor >> 4;
  const layout = descriptor & 15;
  if (order > ORDER_MAX) throw bad(`integer column of order ${order}`);
  if (layout > PLANES_MAX && layout !== LAYOUT_VARINT) throw bad(`integer column of layout ${layout}`);
  const seeds = Math.min(order, count);
  const rest = count - seeds;
  if (layout >= 1 && layout <= PLANES_MAX && bytes.length - reader.at < layout * rest)
    throw bad('byte planes cut short');
  if (layout === LAYOUT_VARINT && bytes.length - reader.at < seeds + rest) throw bad('varints cut short');
  const values = new Float64Array(count);
  for (let i = 0; i < seeds; i++) values[i] = reader.zigzag();
  if (layout === LAYOUT_VARINT) reader.varints(values, seeds);
  else if (layout !== LAYOUT_ZERO) reader.planes(values, seeds, layout);
  if (reader.at !== bytes.length) throw bad('bytes after the last integer');
  return { values, magnitude: undifference(values, order) };
}

/** Sums the differences back in place and checks the range; the loop is the decoder's hottest. */
function undifference(values: Float64Array, order: number): number {
  let previous = 0;
  let step = 0;
  let low = 0;
  let high = 0;
  if (order === 0) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value < low) low = value;
      else if (value > high) high = value;
    }
  } else if (order === 1) {
    for (let i = 0; i < values.length; i++) {
      previous += values[i]!;
      values[i] = previous;
      if (previous < low) low = previous;
      else if (previous > high) high = previous;
    }
  } else {
    for (let i = 0; i < values.length; i++) {
      // The first value is a seed, not a step: the step starts with the second.
      if (i === 0) previous = values[0]!;
      else {
        step += values[i]!;
        previous += step;
        values[i] = previous;
      }
      if (previous < low) low = previous;
      else if (previous > high) high = previous;
    }
  }
  const magnitude = Math.max(high, -low);
  if (!(magnitude <= INTEGER_MAX)) throw bad('integer out of range');
  return magnitude;
}

class IntegerReader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw bad('integer column cut short');
    return byte;
  }

  zigzag(): number {
    return unzigzag(this.#varint());
  }

  varints(into: Float64Array, from: number): void {
    const bytes = this.#bytes;
    let at = this.at;
    for (let i = from; i < into.length; i++) {
      const byte = bytes[at];
      // One- and two-byte codes are nearly all there are; the rest take the general way.
      if (byte !== undefined && byte < 0x80) {
        at++;
        into[i] = byte & 1 ? -((byte + 1) >> 1) : byte >> 1;
        continue;
      }
      const next = bytes[at + 1];
      if (byte !== undefined && next !== undefined && next < 0x80) {
        at += 2;
        const code = (byte & 0x7f) | (next << 7);
        into[i] = code & 1 ? -((code + 1) >> 1) : code >> 1;
        continue;
      }
      this.at = at;
      into[i] = unzigzag(this.#varint());
      at = this.at;
    }
    this.at = at;
  }

  planes(into: Float64Array, from: number, planes: number): void {
    const bytes = this.#bytes;
    const stride = into.length - from;
    const start = this.at;
    for (let i = 0; i < stride; i++) {
      let low = 0;
      let high = 0;
      for (let plane = 0; plane < planes; plane++) {
        const byte = bytes[start + plane * stride + i]!;
        if (plane < 3) low |= byte << (8 * plane);
        else high += byte * 2 ** (8 * (plane - 3));
      }
      into[from + i] = unzigzag(high * 0x1000000 + low);
    }
    this.at = start + planes * stride;
  }

  #varint(): number {
    let code = 0;
    let unit = 1;
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      const byte = this.byte();
      code += (byte & 0x7f) * unit;
      if (byte < 0x80) {
        if (code > Number.MAX_SAFE_INTEGER) break;
        return code;
      }
      unit *= 128;
    }
    throw bad('varint too long');
  }
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

function unzigzag(code: number): number {
  return code % 2 === 0 ? code / 2 : -(code + 1) / 2;
}

function varintBytes(code: number): number {
  if (code < 0x80) return 1;
  if (code < 0x4000) return 2;
  if (code < 0x200000) return 3;
  if (code < 0x10000000) return 4;
  if (code < 0x800000000) return 5;
  if (code < 0x40000000000) return 6;
  return code < 0x2000000000000 ? 7 : 8;
}

function putVarint(bytes: Uint8Array, at: number, code: number): number {
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

function planesFor(code: number): number {
  let planes = 1;
  for (let limit = 256; code >= limit; limit *= 256) planes++;
  return planes;
}

function putPlanes(bytes: Uint8Array, at: number, stride: number, planes: number, code: number): void {
  let rest = code;
  for (let plane = 0; plane < planes; plane++) {
    bytes[at + plane * stride] = rest & 0xff;
    rest = rest < 0x80000000 ? rest >> 8 : Math.floor(rest / 256);
  }
}

function bad(message: string): CodecError {
  return new CodecError('batch-column', message);
}
