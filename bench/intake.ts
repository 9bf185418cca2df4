/**
 * Intake: what no gateway can do without, and nothing else: verify, inflate, decode, sum.
 *
 * Owns the ceiling that ingest is compared with. Promises the exact sums of what went in. Never stores or answers.
 */
import assert from 'node:assert';
import {
  addDecimals,
  type Batch,
  type Credential,
  type Decimal,
  decodeBatch,
  formatDecimal,
  inflateBody,
  sumMeasures,
  verifyRequest,
  ZERO,
} from '../src/codec/index.ts';
import type { SignedBatch } from './fleet.ts';
import { inLanes } from './lanes.ts';
import type { Totals } from './totals.ts';

/** Inflating is done on Node's thread pool: so many bodies at once keep it and the event loop busy, as in a gateway. */
export const LANES = 4;

/** @param credentials by device id */
export async function takeIn(
  batches: readonly SignedBatch[],
  credentials: ReadonlyMap<string, Credential>,
): Promise<Totals> {
  const sums = createSums();
  await inLanes(batches.length, LANES, async (at) => {
    const batch = batches[at]!;
    assert(isRight(batch, credentials), 'a signature is right');
    sums.add(decodeBatch(await inflateBody(batch.head.contentEncoding, batch.body)));
  });
  return sums.totals();
}

export function isRight({ head, signature, body }: SignedBatch, credentials: ReadonlyMap<string, Credential>): boolean {
  return verifyRequest(credentials.get(head.deviceId)!.secret, head, body, [signature]) === signature;
}

/** Sums as the gateway makes them, by the codec. */
export function createSums(): { add(batch: Pick<Batch, 'table'>): void; totals(): Totals } {
  const sums = new Map<string, Decimal>();
  let events = 0;
  return {
    add({ table }) {
      events += table.count;
      for (const column of table.columns) {
        if (column.kind !== 'measure') continue;
        sums.set(column.name, addDecimals(sums.get(column.name) ?? ZERO, sumMeasures(column.measures)));
      }
    },
    totals: () => ({
      events,
      sums: Object.fromEntries(Array.from(sums, ([name, sum]) => [name, formatDecimal(sum)])),
    }),
  };
}
