/**
 * Round: a gateway and two devices under load, killed over and over, and then heard by the oracle.
 *
 * Owns who dies next, and when: at a step on the way of an event, or at a random moment; alone or in company. Promises
 * that whoever died is started again on what it left, under other settings, and that nobody who is well stays without
 * an acknowledgement. Never judges an event: the oracle does.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Programs } from '../../rig/programs.ts';
import { createRandom } from '../../rig/random.ts';
import { type Arena, createArena } from './arena.ts';
import type { Contender } from './contender.ts';
import { type Death, faultOf, hasDevice, hasGateway } from './death.ts';
import { type Life, marksOf } from './life.ts';
import { oneOf } from './settings.ts';
import { createStepDeck } from './steps.ts';

export interface RoundOptions {
  readonly programs: Programs;
  /** Empty. */
  readonly folder: string;
  readonly seed: number;
  /** Of each side, at least. */
  readonly kills: number;
  readonly signal: AbortSignal;
  readonly onKills: (kills: Kills) => void;
}

/** Deaths of at least one device, and of the gateway. */
export interface Kills {
  readonly device: number;
  readonly gateway: number;
}

export interface Fought {
  readonly arena: Arena;
  readonly deaths: readonly Death[];
  /** What went wrong without a look at any event. */
  readonly troubles: readonly string[];
}

/** How often a death is waited out until its victims are well again, rather than followed by the next one at once. */
const PATIENCE = 0.5;
/** How often somebody is killed at a random moment, rather than when a trap springs. */
const CHANCE = 0.3;
/** How often one that died at a step takes the other side along. */
const COMPANY = 0.3;
/** How often one that is killed at a random moment was asked to end by itself shortly before. */
const WARNING = 0.15;
/** How often the gateway stays away for a while. */
const OUTAGE = 0.15;
/** How often a life has no trap, and so the time to get well. */
const PEACE = 0.25;

const MOMENT_MAX_MS = 500;
const OUTAGE_MAX_MS = 1_500;
const WARNED_MAX_MS = 100;
/** Where no trap springs for so long, none will soon. */
const TRAP_MAX_MS = 3_000;
/** Hundreds of times what it takes, so that a busy machine is no finding. */
const WELL_AGAIN_MAX_MS = 60_000;
export const DRAIN_MAX_MS = 120_000;

export async function fight(options: RoundOptions): Promise<Fought> {
  const random = createRandom(options.seed);
  const round = new Round(options, random);
  const arena = await createArena({
    ...options,
    random,
    deck: createStepDeck(random),
    onAcknowledged: (life) => round.acknowledged(life),
    onTrouble: (trouble) => void round.troubles.push(trouble),
  });
  await round.run(arena);
  return { arena, deaths: round.deaths, troubles: round.troubles };
}

/** A death that is being recovered from. */
interface Recovery {
  readonly death: Death;
  readonly since: number;
  readonly done: () => void;
  readonly isOver: Promise<void>;
}

class Round {
  readonly deaths: Death[] = [];
  readonly troubles: string[] = [];
  readonly #options: RoundOptions;
  readonly #random: () => number;
  #kills = { device: 0, gateway: 0 };
  /** The last death whose victims were started again. */
  #raised: Death | undefined;
  /** Of deaths whose victims have not died again. */
  readonly #recoveries = new Set<Recovery>();

  constructor(options: RoundOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  async run(arena: Arena): Promise<void> {
    const { signal } = this.#options;
    while (!this.#isEnough() && !signal.aborted && this.troubles.length === 0) {
      await this.#raise(arena);
      if (this.#random() < PATIENCE) await this.#wellAgain(arena);
      const random = this.#random();
      await this.#strike(arena, random < CHANCE ? this.#random() * MOMENT_MAX_MS : TRAP_MAX_MS);
      if (!arena.isWiped && this.#deathsOf(arena.devices[1]!) >= 2) await this.#wipe(arena);
    }
    await this.#kill(arena, [arena.gateway, ...arena.devices]);
  }

  acknowledged(life: Life): void {
    if (life.end !== undefined) return;
    for (const recovery of this.#recoveries) {
      const { death, since, done } = recovery;
      if (hasDevice(death) && !death.lives.some(({ of }) => of === life.of)) continue;
      death.recoveryMs = performance.now() - since;
      this.#recoveries.delete(recovery);
      done();
    }
  }

  /** Starts whoever is dead. */
  async #raise(arena: Arena): Promise<void> {
    const begin = (one: Contender): void =>
      void (one.life ?? one.begin(!this.#hasEnough(one) && this.#random() >= PEACE));
    for (const device of arena.devices) begin(device);
    const isAway = arena.gateway.life === undefined && this.deaths.length > 0 && this.#random() < OUTAGE;
    if (isAway) await sleep(this.#random() * OUTAGE_MAX_MS);
    const since = performance.now();
    begin(arena.gateway);
    const death = this.deaths.at(-1);
    if (death === undefined || death === this.#raised) return;
    this.#raised = death;
    let done = (): void => {};
    const isOver = new Promise<void>((resolve) => {
      done = resolve;
    });
    // What is acknowledged before the gateway listens was so before it died.
    await arena.gateway.life?.ready;
    this.#recoveries.add({ death, since, done, isOver });
  }

  async #wellAgain(arena: Arena): Promise<void> {
    const recovery = [...this.#recoveries].at(-1);
    if (recovery === undefined) return;
    const lives = [arena.gateway, ...arena.devices].flatMap(({ life }) => life ?? []);
    const patience = new AbortController();
    const tooLong = sleep(WELL_AGAIN_MAX_MS, true, { signal: patience.signal }).catch(() => false);
    const isTooLong = await Promise.race([recovery.isOver, tooLong, ...lives.map(({ ended }) => ended)]);
    patience.abort();
    if (isTooLong !== true) return;
    const { death } = recovery;
    this.troubles.push(`nothing was acknowledged within ${WELL_AGAIN_MAX_MS} ms after ${faultOf(death)}`);
  }

  /** Waits until somebody dies, at most so long; then kills. */
  async #strike(arena: Arena, withinMs: number): Promise<void> {
    const contenders = [arena.gateway, ...arena.devices];
    const moment = new AbortController();
    const { signal } = this.#options;
    const ends = contenders.map(async (one) => {
      await one.life?.ended;
      return one;
    });
    const late = sleep(withinMs, undefined, { signal: AbortSignal.any([signal, moment.signal]) }).catch(
      () => undefined,
    );
    const dead = await Promise.race([...ends, late]);
    moment.abort();
    if (dead === undefined) return this.#killAtRandom(arena);
    const company = this.#random() < COMPANY ? this.#othersOf(dead, arena) : [];
    await this.#kill(arena, [dead, ...company]);
  }

  async #killAtRandom(arena: Arena): Promise<void> {
    const victims = this.#chosen(arena);
    if (this.#random() < WARNING) {
      for (const { life } of victims) life?.warn();
      await sleep(this.#random() * WARNED_MAX_MS);
    }
    await this.#kill(arena, victims);
  }

  /** Whom to kill at a random moment. */
  #chosen({ gateway, devices }: Arena): Contender[] {
    const device = this.#random() < 0.3 ? [...devices] : [oneOf(this.#random, devices)];
    const choices = [[gateway], device, [gateway, ...device]];
    const useful = choices.filter((choice) => choice.some((one) => !this.#hasEnough(one)));
    return oneOf(this.#random, useful.length > 0 ? useful : choices);
  }

  #othersOf(one: Contender, { gateway, devices }: Arena): Contender[] {
    return one === gateway ? [oneOf(this.#random, devices)] : [gateway];
  }

  async #kill(arena: Arena, victims: readonly Contender[]): Promise<void> {
    const alive = victims.filter(({ life }) => life !== undefined);
    await Promise.all(alive.map(({ life }) => life?.kill()));
    const lives = alive.map((one) => one.bury()).filter(({ end }) => end !== 'stopped');
    if (lives.length === 0) return;
    for (const { end } of lives) if (typeof end === 'object') this.troubles.push(end.unasked);
    const steps = lives.flatMap(({ end, trap }) => (end === 'trapped' && trap !== undefined ? trap.step.name : []));
    const death = { lives, steps, marksAtEnd: marksOf(arena.journals) };
    this.deaths.push(death);
    if (hasDevice(death)) this.#kills.device++;
    if (hasGateway(death)) this.#kills.gateway++;
    for (const recovery of this.#recoveries) {
      const isCutOff = lives.some(
        ({ of, side }) => side === 'gateway' || recovery.death.lives.some((one) => one.of === of),
      );
      if (isCutOff) this.#recoveries.delete(recovery);
    }
    this.#options.onKills(this.#kills);
  }

  async #wipe(arena: Arena): Promise<void> {
    const { gateway, devices } = arena;
    await this.#kill(arena, [gateway, devices[1]!]);
    const life = gateway.begin(false);
    await life.ready;
    await arena.wipe(DRAIN_MAX_MS).catch((error: Error) => this.troubles.push(error.message));
  }

  #deathsOf({ name }: Contender): number {
    return this.deaths.filter(({ lives }) => lives.some(({ of }) => of === name)).length;
  }

  #hasEnough({ side }: Contender): boolean {
    return this.#kills[side] >= this.#options.kills;
  }

  #isEnough(): boolean {
    return this.#kills.device >= this.#options.kills && this.#kills.gateway >= this.#options.kills;
  }
}
