/**
 * Bits: flags and presence, eight to a byte (proto-spec/batch.md, "Bits").
 *
 * Owns their packing: bit `i % 8` of byte `i / 8`, least significant first, and zeros past the end. Promises one form
 * for the same flags. Never knows what a bit stands for.
 */
import { badColumn } from './errors.ts';

/** Packs flags of 0 and 1. */
export function packBits(flags: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(flags.length / 8));
  for (let i = 0; i < flags.length; i++) bits[i >> 3]! |= flags[i]! << (i & 7);
  return bits;
}

/** @throws CodecError `batch-column` where there are not exactly `count` bits, or one is set past the end */
export function unpackBits(bits: Uint8Array, count: number): Uint8Array {
  if (bits.length !== Math.ceil(count / 8)) throw badColumn('bits cut short or overlong');
  if (count % 8 !== 0 && bits[bits.length - 1]! >> (count % 8) !== 0) throw badColumn('bits past the end');
  const flags = new Uint8Array(count);
  for (let i = 0; i < count; i++) flags[i] = (bits[i >> 3]! >> (i & 7)) & 1;
  return flags;
}

/** Flags with ones at the given places. */
export function flagsAt(places: Uint32Array, count: number): Uint8Array {
  const flags = new Uint8Array(count);
  for (let i = 0; i < places.length; i++) flags[places[i]!] = 1;
  return flags;
}

/** Where the ones are, ascending. */
export function placesOf(flags: Uint8Array): Uint32Array {
  let count = 0;
  for (let i = 0; i < flags.length; i++) count += flags[i]!;
  const places = new Uint32Array(count);
  for (let i = 0, to = 0; to < count; i++) if (flags[i] === 1) places[to++] = i;
  return places;
}
