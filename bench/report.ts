/**
 * Report: the table at the end.
 *
 * Owns how readings look to people. Promises that what was skipped stands in it, and what failed below it. Never computes
 * a value.
 */
import Table from 'cli-table3';
import type { FigureReport } from './figure-process.ts';
import { type Comparison, numberText, type Reading } from './harness.ts';

export interface Failure {
  readonly figure: string;
  readonly reason: string;
}

export function tableOf(reports: readonly FigureReport[], failures: readonly Failure[]): string {
  const table = new Table({
    head: ['figure', 'value', 'spread (min – max)', 'unit', 'runs'],
    colAligns: ['left', 'right', 'right', 'left', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { figure, title, readings, skips } of reports) {
    table.push([{ content: `${figure}: ${title}`, colSpan: 5 }]);
    for (const reading of readings) table.push(rowOf(reading));
    for (const { name, reason } of skips) table.push([`  ${name}`, { content: `skipped: ${reason}`, colSpan: 4 }]);
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

function rowOf({ name, value, values, unit }: Reading): string[] {
  const spread = values.length > 1 ? `${numberText(Math.min(...values))} – ${numberText(Math.max(...values))}` : '–';
  return [`  ${name}`, numberText(value), spread, unit, String(values.length)];
}
