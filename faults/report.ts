/**
 * Report: what came of the campaigns, as tables for people.
 *
 * Owns how rows look. Promises that what was skipped or broke stands in the table, and that every finding stands below
 * it with the call that has it again. Never judges.
 */
import Table from 'cli-table3';
import type { FaultRow, Finding } from './campaign.ts';
import type { CampaignReport } from './run.ts';
import type { MutantReport } from './trial.ts';

const STYLE = { head: [], border: [], compact: true };

export function tableOf(reports: readonly CampaignReport[]): string {
  const table = new Table({
    head: ['fault', 'injected', 'events at stake', 'lost', 'doubled', 'recovered in (median, longest)'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    style: STYLE,
  });
  for (const report of reports) {
    table.push([{ content: headOf(report), colSpan: 6 }]);
    for (const row of report.result?.rows ?? []) {
      table.push(rowOf(row));
      if (row.note !== undefined) table.push([{ content: `      ${row.note}`, colSpan: 6 }]);
    }
  }
  return [table.toString(), ...reports.flatMap(findingLines)].join('\n');
}

export function mutantTable(reports: readonly MutantReport[]): string {
  const table = new Table({
    head: ['deliberate bug', 'in', 'caught by', 'how'],
    colWidths: [null, null, null, 70],
    style: STYLE,
    wordWrap: true,
  });
  for (const { mutant, caught } of reports) {
    table.push([mutant.name, mutant.file, caught?.campaign ?? 'NOT CAUGHT', caught?.what ?? '']);
  }
  return table.toString();
}

export function totalLine(reports: readonly CampaignReport[]): string {
  const rows = reports.flatMap(({ result }) => result?.rows ?? []);
  const sum = (of: (row: FaultRow) => number) => rows.reduce((all, row) => all + of(row), 0).toLocaleString('en');
  const findings = reports.reduce((all, { result }) => all + (result?.findings.length ?? 0), 0);
  return (
    `${sum((row) => row.injected)} faults injected, ${sum((row) => row.lost)} events lost, ` +
    `${sum((row) => row.doubled)} doubled, ${findings} findings`
  );
}

function headOf({ name, title, unit, size, seconds, result, skipped, broken }: CampaignReport): string {
  if (skipped !== undefined) return `${name}: ${title}: SKIPPED: ${skipped}`;
  if (broken !== undefined) return `${name}: ${title}: BROKEN: ${broken}`;
  const done = result?.done.toLocaleString('en');
  return `${name}: ${title}: ${done} of ${size.toLocaleString('en')} ${unit} in ${Math.round(seconds)} s`;
}

function rowOf({ fault, injected, events, lost, doubled, recoveriesMs }: FaultRow): string[] {
  const counts = [injected, events, lost, doubled].map((count) => count.toLocaleString('en'));
  return [`  ${fault}`, ...counts, recoveryText(recoveriesMs)];
}

/** The median and the longest. */
export function recoveryText(recoveriesMs: readonly number[]): string {
  if (recoveriesMs.length === 0) return '–';
  const sorted = [...recoveriesMs].sort((a, b) => a - b);
  return `${milliseconds(sorted[sorted.length >> 1]!)}, ${milliseconds(sorted.at(-1)!)}`;
}

function milliseconds(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

function findingLines({ name, result }: CampaignReport): string[] {
  return (result?.findings ?? []).map(({ fault, seed, what }: Finding) => {
    const again = `npm run faults -- ${name} --seed ${seed} --size 1`;
    return `FOUND: ${name}, ${fault}: ${what}\n       again: ${again}`;
  });
}
