/**
 * Arrival: a batch as it came, and what of it goes to disk.
 */
import type { Batch, Lease } from '../codec/index.ts';
import type { AcceptedBatch, Range } from '../store/index.ts';

/** A batch whose signature was right, with what the request said besides. */
export interface Arrival {
  readonly deviceId: string;
  readonly batch: Batch;
  /** The memory that the batch's table lies in. Nobody looks at that any more once it is decided what it adds. */
  readonly lease: Lease;
  readonly body: Uint8Array;
  readonly contentEncoding: string;
  /** By how much the gateway's clock was ahead of the device's when the head came, milliseconds: bodies take time. */
  readonly clockOffsetMs: number;
  /** The gateway's clock once the body was there, epoch milliseconds. */
  readonly receivedAt: number;
}

export function rangeOf({ first, count }: Batch): Range {
  return { first, last: first + count - 1 };
}

export function acceptedBatch({ batch, body, contentEncoding, receivedAt }: Arrival): AcceptedBatch {
  const { first, count, table } = batch;
  const { times } = table;
  let tsMin = Infinity;
  let tsMax = -Infinity;
  // By index: an iterator over so many takes several times as long.
  for (let row = 0; row < times.length; row++) {
    const ts = times[row]!;
    if (ts < tsMin) tsMin = ts;
    if (ts > tsMax) tsMax = ts;
  }
  return { first, last: first + count - 1, tsMin, tsMax, receivedAt, encoding: contentEncoding, body };
}

/** The latest of these times up to a bound; -Infinity where all are later. */
export function latestBefore(times: Float64Array, bound: number): number {
  let latest = -Infinity;
  for (let row = 0; row < times.length; row++) {
    const ts = times[row]!;
    if (ts > latest && ts <= bound) latest = ts;
  }
  return latest;
}
