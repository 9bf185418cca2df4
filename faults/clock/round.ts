/**
 * Round: six devices and a gateway, none of which has the right time for long.
 *
 * Owns one round from its seed to what was found. Promises that clocks are set anew several times while events are
 * recorded and delivered, and each time only once every device has delivered under the last setting. Never touches the
 * clock of anything but those processes.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createFaultProxy, type FaultProxy, type RequestOver } from '../../rig/link/fault-proxy.ts';
import { FORGED_CLOCK } from '../../rig/link/faults.ts';
import type { FaultRates } from '../../rig/link/schedule.ts';
import { createRandom } from '../../rig/random.ts';
import type { Ground } from '../campaign.ts';
import type { Verdict } from '../oracle/verdict.ts';
import { askOracle, type DeviceRun } from '../sides.ts';
import { createStrikes, type Strikes } from '../strikes.ts';
import { createVigil, type Vigil } from '../vigil.ts';
import { type DeviceParty, type GatewayParty, startDevice, startGateway } from './parties.ts';
import {
  CLOCKS,
  type ClockName,
  type ClockSetting,
  GATEWAY_CLOCKS,
  type GatewayClockName,
  RIGHT,
  settingOf,
} from './settings.ts';
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
const DELAY_MAX_MS = 800;
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
  readonly #devices: DeviceParty<ClockName>[] = [];
  readonly #deliveries = new Map<string, number>();
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
    this.#options.ground.programs.killAll();
    await this.#proxy?.close();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  async #run(): Promise<void> {
    const { seed, ground } = this.#options;
    const gateway = await this.#startGateway();
    const proxy = await createFaultProxy({
      target: gateway.side.url,
      seed,
      faults: LINK,
      delayMaxMs: DELAY_MAX_MS,
      onOver: (over) => this.#over(over),
    });
    this.#proxy = proxy;
    const plans = DEVICES.map((id) => ({
      id,
      run: this.#runOf(proxy.url),
      settings: this.#settings(CLOCKS, this.#pick(CLOCKS)),
      scope: this.#pick(['process', 'option'] as const),
    }));
    await Promise.all(plans.map((plan) => this.#startDevice(plan)));
    await this.#everyoneDelivers();

    // A device that is stuck would be at every turn.
    for (let turn = 0; turn < TURNS && !ground.signal.aborted && this.problems.length === 0; turn++) {
      const chosen = this.#devices.filter(() => this.#random() < 0.6);
      const set = chosen.map((device) => this.#setDevice(device));
      if (chosen.length === 0 || this.#random() < 0.6) set.push(this.#setGateway(gateway));
      await Promise.all(set);
      await this.#everyoneDelivers();
    }

    this.#vigil.dismiss();
    proxy.heal();
    await Promise.all(this.#devices.map((device) => this.#judge(device, gateway)));
  }

  async #startGateway(): Promise<GatewayParty<GatewayClockName>> {
    const gateway = await startGateway({
      programs: this.#options.ground.programs,
      folder: this.#folder,
      devices: DEVICES,
      flags: ['--window', this.#pick(WINDOWS)],
      settings: this.#settings(GATEWAY_CLOCKS, 'right'),
    });
    this.#vigil.follow(gateway.program, (line) => {
      if ((line['level'] as number) >= 50) this.#vigil.found(`the gateway logs an error: ${JSON.stringify(line)}`);
    });
    return gateway;
  }

  async #startDevice(plan: Omit<Parameters<typeof startDevice<ClockName>>[0], 'programs' | 'folder'>): Promise<void> {
    const { programs } = this.#options.ground;
    const device = await startDevice({ programs, folder: this.#folder, ...plan });
    this.#devices.push(device);
    this.#vigil.follow(device.program, (line) => {
      if ('fault' in line) this.#vigil.found(`${plan.id} has a fault: ${line['fault']}`);
    });
    this.strikes.struck(`device ${device.clock}`, plan.id);
  }

  async #setDevice(device: DeviceParty<ClockName>): Promise<void> {
    await device.set();
    this.strikes.struck(`device ${device.clock}`, device.side.id);
  }

  async #setGateway(gateway: GatewayParty<GatewayClockName>): Promise<void> {
    await gateway.set();
    this.strikes.struck(`gateway ${gateway.clock}`, DEVICES[0]);
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

  #settings<Name extends ClockName>(names: readonly Name[], first: Name): ClockSetting<Name>[] {
    const settings = [settingOf(first, RIGHT, this.#random)];
    while (settings.length <= TURNS) settings.push(settingOf(this.#pick(names), settings.at(-1)!, this.#random));
    return settings;
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

  async #judge({ side }: DeviceParty<ClockName>, gateway: GatewayParty<GatewayClockName>): Promise<void> {
    const { id, journal } = side;
    const account = await side.drain({ gateway: '', seed: 0 }, DRAIN_MS);
    const task = { gateway: gateway.side.url, deviceId: id, journal, account, idsStay: true };
    const verdict = await askOracle(this.#options.ground.programs, task);
    this.verdicts.set(id, verdict);
    for (const problem of verdict.problems) this.#vigil.found(`${id}: ${problem}`);
    if (account.quarantined.events > 0) this.#vigil.found(`${id}: ${account.quarantined.events} events in quarantine`);
    if (verdict.gaps > 0) this.#vigil.found(`${id}: ${verdict.gaps} events given up`);
  }

  #between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)]!;
  }
}
