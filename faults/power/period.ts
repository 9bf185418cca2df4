/**
 * Period: one time that the power is on, and how it ends.
 *
 * Owns what a seed decides about it. Promises to draw all of that at once, so that how long anything takes never shifts
 * what comes later. Never starts or cuts anything.
 */
import type { DeviceRun } from '../sides.ts';

/** Whose disk loses its power. The other one's does not; `both` share one. */
export type Victim = 'device' | 'gateway' | 'both';

/**
 * - `key`: a key has been made and handed over, and nothing else.
 * - `first event`: the first one is resolved, where the gateway is the victim acknowledged, and every file is new.
 * - `load`: somewhere under load. `start`: somewhere in the middle of starting again.
 */
export type Moment = 'key' | 'first event' | 'load' | 'start';

export interface Period {
  /** Whether device and gateway reach each other. */
  readonly isLinked: boolean;
  /** The first word of the device that is waited for. */
  readonly word: 'opened' | 'resolved' | 'acknowledged';
  /** How long it lasts after that word; where the moment is `start`, from its beginning. */
  readonly lastsMs: number;
  readonly run: Omit<DeviceRun, 'gateway'>;
}

/** Of starting: about as long as a program takes to start and to open what it finds. */
const LASTS_MAX_MS = { 'first event': 20, load: 600, start: 900 };

/** @param linkedShare how often there is a link while only the device, or both, may lose their power */
export function drawPeriod(
  random: () => number,
  victim: Victim,
  moment: Exclude<Moment, 'key'>,
  linkedShare: number,
): Period {
  const word = moment !== 'first event' ? 'opened' : victim === 'device' ? 'resolved' : 'acknowledged';
  // A gateway without a link has nothing to lose.
  const isLinked = random() < linkedShare || word === 'acknowledged' || victim === 'gateway';
  const lastsMs = random() * LASTS_MAX_MS[moment];
  const options = {
    batchEventsMax: pick(random, [64, 512, 4_096]),
    inFlightMax: 1 + Math.floor(random() * 6),
    lingerMs: pick(random, [0, 5, 50]),
    reserveBytes: pick(random, [0, 1 << 20, 4 << 20]),
  };
  const run = {
    seed: Math.floor(random() * 2 ** 32),
    events: null,
    // A device whose power stays goes on all the time, and has to be drained in the end.
    pauseMaxMs: pick(random, victim === 'gateway' ? [20, 50, 100] : [1, 4, 20]),
    // Commits of more operations than are handed to RocksDB at once, too.
    scatter: pick(random, [0, 0.4]),
    options,
  };
  return { isLinked, word, lastsMs, run };
}

export function pick<T>(random: () => number, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)]!;
}
