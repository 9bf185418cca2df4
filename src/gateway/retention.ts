/**
 * Retention: letting go of accepted batches that are too old or too many.
 *
 * Owns when the store is asked to. Promises one run at a time and that a failed one is tried again at the next turn. Never
 * touches ledgers and aggregates.
 */
import type { FastifyBaseLogger } from 'fastify';
import type { GatewayStore } from '../store/index.ts';
import { type GatewayLimits, RETENTION_INTERVAL_MS } from './limits.ts';
import type { Page } from './pages.ts';

export interface Retention {
  /** Runs now, or behind the run that is under way. */
  run(): Promise<void>;
  /** Resolves once nothing runs any more. */
  close(): Promise<void>;
}

export interface RetentionOptions {
  readonly store: Pick<GatewayStore<Page>, 'retain'>;
  readonly limits: Pick<GatewayLimits, 'retainBytesMax' | 'retainAgeMaxMs'>;
  readonly clock: () => number;
  readonly logger: FastifyBaseLogger;
  readonly intervalMs?: number;
}

export function startRetention(options: RetentionOptions): Retention {
  const { store, limits, clock, logger, intervalMs = RETENTION_INTERVAL_MS } = options;
  const bounds = { bytesMax: limits.retainBytesMax, ageMaxMs: limits.retainAgeMaxMs };
  let running: Promise<void> | undefined;
  const once = async () => {
    try {
      const deleted = await store.retain(bounds, clock());
      if (deleted.batches > 0) logger.info(deleted, 'let go of accepted batches');
    } catch (err) {
      logger.error({ err }, 'retention failed; trying again later');
    } finally {
      running = undefined;
    }
  };
  const run = () => {
    running ??= once();
    return running;
  };
  const timer = setInterval(run, intervalMs);
  timer.unref();
  void run();
  return {
    run,
    async close() {
      clearInterval(timer);
      await running;
    },
  };
}
