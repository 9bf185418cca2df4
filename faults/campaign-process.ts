/**
 * CampaignProcess: one campaign in a process of its own, out of a build that may be armed or mutated.
 *
 * Owns the way from a task to its result, one line of JSON on standard output; progress goes to standard error, a line
 * of JSON each. Promises that SIGTERM ends it with what it has found so far. Never draws the table.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPrograms, ownTask } from '../rig/programs.ts';
import type { Campaign, CampaignResult } from './campaign.ts';

export interface CampaignTask {
  readonly campaign: string;
  readonly seed: number;
  readonly size: number;
}

const { campaign: name, seed, size } = ownTask<CampaignTask>();
const { campaign } = (await import(`./campaigns/${name}.js`)) as { campaign: Campaign };
const folder = await mkdtemp(join(tmpdir(), `tidegate-faults-${name}-`));
const programs = createPrograms({ folder: fileURLToPath(new URL('..', import.meta.url)) });
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
let saidAt = 0;
try {
  const result: CampaignResult = await campaign.run({
    seed,
    size,
    signal: stop.signal,
    folder,
    programs,
    progress(done) {
      if (performance.now() - saidAt < 200 && done < size) return;
      saidAt = performance.now();
      process.stderr.write(`${JSON.stringify({ done })}\n`);
    },
  });
  process.stdout.write(`${JSON.stringify(result)}\n`);
} catch (error) {
  console.error(error);
  // The last line is what is repeated below the table.
  console.error(`error: ${String(error).split('\n')[0]}`);
  process.exitCode = 1;
} finally {
  programs.killAll();
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
// What a broken campaign left open must not keep the process.
process.exit();
