/**
 * Owners: several programs that open the folder of one device, or of one gateway, at once.
 *
 * Owns the rounds and the rows. The work is in `../owners/`.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Campaign, type Finding, roundSeed } from '../campaign.ts';
import { contend } from '../owners/round.ts';
import { START_STEPS } from '../owners/steps.ts';
import { createFaultTally } from '../tally.ts';

const CONTESTS_OF_ROUND = 12;
const FINDINGS_MAX = 20;

export const campaign: Campaign = {
  title: 'two owners at every step of a start',
  unit: 'contests',
  sizes: { ci: 12, full: 240 },
  weight: 10,
  async run({ seed, size, signal, folder, programs, progress }) {
    const tally = createFaultTally();
    const findings: Finding[] = [];
    const faultOf = (side: string): string => `the folder of a ${side} opened several times within 10 ms`;
    for (const side of ['device', 'gateway']) tally.add(faultOf(side), { injected: 0 });
    for (const { name } of START_STEPS) tally.add(stepFaultOf(name), { injected: 0 });
    let done = 0;
    for (let round = 0; done < size && findings.length < FINDINGS_MAX && !signal.aborted; round += 1) {
      const ofRound = roundSeed(seed, round);
      const ground = join(folder, `round-${round}`);
      await mkdir(ground, { mode: 0o700 });
      const struck = new Set<string>();
      const contests = Math.min(CONTESTS_OF_ROUND, size - done);
      const { problems, ...cost } = await contend({
        ...{ programs, folder: ground, seed: ofRound, contests, signal },
        onContest(side, { steps }) {
          done += 1;
          progress(done);
          tally.add(faultOf(side), {});
          for (const { name } of steps) {
            tally.add(stepFaultOf(name), {});
            struck.add(stepFaultOf(name));
          }
        },
      });
      for (const fault of [faultOf('device'), ...struck]) tally.add(fault, { injected: 0, ...cost });
      for (const what of problems) findings.push({ fault: faultOf('device or gateway'), seed: ofRound, what });
      await rm(ground, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    }
    return { rows: tally.rows(), findings, done };
  },
};

function stepFaultOf(name: string): string {
  return `… and SIGKILL at ${name}`;
}
