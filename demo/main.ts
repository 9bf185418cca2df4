/**
 * `npm start`: the demo.
 *
 * Owns the process: its folder, its signals, its exit status. Promises status 0 only where everything balances, and that
 * nothing is left running nor, unless it was asked for, on disk. Standard output gets the result alone.
 */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogUpdate } from 'log-update';
import { failureText, onShutdown } from '../src/cli/index.ts';
import { runDemo, type Scene } from './demo.ts';
import { type DemoOptions, readOptions } from './options.ts';
import { createPrograms } from './programs.ts';
import { liveText, paintFor, progressLine, reconciliationText } from './screen.ts';
import { summaryOf } from './summary.ts';

interface Stage {
  show(scene: Scene): void;
  end(scene: Scene): void;
}

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
  const finish = new AbortController();
  const shutdown = onShutdown(async () => finish.abort());
  const view = options.once || !process.stdout.isTTY ? lines(options) : table();
  try {
    process.stderr.write(`starting a gateway and ${options.devices} devices, data in ${folder}\n`);
    const scene = await runDemo({ programs, folder, options, finish: finish.signal, onScene: view.show });
    view.end(scene);
    process.exitCode = scene.inTime && scene.balance.total.match ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${failureText(error, false)}\n`);
    process.exitCode = 1;
  } finally {
    programs.killAll();
    shutdown.release();
  }
}
