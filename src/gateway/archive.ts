/**
 * Archive: what was counted under an id, as far as accepted batches are still kept.
 *
 * Owns the look-up of ids in retained batches. Promises one look-up at a time, since each may read many batches, with turns
 * for others between them and a bound on how many; and that a batch which cannot be read any more says nothing rather than
 * fails. Never looks at what the batch that came now holds.
 */
import { BATCH_EVENTS_MAX, CodecError, decodeBatchInSteps, digestInSteps, inflateBody } from '../codec/index.ts';
import {
  type GatewayStore,
  type Range,
  type RetainedBatch,
  SHARED_TURNS,
  type StreamKey,
  type Turns,
} from '../store/index.ts';
import type { Page } from './pages.ts';
import { intersect, lengthOf, subtract } from './ranges.ts';
import { inTurns } from './turns.ts';

/** Ids whose content is known. */
export interface Finding extends Range {
  /** Digest of what was counted, for any part of the range. */
  readonly digest: DigestOf;
}

export type DigestOf = (first: number, last: number) => bigint;

/**
 * What one look-up reads at most: several times what a batch may have, so that batches which were cut in another way are
 * found. Else a device whose batches overlap by a little could have thousands read for each that it sends.
 */
const EVENTS_MAX = 4 * BATCH_EVENTS_MAX;
const BYTES_MAX = 64 * 1024 * 1024;

export interface Archive {
  /** Disjoint findings that cover as much of the ranges as the retained batches do. */
  find(key: StreamKey, ranges: readonly Range[]): Promise<Finding[]>;
}

export function createArchive(store: Pick<GatewayStore<Page>, 'retained'>, turns: Turns = SHARED_TURNS): Archive {
  let turn: Promise<unknown> = Promise.resolve();
  return {
    find(key, ranges) {
      const found = turn.then(() => findAll(store, turns, key, ranges));
      turn = found.catch(() => {});
      return found;
    },
  };
}

async function findAll(
  store: Pick<GatewayStore<Page>, 'retained'>,
  turns: Turns,
  key: StreamKey,
  ranges: readonly Range[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  let eventsLeft = EVENTS_MAX;
  for (const range of ranges) {
    let open: Range[] = [range];
    const batches = await store.retained(key, range.first, range.last, BYTES_MAX);
    // Of two batches with one id the earlier one was counted.
    for (const batch of batches.toSorted((a, b) => a.receivedAt - b.receivedAt)) {
      const parts = intersect(open, batch);
      if (parts.length === 0) continue;
      eventsLeft -= lengthOf(batch);
      if (eventsLeft < 0) return findings;
      const digest = await digestsIn(batch, turns);
      if (digest === undefined) continue;
      for (const { first, last } of parts) findings.push({ first, last, digest });
      open = subtract(open, [batch]);
    }
  }
  return findings;
}

async function digestsIn(batch: RetainedBatch, turns: Turns): Promise<DigestOf | undefined> {
  try {
    const bytes = await inflateBody(batch.encoding, batch.body);
    const { first: start, table } = await inTurns(decodeBatchInSteps(bytes), turns);
    const digest = await inTurns(digestInSteps(table, start), turns);
    return (first, last) => digest(first - start, last - start + 1);
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}
