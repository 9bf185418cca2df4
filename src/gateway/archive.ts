/**
 * Archive: what was counted under an id, as far as accepted batches are still kept.
 *
 * Owns the look-up of ids in retained batches. Promises one look-up at a time, since each may read many batches, and that
 * a batch which cannot be read any more says nothing rather than fails. Never looks at what the batch that came now holds.
 */
import { CodecError, decodeBatchInSteps, digestInSteps, inflateBody } from '../codec/index.ts';
import type { GatewayStore, Range, RetainedBatch, StreamKey } from '../store/index.ts';
import type { Page } from './pages.ts';
import { intersect, subtract } from './ranges.ts';
import { inTurns } from './turns.ts';

/** Ids whose content is known. */
export interface Finding extends Range {
  /** Digest of what was counted, for any part of the range. */
  readonly digest: DigestOf;
}

export type DigestOf = (first: number, last: number) => bigint;

export interface Archive {
  /** Disjoint findings that cover as much of the ranges as the retained batches do. */
  find(key: StreamKey, ranges: readonly Range[]): Promise<Finding[]>;
}

export function createArchive(store: Pick<GatewayStore<Page>, 'retained'>): Archive {
  let turn: Promise<unknown> = Promise.resolve();
  return {
    find(key, ranges) {
      const found = turn.then(() => findAll(store, key, ranges));
      turn = found.catch(() => {});
      return found;
    },
  };
}

async function findAll(
  store: Pick<GatewayStore<Page>, 'retained'>,
  key: StreamKey,
  ranges: readonly Range[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const range of ranges) {
    let open: Range[] = [range];
    const batches = await store.retained(key, range.first, range.last);
    // Of two batches with one id the earlier one was counted.
    for (const batch of batches.toSorted((a, b) => a.receivedAt - b.receivedAt)) {
      const parts = intersect(open, batch);
      const digest = parts.length > 0 ? await digestsIn(batch) : undefined;
      if (digest === undefined) continue;
      for (const { first, last } of parts) findings.push({ first, last, digest });
      open = subtract(open, [batch]);
    }
  }
  return findings;
}

async function digestsIn(batch: RetainedBatch): Promise<DigestOf | undefined> {
  try {
    const bytes = await inflateBody(batch.encoding, batch.body);
    const { first: start, table } = await inTurns(decodeBatchInSteps(bytes));
    const digest = await inTurns(digestInSteps(table, start));
    return (first, last) => digest(first - start, last - start + 1);
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}
