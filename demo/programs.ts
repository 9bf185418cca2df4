/**
 * Programs: the real binaries, each in a process of its own.
 *
 * Owns starting and ending them. Promises that none outlives the demo: each ends by its process id, on every way out, and
 * where the demo itself is killed, by its leash. Never reads what they mean by their output.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export type ProgramName = 'device' | 'gateway';

export interface ProgramEnd {
  /** As a shell has it: 128 + n for the signal n. */
  readonly status: number;
  /** All of standard output. */
  readonly output: string;
}

export interface Program {
  readonly pid: number;
  /** Settles when the process has ended, whatever its status. */
  readonly ended: Promise<ProgramEnd>;
  /** What its log says about its end, for a message about it. */
  lastWords(): string;
  /** Calls for each line of its log from now on. */
  onLine(listener: (line: string) => void): void;
  kill(signal: NodeJS.Signals): void;
}

export interface Programs {
  start(name: ProgramName, args: readonly string[]): Program;
  /** Runs to the end. Rejects with the last line of its log where the status is not 0. */
  run(name: ProgramName, args: readonly string[]): Promise<string>;
  /** Ends what is still running; in time even for the end of the process. */
  killAll(): void;
}

const LINES_KEPT = 40;
/** Our programs' own line, a stack's first, or a log line of level error and above. */
const FAILURE_PATTERN = /^(error: |[\w.]*Error\b|\{"level":[56]0)/;

const leash = new URL('./leash.mjs', import.meta.url).href;

export function createPrograms(): Programs {
  const running = new Set<Program>();
  const programs: Programs = {
    start(name, args) {
      const program = launch(name, args);
      running.add(program);
      program.ended.finally(() => running.delete(program));
      return program;
    },
    async run(name, args) {
      const program = programs.start(name, args);
      const { status, output } = await program.ended;
      if (status === 0) return output;
      throw new Error(`tidegate-${name} ${args[0]} ended with status ${status}: ${program.lastWords()}`);
    },
    killAll() {
      for (const program of running) program.kill('SIGKILL');
    },
  };
  return programs;
}

function launch(name: ProgramName, args: readonly string[]): Program {
  const binary = fileURLToPath(new URL(`../bin/tidegate-${name}.js`, import.meta.url));
  const child = spawn(process.execPath, ['--import', leash, binary, ...args], {
    // A group of its own: Ctrl-C is for the demo to deal with.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: withoutSettings(process.env),
  });
  const lastLines: string[] = [];
  const lines = createInterface({ input: child.stderr! });
  lines.on('line', (line) => {
    lastLines.push(line);
    if (lastLines.length > LINES_KEPT) lastLines.shift();
  });
  return {
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

/** What someone has set for a gateway of theirs is not meant for this one. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('TIDEGATE_')));
}
