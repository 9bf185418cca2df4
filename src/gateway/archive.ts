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
import { GatewayError } from './errors.ts';
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

/**
 * Kept batches that one look-up unpacks at most, at some 0.1 ms each: a device that sends again what went in more of them, and
 * of which they alone can tell whether it is the same, sends it in parts.
 */
export const LOOKED_UP_MAX = 1_024;

export interface Archive {
  /**
   * Disjoint findings that cover as much of the ranges as the retained batches do.
   * @throws GatewayError `batch-limit` where these are too many; a range of one id is never in too many
   */
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
  let batchesLeft = LOOKED_UP_MAX;
  for (const range of ranges) {
    let open: Range[] = [range];
    const batches = await store.retained(key, range.first, range.last, BYTES_MAX);
    // Of two batches with one id the earlier one was counted.
    const ordered = batches.sort((a, b) => a.receivedAt - b.receivedAt);
    // Before any of them is unpacked: who is refused may come again.
    batchesLeft -= await countNeeded(ordered, range, batchesLeft, turns);
    if (batchesLeft < 0) throw tooManyBatches();
    for (const batch of ordered) {
      const parts = intersect(open, batch);
      if (parts.length === 0) continue;
      eventsLeft -= lengthOf(batch);
      if (eventsLeft < 0) return findings;
      const digest = await digestsIn(batch, turns);
      if (turns.isOver()) await turns.next();
      if (digest === undefined) continue;
      for (const { first, last } of parts) findings.push({ first, last, digest });
      open = subtract(open, [batch]);
      if (open.length === 0) break;
    }
  }
  return findings;
}

/** How many batches are needed for a range, going by what they say to hold; one more than `most` where they are more. */
async function countNeeded(
  batches: readonly RetainedBatch[],
  range: Range,
  most: number,
  turns: Turns,
): Promise<number> {
  let open: Range[] = [range];
  let needed = 0;
  for (const batch of batches) {
    if (needed > most || open.length === 0) break;
    if (turns.isOver()) await turns.next();
    if (intersect(open, batch).length === 0) continue;
    needed += 1;
    open = subtract(open, [batch]);
  }
  return needed;
}

function tooManyBatches(): GatewayError {
  return new GatewayError(
    'batch-limit',
    `only more than ${LOOKED_UP_MAX} batches that are kept can tell what it repeats`,
  );
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
