/**
 * What the tests of the queue share: a directory that goes away, a queue in it, blocks with known bytes.
 *
 * Owns nothing of the queue. Promises that everything it opens is closed and removed with the test.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type NewBlock,
  openQueue,
  type QuarantineEntry,
  type Queue,
  type QueueOptions,
} from '../../src/store/index.ts';
import { openRocks, type Rocks } from '../../src/store/rocks.ts';

const cleanups = new WeakMap<TestContext, (() => unknown)[]>();

/** Like `t.after`, but what was set up last is cleaned up first. */
export function cleanUp(t: TestContext, cleanup: () => unknown): void {
  const before = cleanups.get(t);
  if (before !== undefined) {
    before.unshift(cleanup);
    return;
  }
  const all = [cleanup];
  cleanups.set(t, all);
  t.after(async () => {
    for (const one of all) await one();
  });
}

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tidegate-queue-'));
  cleanUp(t, () => rm(path, { recursive: true, force: true }));
  return path;
}

export async function openTestQueue(
  t: TestContext,
  path: string,
  options: Partial<QueueOptions> = {},
  open: typeof openRocks = openRocks,
): Promise<Queue> {
  const queue = await openQueue({ path, deviceId: 'pump-1', reserveBytes: 0, ...options }, open);
  cleanUp(t, () => queue.close());
  return queue;
}

/** The queue's database, with the queue closed. */
export async function withDatabase<T>(path: string, use: (rocks: Rocks) => Promise<T>): Promise<T> {
  const rocks = await openRocks(join(path, 'db-1'), { create: false });
  try {
    return await use(rocks);
  } finally {
    await rocks.close();
  }
}

/** A block whose bytes say what it is. */
export function block(count: number, text: string, bytes = 0): NewBlock {
  return { count, bytes: Buffer.from(text.padEnd(bytes, '.')) };
}

/** Refused events of a queue, under the stream that the first of them was recorded in. */
export function quarantined(queue: Queue, first: number, last = first, text = 'q'): QuarantineEntry {
  return { first, last, stream: queue.streamAt(first).stream, bytes: Buffer.from(text) };
}

export const ALL = { bytesMax: 1 << 30, blocksMax: 1 << 20 };

/** `first+count text` of every block that `read` gives. */
export async function contents(queue: Queue, from = queue.head): Promise<string[]> {
  return (await queue.read(from, ALL)).map(({ first, count, bytes }) => `${first}+${count} ${Buffer.from(bytes)}`);
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Random bytes that one can tell apart, and repeat. */
export function countingBytes(start = 0): (count: number) => Uint8Array {
  let calls = start;
  return (count) => {
    calls += 1;
    return Buffer.alloc(count, calls);
  };
}
