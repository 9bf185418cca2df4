/** The disk campaign as every change must pass it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FaultRow } from '../../faults/campaign.ts';
import { runCampaigns, sizeOf } from '../../faults/run.ts';

/** Ways in which a disk lets the programs on it down, on both sides. */
const SCENARIOS = [
  /^a full disk under /,
  /^a file system that turns read-only under /,
  /^files that may not be written to any more, of /,
  /^fsync that fails under /,
  /^(a queue put back|two devices of one id)/,
  /database that is gone, or half of it$/,
];

test('what is stored is mended, refused or declared when a disk lets it down, and never silently wrong', async (t) => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  t.diagnostic(`SEED=${seed}`);
  const [report] = await runCampaigns({ names: ['disk'], seed, size: sizeOf('ci'), jobs: 1 });
  assert.equal(report?.broken, undefined);
  const { rows, findings, done } = report!.result!;
  assert.deepEqual(findings, []);
  const count = (fits: (row: FaultRow) => boolean): number =>
    rows.filter(fits).reduce((sum, { injected }) => sum + injected, 0);
  assert(done >= report!.size && count(() => true) === done, `${done} faults`);
  for (const owner of ["a device's queue", "a gateway's store"]) {
    const flips = rows.filter(({ fault }) => fault.startsWith('one flipped bit') && fault.endsWith(owner));
    assert(count((row) => flips.includes(row)) > 30, `flips in ${owner}`);
    for (const { fault, note = '' } of flips) {
      // A secret that has changed is no secret; everything else is as it was.
      if (!fault.includes('keys.json')) assert.doesNotMatch(note, /refused|declared/, fault);
    }
  }
  assert(rows.every(({ lost, doubled }) => lost === 0 && doubled === 0));
  for (const scenario of SCENARIOS) {
    const played = rows.filter(({ fault }) => scenario.test(fault));
    assert.equal(played.length, 2, `${scenario}`);
    for (const { fault, injected, events, note } of played) {
      if (note?.startsWith('NOT RUN')) t.diagnostic(`${fault}: ${note}`);
      else assert(injected > 0 && events > 0, fault);
    }
  }
});
