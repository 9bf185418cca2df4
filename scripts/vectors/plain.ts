/**
 * Plain: the simplest possible packers, written from proto-spec/batch.md over BigInt, and MessagePack in any width.
 *
 * Owns what another encoder than ours might write. Shares no code with `src`, so that vectors check it and not itself.
 */

/** An integer column in the order and layout that is asked for, whether or not it is the smallest. */
export function packIntegers(values: readonly bigint[], order: number, layout: number): Buffer {
  let residuals = [...values];
  const seeds: bigint[] = [];
  for (let round = 0; round < order && residuals.length > 0; round++) {
    seeds.push(residuals[0]!);
    residuals = residuals.slice(1).map((value, i) => value - residuals[i]!);
  }
  const codes = residuals.map(zigzag);
  return Buffer.concat([
    Buffer.from([16 * order + layout]),
    ...seeds.map(zigzag).map(varint),
    residualBytes(codes, layout),
  ]);
}

/** Whether the layout can hold these integers at that order. */
export function fits(values: readonly bigint[], order: number, layout: number): boolean {
  let residuals = [...values];
  for (let round = 0; round < order && residuals.length > 0; round++) {
    if (zigzag(residuals[0]!) >= 1n << 53n) return false;
    residuals = residuals.slice(1).map((value, i) => value - residuals[i]!);
  }
  const bits = layout === 0 ? 0n : layout === 15 ? 53n : BigInt(Math.min(53, 8 * layout));
  return residuals.every((residual) => zigzag(residual) < 1n << bits);
}

function residualBytes(codes: readonly bigint[], layout: number): Buffer {
  if (layout === 0) return Buffer.alloc(0);
  if (layout === 15) return Buffer.concat(codes.map(varint));
  const planes = Array.from({ length: layout }, (_, plane) =>
    codes.map((code) => Number((code >> BigInt(8 * plane)) & 255n)),
  );
  return Buffer.from(planes.flat());
}

function zigzag(value: bigint): bigint {
  return value >= 0n ? 2n * value : -2n * value - 1n;
}

function varint(code: bigint): Buffer {
  const bytes: number[] = [];
  let rest = code;
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** Hex with spaces as bytes. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
}

/** MessagePack by hand: what stands in `tag` (hex) goes before the bytes. */
export function tagged(tag: string, ...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([hex(tag), ...parts]);
}

export const nil = hex('c0');

export function str(text: string): Buffer {
  const bytes = Buffer.from(text);
  return bytes.length < 32
    ? tagged((0xa0 + bytes.length).toString(16), bytes)
    : tagged('da', uint16(bytes.length), bytes);
}

export function bin(...bytes: readonly (Buffer | number)[]): Buffer {
  const content = Buffer.concat(bytes.map((part) => (typeof part === 'number' ? Buffer.from([part]) : part)));
  return content.length < 256
    ? tagged('c4', Buffer.from([content.length]), content)
    : tagged('c5', uint16(content.length), content);
}

export function array(...elements: readonly Buffer[]): Buffer {
  return elements.length < 16
    ? tagged((0x90 + elements.length).toString(16), ...elements)
    : tagged('dc', uint16(elements.length), ...elements);
}

export function map(entries: readonly (readonly [string | Buffer, Buffer])[]): Buffer {
  const parts = entries.flatMap(([key, value]) => [typeof key === 'string' ? str(key) : key, value]);
  return entries.length < 16
    ? tagged((0x80 + entries.length).toString(16), ...parts)
    : tagged('de', uint16(entries.length), ...parts);
}

export function uint(value: number): Buffer {
  if (value < 128) return Buffer.from([value]);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return tagged('cf', bytes);
}

export function float64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return tagged('cb', bytes);
}

/** Doubles in planes. */
export function doubles(...values: readonly number[]): Buffer {
  const each = values.map((value) => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    return bytes;
  });
  return Buffer.from(Array.from({ length: 8 }, (_, plane) => each.map((bytes) => bytes[plane]!)).flat());
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}
