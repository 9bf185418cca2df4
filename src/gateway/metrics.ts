/**
 * Metrics: what a gateway tells Prometheus.
 *
 * Owns names, labels and a registry of its own, so that several gateways in one process never mix. Promises a fixed
 * number of series, for nothing is labelled by device, and an answer also where the store is in trouble: what it cannot
 * tell is left out. Never decides anything.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ProblemCode } from '../codec/index.ts';
import type { GatewayStore } from '../store/index.ts';
import type { Admitted } from './admission.ts';
import type { Connections } from './connections.ts';
import type { Flow } from './flow.ts';
import type { Page } from './pages.ts';

export interface Metrics {
  readonly registry: Registry;
  /** Duplicates refused since the start. */
  readonly duplicates: number;
  /** One answer to a batch. */
  answered(outcome: 'accepted' | ProblemCode, seconds: number): void;
  admitted(admitted: Admitted, bodyBytes: number): void;
  close(): void;
}

export interface MetricsOptions {
  readonly store: Pick<GatewayStore<Page>, 'stats' | 'ready' | 'condition'>;
  readonly flow: Pick<Flow, 'bytes'>;
  readonly connections: Pick<Connections, 'open' | 'refused'>;
}

/** From a small batch on a fast disk to one that waits for a slow link. */
const DURATION_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const LAG_RESOLUTION_MS = 10;
const PREFIX = 'tidegate_gateway_';

/** A disk that does not answer must not keep a scrape from the rest. */
const READ_TIME_MS = 1_000;

async function withinTime<T>(read: () => T | Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), READ_TIME_MS);
  });
  try {
    return await Promise.race([read(), late]);
  } finally {
    clearTimeout(timer);
  }
}

export function createMetrics({ store, flow, connections }: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name: `${PREFIX}${name}`, help, registers });
  const gauge = (name: string, help: string, read: () => number | Promise<number>) =>
    new Gauge({
      name: `${PREFIX}${name}`,
      help,
      registers,
      async collect() {
        try {
          this.set(await read());
        } catch {
          this.remove();
        }
      },
    });
  const batches = new Counter({
    name: `${PREFIX}batches_total`,
    help: 'Answers to batches, by outcome: accepted, or the code of the problem',
    labelNames: ['outcome'] as const,
    registers,
  });
  const duration = new Histogram({
    name: `${PREFIX}batch_seconds`,
    help: 'Seconds from the head of a batch to its answer',
    buckets: DURATION_BUCKETS_S,
    registers,
  });
  const events = counter('events_total', 'Events counted');
  const duplicates = counter('duplicate_events_total', 'Events that had been counted before and were sent again');
  const unverified = counter(
    'unverified_events_total',
    'Duplicates whose content could not be compared, since nothing is kept of them any more',
  );
  const bodyBytes = counter('body_bytes_total', 'Bytes of the bodies of accepted batches, as sent');
  gauge('connections', 'Open connections', () => connections.open);
  new Counter({
    name: `${PREFIX}connections_refused_total`,
    help: 'Connections turned away, or cut off to make room for another, because there were too many',
    registers,
    collect() {
      this.reset();
      this.inc(connections.refused);
    },
  });
  gauge('bytes_in_flight', 'Bytes that requests take in memory now', () => flow.bytes);
  gauge('store_ready', '1 where the database takes batches, 0 where it does not', () =>
    withinTime(() => store.ready()).then(
      () => 1,
      () => 0,
    ),
  );
  gauge(
    'commits',
    'Writes to the database since it was opened, each fsynced',
    async () => (await withinTime(() => store.stats())).commits,
  );
  gauge(
    'admissions',
    'Batches that were in those writes',
    async () => (await withinTime(() => store.stats())).admissions,
  );
  gauge(
    'retained_batches',
    'Accepted batches that are kept for exports and comparison',
    async () => (await withinTime(() => store.stats())).retained.batches,
  );
  gauge(
    'retained_bytes',
    'Bytes of the bodies of accepted batches that are kept',
    async () => (await withinTime(() => store.stats())).retained.bytes,
  );
  gauge('store_damaged', '1 where the database is damaged and takes no more batches, else 0', () =>
    store.condition.trouble === undefined ? 0 : 1,
  );
  gauge('store_unwitnessed', '1 where store.witness cannot be written, so that a loss may go unnoticed', () =>
    store.condition.unwitnessed === undefined ? 0 : 1,
  );
  gauge(
    'store_mended_bits',
    'Flipped bits in files of the database that were found and corrected',
    () => store.condition.mendedBits,
  );
  gauge('store_failures', 'Background errors of RocksDB since the database was opened', () => store.condition.failures);
  gauge(
    'store_unmerged_files',
    'RocksDB files at level 0, which wait for compaction',
    () => store.condition.unmergedFiles,
  );
  gauge('resident_memory_bytes', 'Resident memory of the process, bytes', () => process.memoryUsage.rss());
  const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  lag.enable();
  gauge('event_loop_lag_seconds', '99th percentile of event loop delay since the last scrape, seconds', () => {
    // The timer's own step counts as no delay.
    const seconds = Math.max(0, lag.percentile(99) / 1e9 - LAG_RESOLUTION_MS / 1e3);
    lag.reset();
    return seconds;
  });
  let duplicateCount = 0;
  return {
    registry,
    get duplicates() {
      return duplicateCount;
    },
    answered(outcome, seconds) {
      batches.inc({ outcome });
      duration.observe(seconds);
    },
    admitted(admitted, bytes) {
      events.inc(admitted.inserted);
      duplicates.inc(admitted.duplicates);
      unverified.inc(admitted.unverified);
      bodyBytes.inc(bytes);
      duplicateCount += admitted.duplicates;
    },
    close: () => lag.disable(),
  };
}
