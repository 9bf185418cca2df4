/**
 * Measures: doubles as scaled integers (proto-spec/batch.md, "Measure columns").
 *
 * Owns the way from a run of finite doubles to mantissas at one power of ten, and exact sums over them. Promises that
 * every double comes back bit for bit, minus zero included, and that a sum is the sum of the shortest decimals. Never
 * holds more than one power of ten for a column: what does not fit it is an *odd* value and stands beside.
 */
import { addDecimals, type Decimal, decimalOf } from './decimal.ts';
import { CodecError } from './errors.ts';
import { decodeIntegers, encodeIntegers } from './integers.ts';
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
      mantissas: Uint8Array,
      nudges: Uint8Array | null,
      oddPositions: Uint8Array | null,
      oddValues: Uint8Array | null,
    ]
  | readonly [doubles: Uint8Array];

const POWERS = Float64Array.from({ length: SCALE_MAX + 1 }, (_, exponent) => Number(`1e${exponent}`));

/** Decimals of up to 15 digits and doubles pair off one to one, so a quotient that matches is the shortest decimal. */
const MANTISSA_LIMIT = 1e15;

/** Nudges reach this far; every double lies within it of some 15-digit decimal. */
const NUDGE_MAX = 15;

/** A sampled scale is taken where it fits all but this share of the sample. */
const ODD_SHARE = 1 / 50;

const SAMPLE = 64;

const double = new Float64Array(1);
const pattern = new BigInt64Array(double.buffer);

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

/** The smallest power of ten that makes integers of all but a few of the values. */
function scaleFor(values: Float64Array): number {
  const step = Math.max(1, Math.floor(values.length / SAMPLE));
  const wanted = new Uint32Array(SCALE_MAX + 1);
  let sampled = 0;
  for (let i = 0; i < values.length; i += step) {
    const scale = scaleOf(values[i]!);
    if (scale < 0) continue;
    wanted[scale]!++;
    sampled++;
  }
  let left = Math.floor(sampled * ODD_SHARE);
  let scale = SCALE_MAX;
  while (scale > 0 && wanted[scale]! <= left) left -= wanted[scale--]!;
  return sampled === 0 ? 0 : scale;
}

/** The smallest scale at which one value is an integer, give or take a nudge; −1 where there is none. */
function scaleOf(value: number): number {
  const tolerance = Math.abs(value) * 2 ** -50;
  for (let scale = 0; scale <= SCALE_MAX; scale++) {
    const mantissa = Math.round(value * POWERS[scale]!);
    if (!(Math.abs(mantissa) < MANTISSA_LIMIT)) return -1;
    if (Math.abs(mantissa / POWERS[scale]! - value) <= tolerance) return scale;
  }
  return -1;
}

/** Packs the values in the smaller of the two forms. */
export function packMeasures(measures: Measures): PackedMeasures {
  const { values, scale, mantissas, odd } = measures;
  const doubles = 8 * values.length;
  const nudges = new Float64Array(odd.length === 0 ? 0 : values.length);
  const farPositions: number[] = [];
  let nudged = false;
  for (const at of odd) {
    const nudge = nudgeTo(values[at]!, mantissas[at]! / POWERS[scale]!);
    if (nudge === 0) farPositions.push(at);
    else {
      nudges[at] = nudge;
      nudged = true;
    }
  }
  if (farPositions.length * 8 > doubles / 2) return [packDoubles(values)];
  const far = Float64Array.from(farPositions, (at) => values[at]!);
  const packed: PackedMeasures = [
    scale,
    encodeIntegers(mantissas),
    nudged ? encodeIntegers(nudges) : null,
    far.length > 0 ? encodeIntegers(Float64Array.from(farPositions)) : null,
    far.length > 0 ? packDoubles(far) : null,
  ];
  const bytes = packed.reduce<number>((sum, part) => sum + (part instanceof Uint8Array ? part.length : 1), 0);
  return bytes <= doubles + 1 ? packed : [packDoubles(values)];
}

/**
 * Unpacks `count` values.
 * @throws CodecError `batch-column` where the parts do not decode to that many finite doubles.
 */
export function unpackMeasures(packed: readonly unknown[], count: number): Measures {
  if (packed.length === 1) return unscaled(unpackDoubles(binary(packed[0]), count));
  if (packed.length !== 5) throw bad('a measure column has one or five parts');
  const [scale, ...parts] = packed;
  if (typeof scale !== 'number' || !Number.isInteger(scale) || scale < 0 || scale > SCALE_MAX) throw bad('scale');
  const { values: mantissas, magnitude } = decodeIntegers(binary(parts[0]), count);
  const unit = POWERS[scale]!;
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = mantissas[i]! / unit;
  const odd = new Set<number>();
  if (parts[1] !== null) {
    const nudges = decodeIntegers(binary(parts[1]), count).values;
    for (let i = 0; i < count; i++) {
      if (nudges[i] === 0) continue;
      values[i] = nudged(values[i]!, nudges[i]!);
      odd.add(i);
    }
  }
  if (parts[2] !== null) {
    const doubles = binary(parts[3]);
    const far = doubles.length / 8;
    if (far > count) throw bad('more odd values than values');
    const positions = decodeIntegers(binary(parts[2]), far).values;
    const exact = unpackDoubles(doubles, far);
    for (let i = 0; i < far; i++) {
      const at = positions[i]!;
      if (at < 0 || at >= count || (i > 0 && at <= positions[i - 1]!)) throw bad('odd positions must ascend');
      values[at] = exact[i]!;
      odd.add(at);
    }
  } else if (parts[3] !== null) throw bad('odd values without positions');
  // Longer mantissas may not be the shortest decimal of their quotient: their values decide.
  if (magnitude >= MANTISSA_LIMIT) {
    for (let i = 0; i < count; i++) if (Math.abs(mantissas[i]!) >= MANTISSA_LIMIT) odd.add(i);
  }
  return { values, scale, mantissas, magnitude, odd: Uint32Array.from(odd).sort() };
}

/** The exact sum of the shortest decimals of `values[from]` … `values[to - 1]`. */
export function sumMeasures(measures: Measures, from = 0, to = measures.values.length): Decimal {
  const { mantissas, odd, scale } = measures;
  let oddAt = lowerBound(odd, from);
  if (oddAt === odd.length || odd[oddAt]! >= to) {
    return { digits: sumIntegers(mantissas, measures.magnitude, from, to), scale };
  }
  let sum: Decimal = { digits: 0n, scale };
  let at = from;
  for (; oddAt < odd.length && odd[oddAt]! < to; oddAt++) {
    const next = odd[oddAt]!;
    if (next > at) sum = addDecimals(sum, { digits: sumIntegers(mantissas, measures.magnitude, at, next), scale });
    sum = addDecimals(sum, decimalOf(measures.values[next]!));
    at = next + 1;
  }
  return addDecimals(sum, { digits: sumIntegers(mantissas, measures.magnitude, at, to), scale });
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
  const odd = Uint32Array.from(values, (_, at) => at);
  return { values, scale: 0, mantissas: new Float64Array(values.length), magnitude: 0, odd };
}

/** How many bit patterns lie from `quotient` to `value`; 0 for too many, or for none that a nudge can express. */
function nudgeTo(value: number, quotient: number): number {
  if (quotient === 0) return 0;
  double[0] = value;
  const target = pattern[0]!;
  double[0] = quotient;
  const distance = target - pattern[0]!;
  return distance >= -NUDGE_MAX && distance <= NUDGE_MAX ? Number(distance) : 0;
}

function nudged(quotient: number, nudge: number): number {
  if (Math.abs(nudge) > NUDGE_MAX) throw bad('nudge out of range');
  double[0] = quotient;
  pattern[0] = pattern[0]! + BigInt(nudge);
  if (!Number.isFinite(double[0])) throw bad('nudged out of the finite numbers');
  return double[0];
}

/** Little-endian doubles, all first bytes, then all second bytes …: signs and exponents come to lie together. */
function packDoubles(values: Float64Array): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(new ArrayBuffer(8));
  for (let i = 0; i < values.length; i++) {
    view.setFloat64(0, values[i]!, true);
    for (let plane = 0; plane < 8; plane++) bytes[plane * values.length + i] = view.getUint8(plane);
  }
  return bytes;
}

function unpackDoubles(bytes: Uint8Array, count: number): Float64Array {
  if (bytes.length !== 8 * count) throw bad('doubles cut short or overlong');
  const values = new Float64Array(count);
  const view = new DataView(new ArrayBuffer(8));
  for (let i = 0; i < count; i++) {
    for (let plane = 0; plane < 8; plane++) view.setUint8(plane, bytes[plane * count + i]!);
    const value = view.getFloat64(0, true);
    if (!Number.isFinite(value)) throw bad('a measure is finite');
    values[i] = value;
  }
  return values;
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

function binary(part: unknown): Uint8Array {
  if (part instanceof Uint8Array) return part;
  throw bad('a packed column is binary');
}

function bad(message: string): CodecError {
  return new CodecError('batch-column', message);
}
