/**
 * FigureProcess: one figure, measured in a process of its own, so that none finds the heap or the compiled code of another.
 *
 * Owns the way from a figure's name to its report, one line of JSON on standard output. Promises that its status is 0 only
 * where the figure has held its own checks. Never draws the table.
 */
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createStand, type Figure, type StandReport, type StandSettings } from './harness.ts';
import { createPrograms } from './programs.ts';

export interface FigureTask {
  readonly figure: string;
  /** An empty folder that is removed afterwards. */
  readonly folder: string;
  /** Where programs leave CPU profiles; undefined for none. */
  readonly profile: string | undefined;
  readonly settings: StandSettings;
}

export interface FigureReport extends StandReport {
  readonly figure: string;
  readonly title: string;
}

/** Every file in `figures/` is one. */
export function figureNames(): string[] {
  return readdirSync(new URL('./figures/', import.meta.url))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -3))
    .sort();
}

/** The arguments that the process takes for a task. */
export function argumentsFor(task: FigureTask): string[] {
  return ['--task', JSON.stringify(task)];
}

export async function main(args: string[]): Promise<void> {
  const { task: text } = parseArgs({ args, options: { task: { type: 'string' } } }).values;
  const { figure: name, folder, profile, settings } = JSON.parse(text ?? '') as FigureTask;
  const { figure } = (await import(new URL(`./figures/${name}.ts`, import.meta.url).href)) as { figure: Figure };
  const programs = createPrograms({ profile, label: name });
  const stand = createStand({ settings, programs, folder, log: (line) => console.error(`${name}: ${line}`) });
  try {
    await figure.measure(stand);
    const report: FigureReport = { figure: name, title: figure.title, ...stand.report() };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    programs.killAll();
  }
}
