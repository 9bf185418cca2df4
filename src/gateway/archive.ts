/**
 * Archive: what was counted under an id, as far as accepted batches are still kept.
 *
 * Owns the look-up of ids in retained batches. Promises one look-up at a time, since each may read many batches, and
 * that no device waits for more than one of each other device besides that under way; that what a look-up reads is
 * bounded, whatever is kept beside it, and none of it is read twice; and that a batch which cannot be read any more
 * says nothing rather than fails. Never looks at what the batch that came now holds.
 */
import {
  BATCH_EVENTS_MAX,
  BODY_BYTES_MAX,
  CodecError,
  decodeBatchInSteps,
  digestInSteps,
  inflateBody,
} from '../codec/index.ts';
import {
  type BatchBody,
  type BatchExtent,
  type GatewayStore,
  inTurns,
  type Range,
  SHARED_TURNS,
  type StreamKey,
  type Turns,
} from '../store/index.ts';
import { GatewayError } from './errors.ts';
import type { Page } from './pages.ts';
import { intersect, lengthOf } from './ranges.ts';

/** Ids whose content is known. */
export interface Finding extends Range {
  /** Digest of what was counted, for any part of the range. */
  readonly digest: DigestOf;
}

export type DigestOf = (first: number, last: number) => bigint;

/**
 * What one look-up reads at most: several times what a batch may have, so that batches which were cut in another way
 * are found. A device that sends again what went in more of them, and of which they alone can tell whether it is the
 * same, sends it in parts: for each of its batches thousands could be read else.
 */
const EVENTS_MAX = 4 * BATCH_EVENTS_MAX;
const BYTES_MAX = 4 * BODY_BYTES_MAX;

/** Kept batches that one look-up unpacks at most, at some 0.1 ms each. */
export const LOOKED_UP_MAX = 1_024;

export interface Archive {
  /**
   * Disjoint findings that cover as much of the ranges, which are ascending and disjoint, as the retained batches do.
   * @throws GatewayError `batch-limit` where these are too many or too large; for a single id they never are
   */
  find(key: StreamKey, ranges: readonly Range[]): Promise<Finding[]>;
}

type KeptBatches = Pick<GatewayStore<Page>, 'extents' | 'bodyOf'>;

export function createArchive(store: KeptBatches, turns: Turns = SHARED_TURNS): Archive {
  /** By device; who has had a turn comes last. */
  const waiting = new Map<string, (() => Promise<void>)[]>();
  let isWorking = false;

  async function work(): Promise<void> {
    isWorking = true;
    for (const [deviceId, lookUps] of waiting) {
      const lookUp = lookUps.shift()!;
      waiting.delete(deviceId);
      if (lookUps.length > 0) waiting.set(deviceId, lookUps);
      await lookUp();
    }
    isWorking = false;
  }

  return {
    find(key, ranges) {
      return new Promise((resolve, reject) => {
        const lookUps = waiting.get(key.deviceId) ?? [];
        lookUps.push(() => findAll(store, turns, key, ranges).then(resolve, reject));
        waiting.set(key.deviceId, lookUps);
        if (!isWorking) void work();
      });
    },
  };
}

async function findAll(store: KeptBatches, turns: Turns, key: StreamKey, ranges: readonly Range[]): Promise<Finding[]> {
  const kept = await extentsOf(store, turns, key, ranges);
  // Before any of them is read: who is refused may come again.
  if (!(await isAllowed(kept, ranges, turns))) throw tooMuchKept();
  const budget = new Budget();
  const findings: Finding[] = [];
  const open = [...ranges];
  for (const extent of kept) {
    if (turns.isOver()) await turns.next();
    const parts = partsIn(open, extent);
    if (parts.length === 0) continue;
    // It is in the place of one that cannot be read, and that makes too much of it.
    if (!budget.allows(extent)) break;
    const batch = await store.bodyOf(extent);
    const digest = batch && (await digestsIn(batch, turns));
    if (digest === undefined) continue;
    for (const { first, last } of parts) findings.push({ first, last, digest });
    takeOut(open, extent);
    if (open.length === 0) break;
  }
  return findings;
}

/** The kept batches that any of the ranges is in, as accepted: of two with one id the earlier one was counted. */
async function extentsOf(
  store: KeptBatches,
  turns: Turns,
  key: StreamKey,
  ranges: readonly Range[],
): Promise<BatchExtent[]> {
  const kept: BatchExtent[] = [];
  const [first, last] = [ranges[0], ranges.at(-1)];
  if (first === undefined || last === undefined) return kept;
  for await (const extent of store.extents(key, first.first, last.last)) {
    if (turns.isOver()) await turns.next();
    if (overlapping(ranges, extent).count > 0) kept.push(extent);
  }
  return kept.sort((a, b) => a.number - b.number);
}

/** Whether what has to be read for the ranges is within bounds, going by what the batches say to hold. */
async function isAllowed(kept: readonly BatchExtent[], ranges: readonly Range[], turns: Turns): Promise<boolean> {
  const budget = new Budget();
  const open = [...ranges];
  for (const extent of kept) {
    if (turns.isOver()) await turns.next();
    if (open.length === 0) break;
    if (overlapping(open, extent).count === 0) continue;
    if (!budget.allows(extent)) return false;
    takeOut(open, extent);
  }
  return true;
}

class Budget {
  #batches = LOOKED_UP_MAX;
  #events = EVENTS_MAX;
  #bytes = BYTES_MAX;

  allows(extent: BatchExtent): boolean {
    this.#batches -= 1;
    this.#events -= lengthOf(extent);
    this.#bytes -= extent.bodyBytes;
    return this.#batches >= 0 && this.#events >= 0 && this.#bytes >= 0;
  }
}

/** Which of ascending, disjoint ranges overlap another one. There may be a hundred thousand extents to ask for. */
function overlapping(
  ranges: readonly Range[],
  { first, last }: Range,
): { readonly from: number; readonly count: number } {
  let from = 0;
  for (let to = ranges.length; from < to; ) {
    const middle = (from + to) >>> 1;
    if (ranges[middle]!.last < first) from = middle + 1;
    else to = middle;
  }
  let end = from;
  while (end < ranges.length && ranges[end]!.first <= last) end += 1;
  return { from, count: end - from };
}

function partsIn(open: readonly Range[], extent: Range): Range[] {
  const { from, count } = overlapping(open, extent);
  return intersect(open.slice(from, from + count), extent);
}

function takeOut(open: Range[], { first, last }: Range): void {
  const { from, count } = overlapping(open, { first, last });
  if (count === 0) return;
  const left: Range[] = [];
  const [lowest, highest] = [open[from]!, open[from + count - 1]!];
  if (lowest.first < first) left.push({ first: lowest.first, last: first - 1 });
  if (highest.last > last) left.push({ first: last + 1, last: highest.last });
  open.splice(from, count, ...left);
}

function tooMuchKept(): GatewayError {
  return new GatewayError(
    'batch-limit',
    `only more than ${LOOKED_UP_MAX} batches that are kept, or larger ones, can tell what it repeats`,
  );
}

async function digestsIn({ encoding, body }: BatchBody, turns: Turns): Promise<DigestOf | undefined> {
  try {
    const bytes = await inflateBody(encoding, body);
    const { first: start, table } = await inTurns(decodeBatchInSteps(bytes), turns);
    const digest = await inTurns(digestInSteps(table, start), turns);
    return (first, last) => digest(first - start, last - start + 1);
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}
