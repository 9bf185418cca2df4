/** Every figure, as small as it gets: whether it works and holds its own checks, not how fast it is. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { FigureReport } from '../../bench/figure-process.ts';
import { GOALS, type Judgement } from '../../bench/goals.ts';
import type { Reading } from '../../bench/harness.ts';
import { drawPlots } from '../../bench/plots.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** It has tests of its own, and most of what it measures is not installed. */
const ELSEWHERE = 'peers';

const FIGURES = readdirSync(new URL('../../bench/figures/', import.meta.url))
  .map((file) => file.replace(/\.ts$/, ''))
  .filter((figure) => figure !== ELSEWHERE);

interface Results {
  readonly figures: readonly (FigureReport & { readonly readings: readonly (Reading & Partial<Judgement>)[] })[];
  readonly failures: readonly object[];
}

test('every figure is measured, has the readings of its goals, and what its plot needs', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-bench-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const json = join(folder, 'results.json');
  const size = ['--quick', '--events', '50000', '--stored', '300000', '--streams', '2000'];
  const args = ['scripts/run.mjs', 'bench/main.ts', ...FIGURES, ...size, '--json', json, '--disk', folder];
  const { stdout } = await run(process.execPath, args, { cwd: root, maxBuffer: 16 << 20 });

  const { figures, failures } = JSON.parse(await readFile(json, 'utf8')) as Results;
  assert.deepEqual(failures, []);
  assert.deepEqual(figures.map(({ figure }) => figure).sort(), [...FIGURES].sort());
  for (const { figure, readings, skips } of figures) {
    const known = [...readings, ...skips].map(({ name }) => name);
    for (const name of Object.keys(GOALS[figure] ?? {})) assert(known.includes(name), `${figure} measures ${name}`);
    for (const { name, value, goal, ratio } of readings) {
      assert.equal(ratio, goal && value / goal.value, name);
      assert(stdout.includes(name), `the table has ${name}`);
    }
  }
  assert.deepEqual(
    drawPlots(figures).map(([name]) => name),
    ['bytes', 'jitter', 'growth'],
  );
  assert.equal(stdout.split('\n').filter((line) => line.startsWith('FAILED')).length, 0);
});
