/**
 * FigureProcess: one figure, measured in a process of its own, so that none finds the heap or the compiled code of
 * another.
 *
 * Owns the way from a figure's name to its report, one line of JSON on standard output. Promises that its status is 0
 * only where the figure has held its own checks. Never draws the table.
 */

import { createPrograms, ownTask } from '../rig/programs.ts';
import { createStand, type Figure, type StandReport, type StandSettings } from './harness.ts';

export interface FigureTask {
  readonly figure: string;
  /** The folder that `buildInto` has filled. */
  readonly build: string;
  /** An empty folder that is removed afterwards. */
  readonly folder: string;
  /** One that the figures of this bench have together. */
  readonly shared: string;
  /** Where programs leave CPU profiles; undefined for none. */
  readonly profile: string | undefined;
  readonly settings: StandSettings;
}

export interface FigureReport extends StandReport {
  readonly figure: string;
  readonly title: string;
}

const END_WITHIN_MS = 2_000;

const { figure: name, build, folder, shared, profile, settings } = ownTask<FigureTask>();
const { figure } = (await import(`./figures/${name}.js`)) as { figure: Figure };
const programs = createPrograms({ folder: build, profile, label: name });
const stand = createStand({ settings, programs, shared, folder, log: (line) => console.error(`${name}: ${line}`) });
try {
  await figure.measure(stand);
  const report: FigureReport = { figure: name, title: figure.title, ...stand.report() };
  process.stdout.write(`${JSON.stringify(report)}\n`);
} catch (error) {
  console.error(error);
  // The last line is what the bench repeats below its table.
  console.error(String(error).split('\n')[0]);
  process.exitCode = 1;
  // Something may still be waiting for what will never come.
  setTimeout(() => process.exit(), END_WITHIN_MS).unref();
} finally {
  programs.killAll();
}
