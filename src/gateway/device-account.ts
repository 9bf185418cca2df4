/**
 * DeviceAccount: where a device's events are, put together from its own word and from what was counted (promise 7).
 *
 * Owns the balance `recorded = delivered + queued + quarantined + gaps` as the gateway can see it. Promises that what
 * does not add up is shown and not hidden. Never reads the store.
 */
import type { Holdings } from '../store/index.ts';
import type { Report } from './device-page.ts';

export interface DeviceAccount {
  readonly recorded: number;
  readonly delivered: number;
  /** On the device's disk, as of its latest report less what was counted since. */
  readonly queued: number;
  readonly quarantined: number;
  readonly gaps: number;
  /** Recorded, says the device, and in none of these places. Zero unless something is wrong. */
  readonly missing: number;
  /** Counted before the device's present disk, whose account knows nothing of it. */
  readonly earlier: number;
}

export function deviceAccount(holdings: Holdings, report: Report | undefined): DeviceAccount {
  const { events: delivered, declared } = holdings;
  const queue = report?.queue ?? { recorded: 0, queued: 0, quarantined: 0, gaps: 0 };
  const { quarantined } = queue;
  // Gaps that the device has, but has not had the chance to declare.
  const gaps = holdings.gaps + Math.max(0, queue.gaps - declared);
  const elsewhere = queue.recorded - delivered - quarantined - gaps;
  const queued = Math.min(queue.queued, Math.max(0, elsewhere));
  const missing = Math.max(0, elsewhere - queued);
  return {
    recorded: delivered + queued + quarantined + gaps + missing,
    delivered,
    queued,
    quarantined,
    gaps,
    missing,
    earlier: Math.max(0, -elsewhere),
  };
}
