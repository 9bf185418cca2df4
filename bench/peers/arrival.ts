/**
 * Arrival: what came out at the other side, and whether it is what went in.
 *
 * Owns the comparison that every peer ends with. Promises that the count must be right for all of them, and the sums to
 * the last digit wherever they are decimals; sums that a peer makes of floating-point numbers may be off by their
 * rounding and nothing more.
 */
import assert from 'node:assert';
import { sumOfTexts, type Totals } from '../totals.ts';

export interface Arrival {
  readonly events: number;
  /** By measure: plain decimal text where it is exact, a number where the peer adds up doubles. */
  readonly sums: Readonly<Record<string, string | number>>;
}

/** Far above what adding a million doubles loses, far below one reading. */
const ROUNDING = 1e-9;

export function assertArrived({ events, sums }: Arrival, expected: Totals): void {
  assert.equal(events, expected.events, 'events that arrived');
  assert.deepEqual(Object.keys(sums).sort(), Object.keys(expected.sums).sort());
  for (const [measure, sum] of Object.entries(sums)) {
    const wanted = expected.sums[measure]!;
    if (typeof sum === 'string') assert.equal(sum, wanted, `sum of ${measure}`);
    else assert(Math.abs(sum - Number(wanted)) <= ROUNDING * Math.abs(Number(wanted)), `${measure}: ${sum}, ${wanted}`);
  }
}

export interface Reading {
  readonly volume: number;
  readonly temperature: number;
}

/** For peers that give back the events themselves: adds up what is written, not the doubles. */
export function createTally(): { add(reading: Reading): void; arrival(): Arrival } {
  const volumes: string[] = [];
  const temperatures: string[] = [];
  return {
    add({ volume, temperature }) {
      volumes.push(String(volume));
      temperatures.push(String(temperature));
    },
    arrival: () => ({
      events: volumes.length,
      sums: { volume: sumOfTexts(volumes), temperature: sumOfTexts(temperatures) },
    }),
  };
}
