/**
 * Figure: how fast one gateway process takes batches in, with signed acknowledgements of fsynced commits.
 *
 * Owns the load: batches that were packed and signed beforehand, sent from this process over keep-alive connections, one
 * device to each. Promises that acknowledgements, the gateway's totals and what was generated agree to the last digit.
 */
import assert from 'node:assert';
import { performance } from 'node:perf_hooks';
import { createFleet } from '../fleet.ts';
import { startGateway } from '../gateway.ts';
import { eventsPerSecond, type Figure, microsecondsPerEvent, ratio, type Stand } from '../harness.ts';
import { takeIn } from '../intake.ts';
import { addTotals, assertSameTotals, NO_EVENTS } from '../totals.ts';
import { createWorkload } from '../workload.ts';

interface Load {
  readonly batchEvents: number;
  readonly connections: number;
  readonly events: number;
}

const LOADS: readonly Load[] = [
  { batchEvents: 4_096, connections: 8, events: 256 * 4_096 },
  { batchEvents: 100, connections: 64, events: 200_000 },
  { batchEvents: 10, connections: 64, events: 40_000 },
];

export const figure: Figure = {
  title: 'gateway ingest, one process, load from another',
  async measure(stand) {
    for (const load of LOADS) await measureLoad(stand, load);
  },
};

async function measureLoad(stand: Stand, { batchEvents, connections, events }: Load): Promise<void> {
  const name = `batches of ${batchEvents.toLocaleString('en')}`;
  const deviceIds = Array.from({ length: connections }, (_, at) => `bench-${at + 1}`);
  const gateway = await startGateway(stand, { name: `gateway-${batchEvents}`, deviceIds });
  const fleet = createFleet(gateway.url, gateway.keys);
  let expected = NO_EVENTS;
  let startSeconds = 0;
  await stand.repeat({ warmUps: 1, runs: 5 }, async () => {
    const workload = createWorkload({ events: stand.events(events), startSeconds });
    startSeconds += workload.durationSeconds;
    expected = addTotals(expected, workload.totals());
    const signed = await fleet.sign(workload, batchEvents);

    const ceilingStartedAt = performance.now();
    const sums = await takeIn(signed.flat(), gateway.keys);
    const ceiling = eventsPerSecond(workload.count, performance.now() - ceilingStartedAt);
    assertSameTotals(sums, workload.totals(), 'the ceiling');

    const [cpuBefore, commitsBefore] = [gateway.cpuSeconds(), await gateway.commits()];
    const { inserted, duplicates, elapsedMs } = await fleet.send(signed);
    const [cpuAfter, commitsAfter] = [gateway.cpuSeconds(), await gateway.commits()];
    assert.deepEqual({ inserted, duplicates }, { inserted: workload.count, duplicates: 0 });
    const ingest = eventsPerSecond(inserted, elapsedMs);
    const admissions = commitsAfter.admissions - commitsBefore.admissions;
    return {
      [name]: ingest,
      [`${name}: verify, inflate, decode, sum alone`]: ceiling,
      [`${name}: share of that`]: ratio(ingest, ceiling),
      [`${name}: requests`]: { value: admissions / (elapsedMs / 1_000), unit: 'requests/s' },
      [`${name}: CPU time of the gateway`]: microsecondsPerEvent(cpuBefore, cpuAfter, inserted),
      [`${name}: batches to an fsync`]: {
        value: admissions / (commitsAfter.commits - commitsBefore.commits),
        unit: '×',
      },
    };
  });
  await fleet.close();
  const { duplicates, ...totals } = await gateway.totals();
  assertSameTotals(totals, expected, 'the gateway');
  assert.equal(duplicates, 0);
  await gateway.stop();
}
