/** The kill campaign at the size that every change must pass. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { failpointsIn } from '../../faults/failpoints.ts';
import { stepFaultOf } from '../../faults/kill/death.ts';
import { STEPS } from '../../faults/kill/steps.ts';
import { START_STEPS } from '../../faults/owners/steps.ts';
import { runCampaigns, sizeOf } from '../../faults/run.ts';
import { seedOf } from '../codec/property.ts';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));

test('the steps at which processes die are the failpoints of src', () => {
  const marked = readdirSync(SRC, { recursive: true })
    .map((path) => join(SRC, String(path)))
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => failpointsIn(readFileSync(path, 'utf8')));
  assert.deepEqual([...STEPS, ...START_STEPS].map(({ name }) => name).sort(), marked.sort());
});

test('whoever is killed, and wherever, nothing is lost and nothing doubled', async (t) => {
  const seed = seedOf(t);
  const [report] = await runCampaigns({ names: ['kill'], seed, size: sizeOf('ci'), jobs: 1 });
  assert.equal(report?.broken, undefined);
  const { rows = [], findings, done = 0 } = report?.result ?? {};
  for (const row of rows) t.diagnostic(JSON.stringify(row));
  t.diagnostic(`${report?.seconds} s`);
  assert.deepEqual(findings, []);
  assert(done >= report!.size, `${done} kills of each side`);
  const injected = (fault: string): number => rows.find((row) => row.fault === fault)?.injected ?? 0;
  const both = injected('SIGKILL of both');
  assert(both > 0 && injected('SIGKILL of the device') + both >= done, 'deaths of a device');
  assert(injected('SIGKILL of the gateway') + both >= done, 'deaths of the gateway');
  const missed = STEPS.filter(({ name }) => injected(stepFaultOf(name)) === 0).map(({ name }) => name);
  t.diagnostic(`nothing died at: ${missed.join(', ') || 'no step'}`);
  // Which traps spring is up to the machine, and a round ends with its kills.
  assert(missed.length <= 9, `nothing died at ${missed.join(', ')}`);
});
