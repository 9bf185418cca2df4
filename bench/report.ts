/**
 * Report: the table at the end.
 *
 * Owns how readings look to people. Promises that what was skipped stands in it, and what failed below it. Never
 * computes a value.
 */
import Table from 'cli-table3';
import type { FigureReport } from './figure-process.ts';
import { judge, judgementTexts } from './goals.ts';
import { type Comparison, numberText, type Reading } from './harness.ts';

export interface Failure {
  readonly figure: string;
  readonly reason: string;
}

const COLUMNS = ['figure', 'goal', 'value', 'spread (min – max)', 'unit', 'value / goal', 'runs'];

export function tableOf(reports: readonly FigureReport[], failures: readonly Failure[]): string {
  const table = new Table({
    head: COLUMNS,
    colAligns: ['left', 'right', 'right', 'right', 'left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { figure, title, readings, skips } of reports) {
    table.push([{ content: `${figure}: ${title}`, colSpan: COLUMNS.length }]);
    for (const reading of readings) table.push(rowOf(figure, reading));
    for (const { name, reason } of skips) {
      table.push([`  ${name}`, { content: `skipped: ${reason}`, colSpan: COLUMNS.length - 1 }]);
    }
  }
  return [
    table.toString(),
    ...reports.flatMap(({ comparisons }) => comparisons.map(comparisonText)),
    ...failures.map(({ figure, reason }) => `FAILED: ${figure}: ${reason}`),
  ].join('\n');
}

function comparisonText({ title, head, rows, note }: Comparison): string {
  const table = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
  table.push(...rows.map((row) => [...row]));
  return `\n${title}\n${table}\n${note}`;
}

function rowOf(figure: string, reading: Reading): string[] {
  const { name, value, values, unit } = reading;
  const [goal, ratio] = judgementTexts(judge(figure, reading));
  return [`  ${name}`, goal, numberText(value), spreadText(values), unit, ratio, String(values.length)];
}

export function spreadText(values: readonly number[]): string {
  return values.length > 1 ? `${numberText(Math.min(...values))} – ${numberText(Math.max(...values))}` : '–';
}
