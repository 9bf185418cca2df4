/**
 * Balance: what the devices say they recorded, beside what the gateway says it counted.
 *
 * Owns the comparison, to the last digit. Promises to call it a match only where every event and every measure agrees.
 * Never asks anyone: it only compares.
 */
import { addDecimals, formatDecimal, HEADLINE, parseDecimal, ZERO } from '../src/codec/index.ts';
import type { DeviceFigures } from './device-program.ts';
import type { CountedDevice } from './gateway-program.ts';

export interface BalanceRow {
  readonly id: string;
  readonly recorded: number;
  readonly queued: number;
  /** Counted by the gateway. */
  readonly delivered: number;
  /** Copies that the gateway has counted once and then known. */
  readonly duplicatesRefused: number;
  readonly retries: number;
  /** Exact sums of `volume`, decimal text. */
  readonly deviceVolume: string;
  readonly gatewayVolume: string;
  /** Every event that the device recorded is counted, and each measure has the same sum on both sides. */
  readonly match: boolean;
}

export interface Balance {
  readonly rows: readonly BalanceRow[];
  readonly total: BalanceRow;
}

export function balanceOf(devices: readonly DeviceFigures[], counted: ReadonlyMap<string, CountedDevice>): Balance {
  const rows = devices.map((device) => rowOf(device, counted.get(device.id)));
  const sum = (figure: (row: BalanceRow) => number) => rows.reduce((total, row) => total + figure(row), 0);
  return {
    rows,
    total: {
      id: 'all',
      recorded: sum((row) => row.recorded),
      queued: sum((row) => row.queued),
      delivered: sum((row) => row.delivered),
      duplicatesRefused: sum((row) => row.duplicatesRefused),
      retries: sum((row) => row.retries),
      deviceVolume: sumOf(rows.map((row) => row.deviceVolume)),
      gatewayVolume: sumOf(rows.map((row) => row.gatewayVolume)),
      match: rows.every((row) => row.match),
    },
  };
}

/** How much the first is above the second. */
export function difference(a: string, b: string): string {
  return sumOf([a, b.startsWith('-') ? b.slice(1) : `-${b}`]);
}

function rowOf(device: DeviceFigures, counted: CountedDevice | undefined): BalanceRow {
  const { id, recorded, queued, retries, sums } = device;
  const delivered = counted?.events ?? 0;
  const countedSums = counted?.sums ?? {};
  const measures = new Set([...Object.keys(sums), ...Object.keys(countedSums)]);
  const sumsMatch = [...measures].every((measure) => sums[measure] === countedSums[measure]);
  return {
    id,
    recorded,
    queued,
    delivered,
    duplicatesRefused: counted?.duplicates ?? 0,
    retries,
    deviceVolume: sums[HEADLINE] ?? '0',
    gatewayVolume: countedSums[HEADLINE] ?? '0',
    match: sumsMatch && recorded === delivered,
  };
}

function sumOf(volumes: readonly string[]): string {
  return formatDecimal(volumes.reduce((sum, volume) => addDecimals(sum, parseDecimal(volume) ?? ZERO), ZERO));
}
