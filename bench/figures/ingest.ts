/**
 * Figure: how fast one gateway process takes batches in, with signed acknowledgements of fsynced commits.
 *
 * Owns the load: batches that were packed and signed beforehand, sent from this process over keep-alive connections,
 * one device to each. Promises that acknowledgements, the gateway's totals and what was generated agree to the last
 * digit.
 */
import assert from 'node:assert';
import { performance } from 'node:perf_hooks';
import { cpuSeconds } from '../../rig/programs.ts';
import type { Credential } from '../../src/codec/index.ts';
import { BATCH_EVENTS, createFleet, type SignedBatch } from '../fleet.ts';
import { startGateway } from '../gateway.ts';
import { eventsPerSecond, type Figure, microsecondsPerEvent, type Quantity, ratio, type Stand } from '../harness.ts';
import { takeIn } from '../intake.ts';
import { addTotals, assertSameTotals, NO_EVENTS, type Totals } from '../totals.ts';
import { createWorkload } from '../workload.ts';

interface Load {
  readonly batchEvents: number;
  readonly connections: number;
  readonly events: number;
}

/** Far above a tick of the clock that counts CPU time. */
const ALONE_MS = 500;
const QUICK_ALONE_MS = 100;

/** Each takes about a second: of a shorter run, beginning and end would be a good part. */
const LOADS: readonly Load[] = [
  { batchEvents: 16_384, connections: 16, events: 320 * 16_384 },
  { batchEvents: BATCH_EVENTS, connections: 16, events: 1_024 * BATCH_EVENTS },
  { batchEvents: 100, connections: 64, events: 400_000 },
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
  await stand.repeat({ warmUps: 3, runs: 5 }, async () => {
    const workload = createWorkload({ events: stand.events(events), startSeconds });
    startSeconds += workload.durationSeconds;
    expected = addTotals(expected, workload.totals());
    const signed = await fleet.sign(workload, batchEvents);

    const alone = await takeInAlone(signed.flat(), gateway.keys, {
      expected: workload.totals(),
      enoughMs: stand.settings.quick ? QUICK_ALONE_MS : ALONE_MS,
    });
    const [cpuBefore, commitsBefore] = [gateway.cpuSeconds(), await gateway.commits()];
    const { inserted, duplicates, elapsedMs } = await fleet.send(signed);
    const [cpuAfter, commitsAfter] = [gateway.cpuSeconds(), await gateway.commits()];
    assert.deepEqual({ inserted, duplicates }, { inserted: workload.count, duplicates: 0 });
    const ingest = eventsPerSecond(inserted, elapsedMs);
    const admissions = commitsAfter.admissions - commitsBefore.admissions;
    return {
      [name]: ingest,
      [`${name}: verify, inflate, decode, sum alone`]: alone.speed,
      [`${name}: share of that`]: ratio(ingest, alone.speed),
      [`${name}: CPU time of the gateway`]: microsecondsPerEvent(cpuBefore, cpuAfter, inserted),
      [`${name}: CPU time of those four alone`]: alone.cpuTime,
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

/** Again and again until it has taken long enough to be measured. */
async function takeInAlone(
  batches: readonly SignedBatch[],
  credentials: ReadonlyMap<string, Credential>,
  { expected, enoughMs }: { readonly expected: Totals; readonly enoughMs: number },
): Promise<{ readonly speed: Quantity; readonly cpuTime: Quantity | undefined }> {
  const startedAt = performance.now();
  const cpuBefore = cpuSeconds(process.pid);
  let events = 0;
  do {
    const sums = await takeIn(batches, credentials);
    assertSameTotals(sums, expected, 'verify, inflate, decode, sum');
    events += sums.events;
  } while (performance.now() - startedAt < enoughMs);
  const elapsedMs = performance.now() - startedAt;
  return {
    speed: eventsPerSecond(events, elapsedMs),
    cpuTime: microsecondsPerEvent(cpuBefore, cpuSeconds(process.pid), events),
  };
}
