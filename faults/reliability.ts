/**
 * Reliability: the figures in RELIABILITY.md.
 *
 * Owns the parts of that page between its marks, one for each campaign and one for the deliberate bugs. Promises to
 * leave every other word alone, and the part of a campaign that did not run. Never writes a sentence.
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { replaceParts, tableLines } from '../rig/page.ts';
import { recoveryText } from './report.ts';
import type { CampaignReport } from './run.ts';
import type { MutantReport } from './trial.ts';

const PAGE = new URL('../RELIABILITY.md', import.meta.url);

export async function publishCampaigns(reports: readonly CampaignReport[], page = PAGE): Promise<void> {
  await replaceParts(
    page,
    reports.map((report) => [report.name, campaignPart(report)]),
  );
}

export async function publishMutants(reports: readonly MutantReport[], page = PAGE): Promise<void> {
  const rows = reports.map(({ mutant, caught }) => [
    ...[mutant.name, `\`${mutant.file}\``, caught?.campaign ?? '**not caught**'],
    (caught?.what ?? '').replace(/[|<>]/g, ' ').slice(0, 160),
  ]);
  const part = [...tableLines(['deliberate bug', 'in', 'caught by', 'as'], rows), '', `${whereAndWhen()}`];
  await replaceParts(page, [['mutants', part.join('\n')]]);
}

function campaignPart({ title, unit, seed, size, seconds, result, skipped, broken }: CampaignReport): string {
  const head = `### ${title[0]!.toUpperCase()}${title.slice(1)}`;
  const why = skipped ?? broken;
  if (why !== undefined || result === undefined) return `${head}\n\nDid not run: ${why ?? 'no result'}.`;
  const rows = result.rows.map(({ fault, note, ...row }) => [
    note === undefined ? fault : `${fault} (${note})`,
    ...[row.injected, row.events, row.lost, row.doubled].map((count) => count.toLocaleString('en')),
    recoveryText(row.recoveriesMs),
  ]);
  const columns = ['fault', 'injected', 'events at stake', 'lost', 'doubled', 'recovered in (median, longest)'];
  const how = `${result.done.toLocaleString('en')} of ${size.toLocaleString('en')} ${unit}`;
  const found = result.findings.length === 0 ? 'nothing found' : `**${result.findings.length} findings**`;
  const what = `${how}, ${found}; seed ${seed}, ${Math.round(seconds)} s, ${whereAndWhen()}`;
  return [head, '', ...tableLines(columns, rows), '', what].join('\n');
}

function whereAndWhen(): string {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: new URL('.', PAGE), encoding: 'utf8' });
  const machine = `Node ${process.versions.node}, ${process.platform} ${process.arch}, ${cpus().length} processors`;
  return `${new Date().toISOString().slice(0, 10)}, commit ${commit.trim()}, ${machine}`;
}
