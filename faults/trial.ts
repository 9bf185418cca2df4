/**
 * Trial: a deliberate bug before the campaigns that must catch it.
 *
 * Owns the order: each campaign in turn, until one finds something or breaks. Promises that a bug nobody catches is
 * told.
 */

import type { CampaignName } from './campaigns/index.ts';
import type { Mutant } from './mutant.ts';
import { runCampaigns } from './run.ts';

export interface MutantReport {
  readonly mutant: Mutant;
  /** Undefined where no campaign noticed. */
  readonly caught?: { readonly campaign: CampaignName; readonly what: string };
}

export async function tryMutant(mutant: Mutant, seed: number, signal?: AbortSignal): Promise<MutantReport> {
  for (const { campaign, size } of mutant.caughtBy) {
    const options = { names: [campaign], seed, size: () => size, jobs: 1, mutant, ...(signal && { signal }) };
    const [report] = await runCampaigns(options);
    const what = report?.result?.findings[0]?.what ?? report?.broken;
    if (what !== undefined) return { mutant, caught: { campaign, what } };
    if (signal?.aborted) break;
  }
  return { mutant };
}
