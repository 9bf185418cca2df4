/**
 * `npm start`: the demo.
 *
 * Owns the process: its folder, its signals, its exit status. Promises status 0 only where everything balances, and
 * that nothing is left running nor, unless it was asked for, on disk. Standard output gets the result alone.
 */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrograms } from '../rig/programs.ts';
import { CommandError, failureText } from '../src/cli/index.ts';
import { runDemo } from './demo.ts';
import { readOptions } from './options.ts';
import { isSuccess } from './screen.ts';
import { createView } from './view.ts';

const INTERRUPTS = ['SIGINT', 'SIGTERM'] as const;

/** npm passes on a Ctrl-C that the terminal has told this process already. */
const SAME_INTERRUPT_MS = 500;

export async function main(argv: readonly string[]): Promise<void> {
  const options = readOptions(argv);
  const programs = createPrograms();
  const folder = options.dir ?? (await mkdtemp(join(tmpdir(), 'tidegate-demo-')));
  process.once('exit', () => {
    programs.killAll();
    if (options.dir === undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  // The terminal was closed: nobody will see a reconciliation.
  process.once('SIGHUP', () => process.exit(129));
  const interruption = onInterrupt();
  const view = createView(options, process);
  try {
    process.stderr.write(`starting a gateway and ${options.devices} devices, data in ${folder}\n`);
    const scene = await runDemo({ programs, folder, options, finish: interruption.signal, onScene: view.show });
    view.end(scene);
    process.exitCode = isSuccess(scene) ? 0 : 1;
  } catch (error) {
    view.close();
    process.stderr.write(`${failureText(error, false)}\n`);
    process.exitCode = error instanceof CommandError ? 2 : 1;
  } finally {
    view.close();
    programs.killAll();
    interruption.release();
  }
}

/** The first SIGINT or SIGTERM asks for the end, the next one takes it. */
function onInterrupt(): { readonly signal: AbortSignal; release(): void } {
  const asked = new AbortController();
  let askedAt = Number.NEGATIVE_INFINITY;
  const listener = () => {
    if (asked.signal.aborted && performance.now() - askedAt > SAME_INTERRUPT_MS) process.exit(130);
    if (!asked.signal.aborted) askedAt = performance.now();
    asked.abort();
  };
  for (const signal of INTERRUPTS) process.on(signal, listener);
  return {
    signal: asked.signal,
    release() {
      for (const signal of INTERRUPTS) process.off(signal, listener);
    },
  };
}
