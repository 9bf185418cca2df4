/** The hostile campaign, as large as every change must pass it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANSWERS } from '../../faults/hostile/answers.ts';
import { REPEATED, SIGNED, STRANGERS } from '../../faults/hostile/batches.ts';
import { BOMBS, COSTLY, NESTING } from '../../faults/hostile/costly.ts';
import { CONTROL, DECEIVED } from '../../faults/hostile/deceived.ts';
import { BYTES, COMPRESSED, STRUCTURE } from '../../faults/hostile/decoding.ts';
import { CONFIG_FILES, KEY_FILES } from '../../faults/hostile/files.ts';
import { KEYED } from '../../faults/hostile/keyed.ts';
import { BODIES_CUT, HEADS, QUESTIONS, SMUGGLED } from '../../faults/hostile/requests.ts';
import { LONG_ROWS, ROWS } from '../../faults/hostile/rows.ts';
import { SILENCE } from '../../faults/hostile/siege.ts';
import { STORED } from '../../faults/hostile/storage.ts';
import { VECTORS } from '../../faults/hostile/vectors.ts';
import { runCampaigns, sizeOf } from '../../faults/run.ts';

const SEED = Number(process.env['SEED'] ?? 1);

/** Of each kind, so many at the least. */
const LEAST: Readonly<Record<string, number>> = {
  ...{ [BYTES]: 20_000, [STRUCTURE]: 12_000, [COMPRESSED]: 6_000, [STORED]: 8_000, [ANSWERS]: 4_000, [ROWS]: 3_200 },
  ...{ [LONG_ROWS]: 8, [CONFIG_FILES]: 80, [KEY_FILES]: 40, [SIGNED]: 120, [REPEATED]: 16, [STRANGERS]: 20 },
  ...{ [HEADS]: 20, [BODIES_CUT]: 12, [SMUGGLED]: 12, [QUESTIONS]: 16, [DECEIVED]: 16, [CONTROL]: 6 },
  ...{ [VECTORS]: 60, [BOMBS]: 6, [NESTING]: 18, [COSTLY]: 10, [KEYED]: 60 },
};

test('hostile bytes, requests, answers, files get typed errors in bounded time, and valid ones count', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const [report] = await runCampaigns({ names: ['hostile'], seed: SEED, size: sizeOf('ci'), jobs: 1 });
  assert.equal(report?.broken, undefined);
  assert.deepEqual(report?.result?.findings, []);
  const { rows, done } = report!.result!;
  assert.equal(done, report!.size);
  const struck = new Map(rows.map((row) => [row.fault, row]));
  for (const [fault, least] of Object.entries(LEAST)) {
    assert((struck.get(fault)?.injected ?? 0) >= least, `${fault}: ${struck.get(fault)?.injected}`);
  }
  for (const fault of [SIGNED, REPEATED, VECTORS, SILENCE]) assert(struck.get(fault)!.events > 100, fault);
  for (const { fault, lost, doubled } of rows) assert.deepEqual([lost, doubled], [0, 0], fault);
  const silence = struck.get(SILENCE)!;
  t.diagnostic(`${silence.injected} silent connections: ${silence.note}, let go of in ${silence.recoveriesMs[0]} ms`);
  assert(silence.injected >= 500);
});
