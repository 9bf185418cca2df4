/**
 * Trial: one mutation planted in a copy of the checkout, and the tests that are asked about it.
 *
 * Owns the copy. Promises never to write into the checkout, that a copy is whole again after each trial, and that only
 * tests which pass without a mutation, and quickly, are asked.
 */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { type Mutation, plant } from './operators.ts';
import { testFilesFor } from './test-files.ts';
import { runTestFile, type TestRun } from './test-run.ts';

export interface Trial {
  readonly mutation: Mutation;
  /** `timed out`: a test hung, so the mutation would be noticed. */
  readonly outcome: 'caught' | 'timed out' | 'survived' | 'no test';
  /** The file and the test that noticed. */
  readonly by?: string;
  /** How many test files were asked. */
  readonly asked: number;
}

export interface TrialLimits {
  /** A test file that takes longer than half of this without a mutation is not asked. */
  readonly slowMs: number;
  /** No further test file is begun for a mutation after so long. */
  readonly trialMs: number;
  /** What a test may take longer than usual before it counts as hanging. */
  readonly patienceMs: number;
}

/** A hanging test is ended after this many times of what it took without a mutation, and `patienceMs` more. */
const PATIENCE = 4;
const NOT_COPIED = new Set(['.git', 'node_modules', 'dist', 'coverage', 'results']);

/** How long each test file takes without a mutation; undefined for one left out, since it fails or is slow then. */
export type Baseline = Map<string, number | undefined>;

/** A copy of the checkout `root` without what was built or installed, where mutations are tried. */
export async function createCopy(root: string): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'tidegate-mutation-'));
  const isWanted = (path: string) => !NOT_COPIED.has(basename(path)) || relative(root, path) === '';
  await cp(root, copy, { recursive: true, filter: isWanted });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'), 'dir');
  return copy;
}

export async function removeCopy(copy: string): Promise<void> {
  await rm(copy, { recursive: true, force: true, maxRetries: 3 });
}

/** Tries `mutation` in `copy`, and adds to `baseline` what it learns. */
export async function tryMutation(
  copy: string,
  mutation: Mutation,
  baseline: Baseline,
  limits: TrialLimits,
  signal?: AbortSignal,
): Promise<Trial> {
  const path = join(copy, mutation.file);
  const source = await readFile(path, 'utf8');
  const started = performance.now();
  let asked = 0;
  for (const file of testFilesFor(copy, mutation.file)) {
    if (signal?.aborted || performance.now() - started > limits.trialMs) break;
    const usualMs = baseline.get(file);
    if (usualMs === undefined && baseline.has(file)) continue;
    const limitMs = usualMs === undefined ? limits.slowMs : usualMs * PATIENCE + limits.patienceMs;
    await writeFile(path, plant(mutation, source));
    let run = await runTestFile(copy, file, limitMs, signal);
    // A test that fails now and then on a busy machine is no witness.
    if (run.verdict === 'failed') run = await runTestFile(copy, file, limitMs, signal);
    await writeFile(path, source);
    // What passes with a mutation would pass without; only what does not is run once more to see whose fault it is.
    if (run.verdict === 'passed') baseline.set(file, usualMs ?? run.ms);
    else if (usualMs === undefined) {
      baseline.set(file, await quickness(runTestFile(copy, file, limits.slowMs / 2, signal)));
      if (baseline.get(file) === undefined) continue;
    }
    asked += 1;
    if (run.verdict === 'failed') return { mutation, outcome: 'caught', by: `${file}: ${run.failed}`, asked };
    if (run.verdict === 'timed out') return { mutation, outcome: 'timed out', by: file, asked };
  }
  return { mutation, outcome: asked === 0 ? 'no test' : 'survived', asked };
}

async function quickness(run: Promise<TestRun>): Promise<number | undefined> {
  const { verdict, ms } = await run;
  return verdict === 'passed' ? ms : undefined;
}
