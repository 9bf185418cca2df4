/**
 * The hostile campaign: whatever bytes can be sent, stored, answered or written into a file.
 *
 * Owns the order: a siege by silent connections while everything that is costly, and then millions of inputs, go
 * through the codec, a gateway and a device. Promises that an input follows from its seed alone, and that at the end
 * every total is what was valid, to the last digit. Never stops at the first thing that it finds.
 */
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Campaign, type Finding, type Ground, roundSeed } from '../campaign.ts';
import { answerKinds } from '../hostile/answers.ts';
import { batchKinds } from '../hostile/batches.ts';
import { readCorpus } from '../hostile/corpus.ts';
import { COSTLY, weighBatches, weighBombs } from '../hostile/costly.ts';
import { type Deceived, openDeceived } from '../hostile/deceived.ts';
import { decodingKinds } from '../hostile/decoding.ts';
import { createDice } from '../hostile/dice.ts';
import { fileKinds } from '../hostile/files.ts';
import { createGauge, type Gauge, megabytes } from '../hostile/gauge.ts';
import { KEYED, weighKeyed } from '../hostile/keyed.ts';
import { describe, type Kind } from '../hostile/kind.ts';
import { assertNothingSmuggled, requestKinds } from '../hostile/requests.ts';
import { rotationKinds } from '../hostile/rotation.ts';
import { rowKinds } from '../hostile/rows.ts';
import { besiege, SILENCE, type Siege } from '../hostile/siege.ts';
import { storageKinds } from '../hostile/storage.ts';
import { openTarget, type Target } from '../hostile/target.ts';
import { replayVectors, VECTORS } from '../hostile/vectors.ts';
import { createFaultTally, type FaultTally } from '../tally.ts';

/** More would say the same again. */
const FINDINGS_MAX = 20;

/** Inputs between two looks at the time, the memory and whatever else is going on. */
const PIECE = 200;

export const campaign: Campaign = {
  title: 'hostile bytes, requests, answers and files',
  unit: 'inputs',
  sizes: { ci: 80_000, full: 10_000_000 },
  weight: 15,
  async run(ground) {
    const attack = new Attack(ground);
    try {
      await attack.run();
    } finally {
      await attack.end();
    }
    return { rows: attack.tally.rows(), findings: attack.findings, done: attack.done };
  },
};

class Attack {
  readonly tally: FaultTally = createFaultTally();
  readonly findings: Finding[] = [];
  done = 0;
  readonly #ground: Ground;
  readonly #gauge: Gauge = createGauge();
  readonly #refused = new Map<string, number>();
  readonly #struck = new Map<string, number>();
  #target: Target | undefined;
  #deceived: Deceived | undefined;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  async run(): Promise<void> {
    const { folder, seed } = this.#ground;
    const siege = await this.#held(SILENCE, () => besiege(this.#ground));
    const target = await openTarget(folder);
    this.#target = target;
    const dice = createDice(seed);
    const struck = (name: string, events = 0): void => this.tally.add(name, { events });
    await this.#held(VECTORS, () => replayVectors(target, struck));
    await this.#held(COSTLY, async () => {
      await weighBombs(this.#gauge, struck);
      const holdMs = await weighBatches(join(folder, 'costly'), () => dice.bytes(16), struck);
      this.tally.add(COSTLY, { injected: 0, note: `the event loop was held for ${Math.ceil(holdMs)} ms at most` });
    });
    await this.#held(KEYED, async () => {
      const note = await weighKeyed(join(folder, 'keyed'), () => dice.bytes(16), struck);
      this.tally.add(KEYED, { injected: 0, note });
    });
    const deceived = await openDeceived(target, folder);
    this.#deceived = deceived;
    const corpus = readCorpus();
    await this.#inputs([
      ...decodingKinds(corpus, this.#gauge),
      ...storageKinds(this.#gauge),
      ...answerKinds(this.#gauge),
      ...rowKinds(corpus, this.#gauge),
      ...fileKinds(folder),
      ...batchKinds(corpus, target),
      ...rotationKinds(target),
      ...requestKinds(target),
      ...deceived.kinds,
    ]);
    await this.#held('everything that counted', async () => {
      await target.audit(await deceived.audit());
      await assertNothingSmuggled(target);
    });
    if (siege !== undefined) await this.#held(SILENCE, () => this.#outlast(siege));
    this.#note();
  }

  async end(): Promise<void> {
    await this.#deceived?.close();
    await this.#target?.close();
  }

  async #inputs(kinds: readonly Kind[]): Promise<void> {
    const { seed, size, signal, progress } = this.#ground;
    const all = kinds.reduce((sum, { share }) => sum + share, 0);
    while (this.done < size && !signal.aborted && this.findings.length < FINDINGS_MAX) {
      await this.#input(kinds, all, roundSeed(seed, this.done));
      if (++this.done % PIECE > 0 && this.done < size) continue;
      await this.#held('memory', () => this.#gauge.weigh());
      progress(this.done);
      // Answers, deadlines and the siege want a turn too.
      await nextTurn();
    }
  }

  async #input(kinds: readonly Kind[], all: number, seed: number): Promise<void> {
    const dice = createDice(seed);
    const kind = kindAt(kinds, dice.below(all));
    const { name } = kind;
    this.#struck.set(name, (this.#struck.get(name) ?? 0) + 1);
    try {
      const striking = kind.strike(dice);
      const { isRefused, events = 0 } = striking instanceof Promise ? await striking : striking;
      if (isRefused) this.#refused.set(name, (this.#refused.get(name) ?? 0) + 1);
      if (events > 0) this.tally.add(name, { injected: 0, events });
    } catch (error) {
      this.findings.push({ fault: name, seed, what: describe(error) });
    }
  }

  async #outlast(siege: Siege): Promise<void> {
    const { connections, events, lost, doubled, letGoMs, note } = await siege.end();
    this.tally.add(SILENCE, { injected: connections, events, lost, doubled, note, recoveryMs: letGoMs });
  }

  /** What does not hold is a finding of the campaign's own seed. */
  async #held<T>(fault: string, work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.findings.push({ fault, seed: this.#ground.seed, what: describe(error) });
      return undefined;
    }
  }

  /** Says of each kind how often it struck, what share was refused, and how long the longest took. */
  #note(): void {
    for (const [name, injected] of this.#struck) {
      const refused = (this.#refused.get(name) ?? 0) / injected;
      const longest = this.#gauge.longest(name);
      const parts = [
        `${Math.round(1_000 * refused) / 10} % refused`,
        ...(longest > 0 ? [`${Math.ceil(longest)} ms at most`] : []),
      ];
      this.tally.add(name, { injected, note: parts.join(', ') });
    }
    const note = `the process grew by ${megabytes(this.#gauge.growth)} at most`;
    this.tally.add('all of these in one process', { injected: this.done, note });
  }
}

function kindAt(kinds: readonly Kind[], place: number): Kind {
  let left = place;
  for (const kind of kinds) {
    if (left < kind.share) return kind;
    left -= kind.share;
  }
  throw new Error('a place among all shares');
}
