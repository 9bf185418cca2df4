/**
 * The network campaign: everything that a link can do, to real devices and real gateways.
 *
 * Owns the rounds and the table. Promises that each fault of the network strikes in every round, and that what was lost
 * or doubled in a round counts against every fault that struck in it. Never looks into a round.
 */
import { type Campaign, type Finding, roundSeed } from '../campaign.ts';
import { fight, type RoundResult } from '../network/round.ts';
import { setScene, TLS_DEVICE } from '../network/scene.ts';
import { TLS_FAULTS } from '../network/tls-relay.ts';
import { NETWORK_FAULTS, type NetworkFault, WORDS } from '../network/words.ts';
import { createFaultTally, type FaultTally } from '../tally.ts';

export const campaign: Campaign = {
  title: 'a bad link, strangers in the gateway’s place, slow clients',
  unit: 'faults',
  sizes: { ci: 300, full: 10_000 },
  weight: 15,
  async run(ground) {
    const scene = await setScene(ground);
    const tally = createFaultTally();
    for (const fault of NETWORK_FAULTS) tally.add(WORDS[fault], { injected: 0 });
    const findings: Finding[] = [];
    let done = 0;
    for (let round = 0; done < ground.size && !ground.signal.aborted; round++) {
      const seed = roundSeed(ground.seed, round);
      const result = await fight({ seed, ground, scene });
      for (const what of result.problems) findings.push({ fault: 'a bad link', seed, what });
      add(tally, result);
      done += result.strikes.total;
      // Where nothing can strike, as where no gateway comes up, the next round would fare no better.
      if (result.strikes.total === 0) break;
      ground.progress(done);
    }
    return { rows: tally.rows(), findings, done };
  },
};

function add(tally: FaultTally, { strikes, verdicts }: RoundResult): void {
  for (const fault of NETWORK_FAULTS) {
    const injected = strikes.count(fault);
    if (injected === 0) continue;
    const met = [...verdicts].filter(([id]) => isOnTheWayOf(fault, id)).map(([, verdict]) => verdict);
    const sum = (of: (verdict: (typeof met)[number]) => number) => met.reduce((all, verdict) => all + of(verdict), 0);
    tally.add(WORDS[fault], {
      injected,
      events: sum(({ resolved }) => resolved),
      lost: sum(({ lost }) => lost.length),
      doubled: sum(({ doubled }) => doubled.length),
    });
    for (const recoveryMs of strikes.recoveries(fault)) tally.add(WORDS[fault], { injected: 0, recoveryMs });
  }
}

function isOnTheWayOf(fault: NetworkFault, deviceId: string): boolean {
  return TLS_FAULTS.some((name) => name === fault) === (deviceId === TLS_DEVICE);
}
