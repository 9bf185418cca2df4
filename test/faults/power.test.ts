/** The power campaign as every change must pass it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCampaigns, sizeOf } from '../../faults/run.ts';

test('what was resolved or acknowledged is there after a power cut, and is not without fsync', async (t) => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  t.diagnostic(`SEED=${seed}`);
  const [report] = await runCampaigns({ names: ['power'], seed, size: sizeOf('ci'), jobs: 1 });
  if (report?.skipped !== undefined) return t.skip(`NOT RUN: ${report.skipped}`);
  assert.equal(report?.broken, undefined);
  const { rows, findings, done } = report!.result!;
  assert.deepEqual(findings, []);
  assert(done >= report!.size, `${done} cuts of each side`);
  for (const side of ['the device', 'the gateway']) {
    const cuts = rows.filter(({ fault }) => fault.startsWith(`power cut of ${side} `));
    assert.equal(
      cuts.reduce((sum, { injected }) => sum + injected, 0),
      done,
      `cuts of ${side}`,
    );
    assert(cuts.reduce((sum, { events }) => sum + events, 0) > 100, `events that a cut of ${side} could have lost`);
    const control = rows.find(({ fault }) => fault === `control: ${side} without fsync`);
    assert.match(control?.note ?? '', /^caught [1-9]/);
  }
  assert(rows.some(({ fault }) => fault.startsWith('power cut of both at once')));
});
