/**
 * Schedule: which fault meets which request.
 *
 * Owns the seeded choice. Promises the same faults in the same order for the same seed, one draw for each request
 * whatever it leads to. Never knows what a fault does.
 */
import assert from 'node:assert/strict';
import type { FaultName } from './faults.ts';

/** The probability of each fault, for each request; together at most 1. */
export type FaultRates = Readonly<Partial<Record<FaultName, number>>>;

/** What the first requests meet, in their order; all later ones meet nothing. */
export type FaultScript = readonly (FaultName | 'none')[];

export interface Schedule {
  /** For the next request. */
  next(): FaultName | 'none';
  /** From now on there are no faults. */
  heal(): void;
}

/** @param random uniform in [0, 1); only rates draw from it */
export function createSchedule(faults: FaultRates | FaultScript, random: () => number): Schedule {
  let left = isScript(faults) ? scripted(faults) : drawn(faults, random);
  return {
    next: () => left(),
    heal() {
      left = () => 'none';
    },
  };
}

export function isScript(faults: FaultRates | FaultScript): faults is FaultScript {
  return Array.isArray(faults);
}

function scripted(script: FaultScript): () => FaultName | 'none' {
  let at = 0;
  return () => script[at++] ?? 'none';
}

function drawn(rates: FaultRates, random: () => number): () => FaultName | 'none' {
  const entries = Object.entries(rates) as [FaultName, number][];
  const total = entries.reduce((sum, [, rate]) => sum + rate, 0);
  assert(total <= 1 + 1e-9 && entries.every(([, rate]) => rate >= 0), 'the rates of faults lie between 0 and 1');
  return () => {
    let rest = random();
    for (const [name, rate] of entries) {
      rest -= rate;
      if (rest < 0) return name;
    }
    return 'none';
  };
}
