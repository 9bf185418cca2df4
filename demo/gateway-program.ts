/**
 * GatewayProgram: the gateway of the demo, as a process and as what it says.
 *
 * Owns its keys, its start, its crash and its figures. Promises that after a crash it is at the same address again, and
 * that duplicates counted before a crash are not forgotten. Never believes anything but what it is told over HTTP.
 */
import { access } from 'node:fs/promises';
import type { Program, Programs } from '../rig/programs.ts';

/** One device as the gateway sees it. */
export interface CountedDevice {
  readonly id: string;
  readonly events: number;
  readonly duplicates: number;
  /** Exact sums, decimal text by measure. */
  readonly sums: Readonly<Record<string, string>>;
}

export interface GatewayProgram {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** By device id; undefined while the gateway does not answer. */
  counted(): Promise<ReadonlyMap<string, CountedDevice> | undefined>;
  /** `kill -9`, and a new start on the same data. */
  crash(): Promise<void>;
  /** Rejects when the gateway ends without having been asked. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

/** Part of `GET /v1/devices`. */
interface DevicesView {
  readonly devices: readonly {
    readonly id: string;
    readonly delivered: number;
    readonly duplicates: number;
    readonly measures: Readonly<Record<string, { readonly sum: string }>>;
  }[];
}

const BINARY = 'bin/tidegate-gateway.js';
const ANSWER_WITHIN_MS = 2_000;
const STOP_WITHIN_MS = 10_000;

/** Makes a key for the device and writes it to the file, unless an earlier demo in this folder has. */
export async function addKey(programs: Programs, data: string, deviceId: string, secretFile: string): Promise<void> {
  if (await exists(secretFile)) return;
  await programs.run('tidegate-gateway keys', BINARY, [
    'keys',
    'add',
    deviceId,
    '--data',
    data,
    '--secret-file',
    secretFile,
  ]);
}

export async function startGateway(programs: Programs, data: string): Promise<GatewayProgram> {
  const gateway = new RunningGateway(programs, data);
  await gateway.start('127.0.0.1:0');
  return gateway;
}

class RunningGateway implements GatewayProgram {
  url = '';
  readonly failed: Promise<never>;
  readonly #programs: Programs;
  readonly #data: string;
  #program: Program | undefined;
  #fail: (error: Error) => void = () => {};
  /** The gateway counts duplicates from its start on. */
  #before = new Map<string, number>();
  #latest: ReadonlyMap<string, CountedDevice> = new Map();

  constructor(programs: Programs, data: string) {
    this.#programs = programs;
    this.#data = data;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
  }

  async start(listen: string): Promise<void> {
    const program = this.#programs.start('gateway', BINARY, ['serve', '--data', this.#data, '--listen', listen]);
    this.#program = program;
    const listening = new Promise<string>((done) => {
      program.onLine((line) => {
        const url = listeningUrl(line);
        if (url !== undefined) done(url);
      });
    });
    const ended = program.ended.then(({ status }) => {
      const error = new Error(`the gateway ended with status ${status}: ${program.lastWords()}`);
      if (this.#program === program) this.#fail(error);
      throw error;
    });
    ended.catch(() => {});
    this.url = await Promise.race([listening, ended]);
  }

  async counted(): Promise<ReadonlyMap<string, CountedDevice> | undefined> {
    try {
      const answer = await fetch(`${this.url}/v1/devices`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
      const { devices } = (await answer.json()) as DevicesView;
      this.#latest = new Map(
        devices.map(({ id, delivered, duplicates, measures }) => {
          const sums = Object.fromEntries(Object.entries(measures).map(([name, { sum }]) => [name, sum]));
          return [id, { id, events: delivered, duplicates: duplicates + (this.#before.get(id) ?? 0), sums }];
        }),
      );
      return this.#latest;
    } catch {
      return undefined;
    }
  }

  async crash(): Promise<void> {
    const program = this.#program;
    this.#program = undefined;
    this.#before = new Map([...this.#latest].map(([id, { duplicates }]) => [id, duplicates]));
    program?.kill('SIGKILL');
    await program?.ended;
    await this.start(new URL(this.url).host);
  }

  async stop(): Promise<void> {
    const program = this.#program;
    this.#program = undefined;
    program?.kill('SIGTERM');
    const timer = setTimeout(() => program?.kill('SIGKILL'), STOP_WITHIN_MS);
    await program?.ended;
    clearTimeout(timer);
  }
}

function listeningUrl(line: string): string | undefined {
  try {
    const { msg, url } = JSON.parse(line) as { msg?: unknown; url?: unknown };
    return msg === 'listening' && typeof url === 'string' ? url : undefined;
  } catch {
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
