/**
 * Fractions: mantissas that are quotients of small integers, such as averages and interpolations (proto-spec/batch.md,
 * "Fractions").
 *
 * Owns the way from a mantissa to a whole number, a proper fraction and what is then still wrong, and back. Promises
 * that every mantissa comes back, whatever was found. Never tries where plain integers are small already.
 */
import { HEAP } from './arena.ts';
import { badColumn, malformed } from './errors.ts';
import { decodeIntegers, encodeIntegers, type Integers, packedBytes } from './integers.ts';
import { INTEGER_MAX } from './limits.ts';

/** `[places, wholes, numerators, denominators, corrections]`; corrections are null where all are 0. */
export type PackedFractions = readonly [
  places: number,
  wholes: Uint8Array,
  numerators: Uint8Array,
  denominators: Uint8Array,
  corrections: Uint8Array | null,
];

/** With these bounds every step below is exact in doubles. */
const DENOMINATOR_MAX = 1_024;
const PLACES_MAX = 12;

/** From so many places on, a fraction of such denominators is no accident. */
const PLACES_MIN = 8;

/** Decimals of 15 digits have one place less above a power of ten: their last digit here is a 0. */
const TOLERANCE = 6;

/** Wholes with up to so many decimals of their own. */
const OWN_PLACES_MAX = 3;
const DIGIT_BITS = Math.log2(10);

/** Of a sample of so many, most must be fractions. */
const SAMPLE = 64;
const SHARE = 3 / 4;

/** What one column has in common with the next: values of one row are often averages over as many readings. */
export interface Kinship {
  /** Of the last column of fractions. */
  denominators?: Float64Array;
}

/** The mantissas at `scale` as fractions; undefined where most are none. */
export function packFractions(mantissas: Float64Array, scale: number, kin: Kinship = {}): PackedFractions | undefined {
  const places = placesFor(mantissas, scale);
  if (places === undefined) return undefined;
  const unit = 10 ** places;
  const count = mantissas.length;
  const wholes = new Float64Array(count);
  const numerators = new Float64Array(count);
  const denominators = new Float64Array(count);
  const corrections = new Float64Array(count);
  const likely = kin.denominators?.length === count ? kin.denominators : undefined;
  let corrected = false;
  for (let i = 0; i < count; i++) {
    const mantissa = mantissas[i]!;
    const whole = Math.floor(mantissa / unit);
    const rest = mantissa - whole * unit;
    const share = rest / unit;
    const denominator = denominatorOf(share, unit, likely?.[i]) ?? 1;
    const numerator = Math.round(share * denominator);
    // What rounds up to the next whole is no proper fraction of this one.
    const over = numerator === denominator ? 1 : 0;
    wholes[i] = whole + over;
    numerators[i] = numerator - over * denominator;
    denominators[i] = denominator;
    const correction = rest - over * unit - rounded(numerators[i]!, denominator, unit);
    corrections[i] = correction;
    if (correction !== 0) corrected = true;
  }
  kin.denominators = denominators;
  return [
    places,
    encodeIntegers(wholes),
    encodeIntegers(numerators),
    encodeIntegers(denominators),
    corrected ? encodeIntegers(corrections) : null,
  ];
}

/**
 * Unpacks `count` mantissas.
 * @throws CodecError `batch-malformed` where the parts are not those of fractions, `batch-column` where their bytes do
 *   not unpack to that many integers in range
 */
export function unpackFractions(packed: readonly unknown[], count: number, memory = HEAP): Integers {
  const [places, ...parts] = packed;
  if (packed.length !== 5) throw malformed('fractions have five parts');
  if (typeof places !== 'number' || !Number.isInteger(places) || places < 1 || places > PLACES_MAX) {
    throw malformed('places of fractions');
  }
  const unit = 10 ** places;
  const { values } = decodeIntegers(packedBytes(parts[0]), count, memory);
  const numerators = decodeIntegers(packedBytes(parts[1]), count, memory).values;
  const denominators = decodeIntegers(packedBytes(parts[2]), count, memory).values;
  const corrections = parts[3] === null ? null : decodeIntegers(packedBytes(parts[3]), count, memory).values;
  let low = 0;
  let high = 0;
  for (let i = 0; i < count; i++) {
    const numerator = numerators[i]!;
    const denominator = denominators[i]!;
    if (!(denominator <= DENOMINATOR_MAX && numerator >= 0 && numerator < denominator))
      throw badColumn('improper fraction');
    const whole = values[i]! * unit;
    if (whole > INTEGER_MAX || whole < -INTEGER_MAX) throw badColumn('integer out of range');
    const mantissa = whole + rounded(numerator, denominator, unit) + (corrections === null ? 0 : corrections[i]!);
    values[i] = mantissa;
    if (mantissa < low) low = mantissa;
    else if (mantissa > high) high = mantissa;
  }
  if (high > INTEGER_MAX || low < -INTEGER_MAX) throw badColumn('integer out of range');
  return { values, low, high };
}

/** `numerator` / `denominator` in units, to the nearest. */
function rounded(numerator: number, denominator: number, unit: number): number {
  if (numerator === 0) return 0;
  return Math.floor((2 * numerator * unit + denominator) / (2 * denominator));
}

/** How many of the decimals belong to the fractions, where most of a sample are some: what takes the fewest bits. */
function placesFor(mantissas: Float64Array, scale: number): number | undefined {
  const step = Math.max(1, Math.floor(mantissas.length / SAMPLE));
  let places: number | undefined;
  let fewest = Infinity;
  for (let own = Math.max(0, scale - PLACES_MAX); own <= OWN_PLACES_MAX && scale - own >= PLACES_MIN; own++) {
    const unit = 10 ** (scale - own);
    let sampled = 0;
    let fractions = 0;
    let bits = 0;
    for (let i = 0; i < mantissas.length; i += step, sampled++) {
      const rest = mantissas[i]! - Math.floor(mantissas[i]! / unit) * unit;
      const denominator = denominatorOf(rest / unit, unit);
      if (denominator !== undefined) fractions++;
      bits += own * DIGIT_BITS + 2 * Math.log2(denominator ?? DENOMINATOR_MAX);
    }
    if (fractions < sampled * SHARE || bits >= fewest) continue;
    places = scale - own;
    fewest = bits;
  }
  return places;
}

/** The denominator of the first convergent of `share` that is near enough in units, or `likely` where that will do. */
function denominatorOf(share: number, unit: number, likely?: number): number | undefined {
  const tolerance = TOLERANCE / unit;
  if (likely !== undefined && isNear(share, likely, tolerance)) return likely;
  let remainder = share;
  let previous = 0;
  let denominator = 1;
  for (;;) {
    if (isNear(share, denominator, tolerance)) return denominator;
    remainder = 1 / (remainder - Math.floor(remainder));
    const next = Math.floor(remainder) * denominator + previous;
    // Not finite where a remainder was used up.
    if (!(next <= DENOMINATOR_MAX)) return undefined;
    previous = denominator;
    denominator = next;
  }
}

/** Whether some numerator over this denominator is no farther from the share than the tolerance. */
function isNear(share: number, denominator: number, tolerance: number): boolean {
  const numerator = share * denominator;
  return Math.abs(numerator - Math.round(numerator)) <= tolerance * denominator;
}
