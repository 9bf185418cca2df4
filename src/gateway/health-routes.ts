/**
 * `/healthz` and `/readyz`: for whatever starts, stops and balances gateways.
 *
 * Owns the difference: healthy is a process that answers, ready is one that can store. Promises that both are open to
 * all and say nothing but that, and of what kind the reason is why not. Never writes.
 */
import type { FastifyInstance } from 'fastify';
import { type GatewayStore, StoreError, type StoreErrorCode } from '../store/index.ts';
import { GatewayError, STORE_RETRY_AFTER_MS } from './errors.ts';
import type { Page } from './pages.ts';

/** Which file it is, and what to do, is in the log. */
const REASONS: Readonly<Partial<Record<StoreErrorCode, string>>> = {
  corrupt: 'the disk has damaged the database',
  'disk-full': 'the disk is full',
  closed: 'the gateway is stopping',
};

export function addHealthRoutes(app: FastifyInstance, store: Pick<GatewayStore<Page>, 'ready'>): void {
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async () => {
    await store.ready().catch((error: unknown) => {
      if (!(error instanceof StoreError)) throw error;
      const reason = REASONS[error.code] ?? 'the disk does not answer as it should';
      throw new GatewayError(
        'store-unavailable',
        `not ready: ${reason}`,
        { retryAfterMs: STORE_RETRY_AFTER_MS },
        error,
      );
    });
    return { status: 'ok' };
  });
}
