/**
 * The bench: `npm run bench [-- FIGURE…]`.
 *
 * Owns one run of it: header, one process per figure, table, JSON. Promises that nothing is left behind, no process and
 * no folder, and that its status is 0 only where every figure was measured and every count and sum agreed. Never
 * measures.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { buildInto } from '../rig/build.ts';
import { createPrograms, outputOf, type Programs, taskArguments } from '../rig/programs.ts';
import type { FigureReport, FigureTask } from './figure-process.ts';
import { judged } from './goals.ts';
import { describeMachine, machineLines } from './machine.ts';
import { type BenchOptions, readOptions } from './options.ts';
import { linkPackages } from './peers/provision.ts';
import { publish } from './publication.ts';
import { tableOf } from './report.ts';

/** Two minutes on a free machine; more where others leave it a tenth of the cores. What takes longer hangs. */
const FIGURE_TIMEOUT_MS = 600_000;

export async function main(argv: string[]): Promise<void> {
  const options = readOptions(argv);
  await mkdir(options.disk, { recursive: true });
  if (options.profile !== undefined) await mkdir(options.profile, { recursive: true });
  const folder = await mkdtemp(join(options.disk, 'tidegate-bench-'));
  const build = join(folder, 'build');
  const programs = createPrograms({ folder: build, profile: options.profile, label: 'bench' });
  let stopped: NodeJS.Signals | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      stopped = signal;
      programs.killAll();
    });
  }
  try {
    await buildInto(build, ['bench']);
    await linkPackages(build);
    await run(options, programs, { folder, build }, () => stopped !== undefined);
  } finally {
    programs.killAll();
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  if (stopped !== undefined) process.exitCode = 128 + constants.signals[stopped];
}

async function run(
  options: BenchOptions,
  programs: Programs,
  { folder, build }: { readonly folder: string; readonly build: string },
  isStopped: () => boolean,
): Promise<void> {
  const { quick, backlogEvents, storedEvents, streams, telemetry, figures } = options;
  const machine = describeMachine(folder);
  const header = machineLines(machine);
  console.error(`${header.join('\n')}\n`);
  const settings = { quick, backlogEvents, storedEvents, streams, telemetry };
  const shared = join(folder, 'shared');
  await mkdir(shared);
  const reports: FigureReport[] = [];
  const failures: { readonly figure: string; readonly reason: string }[] = [];
  for (const figure of figures) {
    if (isStopped()) return;
    const ownFolder = join(folder, figure);
    await mkdir(ownFolder);
    try {
      reports.push(
        await measure(programs, { figure, build, folder: ownFolder, shared, profile: options.profile, settings }),
      );
    } catch (error) {
      failures.push({ figure, reason: (error as Error).message });
    }
    await rm(ownFolder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  if (isStopped()) return;
  const notes = quick ? ['--quick: a tenth of the events, two runs; nothing to quote'] : [];
  console.log([...header, ...notes, '', tableOf(reports, failures)].join('\n'));
  if (options.json !== undefined) {
    await mkdir(dirname(options.json), { recursive: true });
    const figures = reports.map((report) => ({ ...report, readings: judged(report.figure, report.readings) }));
    await writeFile(options.json, `${JSON.stringify({ machine, settings, figures, failures }, null, 2)}\n`);
  }
  if (options.publish) await publish(machine, reports);
  if (failures.length > 0) process.exitCode = 1;
}

async function measure(programs: Programs, task: FigureTask): Promise<FigureReport> {
  const program = programs.start(task.figure, 'bench/figure-process.js', taskArguments(task));
  program.onLine((line) => console.error(line));
  const timeout = setTimeout(() => {
    console.error(`${task.figure}: not done after ${FIGURE_TIMEOUT_MS / 1_000} s; ended`);
    program.kill('SIGKILL');
  }, FIGURE_TIMEOUT_MS);
  try {
    return JSON.parse(await outputOf(program)) as FigureReport;
  } finally {
    clearTimeout(timeout);
  }
}
