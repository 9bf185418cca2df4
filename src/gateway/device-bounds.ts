/**
 * Device bounds: what one device may come to own in the store, over all its batches (promise 9).
 *
 * A batch that adds nothing to what has reached its bound is welcome. The events of one that does are not at fault, so
 * the codes here have a device wait, keep and ask again, and never condemn anything.
 */
import type { Holdings, LedgerView, Range } from '../store/index.ts';
import { GatewayError } from './errors.ts';
import type { GatewayLimits } from './limits.ts';

export type DeviceLimits = Pick<
  GatewayLimits,
  'rangesMax' | 'streamsMax' | 'streamsPerDay' | 'pageBytesMax' | 'pageBytesPerDay'
>;

/** What a batch would add: a range of which something is new, and gaps. */
export interface Growth {
  readonly events: Range | undefined;
  readonly gaps: readonly Range[];
}

const DAY_MS = 86_400_000;

/**
 * Whether the device may own what it would after this. False where that depends on for how long it has been sending.
 *
 * @param ageMs for how long the device has been sending, milliseconds, never below 0; undefined while nobody has looked
 * @throws GatewayError `interval-limit`, `stream-limit` or `storage-limit`
 */
export function isWithinBounds(
  limits: DeviceLimits,
  ledger: LedgerView,
  holdings: Holdings,
  { events, gaps }: Growth,
  ageMs: number | undefined,
): boolean {
  if (events === undefined && gaps.length === 0) return true;
  const growth = ledger.growth(events, gaps);
  if (growth > 0 && holdings.ranges + growth > limits.rangesMax) {
    throw new GatewayError(
      'interval-limit',
      `what was counted of this device lies in ${holdings.ranges} separate ranges; ${limits.rangesMax} are the most`,
    );
  }
  const days = (ageMs ?? 0) / DAY_MS;
  const streamsMax = Math.floor(limits.streamsMax + days * limits.streamsPerDay);
  const isOverStreams = ledger.ranges === 0 && holdings.streams >= streamsMax;
  const pageBytesMax = Math.floor(limits.pageBytesMax + days * limits.pageBytesPerDay);
  const isOverBytes = events !== undefined && holdings.pageBytes >= pageBytesMax;
  if (ageMs === undefined) return !isOverStreams && !isOverBytes;
  if (isOverStreams) {
    throw new GatewayError(
      'stream-limit',
      `this device has ${holdings.streams} streams; by now ${streamsMax} are the most, and ` +
        `${limits.streamsPerDay} more each day`,
    );
  }
  if (isOverBytes) {
    throw new GatewayError(
      'storage-limit',
      `the sums of this device take ${holdings.pageBytes} bytes; by now ${pageBytesMax} are the most, and ` +
        `${limits.pageBytesPerDay} more each day`,
    );
  }
  return true;
}
