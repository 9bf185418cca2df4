/**
 * The ledger as bytes: what a driver stores per stream.
 *
 *     version 1
 *     intervals: count, then each: skip, segments - 1, then each segment: length - 1, digest (8 bytes, little-endian)
 *     recent:    count, then the place of each recent segment, oldest acceptance first
 *     gaps:      count, then each: skip, length - 1
 *
 * Numbers are LEB128 of at most 53 bits; a skip counts from two past the last sequence before it, since nearer ranges
 * would be one. Promises one encoding per ledger: bytes that decode encode to the same bytes again. Anything else is
 * `corrupt`, after no more work than the bytes are long.
 */
import { StoreError } from './errors.ts';
import { lengthOf, type Range } from './intervals.ts';
import { type Ledger, type LedgerView, RECENT_MAX, type Segment } from './ledger.ts';
import { ledgerOf, partsOf } from './segment-ledger.ts';

const VERSION = 1;
const VARINT_BYTES_MAX = 8;
const DIGEST_BYTES = 8;

export function encodeLedger(ledger: LedgerView): Buffer {
  const { segments, recent, gaps } = partsOf(ledger);
  const writer = new LedgerWriter(segments.length, gaps.length);
  const intervals = ledger.intervals();
  writer.varint(intervals.length);
  let at = 0;
  let previousLast = -1;
  for (const interval of intervals) {
    let end = at;
    while (end < segments.length && segments[end]!.last <= interval.last) end += 1;
    writer.varint(interval.first - previousLast - 2);
    writer.varint(end - at - 1);
    for (; at < end; at += 1) {
      writer.varint(lengthOf(segments[at]!) - 1);
      writer.digest(segments[at]!.digest);
    }
    previousLast = interval.last;
  }
  writer.varint(recent.length);
  for (const place of recent) writer.varint(place);
  writer.varint(gaps.length);
  previousLast = -1;
  for (const gap of gaps) {
    writer.varint(gap.first - previousLast - 2);
    writer.varint(lengthOf(gap) - 1);
    previousLast = gap.last;
  }
  return writer.bytes();
}

/** Throws `StoreError` `corrupt` for anything that `encodeLedger` did not write. */
export function decodeLedger(bytes: Uint8Array): Ledger {
  const reader = new LedgerReader(bytes);
  const segments: Segment[] = [];
  const joints: number[] = [];
  let previousLast = -1;
  for (let intervals = reader.count(); intervals > 0; intervals -= 1) {
    let first = reader.sum(previousLast + 2, reader.varint());
    for (let more = reader.count() + 1; more > 0; more -= 1) {
      const last = reader.sum(first, reader.varint());
      segments.push({ first, last, digest: reader.digest() });
      if (more > 1) joints.push(segments.length);
      first = last + 1;
    }
    previousLast = first - 1;
  }
  const recent = reader.places(segments.length);
  assertMerged(joints, recent);
  const gaps: Range[] = [];
  previousLast = -1;
  for (let left = reader.count(); left > 0; left -= 1) {
    const first = reader.sum(previousLast + 2, reader.varint());
    previousLast = reader.sum(first, reader.varint());
    gaps.push({ first, last: previousLast });
  }
  reader.end();
  return ledgerOf({ segments, recent, gaps });
}

/** Two settled neighbours would have been merged. @param joints places of segments that touch the one before */
export function assertMerged(joints: readonly number[], recent: readonly number[]): void {
  for (const right of joints) {
    if (!recent.includes(right) && !recent.includes(right - 1)) throw corrupt('unmerged segments');
  }
}

export function corrupt(what: string): StoreError {
  return new StoreError('corrupt', `not a ledger: ${what}`);
}

export class LedgerWriter {
  readonly #bytes: Buffer;
  #at = 1;

  constructor(segments: number, gaps: number, version = VERSION) {
    // Most that these can take: every segment an interval of its own.
    const numbers = 4 + 3 * segments + RECENT_MAX + 2 * gaps;
    this.#bytes = Buffer.allocUnsafe(1 + numbers * VARINT_BYTES_MAX + segments * DIGEST_BYTES);
    this.#bytes[0] = version;
  }

  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#at++] = rest;
  }

  digest(value: bigint): void {
    this.#at = this.#bytes.writeBigUInt64LE(value, this.#at);
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }
}

export class LedgerReader {
  readonly #view: DataView;
  #at = 1;

  constructor(bytes: Uint8Array, version = VERSION) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length === 0 || this.#view.getUint8(0) !== version) throw corrupt('unknown version');
  }

  varint(): number {
    let value = 0;
    for (let scale = 1, length = 1; ; scale *= 0x80, length += 1) {
      if (this.#at >= this.#view.byteLength) throw corrupt('cut short');
      const byte = this.#view.getUint8(this.#at++);
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80 && length < VARINT_BYTES_MAX) continue;
      if (byte >= 0x80 || value > Number.MAX_SAFE_INTEGER) throw corrupt('a number above 2^53');
      if (byte === 0 && length > 1) throw corrupt('a number longer than it need be');
      return value;
    }
  }

  /** How many things follow; each takes at least a byte, so more than there are bytes cannot be. */
  count(): number {
    const count = this.varint();
    if (count > this.#view.byteLength - this.#at) throw corrupt('a count above the bytes left');
    return count;
  }

  digest(): bigint {
    if (this.#at + DIGEST_BYTES > this.#view.byteLength) throw corrupt('cut short');
    this.#at += DIGEST_BYTES;
    return this.#view.getBigUint64(this.#at - DIGEST_BYTES, true);
  }

  /** A sequence that many past another one. */
  sum(sequence: number, more: number): number {
    const sum = sequence + more;
    if (sum > Number.MAX_SAFE_INTEGER) throw corrupt('a sequence above 2^53');
    return sum;
  }

  places(segments: number): number[] {
    const places: number[] = [];
    for (let left = this.count(); left > 0; left -= 1) {
      const place = this.varint();
      if (place >= segments || places.includes(place) || places.length === RECENT_MAX) throw corrupt('recent segments');
      places.push(place);
    }
    return places;
  }

  end(): void {
    if (this.#at !== this.#view.byteLength) throw corrupt('bytes left over');
  }
}
