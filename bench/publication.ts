/**
 * Publication: the figures in BENCHMARKS.md, and its plots.
 *
 * Owns the parts of that page between its marks, one for each figure and one for all goals, and the files in `plots/`.
 * Promises to leave every other word alone, and the part and the plot of a figure that was not measured. Never rounds
 * away what was missed.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { type Part, replaceParts, tableLines } from '../rig/page.ts';
import type { FigureReport } from './figure-process.ts';
import { GOALS, judge, judgementTexts } from './goals.ts';
import { type Comparison, numberText, type Reading } from './harness.ts';
import { type Machine, machineLines } from './machine.ts';
import { drawPlots } from './plots.ts';
import { spreadText } from './report.ts';

const PAGE = new URL('../BENCHMARKS.md', import.meta.url);
const PLOTS = new URL('plots/', import.meta.url);

export interface Places {
  readonly page: URL;
  /** A folder, with a slash at its end. */
  readonly plots: URL;
}

const COLUMNS = ['', 'goal', 'figure', 'spread', 'unit', 'figure / goal'];

/** The unit is a word among numbers. */
const align = (column: number) => (column === 0 || column === 4 ? '---' : '---:');

export async function publish(
  machine: Machine,
  reports: readonly FigureReport[],
  { page, plots }: Places = { page: PAGE, plots: PLOTS },
): Promise<void> {
  const names = reports.map(({ figure }) => figure);
  const parts: Part[] = reports.map((report) => [report.figure, figurePart(report, machine)]);
  if (Object.keys(GOALS).every((figure) => names.includes(figure))) parts.push(['goals', goalsPart(reports, machine)]);
  await replaceParts(page, parts);
  await mkdir(plots, { recursive: true });
  for (const [name, svg] of drawPlots(reports)) await writeFile(new URL(`${name}.svg`, plots), svg);
}

function figurePart({ figure, title, readings, skips, comparisons }: FigureReport, machine: Machine): string {
  const rows = readings.map((reading) => rowOf(figure, reading.name, reading));
  return [
    `### \`${figure}\`: ${title}`,
    '',
    ...tableLines(COLUMNS, rows, align),
    '',
    ...skips.map(({ name, reason }) => `Not measured: ${name}, ${reason}.\n`),
    ...comparisons.map(comparisonText),
    whenAndWhere(machine),
  ].join('\n');
}

/** Every goal, whether its reading is there or not. */
function goalsPart(reports: readonly FigureReport[], machine: Machine): string {
  const rows = Object.entries(GOALS).flatMap(([figure, goals]) => {
    const readings = reports.find((report) => report.figure === figure)?.readings ?? [];
    return Object.entries(goals).map(([name, goal]) => {
      const reading = readings.find((known) => known.name === name);
      if (reading !== undefined) return rowOf(figure, `${figure}: ${name}`, reading);
      return [`${figure}: ${name}`, `${goal.bound} ${numberText(goal.value)}`, 'not measured', '–', goal.unit, '–'];
    });
  });
  const machineText = ['```', ...machineLines(machine), '```'];
  return [...tableLines(COLUMNS, rows.map(cells), align), '', ...machineText].join('\n');
}

function rowOf(figure: string, name: string, reading: Reading): string[] {
  const [goal, ratio] = judgementTexts(judge(figure, reading));
  return cells([name, goal, numberText(reading.value), spreadText(reading.values), reading.unit, ratio]);
}

function comparisonText({ title, head, rows, note }: Comparison): string {
  return [`${title}:`, '', ...tableLines(head.map(cell), rows.map(cells)), '', `${note}.`, ''].join('\n');
}

function cells(texts: readonly string[]): string[] {
  return texts.map(cell);
}

/** A bar would end the cell, and an angle bracket might begin a tag. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

function whenAndWhere({ measuredAt, commit, processor, cores, versions, fileSystem, load }: Machine): string {
  const machine = `${processor}, ${cores} cores, ${fileSystem}, Node ${versions['Node']}`;
  return (
    `${measuredAt.slice(0, 10)}, commit ${commit ?? 'unknown'}, ${machine}, ` +
    `load before the bench ${load.toFixed(2)}`
  );
}
