/**
 * Round: six devices and a gateway, none of which has the right time for long.
 *
 * Owns one round from its seed to what was found. Promises that clocks are set anew several times while events are recorded
 * and delivered, and each time only once every device has delivered under the last setting. Never touches the clock of
 * anything but those processes.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createFaultProxy, type FaultProxy, type RequestOver } from '../../rig/link/fault-proxy.ts';
import { FORGED_CLOCK } from '../../rig/link/faults.ts';
import type { FaultRates } from '../../rig/link/schedule.ts';
import type { Program } from '../../rig/programs.ts';
import { createRandom } from '../../rig/random.ts';
import { formatCredential } from '../../src/codec/index.ts';
import { createKeyFile } from '../../src/gateway/index.ts';
import type { Ground } from '../campaign.ts';
import type { Verdict } from '../oracle/verdict.ts';
import {
  askOracle,
  createDeviceSide,
  createGatewaySide,
  type DeviceRun,
  type DeviceSide,
  firstOf,
  type GatewaySide,
} from '../sides.ts';
import { createStrikes, type Strikes } from '../strikes.ts';
import { createVigil, type Vigil } from '../vigil.ts';
import { CLOCKS, type ClockName, type ClockSetting, GATEWAY_CLOCKS, RIGHT, settingOf, startWith } from './settings.ts';
import type { ClockFault } from './words.ts';

export interface RoundOptions {
  readonly seed: number;
  readonly ground: Ground;
}

export interface RoundResult {
  readonly strikes: Strikes<ClockFault>;
  /** By device. */
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** One line for each promise that did not hold. */
  readonly problems: readonly string[];
}

export const DEVICES = ['logger-1', 'logger-2', 'logger-3', 'logger-4', 'logger-5', 'logger-6'] as const;

/** How often clocks are set while a round goes on. */
const TURNS = 5;

/** Within this every device has delivered something under a new setting, on a busy machine too. */
const RECOVERY_MS = 20_000;
const DRAIN_MS = 60_000;
const DELIVERIES = 2;
const PAUSE_MAX_MS = 250;

/** How far a device's clock may be off. */
const WINDOWS = ['10s', '30s', '2m', '5m'];

/** Whatever makes a device sign the same batch again, and those who would like to set its clock. */
const LINK: FaultRates = {
  'forged-clock': 0.06,
  'drop-answer': 0.03,
  'reset-after': 0.03,
  'late-original': 0.02,
  'twice-in-turn': 0.02,
  delay: 0.02,
};

/** A timestamp beyond this comes from a forged clock. */
const BELIEVED_FROM = FORGED_CLOCK - 200 * 365 * 86_400_000;

/** A process whose clock is set now and then. */
interface Party {
  readonly program: Program;
  readonly settings: readonly ClockSetting[];
  at: number;
}

export async function fight(options: RoundOptions): Promise<RoundResult> {
  const round = new Round(options);
  try {
    await round.run();
  } finally {
    await round.end();
  }
  return round;
}

class Round implements RoundResult {
  readonly strikes = createStrikes<ClockFault>();
  readonly verdicts = new Map<string, Verdict>();
  readonly #options: RoundOptions;
  readonly #folder: string;
  readonly #random: () => number;
  readonly #vigil: Vigil;
  readonly #devices: DeviceSide[] = [];
  readonly #deliveries = new Map<string, number>();
  #gateway: GatewaySide | undefined;
  #proxy: FaultProxy | undefined;

  constructor(options: RoundOptions) {
    const { seed, ground } = options;
    this.#options = options;
    this.#folder = join(ground.folder, `round-${seed}`);
    this.#random = createRandom(seed);
    this.#vigil = createVigil(ground.signal);
  }

  get problems(): readonly string[] {
    return this.#vigil.problems;
  }

  async run(): Promise<void> {
    try {
      await this.#run();
    } catch (error) {
      this.#vigil.found((error as Error).message);
    }
  }

  async end(): Promise<void> {
    this.#vigil.dismiss();
    for (const side of [...this.#devices, this.#gateway]) await side?.kill();
    await this.#proxy?.close();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  async #run(): Promise<void> {
    const { seed, ground } = this.#options;
    const gateway = await this.#startGateway();
    const proxy = await createFaultProxy({
      target: this.#gateway!.url,
      seed,
      faults: LINK,
      delayMaxMs: 800,
      onOver: (over) => this.#over(over),
    });
    this.#proxy = proxy;
    const runs = new Map(DEVICES.map((id) => [id as string, this.#runOf(proxy.url)]));
    const plans = DEVICES.map((id) => ({ id, settings: this.#settings(CLOCKS, this.#pick(CLOCKS)) }));
    const devices = await Promise.all(
      plans.map(async ({ id, settings }) => [id, await this.#startDevice(id, runs.get(id)!, settings)] as const),
    );
    for (const { id, settings } of plans) this.strikes.struck(`device ${settings[0]!.name}`, id);
    await this.#everyoneDelivers();

    // A device that is stuck would be at every turn.
    for (let turn = 0; turn < TURNS && !ground.signal.aborted && this.problems.length === 0; turn++) {
      const chosen = devices.filter(() => this.#random() < 0.6);
      const isGatewaySet = this.#random() < 0.6 || chosen.length === 0;
      const set = chosen.map(async ([id, party]) => this.strikes.struck(`device ${await this.#step(party)}`, id));
      if (isGatewaySet) set.push(this.#stepGateway(gateway));
      await Promise.all(set);
      await this.#everyoneDelivers();
    }

    this.#vigil.dismiss();
    proxy.heal();
    await Promise.all(this.#devices.map((device) => this.#judge(device, runs.get(device.id)!)));
  }

  async #startGateway(): Promise<Party> {
    const { programs } = this.#options.ground;
    const flags = ['--window', this.#pick(WINDOWS)];
    const side = await createGatewaySide({ programs, folder: this.#folder, flags });
    this.#gateway = side;
    const keys = createKeyFile({ path: join(side.data, 'keys.json'), clock: Date.now, randomBytes });
    await mkdir(side.data, { recursive: true, mode: 0o700 });
    for (const id of DEVICES) {
      await keys.add(id, (key) => writeFile(this.#secretFile(id), formatCredential(key), { mode: 0o600 }));
    }
    const settings = this.#settings(GATEWAY_CLOCKS, 'right');
    const program = await side.start(startWith(settings, 'process'));
    this.#vigil.follow(program, (line) => {
      if ((line['level'] as number) >= 50) this.#vigil.found(`the gateway logs an error: ${JSON.stringify(line)}`);
    });
    return { program, settings, at: 0 };
  }

  async #startDevice(id: string, run: DeviceRun, settings: readonly ClockSetting[]): Promise<Party> {
    const { programs } = this.#options.ground;
    const device = createDeviceSide({ programs, folder: this.#folder, id, secretFile: this.#secretFile(id) });
    this.#devices.push(device);
    const program = await device.start(run, startWith(settings, this.#pick(['process', 'option'])));
    this.#vigil.follow(program, (line) => {
      if ('fault' in line) this.#vigil.found(`${id} has a fault: ${line['fault']}`);
    });
    return { program, settings, at: 0 };
  }

  #runOf(gateway: string): DeviceRun {
    const options = {
      batchEventsMax: this.#between(20, 120),
      inFlightMax: this.#between(1, 6),
      lingerMs: this.#between(0, 20),
      requestTimeoutMs: 1_000,
    };
    const seed = Math.floor(this.#random() * 2 ** 32);
    return { gateway, seed, options, pauseMaxMs: PAUSE_MAX_MS, events: null, timeless: 0.5 };
  }

  #settings(names: readonly ClockName[], first: ClockName): ClockSetting[] {
    const settings = [settingOf(first, RIGHT, this.#random)];
    while (settings.length <= TURNS) settings.push(settingOf(this.#pick(names), settings.at(-1)!, this.#random));
    return settings;
  }

  /** Resolves with the name of the next setting, once it holds. */
  async #step<Name extends ClockName>(party: Party): Promise<Name> {
    party.at += 1;
    const isSet = firstOf(party.program, ({ clock }) => (clock === party.at ? true : undefined));
    party.program.kill('SIGUSR2');
    await isSet;
    return party.settings[party.at]!.name as Name;
  }

  async #stepGateway(gateway: Party): Promise<void> {
    const name = await this.#step<(typeof GATEWAY_CLOCKS)[number]>(gateway);
    this.strikes.struck(`gateway ${name}`, DEVICES[0]);
  }

  #over({ fault, headers, status }: RequestOver): void {
    const id = String(headers['x-device-id']);
    if (Number(headers['x-timestamp']) > BELIEVED_FROM) this.#vigil.found(`${id} believed a forged clock`);
    if (fault === 'forged-clock') this.strikes.struck('forged', id);
    if (fault !== 'none' || status !== 200) return;
    this.strikes.counted(id);
    this.#deliveries.set(id, this.#delivered(id) + 1);
    this.#vigil.stir();
  }

  async #everyoneDelivers(): Promise<void> {
    const goals = DEVICES.map((id) => ({ id, goal: this.#delivered(id) + DELIVERIES }));
    const late = () => goals.filter(({ id, goal }) => this.#delivered(id) < goal).map(({ id }) => id);
    await this.#vigil.until(
      () => `${late().join(', ')}: nothing is delivered`,
      RECOVERY_MS,
      () => late().length === 0,
    );
  }

  #delivered(id: string): number {
    return this.#deliveries.get(id) ?? 0;
  }

  async #judge(device: DeviceSide, run: DeviceRun): Promise<void> {
    const { id, journal } = device;
    const account = await device.drain(run, DRAIN_MS);
    const task = { gateway: this.#gateway!.url, deviceId: id, journal, account, idsStay: true };
    const verdict = await askOracle(this.#options.ground.programs, task);
    this.verdicts.set(id, verdict);
    for (const problem of verdict.problems) this.#vigil.found(`${id}: ${problem}`);
    if (account.quarantined.events > 0) this.#vigil.found(`${id}: ${account.quarantined.events} events in quarantine`);
    if (verdict.gaps > 0) this.#vigil.found(`${id}: ${verdict.gaps} events given up`);
  }

  #secretFile(id: string): string {
    return join(this.#folder, `${id}.secret`);
  }

  #between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)]!;
  }
}
