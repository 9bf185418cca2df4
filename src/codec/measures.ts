/**
 * Measures: doubles as scaled integers (proto-spec/batch.md, "Measure columns").
 *
 * Owns the way from a run of finite doubles to mantissas at one power of ten, and exact sums over them. Promises that
 * every double comes back bit for bit, minus zero included, and that a sum is the sum of the shortest decimals. Never
 * holds more than one power of ten for a column: what does not fit it is an *odd* value and stands beside.
 */
import { HEAP, type Memory } from './arena.ts';
import { placesOf } from './bits.ts';
import { addDecimals, type Decimal, decimalOf, ZERO } from './decimal.ts';
import { nudge, nudgeBetween, packDoubles, unpackDoubles } from './doubles.ts';
import { badColumn, malformed } from './errors.ts';
import { type Kinship, type PackedFractions, packFractions, unpackFractions } from './fractions.ts';
import { decodeIntegers, encodeIntegers, type Integers, packedBytes, planIntegers } from './integers.ts';
import { SCALE_MAX } from './limits.ts';

/**
 * A run of doubles. `values[i]` is `mantissas[i]` / 10^`scale` and that quotient is its shortest decimal, except at the
 * positions in `odd` (ascending), where only `values` counts.
 */
export interface Measures {
  readonly values: Float64Array;
  readonly scale: number;
  readonly mantissas: Float64Array;
  /** The greatest absolute mantissa. */
  readonly magnitude: number;
  readonly odd: Uint32Array;
}

/**
 * One measure column on the wire: `[scale, mantissas, nudges, oddPositions, oddValues]`, or `[doubles]`.
 * Nudges are added to the bit pattern of the quotient: they catch decimals that arithmetic has pushed a few units in
 * the last place aside (74.93588199999998 for 74.935882), which would otherwise cost six more digits each.
 */
export type PackedMeasures =
  | readonly [
      scale: number,
      mantissas: Uint8Array | PackedFractions,
      nudges: Uint8Array | null,
      oddPositions: Uint8Array | null,
      oddValues: Uint8Array | null,
    ]
  | readonly [doubles: Uint8Array];

const POWERS = Float64Array.from({ length: SCALE_MAX + 1 }, (_, exponent) => Number(`1e${exponent}`));

/** Decimals of up to 15 digits and doubles pair off one to one, so a quotient that matches is the shortest decimal. */
const MANTISSA_LIMIT = 1e15;

/** A smaller scale is taken where it fits the sample as well as any but for this share. */
const ODD_SHARE = 1 / 50;

const SAMPLE = 64;

/** So many are sized to tell what all would come to: those of fractions are long, and slow to size. */
const RUN = 512;

/** Fractions take three integers a value: nothing is to be won where plain ones take no more bytes than that. */
const FRACTION_BYTES_MIN = 3;

/** Finds the scale and mantissas of finite doubles. */
export function measuresOf(values: Float64Array): Measures {
  const scale = scaleFor(values);
  const unit = POWERS[scale]!;
  const mantissas = new Float64Array(values.length);
  const odd: number[] = [];
  let magnitude = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const mantissa = Math.round(value * unit);
    const size = Math.abs(mantissa);
    if (size < MANTISSA_LIMIT) {
      mantissas[i] = mantissa + 0;
      if (size > magnitude) magnitude = size;
      if (mantissa / unit === value && (mantissa !== 0 || !Object.is(value, -0))) continue;
    } else if (i > 0) {
      // Out of reach: repeat the neighbour, which costs nothing as a difference.
      mantissas[i] = mantissas[i - 1]!;
    }
    odd.push(i);
  }
  return { values, scale, mantissas, magnitude, odd: Uint32Array.from(odd) };
}

/** The smallest power of ten that makes integers of nearly as many values as any does. */
function scaleFor(values: Float64Array): number {
  const step = Math.max(1, Math.floor(values.length / SAMPLE));
  const fits = new Uint32Array(SCALE_MAX + 1);
  let sampled = 0;
  for (let i = 0; i < values.length; i += step, sampled++) {
    const value = Math.abs(values[i]!);
    for (let scale = scaleOf(value); scale <= SCALE_MAX && value * POWERS[scale]! < MANTISSA_LIMIT; scale++)
      fits[scale]!++;
  }
  const enough = Math.max(...fits) - sampled * ODD_SHARE;
  return fits.findIndex((count) => count >= enough);
}

/** The smallest scale at which a value of 0 or above is an integer, give or take a nudge; else Infinity. */
function scaleOf(value: number): number {
  const tolerance = value * 2 ** -50;
  for (let scale = 0; scale <= SCALE_MAX; scale++) {
    const mantissa = Math.round(value * POWERS[scale]!);
    if (!(mantissa < MANTISSA_LIMIT)) break;
    if (Math.abs(mantissa / POWERS[scale]! - value) <= tolerance) return scale;
  }
  return Number.POSITIVE_INFINITY;
}

/** Packs the values in the smaller of the two forms; `kin` goes from one column of a table to the next. */
export function packMeasures(measures: Measures, kin?: Kinship): PackedMeasures {
  const { values, scale, mantissas, odd } = measures;
  const doubles = 8 * values.length;
  const nudges = new Float64Array(odd.length === 0 ? 0 : values.length);
  const farPositions: number[] = [];
  let nudged = false;
  for (const at of odd) {
    const distance = nudgeBetween(mantissas[at]! / POWERS[scale]!, values[at]!);
    if (distance === 0) farPositions.push(at);
    else {
      nudges[at] = distance;
      nudged = true;
    }
  }
  if (farPositions.length * 8 > doubles / 2) return [packDoubles(values)];
  const far = Float64Array.from(farPositions, (at) => values[at]!);
  const packed: PackedMeasures = [
    scale,
    packMantissas(mantissas, scale, kin),
    nudged ? encodeIntegers(nudges) : null,
    far.length > 0 ? encodeIntegers(Float64Array.from(farPositions)) : null,
    far.length > 0 ? packDoubles(far) : null,
  ];
  return bytesOf(packed) <= doubles + 1 ? packed : [packDoubles(values)];
}

/** In the smaller of the two forms; of many, what a run of them in the middle comes to tells which. */
function packMantissas(mantissas: Float64Array, scale: number, kin?: Kinship): Uint8Array | PackedFractions {
  const count = mantissas.length;
  const from = Math.max(0, (count - RUN) >> 1);
  const plan = planIntegers(mantissas.subarray(from, from + RUN));
  const bytes = (plan.bytes * count) / Math.min(RUN, count);
  if (bytes >= FRACTION_BYTES_MIN * count) {
    const fractions = packFractions(mantissas, scale, kin);
    if (fractions !== undefined && bytesOf(fractions) < bytes) return fractions;
  }
  return count <= RUN ? encodeIntegers(mantissas, plan) : encodeIntegers(mantissas);
}

/** About; of anything but a bin, one. */
function bytesOf(packed: readonly unknown[]): number {
  let bytes = 0;
  for (const part of packed)
    bytes += Array.isArray(part) ? bytesOf(part) : part instanceof Uint8Array ? part.length : 1;
  return bytes;
}

/**
 * Unpacks `count` values.
 * @throws CodecError `batch-malformed` where the parts are not those of a column, `batch-column` where their bytes do
 *   not unpack to that many finite doubles.
 */
export function unpackMeasures(packed: readonly unknown[], count: number, memory = HEAP): Measures {
  if (packed.length === 1) return unscaled(unpackDoubles(packedBytes(packed[0]), count));
  if (packed.length !== 5) throw malformed('a measure column has one or five parts');
  const [scale, ...parts] = packed;
  if (typeof scale !== 'number' || !Number.isInteger(scale) || scale < 0 || scale > SCALE_MAX) throw malformed('scale');
  const { values: mantissas, low, high } = unpackMantissas(parts[0], count, memory);
  const magnitude = Math.max(-low, high);
  const unit = POWERS[scale]!;
  const values = memory.doubles(count);
  for (let i = 0; i < count; i++) values[i] = mantissas[i]! / unit;
  const plain = parts[1] === null && parts[2] === null && magnitude < MANTISSA_LIMIT;
  const odd = new Uint8Array(plain ? 0 : count);
  if (parts[1] !== null) {
    const nudges = decodeIntegers(packedBytes(parts[1]), count, memory).values;
    for (let i = 0; i < count; i++) {
      if (nudges[i] === 0) continue;
      values[i] = nudge(values[i]!, nudges[i]!);
      odd[i] = 1;
    }
  }
  if (parts[2] !== null) {
    const doubles = packedBytes(parts[3]);
    const far = Math.floor(doubles.length / 8);
    if (far > count) throw badColumn('more odd values than values');
    const positions = decodeIntegers(packedBytes(parts[2]), far).values;
    const exact = unpackDoubles(doubles, far);
    for (let i = 0; i < far; i++) {
      const at = positions[i]!;
      if (at < 0 || at >= count || (i > 0 && at <= positions[i - 1]!)) throw badColumn('odd positions must ascend');
      values[at] = exact[i]!;
      odd[at] = 1;
    }
  } else if (parts[3] !== null) throw malformed('odd values without positions');
  // Longer mantissas may not be the shortest decimal of their quotient: their values decide.
  if (magnitude >= MANTISSA_LIMIT) {
    for (let i = 0; i < count; i++) if (Math.abs(mantissas[i]!) >= MANTISSA_LIMIT) odd[i] = 1;
  }
  return { values, scale, mantissas, magnitude, odd: placesOf(odd) };
}

function unpackMantissas(part: unknown, count: number, memory: Memory): Integers {
  return Array.isArray(part) ? unpackFractions(part, count, memory) : decodeIntegers(packedBytes(part), count, memory);
}

/** The exact sum of the shortest decimals of `values[from]` … `values[to - 1]`. */
export function sumMeasures(measures: Measures, from = 0, to = measures.values.length): Decimal {
  const { values, mantissas, magnitude, scale } = measures;
  const sum = { digits: sumIntegers(mantissas, magnitude, from, to), scale };
  const odd = measures.odd.subarray(lowerBound(measures.odd, from), lowerBound(measures.odd, to));
  if (odd.length === 0) return sum;
  // What the mantissas of odd values have put into the sum goes out again, and the values go in.
  const wrong = sumIntegers(
    Float64Array.from(odd, (at) => mantissas[at]!),
    magnitude,
    0,
    odd.length,
  );
  return addDecimals({ digits: sum.digits - wrong, scale }, sumOdd(values, odd));
}

/** One running sum for each scale: numbers of one scale add up without powers of ten. */
function sumOdd(values: Float64Array, odd: Uint32Array): Decimal {
  const sums: bigint[] = [];
  for (let i = 0; i < odd.length; i++) {
    const { digits, scale } = decimalOf(values[odd[i]!]!);
    sums[scale] = (sums[scale] ?? 0n) + digits;
  }
  return sums.reduce<Decimal>((sum, digits, scale) => addDecimals(sum, { digits, scale }), ZERO);
}

/** Plain additions while they stay below 2^53; beyond that in two halves, each of which does. */
function sumIntegers(integers: Float64Array, magnitude: number, from: number, to: number): bigint {
  if (magnitude * (to - from) <= Number.MAX_SAFE_INTEGER) {
    let sum = 0;
    for (let i = from; i < to; i++) sum += integers[i]!;
    return BigInt(sum);
  }
  let high = 0;
  let low = 0;
  for (let i = from; i < to; i++) {
    const upper = Math.floor(integers[i]! / 0x4000000);
    high += upper;
    low += integers[i]! - upper * 0x4000000;
  }
  return BigInt(high) * 0x4000000n + BigInt(low);
}

function unscaled(values: Float64Array): Measures {
  const odd = placesOf(new Uint8Array(values.length).fill(1));
  return { values, scale: 0, mantissas: new Float64Array(values.length), magnitude: 0, odd };
}

function lowerBound(sorted: Uint32Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
