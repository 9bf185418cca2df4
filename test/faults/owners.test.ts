/** The campaigns about owners of a folder, and about rot that merging meets, at the size that each change must pass. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { CampaignName } from '../../faults/campaigns/index.ts';
import { runCampaigns, sizeOf } from '../../faults/run.ts';
import { seedOf } from '../codec/property.ts';

async function attack(t: TestContext, name: CampaignName) {
  const [report] = await runCampaigns({ names: [name], seed: seedOf(t), size: sizeOf('ci'), jobs: 1 });
  assert.equal(report?.broken, undefined);
  const { rows = [], findings, done = 0 } = report?.result ?? {};
  for (const row of rows) t.diagnostic(JSON.stringify(row));
  assert.deepEqual(findings, []);
  assert.equal(done, report!.size);
  return rows;
}

test('whoever opens a folder at once and dies at whatever step, one has it and nothing is lost', async (t) => {
  const rows = await attack(t, 'owners');
  const sides = rows.filter(({ fault }) => fault.includes('opened several times'));
  assert.ok(sides.length === 2 && sides.every(({ injected }) => injected > 0));
});

test('what has rotted when RocksDB merges it is put right, or told of', async (t) => {
  const rows = await attack(t, 'rot');
  for (const { injected, note } of rows) assert.ok(injected > 0 && /put right|told of|refused/.test(note ?? ''));
});
