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
import { HEAP } from './arena.ts';
import {
  CODE_MAX,
  PLANES_MAX,
  planesFor,
  putPlanes,
  putVarint,
  readPlanes,
  readVarints,
  varintBytes,
  zigzag,
} from './codes.ts';
import { badColumn, malformed } from './errors.ts';
import { INTEGER_MAX } from './limits.ts';

const LAYOUT_ZERO = 0;
const LAYOUT_VARINT = 15;
const ORDER_MAX = 2;

export interface Integers {
  readonly values: Float64Array;
  /** The least value, or 0 where that is less. */
  readonly low: number;
  /** The greatest value, or 0 where that is more. */
  readonly high: number;
}

/** Packs the integers, as planned; each must be within ±INTEGER_MAX. */
export function encodeIntegers(values: Float64Array, plan = planIntegers(values)): Uint8Array {
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

/** How to encode: an order, a layout, and the bytes that this takes. */
export interface IntegersPlan {
  readonly order: number;
  readonly layout: number;
  readonly bytes: number;
}

/** What takes the fewest bytes, of every order in both layouts. */
export function planIntegers(values: Float64Array): IntegersPlan {
  const { varints, largest } = sizesOfSmall(values) ?? sizesOf(values);
  const count = values.length;
  const seed = count > 0 ? varintBytes(zigzag(values[0]!)) : 0;
  const secondSeed = count > 1 ? varintBytes(zigzag(values[1]! - values[0]!)) : 0;
  let best: IntegersPlan = { order: 0, layout: LAYOUT_VARINT, bytes: 1 + varints[0] };
  best = betterPlan(best, 2, 1 + seed + secondSeed, Math.max(0, count - 2), varints[2], largest[2]);
  best = betterPlan(best, 1, 1 + seed, Math.max(0, count - 1), varints[1], largest[1]);
  return betterPlan(best, 0, 1, count, varints[0], largest[0]);
}

/** By order: bytes of all residuals as varints, and the largest residual as a code. All are sized in one pass. */
interface Sizes {
  readonly varints: readonly [number, number, number];
  readonly largest: readonly [number, number, number];
}

/** Below it, differences of differences are integers of 32 bits, and so are their codes. */
const SMALL_LIMIT = 2 ** 28;

/** Bytes of a varint by the bits of its code. */
const VARINT_BYTES = Uint8Array.from({ length: 33 }, (_, bits) => Math.max(1, Math.ceil(bits / 7)));

/** As `sizesOf`, in integers of 32 bits; undefined where a value is not small. Nearly all columns but times are. */
function sizesOfSmall(values: Float64Array): Sizes | undefined {
  let [varints0, varints1, varints2] = [0, 0, 0];
  let [largest0, largest1, largest2] = [0, 0, 0];
  let previous = 0;
  let step = 0;
  for (let i = 0; i < values.length; i++) {
    const exact = values[i]!;
    if (!(exact < SMALL_LIMIT && exact > -SMALL_LIMIT)) return undefined;
    const value = exact | 0;
    const raw = (value << 1) ^ (value >> 31);
    varints0 += VARINT_BYTES[32 - Math.clz32(raw)]!;
    if (raw > largest0) largest0 = raw;
    if (i > 0) {
      const difference = (value - previous) | 0;
      const first = (difference << 1) ^ (difference >> 31);
      varints1 += VARINT_BYTES[32 - Math.clz32(first)]!;
      if (first > largest1) largest1 = first;
      if (i > 1) {
        const bend = (difference - step) | 0;
        const second = (bend << 1) ^ (bend >> 31);
        varints2 += VARINT_BYTES[32 - Math.clz32(second)]!;
        if (second > largest2) largest2 = second;
      }
      step = difference;
    }
    previous = value;
  }
  return { varints: [varints0, varints1, varints2], largest: [largest0, largest1, largest2] };
}

function sizesOf(values: Float64Array): Sizes {
  let [varints0, varints1, varints2] = [0, 0, 0];
  let [largest0, largest1, largest2] = [0, 0, 0];
  let previous = 0;
  let step = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    assert(value <= INTEGER_MAX && value >= -INTEGER_MAX, 'integer out of range');
    const raw = zigzag(value);
    varints0 += varintBytes(raw);
    if (raw > largest0) largest0 = raw;
    if (i > 0) {
      const difference = value - previous;
      const first = zigzag(difference);
      varints1 += varintBytes(first);
      if (first > largest1) largest1 = first;
      if (i > 1) {
        const second = zigzag(difference - step);
        varints2 += varintBytes(second);
        if (second > largest2) largest2 = second;
      } else if (first > CODE_MAX) largest2 = Number.POSITIVE_INFINITY;
      step = difference;
    }
    previous = value;
  }
  return { varints: [varints0, varints1, varints2], largest: [largest0, largest1, largest2] };
}

/** The best so far, or an order with `rest` residuals behind its head where that takes less. */
function betterPlan(
  best: IntegersPlan,
  order: number,
  head: number,
  rest: number,
  varints: number,
  largest: number,
): IntegersPlan {
  // A difference that zigzag would round is not an alternative.
  if (largest > CODE_MAX) return best;
  if (largest === 0) return head <= best.bytes ? { order, layout: LAYOUT_ZERO, bytes: head } : best;
  const better = head + varints < best.bytes ? { order, layout: LAYOUT_VARINT, bytes: head + varints } : best;
  const planes = planesFor(largest);
  // On a tie planes win: they inflate to the same size but hold like bytes together.
  return head + planes * rest <= better.bytes ? { order, layout: planes, bytes: head + planes * rest } : better;
}

/**
 * Unpacks `count` integers.
 * @throws CodecError `batch-column` where the bytes are not exactly that many integers in range.
 */
export function decodeIntegers(bytes: Uint8Array, count: number, memory = HEAP): Integers {
  if (bytes.length === 0) throw badColumn('integer column without a descriptor');
  const order = bytes[0]! >> 4;
  const layout = bytes[0]! & 15;
  if (order > ORDER_MAX) throw badColumn(`integer column of order ${order}`);
  if (layout > PLANES_MAX && layout !== LAYOUT_VARINT) throw badColumn(`integer column of layout ${layout}`);
  const seeds = Math.min(order, count);
  const least = seeds + (count - seeds) * (layout === LAYOUT_VARINT ? 1 : layout);
  if (bytes.length - 1 < least) throw badColumn('integers cut short');
  const values = memory.doubles(count);
  let at = readVarints(bytes, 1, values, 0, seeds);
  if (layout === LAYOUT_VARINT) at = readVarints(bytes, at, values, seeds, count);
  else if (layout !== LAYOUT_ZERO) at = readPlanes(bytes, at, values, seeds, layout);
  if (at !== bytes.length) throw badColumn('integers cut short, or bytes after the last');
  return { values, ...undifference(values, order) };
}

/** Sums the differences back in place and checks the range; the loop is the decoder's hottest. */
function undifference(values: Float64Array, order: number): Omit<Integers, 'values'> {
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
  if (high > INTEGER_MAX || low < -INTEGER_MAX) throw badColumn('integer out of range');
  return { low, high };
}

/** @throws CodecError `batch-malformed` where the part of a column is none that was packed */
export function packedBytes(part: unknown): Uint8Array {
  if (part instanceof Uint8Array) return part;
  throw malformed('a packed column is binary');
}
