/**
 * Holdings: what one device has in a gateway's store, over all its streams.
 *
 * A record per device, written with every commit that changes it, so that nobody has to read all ledgers or pages to
 * learn their sums, or whether a device owns too much. A count that reaches 2^53 stays there: only made-up gaps come so
 * far.
 *
 * Body: format version (u8), then each count (double, little-endian) in the order of `COUNTS`; version 1 ends before
 * the last.
 */
import { StoreError } from './errors.ts';
import type { LedgerView } from './ledger.ts';
import type { Operation } from './rocks.ts';
import { seal, unsealOrThrow } from './seal.ts';

export interface Holdings {
  /** Streams of which anything was counted or declared. */
  readonly streams: number;
  /** Events counted. */
  readonly events: number;
  /** Sequences declared as given up. */
  readonly declared: number;
  /** Of these, the ones that were not counted either. */
  readonly gaps: number;
  /** Separate ranges of counted sequences, and of declared gaps, in all ledgers. */
  readonly ranges: number;
  readonly pages: number;
  /** What the pages take as they are stored, with their keys. */
  readonly pageBytes: number;
  /** What the largest page took that was ever written; no page takes more. */
  readonly largestPage: number;
}

const VERSION = 2;
const WITHOUT_LARGEST = 1;
const COUNTS = ['streams', 'events', 'declared', 'gaps', 'ranges', 'pages', 'pageBytes', 'largestPage'] as const;
const BODY_BYTES = 1 + 8 * COUNTS.length;

/** What is taken for the largest page where a record does not say it: hardly any device had a larger one. */
const LARGEST_PAGE_USUAL = 64 << 10;

export const NOTHING_HELD: Holdings = Object.freeze({
  streams: 0,
  events: 0,
  declared: 0,
  gaps: 0,
  ranges: 0,
  pages: 0,
  pageBytes: 0,
  largestPage: 0,
});

/** What a stream's ledger adds to its device's holdings. */
export function holdingsOf({ count, declaredCount, gapCount, ranges }: LedgerView): Holdings {
  return { ...NOTHING_HELD, streams: 1, events: count, declared: declaredCount, gaps: gapCount, ranges };
}

/** What a page adds, as it is stored. */
export function holdingsOfPage(key: Buffer, value: Buffer): Partial<Holdings> {
  const bytes = key.length + value.length;
  return { pages: 1, pageBytes: bytes, largestPage: bytes };
}

export function plus(held: Holdings, more: Partial<Holdings>): Holdings {
  return combined(held, more, 1);
}

export function minus(held: Holdings, less: Partial<Holdings>): Holdings {
  return combined(held, less, -1);
}

export function holdingsPut(key: Buffer, held: Holdings): Operation {
  const body = Buffer.allocUnsafe(BODY_BYTES);
  body[0] = VERSION;
  for (const [i, name] of COUNTS.entries()) body.writeDoubleLE(held[name], 1 + 8 * i);
  return { type: 'put', key, value: seal(key, body) };
}

/** Throws `corrupt` where the record is damaged. */
export function decodeHoldings(key: Buffer, value: Buffer | undefined): Holdings {
  if (value === undefined) return NOTHING_HELD;
  const body = unsealOrThrow(key, value);
  const isOlder = body[0] === WITHOUT_LARGEST;
  const counts = isOlder ? COUNTS.slice(0, -1) : COUNTS;
  if ((!isOlder && body[0] !== VERSION) || body.length !== 1 + 8 * counts.length) {
    throw new StoreError('corrupt', 'unknown holdings');
  }
  const held: Record<string, number> = { largestPage: LARGEST_PAGE_USUAL };
  for (const [i, name] of counts.entries()) held[name] = body.readDoubleLE(1 + 8 * i);
  return held as unknown as Holdings;
}

function combined(held: Holdings, other: Partial<Holdings>, sign: 1 | -1): Holdings {
  const sum = (name: (typeof COUNTS)[number]) =>
    Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, held[name] + sign * (other[name] ?? 0)));
  return {
    streams: sum('streams'),
    events: sum('events'),
    declared: sum('declared'),
    gaps: sum('gaps'),
    ranges: sum('ranges'),
    pages: sum('pages'),
    pageBytes: sum('pageBytes'),
    largestPage: Math.max(held.largestPage, other.largestPage ?? 0),
  };
}
