/**
 * Retention: letting go of accepted batches that are too old or too many.
 *
 * Owns when the store is asked to, and whether the clock may be believed. Promises one run at a time, that a failed one
 * is tried again at the next turn, and that a clock which is wrong for a while deletes nothing: by age batches go only
 * once the clock has been steady, and then not all at once. Never touches ledgers and aggregates.
 */
import type { FastifyBaseLogger } from 'fastify';
import type { GatewayStore } from '../store/index.ts';
import { type GatewayLimits, RETENTION } from './limits.ts';
import type { Page } from './pages.ts';
import { createSteadyClock } from './steady-clock.ts';

export interface Retention {
  /** Runs now, or behind the run that is under way. */
  run(): Promise<void>;
  /** Resolves once nothing runs any more. */
  close(): Promise<void>;
}

export interface RetentionOptions {
  readonly store: Pick<GatewayStore<Page>, 'retain' | 'stats'>;
  readonly limits: Pick<GatewayLimits, 'retainBytesMax' | 'retainAgeMaxMs'>;
  /** The wall clock, epoch milliseconds. */
  readonly clock: () => number;
  /** Milliseconds of a clock that never goes back. Default `performance.now`. */
  readonly now?: () => number;
  readonly logger: FastifyBaseLogger;
  readonly intervalMs?: number;
}

export function startRetention(options: RetentionOptions): Retention {
  const { store, limits, clock, now = () => performance.now(), logger, intervalMs = RETENTION.intervalMs } = options;
  const { retainBytesMax: bytesMax, retainAgeMaxMs: ageMaxMs } = limits;
  const settleMs = Math.min(RETENTION.settleMaxMs, ageMaxMs / 4);
  const clearMs = Math.min(RETENTION.clearMaxMs, ageMaxMs / 2);
  const steady = createSteadyClock({ clock, now, settleMs });
  /** Which part of the batches may go for their age. */
  let share = 0;
  let running: Promise<void> | undefined;

  /** How many batches may go for their age in this run. */
  async function agedMax(): Promise<number> {
    const { isSteady, jumpMs, elapsedMs } = steady.look();
    if (jumpMs !== 0)
      logger.warn({ jumpMs, settleMs }, 'the clock has jumped; no batch expires until it has been steady');
    if (!isSteady) {
      share = 0;
      return 0;
    }
    share = Math.min(1, share + elapsedMs / clearMs);
    const { retained } = await store.stats();
    const batches = Math.floor(share * retained.batches);
    if (batches > 0) share = 0;
    return batches;
  }

  const once = async () => {
    try {
      const bounds = { bytesMax, ageMaxMs, agedMax: await agedMax(), clockMin: RETENTION.clockMin };
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
