/**
 * Server: a program of the system that a peer sends to, on the loopback interface, in a folder of its own.
 *
 * Owns its start and its end. Promises that it is ended by its process id on every way out: by this process, and where
 * this process itself is killed, by the kernel. Never reads a configuration that is not its own.
 */
import assert from 'node:assert';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { portOf } from './receiver.ts';

export interface ServerProgram {
  /** The Debian package that brings it. */
  readonly package: string;
  readonly command: string;
  /** Writes its configuration; gives its arguments. */
  configure(place: Place): Promise<string[]>;
  /** Whether it would serve a request. Rejects, or gives false, where it does not yet. */
  isReady(port: number): Promise<boolean>;
}

export interface Place {
  /** Empty. */
  readonly folder: string;
  readonly port: number;
}

export interface RunningServer {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Debian has servers there, and not every user's path. */
export const PROGRAM_PATH = `${process.env['PATH']}:/usr/sbin:/sbin`;
const START_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 10_000;
const POLL_MS = 50;

export async function startServer(program: ServerProgram, folder: string): Promise<RunningServer> {
  const port = await freePort();
  const args = await program.configure({ folder, port });
  // The kernel ends it with the process that started it. Needs Linux, as the packages do.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program.command, ...args], {
    cwd: folder,
    env: { PATH: PROGRAM_PATH, HOME: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said = text(child.stderr);
  try {
    await untilReady(program, port, child);
  } catch (error) {
    child.kill('SIGKILL');
    const lastWords = (await said).trim().split('\n').at(-1);
    throw new Error(`${program.command}: ${(error as Error).message}: ${lastWords}`);
  }
  return {
    port,
    pid: child.pid!,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const timeout = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
      await ended;
      clearTimeout(timeout);
    },
  };
}

async function untilReady(program: ServerProgram, port: number, child: ChildProcess): Promise<void> {
  for (const deadline = Date.now() + START_WITHIN_MS; Date.now() < deadline; ) {
    assert(child.exitCode === null && child.signalCode === null, 'ended at once');
    if (await program.isReady(port).catch(() => false)) return;
    await sleep(POLL_MS);
  }
  throw new Error('is not ready in time');
}

/** Free a moment ago: none of these programs says which one it took when it may choose. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  const port = await portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}
