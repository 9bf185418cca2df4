/**
 * Disk: what is stored rots, is lost, or cannot be written any more.
 *
 * Owns the rounds. In each, copies of one specimen are damaged, a file at a time, and examined; and meanwhile two of
 * the other ways in which a disk can let its programs down are played through with programs on it. Every way has had
 * its turn after a few rounds; from then on it is damage alone.
 */
import type { Campaign, CampaignResult, Finding, Ground } from '../campaign.ts';
import { roundSeed } from '../campaign.ts';
import { copies } from '../disk/copies.ts';
import { failingFsync } from '../disk/failing-fsync.ts';
import { refusing } from '../disk/refusing.ts';
import { type Outcome, openRot, type Rot } from '../disk/rot.ts';
import { play, type Scenario } from '../disk/scenario.ts';
import { createFaultTally, type FaultTally } from '../tally.ts';

export const campaign: Campaign = {
  title: 'Disk',
  unit: 'faults',
  sizes: { ci: 150, full: 10_000 },
  weight: 20,
  async run(ground) {
    const rot = await openRot(ground);
    try {
      return await new Rounds(ground, rot).run();
    } finally {
      await rot.close();
    }
  },
};

/** Of one round; fewer in a small run, which has rounds for every way all the same. */
const DAMAGES_MAX = 50;
/** Two of them never wait for the same side. */
const SCENARIOS: readonly (readonly [Scenario, Scenario])[] = pairsOf([...refusing, ...failingFsync, ...copies]);
/** A full run has time for so many of each. */
const TURNS_MAX = 6;

class Rounds {
  readonly #ground: Ground;
  readonly #rot: Rot;
  readonly #damages: number;
  readonly #tally: FaultTally = createFaultTally();
  readonly #findings: Finding[] = [];
  readonly #counts = new Map<string, { refused: number; gaps: number; unchanged: number }>();
  #done = 0;

  constructor(ground: Ground, rot: Rot) {
    this.#ground = ground;
    this.#rot = rot;
    this.#damages = Math.min(DAMAGES_MAX, Math.ceil(ground.size / (SCENARIOS.length + 1)));
  }

  async run(): Promise<CampaignResult> {
    const { seed, size, signal, progress } = this.#ground;
    for (let round = 0; this.#done < size && !signal.aborted; round += 1) {
      const turn = (seed + round) % SCENARIOS.length;
      const ofRound = seedOfTurn(roundSeed(seed, round), turn);
      const scenarios = round < TURNS_MAX * SCENARIOS.length ? SCENARIOS[turn]! : [];
      await Promise.all([this.#strike(ofRound), ...scenarios.map((scenario) => this.#play(scenario, ofRound))]);
      progress(this.#done);
    }
    return { rows: this.#tally.rows(), findings: this.#findings, done: this.#done };
  }

  async #strike(seed: number): Promise<void> {
    for (const outcome of await this.#rot.strike(seed, this.#damages)) {
      const { damage, lost, doubled, problems } = outcome;
      const note = this.#noteOf(outcome);
      this.#tally.add(damage.name, { events: this.#rot.events, lost, doubled, note });
      for (const problem of problems) {
        this.#findings.push({ fault: damage.name, seed, what: `${damage.place}: ${problem}` });
      }
      this.#done += 1;
    }
  }

  async #play(scenario: Scenario, seed: number): Promise<void> {
    const { fault, problems, ...strike } = await play(scenario, this.#ground, seed);
    this.#tally.add(fault, strike);
    for (const what of problems) this.#findings.push({ fault, seed, what });
    this.#done += strike.injected;
  }

  /** What became of this kind of damage so far. */
  #noteOf({ damage, end, gaps }: Outcome): string {
    const counts = this.#counts.get(damage.name) ?? { refused: 0, gaps: 0, unchanged: 0 };
    if (end === 'refused') counts.refused += 1;
    if (end === 'unchanged') counts.unchanged += 1;
    counts.gaps += gaps;
    this.#counts.set(damage.name, counts);
    return [
      [counts.unchanged, 'changed nothing'],
      [counts.refused, 'refused with a code until the file was back'],
      [counts.gaps, 'events declared as lost'],
    ]
      .filter(([count]) => count !== 0)
      .map(([count, what]) => `${count} ${what}`)
      .join(', ');
  }
}

/** Whoever begins with it has the same turn first. */
function seedOfTurn(seed: number, turn: number): number {
  const lower = seed - (seed % SCENARIOS.length) + turn;
  return lower > 0xffffffff ? lower - SCENARIOS.length : lower;
}

function pairsOf(scenarios: readonly Scenario[]): (readonly [Scenario, Scenario])[] {
  const half = Math.ceil(scenarios.length / 2);
  return scenarios.slice(0, half).map((one, i) => [one, scenarios[half + i] ?? one] as const);
}
