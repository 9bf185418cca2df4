/**
 * What a queue keeps in memory, and how it is read from disk.
 *
 * Owns opening: whose queue this is, its position, its streams. Promises to believe only sealed records, and to work out
 * a lost position from what else is there, so that no sequence is used again. Never writes but to a new database.
 */
import { StoreError } from './errors.ts';
import type { Range } from './intervals.ts';
import { familyRange, numberOfKey, QUEUE } from './keys.ts';
import { lookUpBlocks } from './queue-blocks.ts';
import { decodePosition, type Position, positionPut, START, withCleared } from './queue-position.ts';
import {
  decodeGap,
  decodeIdentity,
  decodeQuarantine,
  FENCE_KEY,
  IDENTITY_KEY,
  identityPut,
  POSITION_KEY,
  putSealed,
  STREAM_BYTES,
  TOTALS_KEY,
  unseal,
} from './queue-records.ts';
import { decodeRun, runOperations, type StreamRun, type StreamRuns } from './queue-streams.ts';
import type { KeyRange, Operation, Rocks } from './rocks.ts';

export interface QueueState {
  readonly deviceId: string;
  readonly position: Position;
  readonly streams: StreamRuns;
  readonly totals: Uint8Array | undefined;
  /** Whether this opening has begun a stream of its own. Not stored: every opening begins anew. */
  readonly begun: boolean;
}

export const EMPTY: QueueState = { deviceId: '', position: START, streams: [], totals: undefined, begun: false };

/** What makes the stored state `after` where it is `before`; part of every commit. */
export function stateOperations(before: QueueState, after: QueueState): Operation[] {
  const operations = [positionPut(after.position), ...runOperations(before.streams, after.streams)];
  if (after.totals !== undefined && after.totals !== before.totals) {
    operations.push(putSealed(TOTALS_KEY, after.totals));
  }
  return operations;
}

/** Makes the queue in an empty database. `other-device` where it is another's, `corrupt` where it is no queue of ours. */
export async function loadState(
  rocks: Rocks,
  deviceId: string | undefined,
  randomBytes: (count: number) => Uint8Array,
): Promise<QueueState> {
  const identity = await rocks.get(IDENTITY_KEY);
  if (identity === undefined) {
    if (deviceId === undefined || (await firstEntry(rocks, {})) !== undefined)
      throw new StoreError('corrupt', 'the database is not a queue');
    await rocks.write([
      identityPut(deviceId),
      positionPut(START),
      { type: 'put', key: FENCE_KEY, value: Buffer.alloc(0) },
    ]);
    return { ...EMPTY, deviceId };
  }
  const owner = decodeIdentity(identity)?.deviceId;
  if (owner === undefined) throw new StoreError('corrupt', 'the queue is of a format that this version does not know');
  if (deviceId !== undefined && owner !== deviceId)
    throw new StoreError('other-device', `the queue belongs to ${owner}`);
  const stored = await storedRuns(rocks);
  const position = decodePosition(await getReadable(rocks, POSITION_KEY)) ?? (await derivePosition(rocks, stored));
  return {
    deviceId: owner,
    position,
    streams: coveringRuns(stored, position, randomBytes),
    totals: unseal(TOTALS_KEY, await getReadable(rocks, TOTALS_KEY)),
    begun: false,
  };
}

async function storedRuns(rocks: Rocks): Promise<StreamRun[]> {
  const runs: StreamRun[] = [];
  for await (const [key, value] of rocks.entries(familyRange(QUEUE.stream))) {
    const run = decodeRun(key, value);
    if (run !== undefined) runs.push(run);
  }
  return runs;
}

/** Queued events without a stream would never be sent: a new one is better than none. */
function coveringRuns(
  runs: readonly StreamRun[],
  { head, next }: Position,
  randomBytes: (count: number) => Uint8Array,
): StreamRuns {
  if (head === next || (runs.length > 0 && runs[0]!.first <= head)) return runs;
  return [{ first: head, stream: randomBytes(STREAM_BYTES) }, ...runs];
}

/** Undefined also where RocksDB cannot read it. */
export async function getReadable(rocks: Rocks, key: Buffer): Promise<Buffer | undefined> {
  try {
    return await rocks.get(key);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'corrupt') return undefined;
    throw error;
  }
}

/**
 * The position of a queue whose record of it is lost: behind everything that is there. Events that were released out of
 * order look like damage then, and the bytes are about right until the queue is empty.
 */
async function derivePosition(rocks: Rocks, runs: StreamRuns): Promise<Position> {
  const used: Range[] = [];
  for await (const [key, value] of rocks.entries(familyRange(QUEUE.gap))) {
    used.push(decodeGap(key, value) ?? sequenceOf(key));
  }
  for await (const [key, value] of rocks.entries(familyRange(QUEUE.quarantine))) {
    used.push(decodeQuarantine(key, value) ?? sequenceOf(key));
  }
  const blocks = { gt: FENCE_KEY, lt: Buffer.from([QUEUE.block + 1]) };
  const [oldest] = (await firstEntry(rocks, blocks)) ?? [];
  const [newest] = (await firstEntry(rocks, { ...blocks, reverse: true })) ?? [];
  const { last } = newest === undefined ? { last: 0 } : await rangeOfBlock(rocks, numberOfKey(newest));
  const next = 1 + Math.max(last, (runs.at(-1)?.first ?? 1) - 1, ...used.map((range) => range.last));
  const head = oldest === undefined ? next : numberOfKey(oldest);
  const bytes = await rocks.bytesIn(familyRange(QUEUE.block));
  return withCleared({ commit: 0, head, next, bytes, cleared: [] }, used, 0);
}

async function rangeOfBlock(rocks: Rocks, first: number): Promise<Range> {
  const [found] = await lookUpBlocks(rocks, [first]);
  return { first, last: found?.kind === 'block' ? first + found.block.count - 1 : first };
}

function sequenceOf(key: Buffer): Range {
  return { first: numberOfKey(key), last: numberOfKey(key) };
}

async function firstEntry(rocks: Rocks, range: KeyRange): Promise<readonly [Buffer, Buffer] | undefined> {
  for await (const entry of rocks.entries({ ...range, limit: 1 })) return entry;
  return undefined;
}
