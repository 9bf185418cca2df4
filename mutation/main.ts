/**
 * `npm run mutation`: single bugs planted at random, and how many of them the tests catch.
 *
 * Owns the process: its copies, its signals, its exit status. Promises status 0 where every bug was caught or made a
 * test hang, 1 where one survived, and that what an interrupted run has found is told.
 */
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Mutation } from './operators.ts';
import { type MutationOptions, readOptions } from './options.ts';
import { describe, lineOf, summaryOf } from './report.ts';
import { allMutations, draw } from './sample.ts';
import { type Baseline, createCopy, removeCopy, type Trial, tryMutation } from './trial.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

export async function main(argv: readonly string[]): Promise<void> {
  const options = readOptions(argv);
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      process.exitCode = 128 + constants.signals[signal];
      stopped.abort();
    });
  }
  const mutations = allMutations(root, options.places);
  const drawn = draw(mutations, options.sample, options.seed);
  if (drawn.length === 0) {
    console.error(
      `error: nothing to mutate in ${options.places.join(' ')}; name folders or files below src (no-source)`,
    );
    process.exitCode = 1;
    return;
  }
  console.error(`seed ${options.seed}: ${drawn.length} of ${mutations.length} mutations`);
  if (options.list) {
    for (const [i, mutation] of drawn.entries()) console.log(`${i + 1}. ${describe(mutation)}`);
    return;
  }
  const trials = await tryAll(drawn, options, stopped.signal);
  console.log(`\n${summaryOf(trials)}, seed ${options.seed}`);
  if (trials.some(({ outcome }) => outcome === 'survived' || outcome === 'no test')) process.exitCode ??= 1;
}

async function tryAll(drawn: readonly Mutation[], options: MutationOptions, signal: AbortSignal): Promise<Trial[]> {
  const left = [...drawn.entries()].filter(([i]) => options.only?.includes(i + 1) ?? true);
  const trials: Trial[] = [];
  const baseline: Baseline = new Map();
  const work = async (): Promise<void> => {
    const copy = await createCopy(root);
    try {
      for (let next = left.shift(); next !== undefined && !signal.aborted; next = left.shift()) {
        const [i, mutation] = next;
        const trial = await tryMutation(copy, mutation, baseline, options, signal);
        // What was broken off says nothing.
        if (signal.aborted) break;
        trials.push(trial);
        console.log(`${i + 1}. ${lineOf(trial)}`);
      }
    } finally {
      await removeCopy(copy);
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.jobs, left.length) }, work));
  return trials;
}
