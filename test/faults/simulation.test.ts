/** The simulation campaign, as large as every change must pass it, and that its seeds decide everything. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCampaigns, sizeOf } from '../../faults/run.ts';
import { withEventLoop } from '../../faults/simulation/event-loop.ts';
import { FAULTS } from '../../faults/simulation/faults.ts';
import { simulate } from '../../faults/simulation/simulation.ts';

const SEED = Number(process.env['SEED'] ?? 1);

/** Seeds that have found something once. */
const FOUND: readonly number[] = [
  1_810_040_326, 3_816_269_151, 3_819_417_649, 307_583_539, 3_294_728_189, 2_792_498_815, 3_133_920_277, 2_517_653_136,
  3_287_087_126,
];

test('a seed is one course of events, and another seed is another', async () => {
  await withEventLoop(async (loop) => {
    const digests = new Set<string>();
    for (let seed = SEED; seed < SEED + 12; seed++) {
      const lines: string[] = [];
      const first = await simulate(seed, { loop, onLine: (line) => lines.push(line) });
      const second = await simulate(seed, { loop });
      assert.equal(second.digest, first.digest, `seed ${seed}`);
      assert.deepEqual(second, first);
      assert(lines.length > 0);
      digests.add(first.digest);
    }
    assert.equal(digests.size, 12);
  });
});

test('what asks for real time or chance while a simulation runs is told so', async () => {
  await withEventLoop(async () => {
    for (const call of [Date.now, Math.random, () => performance.now(), () => setTimeout(() => {}, 100)]) {
      assert.throws(call, /simulation has its own time/);
    }
  });
  assert(Date.now() > 0 && Math.random() < 1);
});

test('seeds that have found something once find nothing any more', async () => {
  await withEventLoop(async (loop) => {
    for (const seed of FOUND) assert.equal((await simulate(seed, { loop })).breach, undefined, `seed ${seed}`);
  });
});

test('weeks of outages lose and double nothing, and everything drains', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const [report] = await runCampaigns({ names: ['simulation'], seed: SEED, size: sizeOf('ci'), jobs: 1 });
  assert.equal(report?.broken, undefined);
  assert.deepEqual(report?.result?.findings, []);
  const { rows, done } = report!.result!;
  assert.equal(done, 300);
  for (const fault of Object.values(FAULTS)) {
    const row = rows.find((one) => one.fault === fault);
    assert(row !== undefined && row.injected > 0, `${fault} never struck`);
    assert.deepEqual([row.lost, row.doubled], [0, 0], fault);
  }
  const together = rows.at(-1)!;
  assert.equal(together.injected, done);
  assert(together.events > 3_000, `${together.events} events`);
  t.diagnostic(together.note ?? '');
});

test('a run whose time is over ends with what it has', async () => {
  const run = { names: ['simulation'], seed: SEED, size: () => 1_000_000, jobs: 1, budgetMs: () => 2_000 } as const;
  const [report] = await runCampaigns(run);
  assert.equal(report?.broken, undefined);
  const { done } = report!.result!;
  assert(done > 0 && done < 1_000_000, `${done} seeds`);
});
