/**
 * Feed: from an input to the device, at its pace or the disk's.
 *
 * Owns the loop behind `run --input`. Promises that nothing read is dropped: where the queue is full or the disk
 * refuses, it waits and tries again; and that refused rows are on disk before the mark moves past them. Never reads
 * ahead of the disk by more than one chunk.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreError } from '../store/index.ts';
import type { Device } from './device.ts';
import { DeviceError } from './errors.ts';
import type { Chunk, Input, RefusedRow, Rejects } from './inputs/index.ts';
import type { Mark } from './recorder.ts';

export interface FeedOptions {
  readonly device: Pick<Device, 'recordAll' | 'note' | 'mark'>;
  readonly signal: AbortSignal;
  readonly rejects?: Rejects | undefined;
  /** Why the feed has to wait. */
  readonly onWait: (error: Error) => void;
  readonly onChunk: (chunk: Chunk) => void;
  /** May throw to end the feed; nothing of the chunk is recorded then. */
  readonly onRefused: (rows: readonly RefusedRow[]) => void;
}

export interface Fed {
  /** Events. */
  readonly recorded: number;
  /** Rows of a pipe that were read when the signal came and are in no queue: they cannot be read again. */
  readonly dropped: number;
}

const FULL_WAIT_MS = 1_000;

/** Resolves at the end of the input or when the signal aborts. */
export async function feedInput(input: Input, options: FeedOptions): Promise<Fed> {
  let recorded = 0;
  for await (const chunk of input.chunks(options.signal)) {
    const dropped = input.isKept ? 0 : chunk.events.length;
    if (options.signal.aborted) return { recorded, dropped };
    // First, for who ends the feed there wants to put the row right and have it read again.
    if (chunk.refused.length > 0) options.onRefused(chunk.refused);
    if (options.rejects && chunk.rejected.length > 0) {
      const isNoted = await recordOrWait(options, [], input.marksBefore?.() ?? []);
      if (!isNoted) return { recorded, dropped };
      await options.rejects.write(chunk.rejected, input.preamble);
    }
    if (!(await recordOrWait(options, chunk.events, chunk.marks()))) return { recorded, dropped };
    recorded += chunk.events.length;
    options.onChunk(chunk);
  }
  return { recorded, dropped: 0 };
}

/** False where the signal aborted first; nothing of the chunk is recorded then. */
async function recordOrWait(
  { device, signal, onWait }: FeedOptions,
  events: Chunk['events'],
  marks: readonly Mark[],
): Promise<boolean> {
  if (events.length === 0 && marks.length === 0) return true;
  while (!signal.aborted) {
    try {
      await (events.length > 0 ? device.recordAll(events, marks) : device.note(marks));
      return true;
    } catch (error) {
      const isFull = error instanceof DeviceError && (error.code === 'queue-full' || error.code === 'overloaded');
      if (!isFull && !(error instanceof StoreError && error.code !== 'closed')) throw error;
      onWait(error);
      await sleep(FULL_WAIT_MS, undefined, { signal }).catch(() => {});
      // A disk that failed in the middle may have kept it all the same.
      if (!isFull && marks[0] && (await isStored(device, marks[0]))) return true;
    }
  }
  return false;
}

async function isStored(device: FeedOptions['device'], { name, value }: Mark): Promise<boolean> {
  const stored = await device.mark(name).catch(() => undefined);
  return stored !== undefined && Buffer.compare(stored, value) === 0;
}
