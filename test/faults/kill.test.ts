/** The kill campaign at the size that every change must pass. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { failpointsIn } from '../../faults/failpoints.ts';
import { STEPS } from '../../faults/kill/steps.ts';
import { runCampaigns, sizeOf } from '../../faults/run.ts';
import { seedOf } from '../codec/property.ts';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));

test('the steps at which processes die are the failpoints of src', () => {
  const marked = readdirSync(SRC, { recursive: true })
    .map((path) => join(SRC, String(path)))
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => failpointsIn(readFileSync(path, 'utf8')));
  assert.deepEqual(STEPS.map(({ name }) => name).sort(), marked.sort());
});

test('whoever is killed, and wherever, nothing is lost and nothing doubled', async (t) => {
  const seed = seedOf(t);
  const [report] = await runCampaigns({ names: ['kill'], seed, size: sizeOf('ci'), jobs: 1 });
  assert.equal(report?.broken, undefined);
  const { rows = [], findings, done = 0 } = report?.result ?? {};
  for (const row of rows) t.diagnostic(JSON.stringify(row));
  t.diagnostic(`${report?.seconds} s`);
  assert.deepEqual(findings, []);
  assert(done >= 25, `${done} kills of each side`);
});
