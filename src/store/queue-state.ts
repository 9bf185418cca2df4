/**
 * What a queue keeps in memory, and how it is read from disk.
 *
 * Owns opening: whose queue this is, its position, its streams. Promises to believe only sealed records, and to work
 * out a lost position from what else is there, so that no sequence is used again. Never writes but what opening itself
 * adds.
 */
import { StoreError } from './errors.ts';
import { createIntervals, type Range } from './intervals.ts';
import { familyRange, numberKey, numberOfKey, QUEUE } from './keys.ts';
import { type Aside, asideLost, createAside, readAside, type WitnessedAside } from './queue-aside.ts';
import { BLOCK_EVENTS_MAX, type Block, claimedCount, decodeBlock } from './queue-blocks.ts';
import {
  decodePosition,
  type Position,
  positionPut,
  START,
  withAppended,
  withCleared,
  withUnsent,
} from './queue-position.ts';
import {
  decodeGap,
  decodeIdentity,
  decodeQuarantine,
  FENCE_KEY,
  type Gap,
  IDENTITY_KEY,
  identityPut,
  POSITION_KEY,
  putSealed,
  STREAM_BYTES,
  TOTALS_KEY,
} from './queue-records.ts';
import {
  decodeRun,
  NO_RUNS,
  restoredRuns,
  runOperations,
  runsOf,
  type StreamRun,
  type StreamRuns,
} from './queue-streams.ts';
import type { KeyRange, Operation, Rocks } from './rocks.ts';
import { unseal } from './seal.ts';

export interface QueueState {
  readonly deviceId: string;
  readonly position: Position;
  readonly streams: StreamRuns;
  readonly totals: Uint8Array | undefined;
  /** Whether this opening has begun a stream of its own. Not stored: every opening begins anew. */
  readonly begun: boolean;
}

export const EMPTY: QueueState = { deviceId: '', position: START, streams: NO_RUNS, totals: undefined, begun: false };

/** What makes the stored state `after` where it is `before`; part of every commit. */
export function stateOperations(before: QueueState, after: QueueState): Operation[] {
  const operations = runOperations(before.streams, after.streams);
  if (after.position.revision !== before.position.revision) operations.push(positionPut(after.position));
  if (after.totals !== undefined && after.totals !== before.totals) {
    operations.push(putSealed(TOTALS_KEY, after.totals));
  }
  return operations;
}

/** What is known of a queue from beside its database; that may be behind, and is never ahead. */
export interface Witnessed {
  readonly deviceId: string;
  readonly position: Pick<Position, 'head' | 'next' | 'cleared'>;
  readonly totals: Uint8Array | undefined;
  /** As of the position: a database of a later one has what the witness does not know of yet. */
  readonly revision: number;
  readonly aside: WitnessedAside | undefined;
  /** The latest streams, and whatever else is known of older ones; ascending. */
  readonly streams: readonly StreamRun[];
  /** Where the latest of them begin, which the witness itself names: of those before its `next` it knows all. */
  readonly streamsFrom: number;
}

/** What a database holds of a queue, once it is accounted for. */
export interface LoadedQueue {
  readonly state: QueueState;
  readonly aside: Aside;
}

export interface LoadOptions {
  /** Whose the queue is to be; undefined where any will do. */
  readonly deviceId: string | undefined;
  readonly randomBytes: (count: number) => Uint8Array;
  /** How a stream is added; for who only looks it does nothing. */
  readonly write?: (operations: readonly Operation[]) => Promise<void>;
  /** What is known of the queue from elsewhere. */
  readonly witnessed: Witnessed | undefined;
  /** Whether records may be gone, and others be older ones. Where that is left open, as the database was opened. */
  readonly isPartial?: boolean;
  /** Called for events whose record is lost, once they are a gap. */
  readonly onLost?: (gap: Gap) => void;
}

/** Makes the queue in an empty database. `other-device` if it is another's, `corrupt` if it is no queue of ours. */
export async function loadState(rocks: Rocks, options: LoadOptions): Promise<LoadedQueue> {
  const { deviceId, randomBytes, witnessed, isPartial = rocks.leftOut.length > 0 } = options;
  const write = options.write ?? ((operations) => rocks.write(operations));
  if ((await firstEntry(rocks, {})) === undefined) {
    const state = await makeState(rocks, deviceId, witnessed?.deviceId);
    return { state, aside: await loadAside(rocks, state.position, options, write) };
  }
  const identity = await getReadable(rocks, IDENTITY_KEY);
  const isLost = witnessed !== undefined || isPartial;
  const owner =
    identity === undefined
      ? await lostOwner(rocks, isLost ? (witnessed?.deviceId ?? deviceId) : undefined)
      : decodeIdentity(identity)?.deviceId;
  if (owner === undefined) throw new StoreError('corrupt', 'the queue has a format that this version does not know');
  if (owner !== (deviceId ?? owner)) throw new StoreError('other-device', `the queue belongs to ${owner}`);
  const { runs: stored, isBroken } = await storedRuns(rocks);
  const known = decodePosition(await getReadable(rocks, POSITION_KEY));
  const isWhole = known !== undefined && !isPartial;
  const stated = known ? await withTail(rocks, known) : await derivePosition(rocks, stored);
  const found = isWhole || witnessed === undefined ? stated : await withWitnessed(rocks, stated, witnessed.position);
  // The mark may have been in what was left out, and this one is an older one.
  const unsent = isPartial ? found.next : Math.min(found.unsent, found.next);
  const position = withUnsent(found, unsent);
  // What is recorded from now on has not been sent, however far ahead the mark was written. On disk before it is.
  if (position !== found) await write([positionPut(position)]);
  const aside = await loadAside(rocks, stated, options, write);
  // Under another stream than they were sent under, events that are there already would be counted once more.
  const areSure = witnessed === undefined || (!isPartial && !isBroken && witnessed.revision <= stated.revision);
  const restored = areSure ? stored : restoredRuns(stored, witnessed, stated.revision);
  const streams = coveringRuns(restored, position, randomBytes);
  // Before anything is sent under it.
  if (streams !== stored) await write(runOperations(stored, streams));
  if (identity === undefined) await write(ownerPuts(owner));
  const totals = unseal(TOTALS_KEY, await getReadable(rocks, TOTALS_KEY));
  return { state: { deviceId: owner, position, streams, totals, begun: false }, aside };
}

/** As the witness has it, unless that is older than the database. */
async function loadAside(
  rocks: Rocks,
  { revision }: Position,
  { witnessed, onLost }: LoadOptions,
  write: (operations: readonly Operation[]) => Promise<void>,
): Promise<Aside> {
  const stored = await readAside(rocks);
  const aside = createAside(stored);
  if (witnessed?.aside === undefined || witnessed.revision < revision) return aside;
  const { operations, gaps } = asideLost(stored, witnessed.aside);
  if (operations.length > 0) await write(operations);
  aside.follow(operations);
  for (const gap of gaps) onLost?.(gap);
  return aside;
}

async function makeState(
  rocks: Rocks,
  deviceId: string | undefined,
  owner: string | undefined = deviceId,
): Promise<QueueState> {
  if (deviceId === undefined) throw new StoreError('corrupt', 'the database is not a queue');
  // Made for another, it would be nobody's any more.
  if (owner !== deviceId) throw new StoreError('other-device', `the queue belonged to ${owner}`);
  await rocks.write([...ownerPuts(deviceId), positionPut(START)]);
  return { ...EMPTY, deviceId };
}

function ownerPuts(deviceId: string): Operation[] {
  return [identityPut(deviceId), { type: 'put', key: FENCE_KEY, value: Buffer.alloc(0) }];
}

/** Whose a queue is that has lost the record of it with a file, and not by being something else. */
async function lostOwner(rocks: Rocks, owner: string | undefined): Promise<string> {
  const outside = [{ lt: Buffer.from([QUEUE.meta]) }, { gte: Buffer.from([QUEUE.mark + 1]) }];
  const others = await Promise.all(outside.map((range) => firstEntry(rocks, range)));
  if (owner === undefined || others.some((entry) => entry !== undefined))
    throw new StoreError('corrupt', 'the database is not a queue');
  return owner;
}

async function storedRuns(rocks: Rocks): Promise<{ readonly runs: StreamRuns; readonly isBroken: boolean }> {
  const runs: StreamRun[] = [];
  let isBroken = false;
  for await (const [key, value] of rocks.entries(familyRange(QUEUE.stream))) {
    const run = decodeRun(key, value);
    if (run === undefined) isBroken = true;
    else runs.push(run);
  }
  return { runs: runsOf(runs), isBroken };
}

/** Queued events without a stream would never be sent: a new one is better than none. */
function coveringRuns(
  runs: StreamRuns,
  { head, next }: Position,
  randomBytes: (count: number) => Uint8Array,
): StreamRuns {
  const [oldest] = runs.all;
  if (head === next || (oldest !== undefined && oldest.first <= head)) return runs;
  return runsOf([{ first: head, stream: randomBytes(STREAM_BYTES) }, ...runs.all]);
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

/** What is stored of each gap so far. */
export async function storedGaps(rocks: Rocks, gaps: readonly Pick<Gap, 'first'>[]): Promise<(Gap | undefined)[]> {
  const keys = gaps.map(({ first }) => numberKey(QUEUE.gap, first));
  const values = await rocks.getMany(keys);
  return values.map((value, i) => value && decodeGap(keys[i]!, value));
}

/** The position after what was appended since it was stored. */
async function withTail(rocks: Rocks, position: Position): Promise<Position> {
  const tail = { gte: numberKey(QUEUE.block, position.next), lt: familyRange(QUEUE.block).lt };
  // Asked first, since a search from the end would walk over every block that was released.
  if ((await firstEntry(rocks, tail)) === undefined) return position;
  const broken: (readonly [Buffer, Buffer])[] = [];
  let newest: Block | undefined;
  for await (const [key, value] of rocks.entries({ ...tail, reverse: true })) {
    newest = decodeBlock(key, value);
    if (newest !== undefined) break;
    broken.unshift([key, value]);
  }
  let next = newest === undefined ? position.next : newest.last + 1;
  let offset = newest === undefined ? position.offset : newest.offset + newest.storedBytes;
  for (const [key, value] of broken) {
    const first = numberOfKey(key);
    // Its key may be broken, too.
    if (first - next >= BLOCK_EVENTS_MAX) break;
    next = first + (claimedCount(value, BLOCK_EVENTS_MAX) ?? 1);
    offset += value.length;
  }
  return withAppended(position, next, offset);
}

/**
 * The position of a queue whose record of it is lost: from the oldest block to behind everything that is there. Events
 * that were released out of order look like damage then, and all that is there may have been sent.
 */
async function derivePosition(rocks: Rocks, runs: StreamRuns): Promise<Position> {
  const used: Range[] = [];
  for await (const [key, value] of rocks.entries(familyRange(QUEUE.gap))) {
    used.push(decodeGap(key, value) ?? sequenceOf(key));
  }
  for await (const [key, value] of rocks.entries(familyRange(QUEUE.quarantine))) {
    used.push(decodeQuarantine(key, value) ?? sequenceOf(key));
  }
  const behind = 1 + Math.max(...used.map(({ last }) => last), (runs.all.at(-1)?.first ?? 1) - 1);
  const [key, value] = (await firstEntry(rocks, { gt: FENCE_KEY, lt: familyRange(QUEUE.block).lt })) ?? [];
  const head = key === undefined ? behind : numberOfKey(key);
  const offset = (key && value && decodeBlock(key, value)?.offset) ?? 0;
  const position = await withTail(rocks, { ...START, head, next: head, offset, unsent: Number.MAX_SAFE_INTEGER });
  return withCleared({ ...position, next: Math.max(position.next, behind) }, used, 0);
}

/**
 * The position of a queue of which records are lost: those that are left may be older ones. What has surely left the
 * queue, and is not there to be sent once more, is no damage; and what was queued before all that is there is.
 */
async function withWitnessed(
  rocks: Rocks,
  found: Position,
  { head, cleared }: Witnessed['position'],
): Promise<Position> {
  const position = { ...found, head: Math.min(found.head, head) };
  const all = { first: position.head, last: found.next - 1 };
  if (all.first > all.last) return found;
  const away = createIntervals();
  if (head > 1) away.add({ first: 1, last: head - 1 });
  for (const range of cleared) away.add(range);
  const kept = createIntervals();
  for (const range of away.missing(all)) kept.add(range);
  const blocks = { gte: numberKey(QUEUE.block, all.first), lt: numberKey(QUEUE.block, found.next) };
  try {
    for await (const [key, value] of rocks.entries(blocks)) kept.add(decodeBlock(key, value) ?? sequenceOf(key));
  } catch (error) {
    // Another block is damaged, and nobody can tell what there was.
    if (error instanceof StoreError && error.code === 'corrupt') return position;
    throw error;
  }
  return withCleared(position, kept.missing(all), 0);
}

function sequenceOf(key: Buffer): Range {
  return { first: numberOfKey(key), last: numberOfKey(key) };
}

async function firstEntry(rocks: Rocks, range: KeyRange): Promise<readonly [Buffer, Buffer] | undefined> {
  for await (const entry of rocks.entries({ ...range, limit: 1 })) return entry;
  return undefined;
}
