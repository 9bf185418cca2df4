/**
 * Scenario: what a seed decides before anything happens.
 *
 * Owns the choice of what can go wrong, how often, and how devices and gateway are set up. Promises that a seed tries
 * some faults hard and leaves others out, since those that always come together hide each other. Never decides when.
 */
import { type Chance, pick, spread, whole } from './chance.ts';
import type { Habits } from './device-machine.ts';
import { FAULTS, type Fault } from './faults.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './time.ts';

export interface Scenario {
  readonly devices: number;
  /** For how long things go wrong. */
  readonly chaosMs: number;
  /** Bursts of events that each device records meanwhile, and the most events of one. */
  readonly bursts: number;
  readonly burstMax: number;
  /** How likely each fault is at an opportunity, of those that can happen. */
  readonly rates: ReadonlyMap<Fault, number>;
  /** How often each fault comes in all, of those that come by themselves. */
  readonly times: ReadonlyMap<Fault, number>;
  /** The longest that a copy of a request is late. */
  readonly lateMaxMs: number;
  readonly windowMs: number;
  /** The longest wait that a gateway asks for. */
  readonly busyMaxMs: number;
  /** Content encodings that the gateway takes. */
  readonly encodings: readonly string[];
  /** Whether the gateway lets go of accepted batches. */
  readonly forgets: boolean;
}

/** How likely at an opportunity; an opportunity is a write, a read, an opening or a message. */
const RATES: Partial<Record<Fault, readonly [from: number, to: number]>> = {
  deviceCrash: [0.003, 0.1],
  gatewayCrash: [0.003, 0.1],
  deviceWriteFails: [0.01, 0.3],
  gatewayWriteFails: [0.01, 0.3],
  deviceReadFails: [0.003, 0.1],
  gatewayReadFails: [0.003, 0.1],
  deviceOpenFails: [0.05, 0.5],
  gatewayOpenFails: [0.05, 0.5],
  databaseReplaced: [0.01, 0.2],
  requestLost: [0.02, 0.5],
  answerLost: [0.02, 0.6],
  requestDoubled: [0.02, 0.6],
  requestLate: [0.02, 0.5],
  requestDamaged: [0.02, 0.4],
  answerDamaged: [0.02, 0.4],
  answerReplayed: [0.02, 0.4],
  impostor: [0.02, 0.5],
  stranger: [0.02, 0.3],
  busy: [0.02, 0.3],
};

/** How often at most, over all the time. */
const TIMES: Partial<Record<Fault, number>> = {
  deviceCrash: 4,
  gatewayCrash: 4,
  deviceStopped: 2,
  gatewayStopped: 2,
  deviceDiskFull: 2,
  gatewayDiskFull: 2,
  blockSpoiled: 2,
  diskRestored: 2,
  diskCloned: 1,
  deviceClock: 4,
  deviceClockFrozen: 1,
  gatewayClock: 3,
  partition: 4,
  impostor: 1,
  stranger: 1,
  keyRevoked: 1,
  keyRotated: 2,
  narrow: 2,
  refusalsRetried: 4,
  older: 2,
};

/** What a seed has rather more often, or less, than other faults, since it takes others besides to show a bug. */
const LIKELIHOOD: Partial<Record<Fault, number>> = {
  quota: 0.4,
  entropyRepeated: 0.7,
  blockSpoiled: 0.2,
  refusalsRetried: 0.8,
};

export function drawScenario(random: Chance): Scenario {
  const rates = new Map<Fault, number>();
  const times = new Map<Fault, number>();
  const likely = pick(random, [0.1, 0.25, 0.5]);
  for (const fault of Object.keys(FAULTS) as Fault[]) {
    // Two machines with the same randomness, or one that has it twice.
    if (fault === 'entropyRepeated' && !rates.has('diskRestored') && !rates.has('diskCloned')) continue;
    if (fault === 'refusalsRetried' && !rates.has('narrow')) continue;
    if (random() >= (LIKELIHOOD[fault] ?? likely)) continue;
    const range = RATES[fault];
    rates.set(fault, range === undefined ? 0 : spread(random, ...range));
    const most = TIMES[fault];
    if (most !== undefined) times.set(fault, whole(random, 1, most));
  }
  // What an id that came twice has moved is moved again by a disk from before that, and no promise covers both.
  if (rates.has('entropyRepeated') && rates.has('diskRestored')) {
    if (rates.has('diskCloned')) {
      rates.delete('diskRestored');
      times.delete('diskRestored');
    } else times.set('diskRestored', 1);
  }
  // A queue runs full while nothing gets through.
  if (rates.has('quota')) {
    rates.set('partition', 0);
    times.set('partition', whole(random, 2, 5));
  }
  return {
    devices: pick(random, [1, 1, 1, 1, 2, 3]),
    chaosMs: spread(random, HOUR_MS / 2, 28 * DAY_MS),
    bursts: rates.has('quota') ? whole(random, 8, 16) : whole(random, 2, 8),
    burstMax: pick(random, [1, 4, 8, 16]),
    rates,
    times,
    lateMaxMs: spread(random, 1_000, 12 * HOUR_MS),
    windowMs: pick(random, [10_000, 5 * MINUTE_MS, 5 * MINUTE_MS, DAY_MS]),
    busyMaxMs: spread(random, 1_000, HOUR_MS),
    // Most have none to lose time with: packing is tried elsewhere.
    encodings: random() < 0.2 ? ['br', 'gzip', 'identity'] : ['identity'],
    // What it has let go of it cannot compare with any more.
    forgets: !rates.has('entropyRepeated') && random() < 0.2,
  };
}

/** How a device is set up. Long outages have longer waits, so that a simulation need not sit through all of them. */
export function drawHabits(random: Chance, { chaosMs, rates }: Scenario): Habits {
  const retryMaxMs = Math.min(DAY_MS, Math.max(MINUTE_MS, chaosMs / spread(random, 2, 12)));
  const retryBaseMs = Math.min(retryMaxMs, spread(random, 100, 60_000));
  const isTight = rates.has('quota');
  return {
    batchEventsMax: pick(random, [1, 3, 10, 64, 4_096]),
    batchBytesMax: pick(random, [200, 1 << 20]),
    lingerMs: pick(random, [0, 1_000, 1_000, 10 * MINUTE_MS]),
    inFlightMax: whole(random, 1, 6),
    requestTimeoutMs: pick(random, [2_000, 60_000, 10 * MINUTE_MS]),
    retryBaseMs: Math.round(retryBaseMs),
    retryMaxMs: Math.round(retryMaxMs),
    pauseMaxMs: Math.round(Math.max(retryMaxMs, spread(random, MINUTE_MS, HOUR_MS))),
    reserveBytes: 1 << 20,
    pendingEventsMax: random() < 0.1 ? 16 : 1 << 20,
    ...(isTight && {
      // What may be on its way is not given up, so there is to be little of it.
      batchEventsMax: pick(random, [1, 3, 10]),
      inFlightMax: whole(random, 1, 2),
      queueBytesMax: whole(random, 200, 800),
      whenFull: pick(random, ['refuse', 'drop-oldest', 'drop-oldest']),
    }),
  };
}
