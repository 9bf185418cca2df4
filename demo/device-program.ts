/**
 * DeviceProgram: one device of the demo, as a process and as what it says.
 *
 * Owns its start, its crash and its figures. Promises that a crash changes nothing about how many events it records in
 * all. Never counts anything itself: every figure is the device's own account of its disk.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { Program, Programs } from '../rig/programs.ts';
import type { DeviceStatus } from '../src/device/index.ts';
import { askControl } from '../src/device/index.ts';

/** Where the events come from. A file is finite; so is a simulation with a count. */
export type DeviceInput =
  | { readonly kind: 'simulate'; readonly rate: number; readonly events: number | undefined; readonly seed: number }
  | {
      readonly kind: 'file';
      readonly path: string;
      /** How its rows are to be read, as flags of `tidegate-device run`. */
      readonly flags: readonly string[];
    };

export interface DeviceProgramOptions {
  readonly id: string;
  readonly gatewayUrl: string;
  readonly data: string;
  readonly secretFile: string;
  readonly input: DeviceInput;
  readonly batchEvents: number;
  readonly lingerMs: number;
}

export interface DeviceFigures {
  readonly id: string;
  /** `down` between a crash and the next start, `done` once everything is acknowledged and the process has ended. */
  readonly link: 'connecting' | 'online' | 'offline' | 'paused' | 'down' | 'done';
  readonly reason: string | null;
  readonly recorded: number;
  readonly queued: number;
  readonly retries: number;
  /** Rows of its input that it did not record, and why the first of them; known once it has ended. */
  readonly refused: number;
  readonly refusal: string | null;
  /** Bytes at the end of its input that are no row yet, or that were gone before they were read. */
  readonly leftBytes: number;
  /** Exact sums of all that was recorded, decimal text by measure. */
  readonly sums: Readonly<Record<string, string>>;
}

export interface DeviceProgram {
  readonly id: string;
  /** Settles when the device has ended by itself, everything acknowledged; rejects where it ends in any other way. */
  readonly done: Promise<void>;
  figures(): Promise<DeviceFigures>;
  /** Tells the device that the link is good again, so that it need not find out. */
  probe(): Promise<void>;
  /** `kill -9`, and a new start that records what is still missing. */
  crash(): Promise<void>;
  /** Records no more; what is queued is still delivered. */
  finish(): Promise<void>;
}

const BINARY = 'bin/tidegate-device.js';

/** A demo is watched: its devices try again sooner than a real one should. */
const PATIENCE = ['--retry-base', '100ms', '--retry-max', '2s', '--request-timeout', '5s'];

type RunStatus = Pick<DeviceStatus, 'recorded' | 'queued' | 'link' | 'session' | 'counting'>;

/** What a run ends with, also where it has refused rows. */
type RunSummary = RunStatus & {
  readonly input: Record<'refused' | 'unreadable' | 'waitingBytes' | 'lostBytes', number>;
};

/** All that the input's rows could give is recorded and acknowledged; rows were refused, or bytes are left behind. */
const ENDED_STATUSES: readonly (number | null)[] = [0, 3, 4];

export async function startDevice(programs: Programs, options: DeviceProgramOptions): Promise<DeviceProgram> {
  const device = new RunningDevice(programs, options);
  await device.start();
  return device;
}

class RunningDevice implements DeviceProgram {
  readonly id: string;
  readonly done: Promise<void>;
  readonly #programs: Programs;
  readonly #options: DeviceProgramOptions;
  #program: Program | undefined;
  #settle: { resolve: () => void; reject: (error: Error) => void } = { resolve() {}, reject() {} };
  #isDone = false;
  #refused = 0;
  #refusal: string | null = null;
  #leftBytes = 0;
  #status: RunStatus | undefined;
  /** True once the present process has said something. */
  #isHeard = false;
  /** Retries of runs that have ended, and of this one. */
  #retries = { before: 0, now: 0 };
  /** What the queue held when the demo began: a folder may have been used before. */
  #recordedBefore = 0;

  constructor(programs: Programs, options: DeviceProgramOptions) {
    this.id = options.id;
    this.#programs = programs;
    this.#options = options;
    this.done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.done.catch(() => {});
  }

  async start(): Promise<void> {
    if (await this.#isUsed()) this.#recordedBefore = await this.#recordedOnDisk();
    this.#launch(this.#inputFlags(0));
  }

  async figures(): Promise<DeviceFigures> {
    const program = this.#program;
    const status = program && (await askStatus(this.#options.data));
    // What is still being counted after a start is not the whole of it.
    if (status && this.#program === program && !(status.counting && this.#status)) this.#learn(status);
    const known = this.#status;
    const isRunning = !this.#isDone && this.#program !== undefined;
    const link = isRunning && this.#isHeard ? known?.link : undefined;
    return {
      id: this.id,
      link: link?.state ?? (this.#isDone ? 'done' : isRunning ? 'connecting' : 'down'),
      reason: link?.reason ?? null,
      recorded: known?.recorded.events ?? 0,
      queued: known?.queued.events ?? 0,
      refused: this.#refused,
      refusal: this.#refusal,
      leftBytes: this.#leftBytes,
      retries: this.#retries.before + this.#retries.now,
      sums: known?.recorded.sums ?? {},
    };
  }

  async probe(): Promise<void> {
    const answer = await askControl(this.#options.data, 'POST', '/probe').catch(() => undefined);
    answer?.resume();
  }

  async crash(): Promise<void> {
    if (this.#isDone) return;
    await this.#end('SIGKILL');
    this.#launch(this.#inputFlags((await this.#recordedOnDisk()) - this.#recordedBefore));
  }

  async finish(): Promise<void> {
    if (this.#isDone) return;
    await this.#end('SIGTERM');
    this.#launch(['--input', 'none']);
  }

  #launch(input: readonly string[]): void {
    const { id, gatewayUrl, data, secretFile, batchEvents, lingerMs } = this.#options;
    const program = this.#programs.start('device', BINARY, [
      ...['run', '--gateway', gatewayUrl, '--id', id, '--secret-file', secretFile, '--data', data, '--json'],
      ...['--batch-events', String(batchEvents), '--linger', `${lingerMs}ms`],
      ...PATIENCE,
      ...input,
    ]);
    this.#program = program;
    this.#isHeard = false;
    program.onLine((line) => {
      this.#refusal ??= refusalIn(line);
    });
    program.ended.then(({ status, output }) => {
      // Ended by `#end`, whose caller knows why.
      if (this.#program !== program) return;
      this.#program = undefined;
      const summary = summaryIn(output);
      if (summary === undefined || !ENDED_STATUSES.includes(status)) {
        this.#settle.reject(failureOf(id, status, program.lastWords()));
        return;
      }
      const { refused, unreadable, waitingBytes, lostBytes } = summary.input;
      this.#refused = refused + unreadable;
      this.#leftBytes = waitingBytes + lostBytes;
      this.#learn(summary);
      this.#isDone = true;
      this.#settle.resolve();
    }, this.#settle.reject);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const program = this.#program;
    this.#program = undefined;
    program?.kill(signal);
    await program?.ended;
    this.#retries = { before: this.#retries.before + this.#retries.now, now: 0 };
  }

  #learn(status: RunStatus): void {
    this.#status = status;
    this.#isHeard = true;
    this.#retries.now = status.session.retries;
  }

  #isUsed(): Promise<boolean> {
    return access(join(this.#options.data, 'queue')).then(
      () => true,
      () => false,
    );
  }

  /** Nothing where it was killed before it had made its queue. */
  async #recordedOnDisk(): Promise<number> {
    try {
      const output = await this.#programs.run('tidegate-device status', BINARY, [
        'status',
        '--data',
        this.#options.data,
        '--json',
      ]);
      return (JSON.parse(output) as { recorded: { events: number } }).recorded.events;
    } catch (error) {
      if (error instanceof Error && error.message.includes('(not-found)')) return 0;
      throw error;
    }
  }

  #inputFlags(alreadyRecorded: number): string[] {
    const { input } = this.#options;
    if (input.kind === 'file') return ['--input', input.path, ...input.flags];
    const { rate, events, seed } = input;
    const left = events === undefined ? [] : ['--events', String(Math.max(0, events - alreadyRecorded))];
    return ['--input', 'simulate', '--rate', String(rate), '--seed', String(seed), ...left];
  }
}

/** With the code that the device itself gave. */
function failureOf(id: string, status: number | null, lastWords: string): Error {
  const [, said, code] = /^error: (.*) \(([\w-]+)\)$/.exec(lastWords) ?? [];
  if (said === undefined) return new Error(`${id} ended with status ${status}: ${lastWords}`);
  return Object.assign(new Error(`${id}: ${said}`), { code });
}

/** Undefined where the program did not come to its summary. */
function summaryIn(output: string): RunSummary | undefined {
  try {
    const summary = JSON.parse(output.trim().split('\n').at(-1) ?? '') as Partial<RunSummary>;
    return summary.recorded && summary.input ? (summary as RunSummary) : undefined;
  } catch {
    return undefined;
  }
}

/** Why rows were refused, where this line of the log is about that. */
function refusalIn(line: string): string | null {
  try {
    const { rows, code, reason } = JSON.parse(line) as { rows?: unknown; code?: unknown; reason?: unknown };
    return typeof rows === 'number' && typeof code === 'string' && reason !== undefined ? `${reason} (${code})` : null;
  } catch {
    return null;
  }
}

/** Undefined where the device does not listen yet, or not any more. */
async function askStatus(data: string): Promise<RunStatus | undefined> {
  try {
    const answer = await askControl(data, 'GET', '/status');
    return answer && ((await json(answer)) as RunStatus);
  } catch {
    return undefined;
  }
}
