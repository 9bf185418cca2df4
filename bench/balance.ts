/**
 * Balance: the check that a figure with a device ends with.
 *
 * Owns the comparison of what the device says, what the gateway says and what was generated. Throws where an event is
 * missing, doubled, refused or left behind, or a sum differs in its last digit.
 */
import assert from 'node:assert';
import type { DeviceStatus } from '../src/device/index.ts';
import type { GatewayTotals } from './gateway.ts';
import { assertSameTotals, type Totals } from './totals.ts';

export interface Delivered {
  readonly status: DeviceStatus;
  readonly gateway: GatewayTotals;
  readonly expected: Totals;
  /** True where a request was cut off: what it held may have been sent twice. It counts once all the same. */
  readonly mayRepeat?: boolean;
}

export function assertDelivered({ status, gateway, expected, mayRepeat = false }: Delivered): void {
  const { duplicates, ...totals } = gateway;
  const { recorded, delivered, queued, quarantined, gaps, session } = status;
  assertSameTotals(recorded, expected, 'the device, recorded');
  assertSameTotals(delivered, expected, 'the device, delivered');
  assertSameTotals(totals, expected, 'the gateway');
  assert.deepEqual(
    [queued, quarantined, gaps].map(({ events }) => events),
    [0, 0, 0],
  );
  if (mayRepeat) return;
  assert.deepEqual([session.inserted, session.duplicates, duplicates], [expected.events, 0, 0]);
}
