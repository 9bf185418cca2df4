/**
 * Run: campaigns, each in a process of its own, out of one build.
 *
 * Owns the build with its failpoints armed (and one bug in it, where a mutant is tried), and how many campaigns run
 * side by side. Promises that a campaign that breaks is reported like one that finds something, and that nothing is
 * left behind.
 */
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildInto } from '../rig/build.ts';
import { createPrograms, type Program, type Programs, taskArguments } from '../rig/programs.ts';
import type { Campaign, CampaignResult, Scale } from './campaign.ts';
import type { CampaignTask } from './campaign-process.ts';
import type { CampaignName } from './campaigns/index.ts';
import { armFailpoints } from './failpoints.ts';
import { type Mutant, mutate } from './mutant.ts';

/** How one campaign ended. */
export interface CampaignReport {
  readonly name: CampaignName;
  readonly title: string;
  readonly unit: string;
  readonly seed: number;
  readonly size: number;
  readonly seconds: number;
  readonly result?: CampaignResult;
  /** Why it did not run; with the command that would provide what is missing. */
  readonly skipped?: string;
  /** Why it broke. */
  readonly broken?: string;
}

export interface RunOptions {
  readonly names: readonly CampaignName[];
  readonly seed: number;
  /** Units of each campaign. */
  readonly size: (campaign: Campaign) => number;
  /** Milliseconds that a campaign may take; it ends with what it has by then. */
  readonly budgetMs?: (campaign: Campaign) => number;
  /** Campaigns side by side. */
  readonly jobs: number;
  readonly mutant?: Mutant;
  readonly signal?: AbortSignal;
  readonly onProgress?: (name: CampaignName, done: number, size: number) => void;
  readonly onReport?: (report: CampaignReport) => void;
}

/** Builds stay under the packages, where version control does not look and imports find what they need. */
const CACHE = fileURLToPath(new URL('../node_modules/.cache/tidegate-faults/', import.meta.url));

/** What campaigns read besides, found in the build where it is in the checkout. */
const DATA = ['proto-spec', 'test/data'];

/** After its time is over a campaign may take this long for the round under way. */
const GRACE_MS = 120_000;

export async function loadCampaign(name: CampaignName): Promise<Campaign> {
  const { campaign } = (await import(new URL(`./campaigns/${name}.ts`, import.meta.url).href)) as {
    campaign: Campaign;
  };
  return campaign;
}

/** Whether everything held: nothing found, nothing broken. */
export function holds(reports: readonly CampaignReport[]): boolean {
  return reports.every(({ broken, result }) => broken === undefined && (result?.findings.length ?? 0) === 0);
}

export async function runCampaigns(options: RunOptions): Promise<CampaignReport[]> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, 'build-'));
  const programs = createPrograms({ folder });
  const killAll = (): void => programs.killAll();
  process.once('exit', killAll);
  try {
    const { mutant } = options;
    await buildInto(folder, ['faults'], (path, source) =>
      armFailpoints(mutant === undefined ? source : mutate(mutant, path, source)),
    );
    for (const name of DATA) await link(folder, name);
    const reports: CampaignReport[] = [];
    const left = [...options.names];
    const work = async (): Promise<void> => {
      for (let name = left.shift(); name !== undefined; name = left.shift()) {
        if (options.signal?.aborted) return;
        const report = await runOne(programs, name, options);
        reports.push(report);
        options.onReport?.(report);
      }
    };
    await Promise.all(Array.from({ length: options.jobs }, work));
    return options.names.flatMap((name) => reports.filter((report) => report.name === name));
  } finally {
    killAll();
    process.off('exit', killAll);
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

async function link(folder: string, name: string): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await symlink(fileURLToPath(new URL(`../${name}`, import.meta.url)), join(folder, name), 'dir');
}

async function runOne(programs: Programs, name: CampaignName, options: RunOptions): Promise<CampaignReport> {
  const { seed, signal } = options;
  const campaign = await loadCampaign(name);
  const { title, unit } = campaign;
  const size = options.size(campaign);
  const begun = performance.now();
  const report = (how: Pick<CampaignReport, 'result' | 'skipped' | 'broken'>): CampaignReport => ({
    ...{ name, title, unit, seed, size },
    seconds: (performance.now() - begun) / 1_000,
    ...how,
  });
  const skipped = await campaign.obstacle?.();
  if (skipped !== undefined) return report({ skipped });
  const task: CampaignTask = { campaign: name, seed, size };
  // Coverage and the like are not meant for what is killed again and again.
  const env = { NODE_V8_COVERAGE: '', NODE_OPTIONS: '' };
  const program = programs.start(name, 'faults/campaign-process.js', taskArguments(task), { env });
  program.onLine((line) => {
    const done = doneOf(line);
    if (done !== undefined) options.onProgress?.(name, done, size);
  });
  const release = bound(program, options.budgetMs?.(campaign) ?? Number.POSITIVE_INFINITY, signal);
  try {
    const { status, output } = await program.ended;
    if (status !== 0) return report({ broken: `ended with status ${status}: ${program.lastWords()}` });
    return report({ result: JSON.parse(output) as CampaignResult });
  } finally {
    release();
  }
}

/** Asks the program to end when its time is over or the signal aborts, and ends it where it does not. */
function bound(program: Program, budgetMs: number, signal: AbortSignal | undefined): () => void {
  const timers: NodeJS.Timeout[] = [];
  const end = (): void => {
    program.kill('SIGTERM');
    timers.push(setTimeout(() => program.kill('SIGKILL'), GRACE_MS));
  };
  if (Number.isFinite(budgetMs)) timers.push(setTimeout(end, budgetMs));
  signal?.addEventListener('abort', end, { once: true });
  return () => {
    for (const timer of timers) clearTimeout(timer);
    signal?.removeEventListener('abort', end);
  };
}

function doneOf(line: string): number | undefined {
  if (!line.startsWith('{"done":')) return undefined;
  return (JSON.parse(line) as { done: number }).done;
}

export function sizeOf(scale: Scale): (campaign: Campaign) => number {
  return ({ sizes }) => sizes[scale];
}
