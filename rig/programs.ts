/**
 * Programs: our own programs, each in a process of its own, for whoever shows, measures or attacks them.
 *
 * Owns starting and ending them, and what the system says about them from outside. Promises that none outlives the
 * process that started it: each ends by its process id, on every way out, and where that process itself is killed, by
 * its leash. Never reads what they mean by their output.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export interface ProgramEnd {
  /** As a shell has it: 128 + n for the signal n. */
  readonly status: number;
  /** All of standard output. */
  readonly output: string;
}

export interface Program {
  readonly name: string;
  readonly pid: number;
  /** Settles when the process has ended, whatever its status. */
  readonly ended: Promise<ProgramEnd>;
  /** What its log says about its end, for a message about it. */
  lastWords(): string;
  /** Calls for each line of its standard error from now on. */
  onLine(listener: (line: string) => void): void;
  kill(signal: NodeJS.Signals): void;
}

export interface StartOptions {
  /** Put over this process's own, without the settings that someone has made for programs of theirs. */
  readonly env?: Readonly<Record<string, string>>;
  /** Flags for Node, before the file. */
  readonly nodeFlags?: readonly string[];
  /** What is written to its standard input, which is then closed. Default: there is none. */
  readonly input?: string;
}

export interface Programs {
  /** Runs a file of the folder, given from its root. */
  start(name: string, file: string, args: readonly string[], options?: StartOptions): Program;
  /** Runs to the end. Rejects with the program's last words where the status is not 0. */
  run(name: string, file: string, args: readonly string[], options?: StartOptions): Promise<string>;
  /** Ends what is still running; in time even for the end of the process. */
  killAll(): void;
}

export interface ProgramsOptions {
  /** A checkout, or a folder that `buildInto` has filled. Default: this checkout. */
  readonly folder?: string;
  /** A folder where each program leaves a CPU profile when it ends; undefined for none. */
  readonly profile?: string | undefined;
  /** What profiles are named after, besides the program. */
  readonly label?: string;
}

const LINES_KEPT = 40;
/** Our programs' own line, a stack's first, or a log line of level error and above. */
const FAILURE_PATTERN = /^(error: |[\w.]*Error\b|\{"level":[56]0)/;

const leash = new URL('./leash.mjs', import.meta.url).href;
const root = fileURLToPath(new URL('..', import.meta.url));

export function createPrograms({ folder = root, profile, label = 'rig' }: ProgramsOptions = {}): Programs {
  const running = new Set<Program>();
  let started = 0;
  const programs: Programs = {
    start(name, file, args, options = {}) {
      const profileName = `${label}-${++started}-${name}.cpuprofile`;
      const flags =
        profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${profileName}`];
      const program = launch(name, [...flags, '--import', leash, join(folder, file), ...args], {
        ...options,
        isCopy: folder !== root,
      });
      running.add(program);
      program.ended.finally(() => running.delete(program)).catch(() => {});
      return program;
    },
    async run(name, file, args, options) {
      return outputOf(programs.start(name, file, args, options));
    },
    killAll() {
      for (const program of running) program.kill('SIGKILL');
    },
  };
  return programs;
}

/** The arguments that hand a task to a program of the bench. */
export function taskArguments(task: object): string[] {
  return [JSON.stringify(task)];
}

/** The task that this process was started with. */
export function ownTask<Task extends object>(): Task {
  return JSON.parse(process.argv[2] ?? '') as Task;
}

/** The output of a program that should end by itself. Rejects with its last words where the status is not 0. */
export async function outputOf({ name, ended, lastWords }: Program): Promise<string> {
  const { status, output } = await ended;
  if (status === 0) return output;
  throw new Error(`${name} ended with status ${status}: ${lastWords()}`);
}

/** The most memory that a process has held so far, bytes; undefined where the system does not tell. */
export function peakMemoryBytes(pid: number | 'self'): number | undefined {
  // Not `process.resourceUsage().maxRSS`: Linux lets a process inherit that from the one that started it.
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readProc(pid, 'status'))?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024;
}

/** The memory that a process holds now, bytes; undefined where the system does not tell. */
export function memoryBytes(pid: number | 'self'): number | undefined {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(pid, 'status'))?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024;
}

/** What a process has had written to disks so far, in whole pages, bytes; undefined where the system does not tell. */
export function writtenBytes(pid: number | 'self'): number | undefined {
  const bytes = /^write_bytes: (\d+)$/m.exec(readProc(pid, 'io'))?.[1];
  return bytes === undefined ? undefined : Number(bytes);
}

/** Seconds of all its threads so far, in steps of a hundredth; undefined where the system does not tell. */
export function cpuSeconds(pid: number): number | undefined {
  // The command's name is in parentheses and may hold anything; what is behind it is numbers.
  const parts = readProc(pid, 'stat').split(') ').at(-1)!.split(' ');
  const ticks = Number(parts[11]) + Number(parts[12]);
  return Number.isNaN(ticks) ? undefined : ticks / 100;
}

function readProc(pid: number | 'self', file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

function launch(
  name: string,
  args: readonly string[],
  { env, nodeFlags = [], input, isCopy }: StartOptions & { readonly isCopy: boolean },
): Program {
  const child = spawn(process.execPath, [...nodeFlags, ...args], {
    // A group of its own: Ctrl-C is for whoever started it to deal with.
    detached: true,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', 'ipc'],
    env: { ...withoutSettings(process.env, isCopy), ...env },
  });
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  const lastLines: string[] = [];
  const lines = createInterface({ input: child.stderr! });
  lines.on('line', (line) => {
    lastLines.push(line);
    if (lastLines.length > LINES_KEPT) lastLines.shift();
  });
  return {
    name,
    pid: child.pid ?? 0,
    ended: endOf(child),
    lastWords: () => lastLines.findLast((line) => FAILURE_PATTERN.test(line)) ?? lastLines.at(-1) ?? 'without a word',
    onLine: (listener) => void lines.on('line', listener),
    kill: (signal) => void child.kill(signal),
  };
}

async function endOf(child: ChildProcess): Promise<ProgramEnd> {
  const closed = new Promise<number>((done, failed) => {
    child.once('error', failed);
    child.once('close', (code, signal) => done(code ?? 128 + constants.signals[signal!]));
  });
  const [status, output] = await Promise.all([closed, text(child.stdout!)]);
  return { status, output };
}

/**
 * What someone has set for a gateway of theirs is not meant for this one. Nor is the coverage of a copy of any use: to
 * write it down takes a program longer than to start, and some thousand are started.
 */
function withoutSettings(environment: NodeJS.ProcessEnv, isCopy: boolean): NodeJS.ProcessEnv {
  const isMeant = (name: string) => !name.startsWith('TIDEGATE_') && !(isCopy && name === 'NODE_V8_COVERAGE');
  return Object.fromEntries(Object.entries(environment).filter(([name]) => isMeant(name)));
}
