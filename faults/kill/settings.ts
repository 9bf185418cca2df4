/**
 * Settings: what each start of a side is told, decided anew every time.
 *
 * Owns the ranges. Promises settings under which everything is delivered in the end, however slowly. Never tells a side
 * what it was told before: what one life has left on disk, the next must deal with under other rules.
 */
import type { DeviceRun } from '../sides.ts';

type Options = NonNullable<DeviceRun['options']>;

/** From two ranges of the same length in powers, one is as likely as the other. */
export function between(random: () => number, min: number, max: number): number {
  return Math.floor(min * (max / min) ** random());
}

export function oneOf<T>(random: () => number, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)]!;
}

export function deviceOptions(random: () => number): Options {
  return {
    batchEventsMax: between(random, 8, 65_536),
    batchBytesMax: between(random, 1 << 10, 4 << 20),
    lingerMs: oneOf(random, [0, 1, 10, 50]),
    inFlightMax: 1 + Math.floor(random() * 6),
    requestTimeoutMs: between(random, 300, 5_000),
    retryBaseMs: between(random, 2, 50),
    retryMaxMs: between(random, 50, 500),
    reserveBytes: oneOf(random, [0, 1 << 20, 4 << 20, 16 << 20]),
    pendingEventsMax: oneOf(random, [64, 256, 1 << 20, 1 << 20]),
  };
}

/** A queue that is soon full, or at least may be. */
export function quotaOptions(random: () => number): Options {
  return {
    queueBytesMax: between(random, 4 << 10, 1 << 20),
    whenFull: random() < 0.85 ? 'drop-oldest' : 'refuse',
  };
}

/** A queue that is full at once, whatever the gateway takes. */
export function tightQuotaOptions(random: () => number): Options {
  const queueBytesMax = between(random, 4 << 10, 12 << 10);
  return { queueBytesMax, whenFull: 'drop-oldest', inFlightMax: 1, batchEventsMax: between(random, 8, 64) };
}

export function gatewayFlags(random: () => number): string[] {
  const flags = {
    '--events-max': oneOf(random, ['64', '512', '4096', '65536', '65536']),
    '--body-bytes-max': oneOf(random, ['2KiB', '64KiB', '4MiB', '4MiB']),
    '--bytes-in-flight': oneOf(random, ['8MiB', '64MiB']),
    '--connections-max': oneOf(random, ['12', '100', '10000']),
    '--sensors-max': oneOf(random, ['6', '6', '6', '6', '10000']),
    '--window': oneOf(random, ['10s', '5m']),
  };
  return Object.entries(flags).flat();
}
