/**
 * Restarter: a device process that is started on a backlog, and tells when its first batch goes onto the wire.
 *
 * Owns the instants of its own start, read from the HTTP client that really sends. Promises one line on standard error,
 * once the first batch is acknowledged; then it goes on delivering until somebody kills it. Never ends by itself.
 */

import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { ownTask } from '../rig/programs.ts';
import { keepHeapSmall, openDevice } from '../src/device/index.ts';
import type { DrainTask } from './drainer.ts';

export interface RestartTask extends DrainTask {
  /** Epoch milliseconds, with fractions: when whoever measures has started this process. */
  readonly spawnedAt: number;
}

/** Milliseconds from the start of the process. */
export interface RestartReport {
  /** `openDevice()` is called. */
  readonly opening: number;
  readonly opened: number;
  /** The head of the first request is written to its socket. */
  readonly sending: number;
  readonly acknowledged: number;
}

keepHeapSmall();
const { spawnedAt, ...options } = ownTask<RestartTask>();
const sinceSpawn = () => performance.timeOrigin + performance.now() - spawnedAt;

const sending = new Promise<number>((done) => subscribe('undici:client:sendHeaders', () => done(sinceSpawn())));
const opening = sinceSpawn();
const device = await openDevice(options);
const opened = sinceSpawn();
await once(device, 'acknowledged');
const acknowledged = sinceSpawn();
const report: RestartReport = { opening, opened, sending: await sending, acknowledged };
console.error(JSON.stringify(report));
