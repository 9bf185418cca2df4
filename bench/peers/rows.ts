/**
 * Rows: the workload's events as people write them by hand, and the sending of many at a time.
 *
 * Owns what a row looks like, so that all peers carry the same, and how many requests are under way. Promises that
 * batches are begun in order. Never adds an id that no peer tells repeated events by.
 */
import { inLanes } from '../lanes.ts';
import type { Workload } from '../workload.ts';

/** Events in a batch, wherever a peer has batches. */
export const BATCH_EVENTS = 1_000;

/** Requests under way, wherever a peer does not mind their order: as many as Tidegate's device has. */
export const REQUESTS_UNDER_WAY = 4;

export interface Row {
  readonly ts: number;
  readonly sensor: string;
  readonly volume: number;
  readonly temperature: number;
}

export function rowsOf(workload: Workload): Row[] {
  return Array.from({ length: workload.count }, (_, at) => {
    const { ts, sensor, fields } = workload.event(at);
    return { ts, sensor, volume: fields['volume'] as number, temperature: fields['temperature'] as number };
  });
}

/** Sends all rows in batches of `size`, so many of them at a time. */
export function inBatches(
  rows: readonly Row[],
  send: (batch: readonly Row[], at: number) => Promise<unknown>,
  { size = BATCH_EVENTS, lanes = REQUESTS_UNDER_WAY }: { readonly size?: number; readonly lanes?: number } = {},
): Promise<void> {
  return inLanes(Math.ceil(rows.length / size), lanes, (at) => send(rows.slice(at * size, (at + 1) * size), at));
}
