/**
 * Doubles: the bit patterns of finite doubles (proto-spec/batch.md, "Doubles" and "Nudges").
 *
 * Owns their bytes on the wire, and the one step between patterns that lie close together. Promises that every bit
 * comes back, and that nothing that is unpacked here is NaN or infinite. Never takes a double for a decimal.
 */
import assert from 'node:assert';
import { badColumn } from './errors.ts';

assert(new Uint8Array(Uint16Array.of(1).buffer)[0] === 1, 'typed arrays are taken to be little-endian');

/** Nudges reach this far; every double is that near to some 14-digit decimal, one digit less than a column may have. */
const NUDGE_MAX = 1_023;

const EXPONENT_BITS = 0x7ff00000;

const one = new Float64Array(1);
const [LOW, HIGH] = [0, 1];
const word = new Uint32Array(one.buffer);

/** The bit patterns, as a view: low word, high word, low word, high word … */
export function wordsOf(values: Float64Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
}

/** Little-endian doubles, all first bytes, then all second bytes …: signs and exponents come to lie together. */
export function packDoubles(values: Float64Array): Uint8Array {
  const count = values.length;
  const doubles = new Uint8Array(values.buffer, values.byteOffset, 8 * count);
  const bytes = new Uint8Array(8 * count);
  for (let plane = 0, to = 0; plane < 8; plane++) {
    for (let from = plane; from < doubles.length; from += 8) bytes[to++] = doubles[from]!;
  }
  return bytes;
}

/** @throws CodecError `batch-column` where the bytes are not exactly `count` finite doubles */
export function unpackDoubles(bytes: Uint8Array, count: number): Float64Array {
  if (bytes.length !== 8 * count) throw badColumn('doubles cut short or overlong');
  const values = new Float64Array(count);
  const doubles = new Uint8Array(values.buffer);
  for (let plane = 0, from = 0; plane < 8; plane++) {
    for (let to = plane; to < doubles.length; to += 8) doubles[to] = bytes[from++]!;
  }
  const words = wordsOf(values);
  for (let i = 0; i < count; i++) if (!isFinitePattern(words[2 * i + HIGH]!)) throw badColumn('a measure is finite');
  return values;
}

/** How many patterns lie from `quotient` to `value`; 0 for none, too many, or a quotient of zero. */
export function nudgeBetween(quotient: number, value: number): number {
  if (quotient === 0) return 0;
  one[0] = value;
  const low = word[LOW]!;
  const high = word[HIGH]!;
  one[0] = quotient;
  const distance = (high - word[HIGH]!) * 2 ** 32 + (low - word[LOW]!);
  return Math.abs(distance) <= NUDGE_MAX ? distance : 0;
}

/** @throws CodecError `batch-column` where the nudge is out of range or leads out of the finite doubles */
export function nudge(quotient: number, distance: number): number {
  if (Math.abs(distance) > NUDGE_MAX) throw badColumn('nudge out of range');
  one[0] = quotient;
  const low = word[LOW]! + distance;
  word[LOW] = low;
  if (low < 0) word[HIGH]!--;
  else if (low >= 2 ** 32) word[HIGH]!++;
  if (!isFinitePattern(word[HIGH]!)) throw badColumn('nudged out of the finite numbers');
  return one[0];
}

function isFinitePattern(high: number): boolean {
  return (high & EXPONENT_BITS) !== EXPONENT_BITS;
}
