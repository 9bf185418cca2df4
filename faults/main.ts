/**
 * `npm run faults`: every campaign, or the deliberate bugs that they must catch.
 *
 * Owns the process: its time, its signals, its exit status. Promises status 0 only where every promise held (or every
 * deliberate bug was caught), and that what an interrupted run has found is told.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { constants, cpus } from 'node:os';
import { dirname } from 'node:path';
import type { Campaign } from './campaign.ts';
import { MUTANTS } from './mutants.ts';
import { type FaultsOptions, readOptions } from './options.ts';
import { createProgress } from './progress.ts';
import { publishCampaigns, publishMutants } from './reliability.ts';
import { mutantTable, tableOf, totalLine } from './report.ts';
import { type CampaignReport, holds, loadCampaign, runCampaigns } from './run.ts';
import { type MutantReport, tryMutant } from './trial.ts';

export async function main(argv: readonly string[]): Promise<void> {
  const options = readOptions(argv);
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      process.exitCode = 128 + constants.signals[signal];
      stopped.abort();
    });
  }
  console.error(`seed ${options.seed}, Node ${process.versions.node}, ${cpus().length} processors`);
  const isGood = await (options.mutants ? tryMutants(options, stopped.signal) : attack(options, stopped.signal));
  if (!isGood) process.exitCode ??= 1;
}

async function attack(options: FaultsOptions, signal: AbortSignal): Promise<boolean> {
  const { names, seed, scale, size, minutes, jobs } = options;
  const campaigns = await Promise.all(names.map(loadCampaign));
  const weights = campaigns.reduce((sum, { weight }) => sum + weight, 0);
  const budgetMs = ({ weight }: Campaign) => ((minutes ?? 0) * 60_000 * jobs * weight) / weights;
  const progress = createProgress(process.stderr);
  const reports = await runCampaigns({
    names,
    seed,
    jobs,
    signal,
    size: ({ sizes }) => size ?? sizes[scale],
    ...(minutes !== undefined && { budgetMs }),
    onProgress: progress.show,
    onReport: ({ name }) => progress.end(name),
  });
  progress.close();
  console.log(`${tableOf(reports)}\n\n${totalLine(reports)}, seed ${seed}`);
  await write(options, { campaigns: reports });
  if (options.publish) await publishCampaigns(reports);
  return holds(reports);
}

async function tryMutants(options: FaultsOptions, signal: AbortSignal): Promise<boolean> {
  const chosen = MUTANTS.filter(({ name }) => name.includes(options.match));
  const left = [...chosen];
  const reports: MutantReport[] = [];
  const work = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined && !signal.aborted; mutant = left.shift()) {
      const report = await tryMutant(mutant, options.seed, signal);
      reports.push(report);
      console.error(
        `${reports.length} of ${chosen.length}: ${mutant.name}: ${report.caught?.campaign ?? 'NOT CAUGHT'}`,
      );
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  console.log(`${mutantTable(chosen.flatMap((mutant) => reports.filter((report) => report.mutant === mutant)))}\n`);
  const caught = reports.filter((report) => report.caught !== undefined).length;
  console.log(`${caught} of ${chosen.length} deliberate bugs caught`);
  await write(options, { mutants: reports });
  if (options.publish) await publishMutants(reports);
  return caught === chosen.length;
}

async function write(
  { json, seed, minutes, scale, size }: FaultsOptions,
  what: { readonly campaigns?: readonly CampaignReport[]; readonly mutants?: readonly MutantReport[] },
): Promise<void> {
  if (json === undefined) return;
  const { version: node } = process;
  await mkdir(dirname(json), { recursive: true });
  await writeFile(json, `${JSON.stringify({ node, seed, minutes, scale, size, ...what }, null, 2)}\n`);
}
