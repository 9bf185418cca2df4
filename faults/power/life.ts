/**
 * Life: a device and a gateway, and a power supply that fails again and again.
 *
 * Owns the instant of a cut: in one breath the cable is pulled, the journal's length taken and the disk cloned, and
 * then whatever ran on that disk is killed. So the truth is exact, and all of it counts: what the journal held was
 * resolved, and what had passed the cable was sent, whatever the doomed programs still did. A gateway must have all
 * that the device got an acknowledgement for, a device all that it had resolved or sent. Never forgives: what is not
 * back is lost.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Program, Programs } from '../../rig/programs.ts';
import { createRandom } from '../../rig/random.ts';
import type { AccountSays } from '../oracle/evidence.ts';
import {
  askOracle,
  createDeviceSide,
  createGatewaySide,
  type DeviceSide,
  firstOf,
  type GatewaySide,
} from '../sides.ts';
import { type Cable, createCable } from './cable.ts';
import { countResolved, cutJournal, journalBytes } from './journal-cut.ts';
import { drawPeriod, type Moment, type Period, pick, type Victim } from './period.ts';
import { DISK_FORMATS, type Disk, type DiskFormat, type Rack } from './rack.ts';
import { takeLogs } from './torn-log.ts';

export interface LifeOptions {
  readonly rack: Rack;
  readonly programs: Programs;
  /** Not on the disk; made where it does not exist. */
  readonly folder: string;
  readonly seed: number;
  readonly victim: Victim;
  /** One after the other, each on what the one before has left. */
  readonly moments: readonly Moment[];
  /** Default: the seed chooses. */
  readonly format?: DiskFormat;
  /** How often there is a link while the device is on; default 0.6. A gateway that is the victim always has one. */
  readonly linkedShare?: number;
}

export interface Cut {
  readonly moment: Moment;
  /** Whether the write that was under way reached the disk in part. */
  readonly isTorn: boolean;
  /** Resolved since the cut before. */
  readonly events: number;
  /** From the power's return to the next event that counts, milliseconds; undefined where the next cut came first. */
  recoveryMs: number | undefined;
}

export interface LifeReport {
  readonly cuts: readonly Cut[];
  readonly lost: number;
  readonly doubled: number;
  /** One line for every promise that did not hold. */
  readonly problems: readonly string[];
}

const ID = 'pump-7';

/** Nothing takes this long without a word, however busy the machine. */
const PATIENCE_MS = 120_000;
const DRAIN_MAX_MS = 900_000;
/** The status of what a SIGKILL has ended. */
const KILLED = 137;

const TORN_SHARE = 0.4;
/** Enough for another commit or two. */
const TEAR_MS = 30;

/** Resolves whatever was found; rejects only where disks cannot be had. */
export async function live(options: LifeOptions): Promise<LifeReport> {
  const random = createRandom(options.seed);
  const format = pick(random, DISK_FORMATS);
  const disk = await options.rack.disk(options.format ?? format);
  const life = new Life(options, disk, random);
  try {
    return await life.run();
  } finally {
    await life.end();
    await disk.remove();
  }
}

/** What the programs did, as opposed to what the rack could not. */
class BrokenPromise extends Error {}

class Life {
  readonly #options: LifeOptions;
  readonly #disk: Disk;
  readonly #random: () => number;
  readonly #cuts: Cut[] = [];
  #gateway!: GatewaySide;
  #device!: DeviceSide;
  #cable: Cable | undefined;
  #isOn = false;
  #starting: Promise<void> = Promise.resolve();
  /** How much of the journal belongs to the cuts so far. */
  #counted = 0;

  constructor(options: LifeOptions, disk: Disk, random: () => number) {
    this.#options = options;
    this.#disk = disk;
    this.#random = random;
  }

  async run(): Promise<LifeReport> {
    try {
      await this.#begin();
      for (const moment of this.#options.moments) {
        await this.#reach(moment);
        await this.#cut(moment);
      }
      return { cuts: this.#cuts, ...(await this.#hear(await this.#drain())) };
    } catch (error) {
      if (!(error instanceof BrokenPromise)) throw error;
      return { cuts: this.#cuts, lost: 0, doubled: 0, problems: [error.message] };
    }
  }

  async end(): Promise<void> {
    await Promise.all([this.#device?.kill(), this.#gateway?.kill()]);
    await this.#cable?.close();
  }

  async #begin(): Promise<void> {
    const { programs, folder } = this.#options;
    await mkdir(folder, { recursive: true });
    // Deep in directories that are not there yet: their names must outlast the first cut.
    const home = (side: 'device' | 'gateway') => join(this.#isVictim(side) ? this.#disk.path : folder, 'var/lib', side);
    this.#gateway = await createGatewaySide({ programs, folder, data: home('gateway') });
    const secretFile = await kept('no key', this.#gateway.addKey(ID));
    this.#device = createDeviceSide({ programs, folder, id: ID, data: home('device'), secretFile });
  }

  async #reach(moment: Moment): Promise<void> {
    if (moment === 'key') return;
    const period = this.#draw(moment);
    this.#isOn = true;
    this.#starting = this.#start(period);
    if (moment !== 'start') await this.#starting;
    // What fails in the middle of starting has ended by itself, and the cut will find that.
    else this.#starting.catch(() => {});
    await sleep(period.lastsMs);
  }

  async #start({ isLinked, word, run }: Period): Promise<void> {
    const sinceMs = performance.now();
    await this.#connect();
    if (!this.#isOn) return;
    if (isLinked) this.#cable?.plug();
    const running = this.#device.program;
    const program = running ?? this.#device.launch({ ...run, gateway: this.#cable!.url });
    this.#timeRecovery(program, sinceMs);
    if (running !== undefined) return;
    const said = firstOf(program, (line) => word in line || undefined);
    await kept(`the device never ${word}`, said);
  }

  /** Has the gateway running, behind a cable that is pulled out. */
  async #connect(): Promise<void> {
    if (this.#gateway.program === undefined) await kept('the gateway does not start', this.#gateway.start());
    if (this.#cable !== undefined) return;
    this.#cable = await createCable(this.#gateway.url);
    this.#cable.pull();
  }

  async #cut(moment: Moment): Promise<void> {
    const doomed = this.#victims.flatMap(({ program }) => program ?? []);
    const { journal } = this.#device;
    const tears = this.#random() < TORN_SHARE;
    const tearSeed = this.#random() * 2 ** 32;
    // One breath: nothing of ours runs in between.
    this.#isOn = false;
    this.#cable?.pull();
    const bytes = journalBytes(journal);
    this.#disk.cut();
    // What is still written now is what a torn write is made of; nobody gets to see any of it.
    if (tears) await sleep(TEAR_MS);
    for (const program of doomed) program.kill('SIGKILL');

    for (const { name, ended, lastWords } of doomed) {
      const { status } = await ended;
      if (status !== KILLED) throw new BrokenPromise(`${name} ended by itself, with status ${status}: ${lastWords()}`);
    }
    for (const side of this.#victims) await side.kill();
    await this.#starting.catch(() => {});
    const end = this.#isVictim('device') ? cutJournal(journal, bytes) : bytes;
    const tear = tears ? takeLogs(this.#disk.path, createRandom(tearSeed)) : undefined;
    await this.#disk.restore();
    const isTorn = tear !== undefined && tear.apply() > 0;
    this.#cuts.push({ moment, isTorn, events: countResolved(journal, this.#counted, end), recoveryMs: undefined });
    this.#counted = end;
  }

  async #drain(): Promise<AccountSays> {
    const sinceMs = performance.now();
    const { run } = this.#draw('load');
    await this.#connect();
    this.#cable?.plug();
    const drained = this.#device.drain({ ...run, gateway: this.#cable!.url }, DRAIN_MAX_MS);
    const { program } = this.#device;
    if (program !== undefined) this.#timeRecovery(program, sinceMs);
    return await kept('after the last cut', drained, program);
  }

  /** Nothing is sent that is not on disk: what was counted before a cut, the device's account must know of after it. */
  async #hear(account: AccountSays): Promise<Omit<LifeReport, 'cuts'>> {
    const { programs } = this.#options;
    const question = {
      gateway: this.#gateway.url,
      deviceId: ID,
      journal: this.#device.journal,
      account,
      idsStay: true,
    };
    const verdict = await kept('the gateway does not answer', askOracle(programs, question));
    const { lost, doubled, problems, gaps, quarantined } = verdict;
    // No policy asked for these, and a power cut is no reason.
    const given = gaps + quarantined > 0 ? [`${gaps} events are in gaps, ${quarantined} in quarantine`] : [];
    return { lost: lost.length, doubled: doubled.length, problems: [...problems, ...given] };
  }

  #timeRecovery(program: Program, sinceMs: number): void {
    const cut = this.#cuts.at(-1);
    if (cut === undefined) return;
    const counted = firstOf(program, (line) => 'acknowledged' in line || undefined);
    counted
      .then(() => (cut.recoveryMs ??= this.#isLast(cut) ? performance.now() - sinceMs : undefined))
      .catch(() => {});
  }

  #isLast(cut: Cut): boolean {
    return this.#cuts.at(-1) === cut;
  }

  get #victims(): readonly (DeviceSide | GatewaySide)[] {
    return [...(this.#isVictim('device') ? [this.#device] : []), ...(this.#isVictim('gateway') ? [this.#gateway] : [])];
  }

  #isVictim(side: 'device' | 'gateway'): boolean {
    return this.#options.victim === side || this.#options.victim === 'both';
  }

  #draw(moment: Exclude<Moment, 'key'>): Period {
    const { victim, linkedShare = 0.6 } = this.#options;
    return drawPeriod(this.#random, victim, moment, linkedShare);
  }
}

/**
 * Resolves or rejects as the promise does, but as a finding, and within bounds: those begin anew with every line that
 * the program says.
 */
async function kept<T>(what: string, promise: Promise<T>, program?: Program): Promise<T> {
  let isOver = false;
  let hang: (error: Error) => void;
  const hung = new Promise<never>((_, reject) => (hang = reject));
  const timer = setTimeout(() => hang(new Error('it hangs')), PATIENCE_MS);
  program?.onLine(() => !isOver && timer.refresh());
  try {
    return await Promise.race([promise, hung]);
  } catch (error) {
    throw new BrokenPromise(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    isOver = true;
    clearTimeout(timer);
  }
}
