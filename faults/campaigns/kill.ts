/**
 * Kill: SIGKILL of a device, of the gateway, of both, at random moments and at every step of an event's way.
 *
 * Owns the rounds and the rows. Promises that a step counts as struck only where a process has died there. The work is
 * in `../kill/`.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Campaign, type Finding, roundSeed } from '../campaign.ts';
import { faultOf, stepFaultOf } from '../kill/death.ts';
import { hear } from '../kill/hearing.ts';
import { fight } from '../kill/round.ts';
import { STEPS } from '../kill/steps.ts';
import { createFaultTally, type FaultTally } from '../tally.ts';

/** Enough to die at each step once, few enough to tell what came of which. */
const KILLS_OF_ROUND = 25;

/** Where so much is wrong, more of it says nothing more. */
const FINDINGS_MAX = 20;

export const campaign: Campaign = {
  title: 'SIGKILL of device and gateway under load',
  unit: 'kills of each side',
  sizes: { ci: 15, full: 1_000 },
  weight: 30,
  async run({ seed, size, signal, folder, programs, progress }) {
    const tally = createFaultTally();
    const findings: Finding[] = [];
    let [done, gaps, quarantined] = [0, 0, 0];
    for (const fault of faults()) tally.add(fault, { injected: 0 });
    for (let round = 0; done < size && findings.length < FINDINGS_MAX && !signal.aborted; round++) {
      const ofRound = roundSeed(seed, round);
      const ground = join(folder, `round-${round}`);
      await mkdir(ground, { mode: 0o700 });
      let kills = 0;
      const fought = await fight({
        ...{ programs, folder: ground, seed: ofRound, kills: KILLS_OF_ROUND, signal },
        onKills({ device, gateway }) {
          kills = Math.min(device, gateway);
          progress(done + kills);
        },
      });
      const heard = await hear(programs, fought);
      for (const toll of heard.tolls) count(tally, toll);
      findings.push(...heard.problems.map((problem) => ({ ...problem, seed: ofRound })));
      done += kills;
      gaps += heard.gaps;
      quarantined += heard.quarantined;
      await rm(ground, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    }
    const note = `${gaps} events given up in declared gaps, ${quarantined} in quarantine`;
    tally.add('SIGKILL of the device', { injected: 0, note });
    return { rows: tally.rows(), findings, done };
  },
};

function faults(): string[] {
  const sides = ['SIGKILL of the device', 'SIGKILL of the gateway', 'SIGKILL of both'];
  return [...sides, ...STEPS.map(({ name }) => stepFaultOf(name))];
}

function count(tally: FaultTally, { death, ...cost }: Awaited<ReturnType<typeof hear>>['tolls'][number]): void {
  const { steps, recoveryMs } = death;
  for (const fault of [faultOf(death), ...steps.map(stepFaultOf)]) tally.add(fault, { ...cost, recoveryMs });
}
