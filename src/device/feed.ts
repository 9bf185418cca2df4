/**
 * Feed: from an input to the device, at its pace or the disk's.
 *
 * Owns the loops behind `run --input`. Promises that nothing read is dropped: where the queue is full or the disk refuses,
 * it waits and tries again. Never reads ahead of the disk by more than one chunk.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TelemetryEvent } from '../codec/index.ts';
import { StoreError } from '../store/index.ts';
import type { Device } from './device.ts';
import { DeviceError } from './errors.ts';
import type { Chunk, InputFile, RefusedRow } from './input.ts';
import type { Mark } from './recorder.ts';
import type { Simulation } from './simulation.ts';

export interface FeedOptions {
  readonly device: Device;
  readonly signal: AbortSignal;
  /** Why the feed has to wait. */
  readonly onWait: (error: Error) => void;
}

export interface PacedOptions extends FeedOptions {
  readonly simulation: Simulation;
  /** Events a second; 0 for as fast as the disk takes them. */
  readonly rate: number;
  readonly eventsMax: number;
}

export interface RowsOptions extends FeedOptions {
  readonly file?: InputFile | undefined;
  readonly onChunk: (chunk: Chunk) => void;
  /** May throw to end the feed; nothing of the chunk is recorded then. */
  readonly onRefused: (rows: readonly RefusedRow[]) => void;
}

const TICK_MS = 20;
const BURST_EVENTS = 4_096;
const FULL_WAIT_MS = 1_000;

/** Resolves with the events recorded, at the end or when the signal aborts. */
export async function feedSimulation(options: PacedOptions): Promise<number> {
  const { simulation, rate, eventsMax, signal } = options;
  const started = performance.now();
  let done = 0;
  while (done < eventsMax && !signal.aborted) {
    const due = rate === 0 ? done + BURST_EVENTS : Math.floor(((performance.now() - started) / 1_000) * rate);
    const count = Math.min(due, eventsMax) - done;
    // At most one burst at a time also after the machine has slept: the disk sets the pace.
    const burst = Math.min(count, BURST_EVENTS);
    if (burst > 0) {
      const now = Date.now();
      const spacing = rate === 0 ? 0 : 1_000 / rate;
      const events = Array.from({ length: burst }, (_, i) =>
        simulation.next(now - Math.round((burst - 1 - i) * spacing)),
      );
      if (!(await recordOrWait(options, events))) break;
      done += burst;
    }
    if (rate > 0) await sleep(TICK_MS, undefined, { signal }).catch(() => {});
  }
  return done;
}

/** Resolves with the events recorded, at the end of the rows or when the signal aborts. */
export async function feedRows(rows: AsyncIterable<Chunk>, options: RowsOptions): Promise<number> {
  let done = 0;
  for await (const chunk of rows) {
    if (options.signal.aborted) break;
    // First, for who ends the feed there wants to put the row right and have it read again.
    if (chunk.refused.length > 0) options.onRefused(chunk.refused);
    const mark = options.file?.mark(chunk.rows);
    if (chunk.events.length > 0 && !(await recordOrWait(options, chunk.events, mark))) break;
    done += chunk.events.length;
    options.onChunk(chunk);
  }
  return done;
}

/** False where the signal aborted first; nothing of the events is recorded then. */
async function recordOrWait(options: FeedOptions, events: readonly TelemetryEvent[], mark?: Mark): Promise<boolean> {
  const { device, signal, onWait } = options;
  while (!signal.aborted) {
    try {
      await device.recordAll(events, mark);
      return true;
    } catch (error) {
      const full = error instanceof DeviceError && (error.code === 'queue-full' || error.code === 'overloaded');
      if (!full && !(error instanceof StoreError && error.code !== 'closed')) throw error;
      onWait(error);
      await sleep(FULL_WAIT_MS, undefined, { signal }).catch(() => {});
      // A disk that failed in the middle may have kept it all the same.
      if (mark && (await isStored(device, mark))) return true;
    }
  }
  return false;
}

async function isStored(device: Device, { name, value }: Mark): Promise<boolean> {
  const stored = await device.mark(name).catch(() => undefined);
  return stored !== undefined && Buffer.compare(stored, value) === 0;
}
