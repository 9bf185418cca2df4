/**
 * The clock campaign: devices and gateways that do not have the right time.
 *
 * Owns the rounds and the table. Promises that what was lost or doubled on a device counts against every wrong clock of
 * its round. Never looks into a round.
 */
import { type Campaign, type Finding, roundSeed } from '../campaign.ts';
import { fight, type RoundResult } from '../clock/round.ts';
import { CLOCK_FAULTS, wordOf } from '../clock/words.ts';
import { createFaultTally, type FaultTally } from '../tally.ts';

export const campaign: Campaign = {
  title: 'clocks that are wrong, jump and stand still',
  unit: 'runs',
  sizes: { ci: 12, full: 300 },
  weight: 10,
  async run(ground) {
    const tally = createFaultTally();
    for (const fault of CLOCK_FAULTS) tally.add(wordOf(fault), { injected: 0 });
    const findings: Finding[] = [];
    let done = 0;
    for (let round = 0; done < ground.size && !ground.signal.aborted; round++) {
      const seed = roundSeed(ground.seed, round);
      const result = await fight({ seed, ground });
      for (const what of result.problems) findings.push({ fault: 'wrong clocks', seed, what });
      add(tally, result);
      done += result.verdicts.size;
      // Where no device comes to its judgement, as where no gateway comes up, the next round would fare no better.
      if (result.verdicts.size === 0) break;
      ground.progress(done);
    }
    return { rows: tally.rows(), findings, done };
  },
};

function add(tally: FaultTally, { strikes, verdicts }: RoundResult): void {
  const sum = (of: (verdict: RoundVerdict) => number) => [...verdicts.values()].reduce((all, one) => all + of(one), 0);
  for (const fault of CLOCK_FAULTS) {
    const injected = strikes.count(fault);
    if (injected === 0) continue;
    const word = wordOf(fault);
    tally.add(word, {
      injected,
      events: sum(({ resolved }) => resolved),
      lost: sum(({ lost }) => lost.length),
      doubled: sum(({ doubled }) => doubled.length),
    });
    for (const recoveryMs of strikes.recoveries(fault)) tally.add(word, { injected: 0, recoveryMs });
  }
}

type RoundVerdict = RoundResult['verdicts'] extends ReadonlyMap<string, infer One> ? One : never;
