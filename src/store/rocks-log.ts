/**
 * The format of RocksDB's logs, in which every commit is first written, and of its MANIFEST.
 *
 * Owns the finding of damage in one. RocksDB, as its binding opens it, passes over a broken record and all that follows
 * it in the same 32 KiB without a word. Promises to put right a record of which one bit has flipped, to tell one that
 * was damaged from one that was never written to its end, and to lose nothing but what is damaged. Never does I/O.
 *
 * A log is cut into blocks of 32 KiB. A record does not cross their ends: it goes on in fragments, and up to six bytes
 * that are left are zero. A fragment: checksum of what follows the length (u32), length (u16), kind (u8), that many
 * bytes.
 */
import { fits, mend, writeChecksum } from './crc32c.ts';

export interface LogFindings {
  /** Bits that were put right, in the bytes as they were given. */
  readonly mendedBits: number;
  /** Where the first record begins that has several bits wrong, and was whole once; undefined where there is none. */
  readonly brokenAt: number | undefined;
  /** Where a write begins that failed halfway, and was written once more when the log was closed. */
  readonly failedAt: number | undefined;
  /** Where the last write begins, if it was cut off: it never resolved. */
  readonly unfinishedAt: number | undefined;
  /** The records that are whole, in their order, but for that one. */
  readonly records: readonly Buffer[];
}

const BLOCK_BYTES = 32_768;
const HEAD_BYTES = 7;
const LENGTH_AT = 4;
const KIND_AT = 6;
const KIND = { full: 1, first: 2, middle: 3, last: 4 } as const;
const SECTOR_BYTES = 512;

/** Looks through a log, and puts right in its bytes what one flipped bit explains. */
export function examineLog(bytes: Buffer): LogFindings {
  const records: Buffer[] = [];
  let mendedBits = 0;
  let brokenAt: number | undefined;
  let failedAt: number | undefined;
  let unfinishedAt: number | undefined;
  /** The fragments of a record that goes on. */
  let open: Buffer[] | undefined;
  /** Where the bytes begin that belong to no whole record so far. */
  let loose: number | undefined;
  for (let at = 0; at < bytes.length; ) {
    const blockEnd = Math.min(bytes.length, at - (at % BLOCK_BYTES) + BLOCK_BYTES);
    const fragment = fragmentAt(bytes, at, blockEnd);
    if (fragment === undefined) {
      const next = nextFragment(bytes, at, blockEnd);
      const isPadding = blockEnd - at < HEAD_BYTES && blockEnd % BLOCK_BYTES === 0;
      if (!isPadding && !isZero(bytes, at, next)) {
        loose ??= at;
        open = undefined;
      }
      at = next;
      continue;
    }
    const { kind, end, isMended } = fragment;
    if (isMended) mendedBits += 1;
    if (kind === KIND.full || kind === KIND.first) {
      // Records are written one after the other: what is loose before another one was whole itself once.
      brokenAt ??= failedAt;
      const isRepeated = loose !== undefined && isPrefixOf(bytes, loose, at);
      if (isRepeated) failedAt = loose;
      else brokenAt ??= loose;
      loose = at;
      open = isRepeated ? undefined : [];
    }
    open?.push(bytes.subarray(at + HEAD_BYTES, end));
    if (open !== undefined && (kind === KIND.full || kind === KIND.last)) {
      records.push(open.length === 1 ? open[0]! : Buffer.concat(open));
      open = undefined;
      loose = undefined;
    }
    at = end;
  }
  if (loose !== undefined && failedAt === undefined) {
    if (isUnfinished(bytes, loose)) unfinishedAt = loose;
    else if (isRepeatedBehind(bytes, loose)) failedAt = loose;
    else brokenAt ??= loose;
  }
  return { mendedBits, brokenAt, failedAt, unfinishedAt, records };
}

/** A log of these records. */
export function formatLog(records: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  const push = (part: Buffer) => {
    parts.push(part);
    at += part.length;
  };
  for (const record of records) {
    let from = 0;
    for (let isFirst = true, isLast = false; !isLast; isFirst = false) {
      const left = BLOCK_BYTES - (at % BLOCK_BYTES);
      if (left < HEAD_BYTES) push(Buffer.alloc(left));
      const room = left < HEAD_BYTES ? BLOCK_BYTES - HEAD_BYTES : left - HEAD_BYTES;
      const to = Math.min(record.length, from + room);
      isLast = to === record.length;
      const fragment = Buffer.concat([Buffer.alloc(HEAD_BYTES), record.subarray(from, to)]);
      fragment.writeUInt16LE(to - from, LENGTH_AT);
      fragment[KIND_AT] = isFirst ? (isLast ? KIND.full : KIND.first) : isLast ? KIND.last : KIND.middle;
      writeChecksum(fragment, KIND_AT, fragment.length, 0);
      push(fragment);
      from = to;
    }
  }
  return Buffer.concat(parts);
}

interface Fragment {
  readonly kind: number;
  readonly end: number;
  readonly isMended: boolean;
}

/** The fragment that begins here, put right if need be; undefined where there is none that is whole. */
function fragmentAt(bytes: Buffer, at: number, blockEnd: number): Fragment | undefined {
  if (at + HEAD_BYTES > blockEnd || isZero(bytes, at, at + HEAD_BYTES)) return undefined;
  const length = bytes.readUInt16LE(at + LENGTH_AT);
  const end = at + HEAD_BYTES + length;
  if (end <= blockEnd) {
    const condition = mend(bytes, at + KIND_AT, end, at);
    const kind = bytes[at + KIND_AT]!;
    if (condition !== 'broken' && isKind(kind)) return { kind, end, isMended: condition === 'mended' };
  }
  // The checksum does not cover the length.
  for (let bit = 1; bit <= 0x8000; bit <<= 1) {
    const whole = wholeFragment(bytes, at, blockEnd, length ^ bit);
    if (whole === undefined) continue;
    bytes.writeUInt16LE(length ^ bit, at + LENGTH_AT);
    return { ...whole, isMended: true };
  }
  return undefined;
}

/** Where a whole fragment begins behind `at`, in this block; else the end of the block. */
function nextFragment(bytes: Buffer, at: number, blockEnd: number): number {
  for (let next = at + 1; next + HEAD_BYTES <= blockEnd; next += 1) {
    if (wholeFragment(bytes, next, blockEnd, bytes.readUInt16LE(next + LENGTH_AT))) return next;
  }
  return blockEnd;
}

function wholeFragment(bytes: Buffer, at: number, blockEnd: number, length: number): Fragment | undefined {
  const end = at + HEAD_BYTES + length;
  const kind = bytes[at + KIND_AT]!;
  if (!isKind(kind) || end > blockEnd || !fits(bytes, at + KIND_AT, end, at)) return undefined;
  return { kind, end, isMended: false };
}

function isKind(kind: number): boolean {
  return kind >= KIND.full && kind <= KIND.last;
}

/** Whether what stands loose at the end is a write that was cut off, and so never resolved. */
function isUnfinished(bytes: Buffer, from: number): boolean {
  for (let at = from; at < bytes.length; ) {
    const blockEnd = Math.min(bytes.length, at - (at % BLOCK_BYTES) + BLOCK_BYTES);
    const fragment = fragmentAt(bytes, at, blockEnd);
    const isPadding = blockEnd - at < HEAD_BYTES && blockEnd % BLOCK_BYTES === 0;
    if (fragment === undefined && (isPadding || isZero(bytes, at, blockEnd))) at = blockEnd;
    else if (fragment === undefined) {
      const isCutShort =
        blockEnd === bytes.length &&
        (at + HEAD_BYTES > blockEnd || at + HEAD_BYTES + bytes.readUInt16LE(at + LENGTH_AT) > blockEnd);
      return isCutShort || hasZeroSector(bytes, at);
    } else at = fragment.end;
  }
  return true;
}

/** Whether a write that failed halfway was made again: what had come of it is how the next one begins. */
function isPrefixOf(bytes: Buffer, from: number, next: number): boolean {
  const length = Math.min(next - from, bytes.length - next);
  return length >= HEAD_BYTES && bytes.compare(bytes, next, next + length, from, from + length) === 0;
}

/** The same where the one that was made again is no use, since the ends of blocks are not where it took them to be. */
function isRepeatedBehind(bytes: Buffer, from: number): boolean {
  const head = bytes.subarray(from, from + HEAD_BYTES);
  for (let next = bytes.indexOf(head, from + 1); next >= 0; next = bytes.indexOf(head, next + 1)) {
    if (isPrefixOf(bytes, from, next)) return true;
  }
  return false;
}

/** A disk writes a sector whole or not at all, and what it did not get to reads as zeros. */
function hasZeroSector(bytes: Buffer, from: number): boolean {
  for (let start = from; start < bytes.length; ) {
    const end = Math.min(bytes.length, start - (start % SECTOR_BYTES) + SECTOR_BYTES);
    if (isZero(bytes, start, end)) return true;
    start = end;
  }
  return false;
}

function isZero(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (bytes[at] !== 0) return false;
  return true;
}
