/**
 * Power cuts: only what the disk was given is there afterwards.
 *
 * Owns the rounds. In each, a device's disk loses its power a few times, then a gateway's, then one that both are on;
 * the first time when everything on it is new. A control without fsync has to lose something, or nothing would be
 * shown.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Programs } from '../../rig/programs.ts';
import { createRandom } from '../../rig/random.ts';
import type { Campaign, CampaignResult, Finding, Ground } from '../campaign.ts';
import { roundSeed } from '../campaign.ts';
import { createControl } from '../power/control.ts';
import { type LifeOptions, type LifeReport, live } from '../power/life.ts';
import type { Moment, Victim } from '../power/period.ts';
import { openRack, type Rack, rackObstacle } from '../power/rack.ts';
import { createFaultTally, type FaultTally } from '../tally.ts';

export const campaign: Campaign = {
  title: 'Power cuts',
  unit: 'cuts of each side',
  sizes: { ci: 5, full: 200 },
  weight: 20,
  obstacle: rackObstacle,
  async run(ground) {
    const rack = await openRack(ground.folder);
    try {
      return await new Rounds(ground, rack).run();
    } finally {
      ground.programs.killAll();
      await rack.close();
    }
  },
};

const WHOSE: Readonly<Record<Victim, string>> = {
  device: 'the device',
  gateway: 'the gateway',
  both: 'both at once',
};
const WHEN: Readonly<Record<Moment, string>> = {
  key: 'right after its first key was made',
  'first event': 'right after the first event',
  load: 'under load',
  start: 'while starting again',
};

/** Of the cuts, for the control of each side; it gets all of them before this campaign is called toothless. */
const CONTROL_SHARE = 0.05;

/** Of what one life has come to. */
const TOLD_MAX = 5;

class Rounds {
  readonly #ground: Ground;
  readonly #rack: Rack;
  readonly #tally: FaultTally = createFaultTally();
  readonly #controls: FaultTally = createFaultTally();
  readonly #findings: Finding[] = [];
  readonly #torn = new Map<string, number>();
  #lives = 0;

  constructor(ground: Ground, rack: Rack) {
    this.#ground = ground;
    this.#rack = rack;
  }

  async run(): Promise<CampaignResult> {
    const { seed, size, signal, progress } = this.#ground;
    // First, so that a run that is cut short has shown it.
    for (const victim of ['device', 'gateway'] as const) await this.#control(victim);
    let done = 0;
    for (let round = 0; done < size && !signal.aborted; round++) {
      done += await this.#round(roundSeed(seed, round));
      progress(done);
    }
    return { rows: [...this.#tally.rows(), ...this.#controls.rows()], findings: this.#findings, done };
  }

  /** Gives how many cuts each side had. */
  async #round(seed: number): Promise<number> {
    const random = createRandom(seed);
    const later = Array.from(
      { length: 2 + Math.floor(random() * 3) },
      (_, i): Moment =>
        // A gateway that has only its key must once have run before it can be caught starting again.
        i > 0 && random() < 0.3 ? 'start' : 'load',
    );
    const first = random() < 0.5 ? 'key' : 'first event';
    const lives: readonly [Victim, readonly Moment[]][] = [
      ['device', ['first event', ...later]],
      ['gateway', [first, ...later]],
      ['both', ['first event', 'load']],
    ];
    for (const [victim, moments] of lives) {
      const lifeSeed = Math.floor(random() * 2 ** 32);
      const report = await this.#live(this.#ground.programs, { seed: lifeSeed, victim, moments });
      this.#enter(victim, report, seed);
    }
    return 1 + later.length;
  }

  async #live(programs: Programs, life: Omit<LifeOptions, 'rack' | 'programs' | 'folder'>): Promise<LifeReport> {
    const folder = join(this.#ground.folder, `life-${++this.#lives}`);
    try {
      return await live({ ...life, rack: this.#rack, programs, folder });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  #enter(victim: Victim, { cuts, lost, doubled, problems }: LifeReport, seed: number): void {
    const name = (moment: Moment): string => `power cut of ${WHOSE[victim]} ${WHEN[moment]}`;
    for (const { moment, isTorn, events, recoveryMs } of cuts) {
      const fault = name(moment);
      const torn = (this.#torn.get(fault) ?? 0) + Number(isTorn);
      this.#torn.set(fault, torn);
      this.#tally.add(fault, { events, recoveryMs, ...(torn > 0 && { note: `in ${torn} the last write was torn` }) });
    }
    const last = cuts.at(-1);
    const fault = last === undefined ? `power cut of ${WHOSE[victim]}` : name(last.moment);
    if (lost + doubled > 0) this.#tally.add(fault, { injected: 0, lost, doubled });
    this.#findings.push(...problems.slice(0, TOLD_MAX).map((what) => ({ fault, seed, what })));
  }

  async #control(victim: 'device' | 'gateway'): Promise<void> {
    const { seed, size, signal, folder } = this.#ground;
    const fault = `control: ${WHOSE[victim]} without fsync`;
    const programs = await createControl(join(folder, `control-${victim}`));
    let [lives, cuts, caught, events, lost] = [0, 0, 0, 0, 0];
    try {
      const enough = Math.max(1, Math.ceil(size * CONTROL_SHARE));
      while ((lives < enough || (caught === 0 && lives < size)) && !signal.aborted) {
        // Something is resolved or acknowledged for certain, and ext4 has no reason to write it by itself.
        const unsynced = { moments: ['first event', 'load'], format: 'ext4', linkedShare: 0 } as const;
        const report = await this.#live(programs, { seed: roundSeed(seed, lives), victim, ...unsynced });
        cuts += report.cuts.length;
        events += report.cuts.reduce((sum, cut) => sum + cut.events, 0);
        lost += report.lost;
        lives += 1;
        if (report.lost > 0) caught += 1;
      }
    } finally {
      programs.killAll();
    }
    const note = `caught ${caught} times in ${lives}, losing ${lost} of ${events} events, as it must`;
    this.#controls.add(fault, { injected: cuts, note });
    if (caught === 0 && lives > 0) {
      this.#findings.push({ fault, seed, what: `it lost nothing in ${cuts} cuts, so these cuts show nothing` });
    }
  }
}
