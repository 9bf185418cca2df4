/**
 * `/healthz` and `/readyz`: for whatever starts, stops and balances gateways.
 *
 * Owns the difference: healthy is a process that answers, ready is one that can store. Promises that both are open to all
 * and say nothing but that. Never writes.
 */
import type { FastifyInstance } from 'fastify';
import type { GatewayStore } from '../store/index.ts';
import type { Page } from './pages.ts';

export function addHealthRoutes(app: FastifyInstance, store: Pick<GatewayStore<Page>, 'ready'>): void {
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async () => {
    await store.ready();
    return { status: 'ok' };
  });
}
