/**
 * Pair: one device and its gateway, while the disk of one of them lets it down.
 *
 * Owns what is known of them: what the device was refused, what was counted, how each ends. Promises that a program
 * which ends without having been asked is found out, that every wait is bounded, and that in the end everything is
 * drained and heard by the oracle. Never touches a disk.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Program, Programs, StartOptions } from '../../rig/programs.ts';
import type { Verdict } from '../oracle/verdict.ts';
import {
  askOracle,
  createDeviceSide,
  createGatewaySide,
  type DeviceRun,
  type DeviceSide,
  type GatewaySide,
} from '../sides.ts';
import type { Side } from './damage.ts';

export interface PairOptions {
  readonly programs: Programs;
  readonly folder: string;
  readonly seed: number;
  /** Where the data of one side lie; default in the folder. */
  readonly data?: Partial<Record<Side, string>>;
  readonly options?: DeviceRun['options'];
  /** Put over both programs' environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Pair {
  readonly gateway: GatewaySide;
  readonly device: DeviceSide;
  /** One line for each promise that did not hold. */
  readonly problems: readonly string[];
  found(problem: string): void;
  /** Events that were counted for the first time since the device was started. */
  readonly acknowledged: number;
  /** Codes of what the device's disk has refused, as often as it was told. */
  readonly faults: ReadonlyMap<string, number>;
  /** What the link was said to be last. */
  readonly link: { readonly state: string; readonly code: string | null };
  startGateway(): Promise<void>;
  /** Records without end. */
  startDevice(): Promise<void>;
  start(side: Side): Promise<void>;
  /** Both, until events are counted. */
  startBoth(): Promise<void>;
  /** Rejects where it does not come to hold in time, or a program is gone that should not be. */
  until(trouble: string, holds: () => boolean): Promise<void>;
  /** Until something was recorded since the device was started. */
  untilRecorded(): Promise<void>;
  /** Until events are counted that were not before; gives how long that took. */
  untilCounting(trouble: string): Promise<number>;
  /**
   * Opens a side's data by a command that ends at once where it can: a gateway's to write there, a device's to look at
   * it or to write there. A refusal must be one line with a code, and status 1; gives the code, or undefined where it
   * did not refuse.
   */
  refusal(side: Side, deviceCommand?: 'look' | 'write'): Promise<string | undefined>;
  /** Records no more, drains and ends. */
  drainDevice(): Promise<void>;
  /** A second device of the same id, with data of its own. */
  twin(data: string): DeviceSide;
  /** As its administrator would. */
  stopGateway(): Promise<void>;
  /** Kills what runs of a side. */
  kill(side: Side): Promise<void>;
  /** Everything drained, the gateway started once more, and the oracle's verdict; its problems are found, too. */
  hear(how?: { readonly hasAccount?: boolean }): Promise<Verdict>;
}

/** Nothing that should happen takes this long, on a busy machine too. */
const PATIENCE_MS = 60_000;
const PAUSE_MAX_MS = 100;
const BURST_MAX = 24;
const ID = 'pump-7';
/** More than any device is started. */
const TWIN_STARTS = 1_000;
/** What the recorder says. */
interface Line {
  readonly opened?: number;
  readonly resolved?: number;
  readonly acknowledged?: number;
  readonly fault?: string;
  readonly link?: string;
  readonly code?: string | null;
}

const REFUSAL = /^error: .+ \(([a-z][a-z-]+|E[A-Z]+)\)$/;

export async function createPair(options: PairOptions): Promise<Pair> {
  const { programs, folder, data = {} } = options;
  await mkdir(folder, { recursive: true });
  const gateway = await createGatewaySide({ programs, folder, ...(data.gateway && { data: data.gateway }) });
  const secretFile = await gateway.addKey(ID);
  const device = createDeviceSide({ programs, folder, id: ID, secretFile, ...(data.device && { data: data.device }) });
  return new RunningPair(options, gateway, device);
}

class RunningPair implements Pair {
  readonly gateway: GatewaySide;
  readonly device: DeviceSide;
  readonly problems: string[] = [];
  readonly #options: PairOptions;
  readonly faults = new Map<string, number>();
  link = { state: 'connecting', code: null as string | null };
  acknowledged = 0;
  #hasRecorded = false;
  #starts = 0;
  readonly #looks = new Set<() => void>();
  readonly #mayEnd = new Set<Program>();
  #gone: string | undefined;

  constructor(options: PairOptions, gateway: GatewaySide, device: DeviceSide) {
    this.#options = options;
    this.gateway = gateway;
    this.device = device;
  }

  found(problem: string): void {
    if (!this.problems.includes(problem)) this.problems.push(problem);
  }

  async startGateway(): Promise<void> {
    const program = await this.gateway.start(this.#started());
    this.#follow(program);
  }

  async startDevice(): Promise<void> {
    const program = this.device.launch(
      { ...this.#run(), events: null, pauseMaxMs: PAUSE_MAX_MS, burstMax: BURST_MAX },
      this.#started(),
    );
    this.#follow(program);
    this.acknowledged = 0;
    this.#hasRecorded = false;
    let isOpen = false;
    program.onLine((text) => {
      const line = (text.startsWith('{') ? JSON.parse(text) : {}) as Line;
      if (line.opened !== undefined) isOpen = true;
      if (line.resolved !== undefined) this.#hasRecorded = true;
      if (line.acknowledged !== undefined) this.acknowledged = line.acknowledged;
      if (line.fault !== undefined) this.faults.set(line.fault, 1 + (this.faults.get(line.fault) ?? 0));
      if (line.link !== undefined) this.link = { state: line.link, code: line.code ?? null };
      this.#stir();
    });
    await this.until('the device has not opened its queue', () => isOpen);
  }

  start(side: Side): Promise<void> {
    return side === 'device' ? this.startDevice() : this.startGateway();
  }

  async startBoth(): Promise<void> {
    await this.startGateway();
    await this.startDevice();
    await this.untilCounting('nothing was counted to begin with');
  }

  until(trouble: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        clearTimeout(timeout);
        this.#looks.delete(look);
        end();
      };
      const look = (): void => {
        if (this.#gone !== undefined) settle(() => reject(new Error(this.#gone)));
        else if (holds()) settle(resolve);
      };
      const timeout = setTimeout(
        () => settle(() => reject(new Error(`${trouble} after ${PATIENCE_MS} ms`))),
        PATIENCE_MS,
      );
      this.#looks.add(look);
      look();
    });
  }

  async untilRecorded(): Promise<void> {
    await this.until('nothing was recorded', () => this.#hasRecorded);
  }

  async untilCounting(trouble: string): Promise<number> {
    const since = performance.now();
    const before = this.acknowledged;
    await this.until(trouble, () => this.acknowledged > before);
    return performance.now() - since;
  }

  async kill(side: Side): Promise<void> {
    this.#expectEnd(side);
    await this[side].kill();
  }

  async refusal(side: Side, deviceCommand: 'look' | 'write' = 'look'): Promise<string | undefined> {
    const { programs } = this.#options;
    const args =
      side === 'gateway'
        ? ['serve', '--data', this.gateway.data, '--listen', '127.0.0.1:0']
        : [...(deviceCommand === 'look' ? ['status'] : ['quarantine', 'retry']), '--data', this.device.data];
    const program = programs.start(side, `bin/tidegate-${side}.js`, args, this.#started());
    const lines: string[] = [];
    let isOpen = false;
    program.onLine((line) => {
      lines.push(line);
      if (!line.includes('"listening"')) return;
      isOpen = true;
      program.kill('SIGTERM');
    });
    const timeout = setTimeout(() => program.kill('SIGKILL'), PATIENCE_MS);
    const { status } = await program.ended;
    clearTimeout(timeout);
    if (status === 0 || isOpen) return undefined;
    const [line = '', ...others] = lines.filter((one) => !one.startsWith('{'));
    const code = REFUSAL.exec(line)?.[1];
    // Where there is no queue or gateway at all, it is the call that must be changed.
    const expected = code === 'not-found' ? 2 : 1;
    if (status !== expected || code === undefined || others.length > 0) {
      this.found(`the ${side} refused with status ${status}: ${[line, ...others].join(' / ').slice(0, 300)}`);
    }
    return code ?? 'none';
  }

  async drainDevice(): Promise<void> {
    this.#expectEnd('device');
    await this.device.drain(this.#run(), PATIENCE_MS);
  }

  twin(data: string): DeviceSide {
    const { programs, folder } = this.#options;
    const { id } = this.device;
    const secretFile = join(folder, 'secrets', id);
    return createDeviceSide({ programs, folder, id, secretFile, data, startsBefore: TWIN_STARTS });
  }

  async stopGateway(): Promise<void> {
    this.#expectEnd('gateway');
    const status = await this.gateway.stop();
    if (status !== 0) this.found(`the gateway ended with status ${status} when it was asked to`);
  }

  async hear({ hasAccount = true } = {}): Promise<Verdict> {
    const { programs } = this.#options;
    if (this.gateway.program === undefined) await this.startGateway();
    this.#expectEnd('device');
    const account = await this.device.drain(this.#run(), PATIENCE_MS);
    await this.stopGateway();
    await this.startGateway();
    const verdict = await askOracle(programs, {
      gateway: this.gateway.url,
      deviceId: this.device.id,
      journal: this.device.journal,
      quarantine: await this.device.exportQuarantine(),
      ...(hasAccount && { account }),
    });
    await this.kill('gateway');
    for (const problem of verdict.problems) this.found(problem);
    return verdict;
  }

  #run(): Omit<DeviceRun, 'events'> {
    const { seed, options = {} } = this.#options;
    return { gateway: this.gateway.url, seed: seed + this.#starts++, options };
  }

  #started(): StartOptions {
    const { env } = this.#options;
    return env === undefined ? {} : { env };
  }

  #follow(program: Program): void {
    void program.ended.then(({ status }) => {
      if (this.#mayEnd.has(program)) return;
      this.#gone ??= `${program.name} ended with status ${status}: ${program.lastWords()}`;
      this.#stir();
    });
  }

  #stir(): void {
    for (const look of this.#looks) look();
  }

  #expectEnd(side: Side): void {
    const { program } = this[side];
    if (program !== undefined) this.#mayEnd.add(program);
  }
}
