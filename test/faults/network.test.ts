/** The network campaign, as large as every change must pass it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NETWORK_FAULTS, WORDS } from '../../faults/network/words.ts';
import { runCampaigns, sizeOf } from '../../faults/run.ts';

const SEED = Number(process.env['SEED'] ?? 1);

test('a link that does everything wrong loses and doubles nothing', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const [report] = await runCampaigns({ names: ['network'], seed: SEED, size: sizeOf('ci'), jobs: 1 });
  assert.equal(report?.broken, undefined);
  assert.deepEqual(report?.result?.findings, []);
  const { rows, done } = report!.result!;
  assert(done >= report!.size, `${done} faults`);
  const struck = new Map(rows.map((row) => [row.fault, row]));
  for (const fault of NETWORK_FAULTS) {
    const row = struck.get(WORDS[fault]);
    assert((row?.injected ?? 0) >= 2 && row!.events > 0, `${WORDS[fault]}: ${row?.injected} times`);
    assert.deepEqual([row?.lost, row?.doubled], [0, 0]);
  }
});
