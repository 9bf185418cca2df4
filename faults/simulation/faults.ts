/**
 * Faults: everything that can go wrong in a simulation, by name.
 *
 * Owns the names, how likely each is under one seed, and how often each has struck. Promises that none strikes once
 * faults have stopped. Never does anything itself.
 */
export const FAULTS = {
  deviceCrash: 'device: crash',
  gatewayCrash: 'gateway: crash',
  deviceStopped: 'device: stopped and started',
  gatewayStopped: 'gateway: stopped and started',
  deviceWriteFails: 'device: disk write fails',
  gatewayWriteFails: 'gateway: disk write fails',
  deviceReadFails: 'device: disk read fails',
  gatewayReadFails: 'gateway: disk read fails',
  deviceOpenFails: 'device: database does not open',
  gatewayOpenFails: 'gateway: database does not open',
  deviceDiskFull: 'device: disk full',
  gatewayDiskFull: 'gateway: disk full',
  databaseReplaced: 'device: database replaced',
  blockSpoiled: 'device: stored block damaged',
  diskRestored: 'device: disk restored from a copy',
  diskCloned: 'device: disk cloned onto another',
  entropyRepeated: 'device: randomness repeats itself',
  deviceClock: 'device: clock jumps',
  deviceClockFrozen: 'device: clock stands still',
  gatewayClock: 'gateway: clock stepped',
  partition: 'network: partition',
  requestLost: 'network: request lost',
  answerLost: 'network: answer lost after the commit',
  requestDoubled: 'network: request doubled',
  requestLate: 'network: request late and out of order',
  requestDamaged: 'network: request damaged',
  answerDamaged: 'network: answer damaged',
  answerReplayed: 'network: signed answer to another request',
  impostor: 'network: unsigned answer',
  stranger: 'network: answer with a wrong key',
  keyRevoked: 'gateway: key revoked',
  keyRotated: 'gateway: key rotated',
  busy: 'gateway: signed 429 or 503',
  narrow: 'gateway: narrow limits',
  refusalsRetried: 'device: refused events sent again',
  older: 'gateway: knows fewer encodings',
  quota: 'device: queue full',
} as const;

export type Fault = keyof typeof FAULTS;

export interface Strikes {
  injected: number;
  /** Recorded events that were not safe at the gateway, added up over the strikes. */
  events: number;
}

export interface Faults {
  /** Whether it is among what can go wrong under this seed. */
  isPossible(fault: Fault): boolean;
  /** Whether it strikes at this opportunity. */
  strikes(fault: Fault): boolean;
  /** It has struck. */
  count(fault: Fault): void;
  /** Nothing strikes any more. */
  stop(): void;
  readonly hasStopped: boolean;
  readonly tally: ReadonlyMap<Fault, Strikes>;
}

export interface FaultsOptions {
  readonly random: () => number;
  /** How likely each possible fault is at an opportunity. */
  readonly rates: ReadonlyMap<Fault, number>;
  /** Recorded events that are not safe at the gateway now. */
  readonly atStake: () => number;
  readonly onStrike: (fault: Fault) => void;
}

export function createFaults({ random, rates, atStake, onStrike }: FaultsOptions): Faults {
  const tally = new Map<Fault, Strikes>();
  let hasStopped = false;
  const faults: Faults = {
    tally,
    isPossible: (fault) => rates.has(fault),
    strikes(fault) {
      const rate = hasStopped ? undefined : rates.get(fault);
      if (rate === undefined || random() >= rate) return false;
      faults.count(fault);
      return true;
    },
    count(fault) {
      const before = tally.get(fault) ?? { injected: 0, events: 0 };
      tally.set(fault, { injected: before.injected + 1, events: before.events + atStake() });
      onStrike(fault);
    },
    get hasStopped() {
      return hasStopped;
    },
    stop() {
      hasStopped = true;
    },
  };
  return faults;
}
