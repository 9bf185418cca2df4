/**
 * Sides: a real gateway and a real device as processes, and the oracle between them.
 *
 * Owns how each is started, killed and started again on what it left on disk, and where the journal lies. Promises that
 * a side that ends without having been asked is an error with its last words. Never decides when anything happens.
 */
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Program, ProgramEnd, Programs, StartOptions } from '../rig/programs.ts';
import { taskArguments } from '../rig/programs.ts';
import type { AccountSays } from './oracle/evidence.ts';
import type { OracleTask } from './oracle/main.ts';
import type { Verdict } from './oracle/verdict.ts';
import type { RecorderTask } from './recorder.ts';

const GATEWAY = 'bin/tidegate-gateway.js';
const DEVICE = 'bin/tidegate-device.js';

export interface GatewaySide {
  /** `http://127.0.0.1:port`, the same over restarts; `https:` once it has said so. */
  readonly url: string;
  readonly data: string;
  /** Makes a key for a device and gives the file with its credential. */
  addKey(deviceId: string): Promise<string>;
  /** Resolves once it listens; where a trap may end it before that, use `launch`. */
  start(options?: GatewayRun): Promise<Program>;
  launch(options?: GatewayRun): Program;
  /** By SIGKILL; resolves once it is gone. */
  kill(): Promise<void>;
  /** By SIGTERM; resolves with its status. */
  stop(): Promise<number>;
  /** The process, where it runs. */
  readonly program: Program | undefined;
}

export interface GatewayRun extends StartOptions {
  /** For this start, besides those that it always has. */
  readonly flags?: readonly string[];
}

export interface GatewaySideOptions {
  readonly programs: Programs;
  readonly folder: string;
  /** Where its data lies. Default: in the folder. */
  readonly data?: string;
  /** More flags for `serve`. */
  readonly flags?: readonly string[];
}

export async function createGatewaySide(options: GatewaySideOptions): Promise<GatewaySide> {
  const side = new RunningGateway(options, await quietPort());
  // Its data it makes by itself, as it does at a user's.
  await mkdir(join(options.folder, 'secrets'), { recursive: true, mode: 0o700 });
  return side;
}

class RunningGateway implements GatewaySide {
  url: string;
  readonly data: string;
  program: Program | undefined;
  readonly #options: GatewaySideOptions;

  constructor(options: GatewaySideOptions, port: number) {
    this.#options = options;
    this.url = `http://127.0.0.1:${port}`;
    this.data = options.data ?? join(options.folder, 'gateway');
  }

  async addKey(deviceId: string): Promise<string> {
    const { programs, folder } = this.#options;
    const secretFile = join(folder, 'secrets', deviceId);
    await programs.run('gateway', GATEWAY, ['keys', 'add', deviceId, '--data', this.data, '--secret-file', secretFile]);
    return secretFile;
  }

  async start(options?: GatewayRun): Promise<Program> {
    const program = this.launch(options);
    this.url = await firstOf(program, (line) => (line['msg'] === 'listening' ? (line['url'] as string) : undefined));
    return program;
  }

  launch({ flags = [], ...options }: GatewayRun = {}): Program {
    const { programs, flags: always = [] } = this.#options;
    const args = ['serve', '--data', this.data, '--listen', new URL(this.url).host, ...always, ...flags];
    this.program = programs.start('gateway', GATEWAY, args, options);
    return this.program;
  }

  async kill(): Promise<void> {
    this.program?.kill('SIGKILL');
    await this.program?.ended;
    this.program = undefined;
  }

  async stop(): Promise<number> {
    this.program?.kill('SIGTERM');
    const end = await this.program?.ended;
    this.program = undefined;
    return end?.status ?? 0;
  }
}

export interface DeviceSide {
  readonly id: string;
  readonly data: string;
  readonly journal: string;
  /**
   * Starts the recorder. Resolves once it has opened its queue; where a trap may end it before that, use `launch`.
   * `events` null records without end until SIGTERM or SIGKILL.
   */
  start(run: DeviceRun, options?: StartOptions): Promise<Program>;
  launch(run: DeviceRun, options?: StartOptions): Program;
  kill(): Promise<void>;
  /** Records no more, drains and ends, with its account; rejects where it does not end well within the time. */
  drain(run: Omit<DeviceRun, 'events'>, withinMs: number): Promise<AccountSays>;
  /** Everything in quarantine, written to a file for the oracle. Only while no process has the queue. */
  exportQuarantine(): Promise<string>;
  readonly program: Program | undefined;
  /** How often it was started so far. */
  readonly starts: number;
}

export interface DeviceRun {
  readonly gateway: string;
  readonly seed: number;
  readonly events: number | null;
  readonly options?: RecorderTask['options'] extends infer All ? Partial<All> : never;
  readonly pauseMaxMs?: number;
  readonly burstMax?: number;
  readonly caFile?: string;
  readonly around?: number;
  readonly strays?: number;
  readonly scatter?: number;
  readonly timeless?: number;
  readonly retryQuarantine?: boolean;
  readonly dice?: number;
}

export interface DeviceSideOptions {
  readonly programs: Programs;
  readonly folder: string;
  readonly id: string;
  readonly secretFile: string;
  /** Where its data lies. Default: in the folder. */
  readonly data?: string;
  /** How many starts came before, of another that writes the same journal. Default none. */
  readonly startsBefore?: number;
}

/** Serials of one start; more than any start records. */
const SERIALS = 10_000_000;

/** Which start of its device has recorded the event of a serial, counted from 0. */
export function startOf(serial: number): number {
  return Math.floor((serial - 1) / SERIALS);
}

/** Faults are over soon: devices of campaigns try again sooner than real ones should. */
const PATIENCE = { retryBaseMs: 20, retryMaxMs: 200, pauseMaxMs: 200, requestTimeoutMs: 2_000, lingerMs: 5 };

/** A round number of days, so that event times lie about the beginning of a page of each kind. */
const AROUND = 600 * 32 * 86_400_000;

export function createDeviceSide(options: DeviceSideOptions): DeviceSide {
  return new RunningDevice(options);
}

class RunningDevice implements DeviceSide {
  readonly id: string;
  readonly data: string;
  readonly journal: string;
  program: Program | undefined;
  readonly #options: DeviceSideOptions;
  starts: number;

  constructor(options: DeviceSideOptions) {
    const { folder, id, data, startsBefore = 0 } = options;
    this.starts = startsBefore;
    this.#options = options;
    this.id = id;
    this.data = data ?? join(folder, id);
    this.journal = join(folder, `${id}.journal`);
  }

  async start(run: DeviceRun, options?: StartOptions): Promise<Program> {
    const program = this.launch(run, options);
    await firstOf(program, (line) => ('opened' in line ? true : undefined));
    return program;
  }

  launch(run: DeviceRun, options?: StartOptions): Program {
    const { id, secretFile, programs } = this.#options;
    const { gateway, options: chosen, around = AROUND, ...rest } = run;
    const task: RecorderTask = {
      options: { id, data: this.data, gateway, ...PATIENCE, ...chosen },
      secretFile,
      journal: this.journal,
      serial: this.starts++ * SERIALS + 1,
      around,
      ...rest,
    };
    const program = programs.start(`device ${id}`, 'faults/recorder.js', taskArguments(task), options);
    this.program = program;
    return program;
  }

  async kill(): Promise<void> {
    this.program?.kill('SIGKILL');
    await this.program?.ended;
    this.program = undefined;
  }

  async drain(run: Omit<DeviceRun, 'events'>, withinMs: number): Promise<AccountSays> {
    const running = this.program;
    running?.kill('SIGTERM');
    const program = running ?? this.launch({ ...run, events: 0 });
    const account = firstOf(program, ({ drained }) => drained as AccountSays | undefined);
    account.catch(() => {});
    const timeout = setTimeout(() => program.kill('SIGKILL'), withinMs);
    const { status } = await program.ended;
    clearTimeout(timeout);
    this.program = undefined;
    if (status !== 0) throw new Error(`the device did not drain within ${withinMs} ms: ${program.lastWords()}`);
    return account;
  }

  async exportQuarantine(): Promise<string> {
    const { folder, programs } = this.#options;
    const output = join(folder, `${this.id}.quarantine`);
    await programs.run('device', DEVICE, ['quarantine', 'export', '--data', this.data, '--output', output]);
    return output;
  }
}

export async function askOracle(programs: Programs, task: OracleTask, options?: StartOptions): Promise<Verdict> {
  return JSON.parse(await programs.run('oracle', 'faults/oracle/main.js', taskArguments(task), options)) as Verdict;
}

/**
 * Below the ports that systems give to connections: whoever dials a gateway that is down could else be given the very
 * port that it dials, and hold it.
 */
async function quietPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    server.close();
    if (isFree) return port;
  }
}

/** Resolves with what `find` makes of a line of JSON; rejects where the program ends before. */
export function firstOf<T>(program: Program, find: (line: Record<string, unknown>) => T | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    program.onLine((line) => {
      const found = line.startsWith('{') ? find(JSON.parse(line) as Record<string, unknown>) : undefined;
      if (found !== undefined) resolve(found);
    });
    program.ended.then(
      ({ status }: ProgramEnd) =>
        reject(new Error(`${program.name} ended with status ${status}: ${program.lastWords()}`)),
      reject,
    );
  });
}
