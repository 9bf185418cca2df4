/**
 * Blocks: how they are stored, read in order, and found wanting.
 *
 * Owns the byte layout of a block and every read of one. Promises to follow the sequences by key, since that is what
 * RocksDB verifies and never walks over what is deleted; to hand out no block whose seal is broken; and to say how far
 * damage reaches. Never writes: what to do about damage is the queue's to decide.
 *
 * Value: seal, count (u32), offset (u64), bytes.
 */
import assert from 'node:assert';
import { StoreError } from './errors.ts';
import type { Range } from './intervals.ts';
import { numberKey, numberOfKey, QUEUE } from './keys.ts';
import { type Position, queuedSince, queuedUntil, skipCleared } from './queue-position.ts';
import { type Put, putSealed } from './queue-records.ts';
import type { Rocks } from './rocks.ts';
import { SEAL_BYTES, unseal } from './seal.ts';

/** What one block may hold; it bounds how far the damage of one block can reach. */
export const BLOCK_EVENTS_MAX = 65_536;

const HEAD_BYTES = 12;
/** How many blocks are asked for at once where the ones before were alike. */
const AHEAD_MAX = 64;
/** How many sequences are asked for at once where the next block is not known. */
const SEARCH_STEP = 256;

/** The events of one commit. */
export interface Block extends Range {
  /** `last - first + 1`. */
  readonly count: number;
  readonly bytes: Uint8Array;
  /** What it takes on disk. */
  readonly storedBytes: number;
  /** Where it lies: what all blocks before it took on disk. */
  readonly offset: number;
}

export interface ReadLimit {
  /** Of stored bytes; the first block is given however large it is. */
  readonly bytesMax: number;
  readonly blocksMax: number;
}

/** What is stored at a sequence: a block, nothing, or something broken (without its value where that is unreadable). */
type Found =
  | { readonly kind: 'block'; readonly block: Block }
  | { readonly kind: 'missing' }
  | { readonly kind: 'broken'; readonly value?: Buffer };

/** In the order of the sequences. */
export type LookUp = (firsts: readonly number[]) => Promise<readonly Found[]>;

export interface Damage extends Range {
  /** What was stored at `first`, where RocksDB could read it. */
  readonly value: Buffer | undefined;
}

export function blockPut({ first, count, offset, bytes }: Pick<Block, 'first' | 'count' | 'offset' | 'bytes'>): Put {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUInt32BE(count);
  head.writeBigUInt64BE(BigInt(offset), 4);
  return putSealed(numberKey(QUEUE.block, first), head, bytes);
}

export async function lookUpBlocks(rocks: Rocks, firsts: readonly number[]): Promise<readonly Found[]> {
  const keys = firsts.map((first) => numberKey(QUEUE.block, first));
  try {
    const values = await rocks.getMany(keys);
    return values.map((value, i) => foundAs(keys[i]!, value));
  } catch (error) {
    if (!(error instanceof StoreError && error.code === 'corrupt')) throw error;
    if (firsts.length === 1) return [{ kind: 'broken' }];
    // It does not say which one.
    const half = firsts.length >>> 1;
    return [...(await lookUpBlocks(rocks, firsts.slice(0, half))), ...(await lookUpBlocks(rocks, firsts.slice(half)))];
  }
}

function foundAs(key: Buffer, value: Buffer | undefined): Found {
  if (value === undefined) return { kind: 'missing' };
  const block = decodeBlock(key, value);
  return block === undefined ? { kind: 'broken', value } : { kind: 'block', block };
}

/** Undefined where its seal is broken. */
export function decodeBlock(key: Buffer, value: Buffer): Block | undefined {
  const body = unseal(key, value);
  if (body === undefined) return undefined;
  const first = numberOfKey(key);
  const count = body.readUInt32BE();
  const offset = Number(body.readBigUInt64BE(4));
  const bytes = body.subarray(HEAD_BYTES);
  return { first, last: first + count - 1, count, bytes, storedBytes: value.length, offset };
}

/**
 * Blocks from a sequence on, ascending, up to the limit or to the first damage; `damagedAt` is set where that comes
 * first of all. The position may move while this reads, so it is asked for anew.
 */
export async function readBlocks(
  lookUp: LookUp,
  position: () => Position,
  from: number,
  { bytesMax, blocksMax }: ReadLimit,
): Promise<{ blocks: Block[]; damagedAt?: number }> {
  const blocks: Block[] = [];
  let bytesLeft = bytesMax;
  let at = from;
  // Neighbours are often alike: while they are, more of them are asked for at once.
  for (let ahead = 1; blocks.length < blocksMax; ) {
    at = skipCleared(position(), at);
    const { next } = position();
    if (at >= next) break;
    const stride = blocks.at(-1)?.count ?? 1;
    const firsts = Array.from({ length: ahead }, (_, i) => at + i * stride).filter((first) => first < next);
    const found = await lookUp(firsts);
    if (found[0]!.kind !== 'block') return blocks.length > 0 ? { blocks } : { blocks, damagedAt: at };
    let taken = 0;
    for (const one of found) {
      if (one.kind !== 'block' || one.block.first !== at) break;
      if (blocks.length === blocksMax || (blocks.length > 0 && one.block.storedBytes > bytesLeft)) return { blocks };
      blocks.push(one.block);
      bytesLeft -= one.block.storedBytes;
      at = one.block.last + 1;
      taken += 1;
    }
    const room = Math.min(blocksMax - blocks.length, 1 + bytesLeft / blocks.at(-1)!.storedBytes);
    ahead = taken === found.length ? Math.max(1, Math.min(2 * ahead, AHEAD_MAX, Math.floor(room))) : 1;
  }
  return { blocks };
}

/**
 * What is wrong at a sequence and how far it reaches: at most to what is stored next, to the next cleared sequence, or
 * as far as one block can go. Undefined where nothing is wrong.
 */
export async function measureDamage(lookUp: LookUp, position: Position, at: number): Promise<Damage | undefined> {
  const first = skipCleared(position, at);
  if (first >= position.next) return undefined;
  const found = (await lookUp([first]))[0]!;
  if (found.kind === 'block') return undefined;
  if (found.kind === 'missing') await assertNotWithinBlock(lookUp, position, first);
  const value = found.kind === 'broken' ? found.value : undefined;
  const room = Math.min(BLOCK_EVENTS_MAX, queuedUntil(position, first) - first);
  const until = first + (claimedCount(value, room) ?? room);
  const following = await nearestStored(lookUp, first + 1, until);
  return { first, last: (following?.at ?? until) - 1, value };
}

/** The count of a broken block, where it can be right. */
export function claimedCount(value: Buffer | undefined, room: number): number | undefined {
  if (value === undefined || value.length < SEAL_BYTES + HEAD_BYTES) return undefined;
  const count = value.readUInt32BE(SEAL_BYTES);
  return count >= 1 && count <= room ? count : undefined;
}

/** The first sequence at `sequence` or behind it that is not in the middle of a block. */
export async function nextStart(lookUp: LookUp, position: Position, sequence: number): Promise<number> {
  const at = skipCleared(position, sequence);
  if (at >= position.next || (await lookUp([at]))[0]!.kind !== 'missing') return at;
  const around = await blockAround(lookUp, position, at);
  return around === undefined ? at : skipCleared(position, around.last + 1);
}

/** To take the middle of a block for a hole would give up events that are there. */
async function assertNotWithinBlock(lookUp: LookUp, position: Position, sequence: number): Promise<void> {
  const around = await blockAround(lookUp, position, sequence);
  assert.equal(around, undefined, 'reading starts at the first sequence of a block');
}

/** The block that begins before a sequence and holds it. */
async function blockAround(lookUp: LookUp, position: Position, sequence: number): Promise<Block | undefined> {
  const since = Math.max(queuedSince(position, sequence), sequence - BLOCK_EVENTS_MAX + 1);
  const before = await nearestStored(lookUp, sequence - 1, since - 1);
  return before?.found.kind === 'block' && before.found.block.last >= sequence ? before.found.block : undefined;
}

/**
 * The first sequence from `from` up or down to before `to` with a value that RocksDB can read. Where it cannot, that
 * may be for every sequence of a whole file, so these say nothing about where blocks begin.
 */
async function nearestStored(
  lookUp: LookUp,
  from: number,
  to: number,
): Promise<{ at: number; found: Found } | undefined> {
  const step = Math.sign(to - from);
  for (let start = from; step * (to - start) > 0; start += step * SEARCH_STEP) {
    const length = Math.min(SEARCH_STEP, Math.abs(to - start));
    const all = await lookUp(Array.from({ length }, (_, i) => start + step * i));
    const index = all.findIndex((found) => found.kind === 'block' || (found.kind === 'broken' && found.value));
    if (index >= 0) return { at: start + step * index, found: all[index]! };
  }
  return undefined;
}
