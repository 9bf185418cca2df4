/**
 * Gauge: how long an input took and how much memory the process came to hold.
 *
 * Owns the measuring and the bounds. Promises that a machine which does something else meanwhile is not taken for a
 * slow decoder: what seems slow is done again. Never says what was measured: that is the caller's.
 */
import { openSync, readSync } from 'node:fs';
import { Breach } from './kind.ts';

/** Milliseconds that one input may take where it is decoded, read or judged at once. */
export const INPUT_MAX_MS = 1_000;

/** The same for half a megabyte of rows, each of which may be refused. */
const LONG_MAX_MS = 8_000;

/**
 * Milliseconds of its thread for which the gateway's event loop may be held by one batch that is as large as may be.
 * Most are below 10; one of 4,096 sensors, whose 16,384 pages are decided on at once, takes 30.
 */
export const HOLD_MAX_MS = 60;

/**
 * The same for any one request of a device with a key or of somebody who reads. The rule is 10 ms, and on a quiet
 * machine they keep to it, but for code that runs for the first time. V8's collections are in this, too, and are longer
 * on a busy machine.
 */
export const HOLD_RULE_MS = 20;

/** Bytes by which the process may grow while millions of inputs go through it. */
export const GROWTH_MAX_BYTES = 768 * 2 ** 20;

/** Beyond this an input is measured again, by what this thread has run for. */
const SUSPECT_MS = 10;

export interface Gauge {
  /** Does the work and remembers how long the longest of that name took. Throws where it takes too long. */
  time<T>(name: string, work: () => T): T;
  /** Says how long something took that cannot be done again. Never throws. */
  took(name: string, ms: number): void;
  /** The same of something long. Throws where it takes far too long. */
  assertShort(name: string, ms: number, what: string): void;
  /** Milliseconds; 0 where nothing of that name was timed. */
  longest(name: string): number;
  /** Looks at how much the process holds. Throws where that has grown too much. */
  weigh(): void;
  /** Bytes by which the process has grown at most. */
  readonly growth: number;
}

export function createGauge(): Gauge {
  const longest = new Map<string, number>();
  const before = process.memoryUsage.rss();
  let most = before;
  const took = (name: string, ms: number): void => {
    if (ms > (longest.get(name) ?? 0)) longest.set(name, ms);
  };
  return {
    took,
    assertShort(name, ms, what) {
      took(name, ms);
      if (ms > LONG_MAX_MS) throw new Breach(`took ${Math.round(ms)} ms: ${what}`);
    },
    time(name, work) {
      const begun = performance.now();
      const settle = settled(work);
      let tookMs = performance.now() - begun;
      if (tookMs > SUSPECT_MS) tookMs = Math.min(tookMs, timeOf(work));
      took(name, tookMs);
      if (tookMs > INPUT_MAX_MS) throw new Breach(`took ${Math.round(tookMs)} ms`);
      return settle();
    },
    longest: (name) => longest.get(name) ?? 0,
    weigh() {
      most = Math.max(most, process.memoryUsage.rss());
      if (most - before > GROWTH_MAX_BYTES) throw new Breach(`the process has grown by ${megabytes(most - before)}`);
    },
    get growth() {
      return most - before;
    },
  };
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

function timeOf(work: () => unknown): number {
  const begun = threadMs();
  settled(work);
  return threadMs() - begun;
}

/** Does the work; what is given back returns or throws what it did. */
function settled<T>(work: () => T): () => T {
  try {
    const result = work();
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

const schedule = openSchedule();
const text = Buffer.alloc(64);

/** What this thread has run for, where the system tells; else the time of day. */
export function threadMs(): number {
  if (schedule === undefined) return performance.now();
  const length = readSync(schedule, text, 0, text.length, 0);
  return Number(text.toString('latin1', 0, length).split(' ')[0]) / 1e6;
}

function openSchedule(): number | undefined {
  try {
    return openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  } catch {
    return undefined;
  }
}
