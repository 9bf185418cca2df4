/**
 * Simulation: device and gateway in one process, on a clock, a network and disks that a seed decides.
 *
 * Owns going from seed to seed and the adding up. Promises that every seed is one course of events: some are run twice,
 * and a digest that differs is a finding like any other. Never waits for anything real.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Campaign, type CampaignResult, type Finding, type Ground, roundSeed } from '../campaign.ts';
import { type EventLoop, withEventLoop } from '../simulation/event-loop.ts';
import { FAULTS, type Fault } from '../simulation/faults.ts';
import { type Outcome, simulate } from '../simulation/simulation.ts';
import { HOUR_MS, MINUTE_MS } from '../simulation/time.ts';
import { createFaultTally } from '../tally.ts';

export const campaign: Campaign = {
  title: 'deterministic simulation',
  unit: 'seeds',
  sizes: { ci: 300, full: 100_000 },
  weight: 6,
  run,
};

/** Of so many seeds one is run twice. */
const TWICE_OF = 25;

/** Between two looks at the world outside. */
const SEEDS_AT_ONCE = 20;

/** More findings than these tell nothing new. */
const FINDINGS_MAX = 20;

const TOGETHER = 'all of these, together';

async function run({ seed, size, signal, progress }: Ground): Promise<CampaignResult> {
  const sums = { done: 0, events: 0, lost: 0, doubled: 0, requests: 0, simulatedMs: 0, drainedMs: 0 };
  const tally = createFaultTally();
  const findings: Finding[] = [];
  const find = (seedOf: number, what: string): void => void findings.push({ fault: TOGETHER, seed: seedOf, what });
  const begun = performance.now();
  while (sums.done < size && !signal.aborted && findings.length < FINDINGS_MAX) {
    await withEventLoop(async (loop) => {
      for (let left = Math.min(SEEDS_AT_ONCE, size - sums.done); left > 0; left--) {
        const outcome = await simulateOne(roundSeed(seed, sums.done), sums.done % TWICE_OF === 0, loop, find);
        sums.done += 1;
        for (const key of ['events', 'lost', 'doubled', 'requests', 'simulatedMs'] as const) sums[key] += outcome[key];
        sums.drainedMs = Math.max(sums.drainedMs, outcome.drainedMs);
        for (const fault of Object.keys(FAULTS) as Fault[]) {
          const strikes = outcome.strikes.get(fault);
          // Whatever struck may have been the cause.
          if (strikes) tally.add(FAULTS[fault], { ...strikes, lost: outcome.lost, doubled: outcome.doubled });
        }
      }
    });
    progress(sums.done);
    // Nothing else has this process's own event loop turn, and a signal waits for that.
    await nextTurn();
  }
  const { done, events, lost, doubled, requests, simulatedMs, drainedMs } = sums;
  const hours = Math.round(simulatedMs / HOUR_MS);
  const perMinute = Math.round(hours / ((performance.now() - begun) / MINUTE_MS));
  const note =
    `${hours.toLocaleString('en')} simulated hours, ${perMinute.toLocaleString('en')} a minute; ` +
    `${requests.toLocaleString('en')} requests; drained ${Math.ceil(drainedMs / MINUTE_MS)} simulated minutes ` +
    'after the last fault at most';
  tally.add(TOGETHER, { injected: done, events, lost, doubled, note });
  return { rows: tally.rows(), findings, done };
}

async function simulateOne(
  seed: number,
  isTwice: boolean,
  loop: EventLoop,
  find: (seed: number, what: string) => void,
): Promise<Outcome> {
  const outcome = await simulate(seed, { loop });
  if (outcome.breach !== undefined) find(seed, outcome.breach);
  if (!isTwice) return outcome;
  const { digest } = await simulate(seed, { loop });
  if (digest !== outcome.digest) find(seed, `the same seed took another course: ${outcome.digest}, then ${digest}`);
  return outcome;
}
