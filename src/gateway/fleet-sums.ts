/**
 * FleetSums: the sums over devices, kept up to date by what changes.
 *
 * Owns what each device has added, packed, so that it can be taken out exactly when there is news of the device.
 * Promises that work goes by what changed, and memory by `bytesMax`: a device that does not fit is not taken in, and
 * whoever wants the sums of all adds it each time. Counts are whole numbers of any size: devices may make up theirs.
 */
import { inTurns, type Turns } from '../store/index.ts';
import type { DeviceAccount } from './device-account.ts';
import { type Totals, tellTotals } from './device-totals.ts';
import { createMeasureSums, type MeasureSums } from './measure-sums.ts';

/** What a device adds. */
export interface DevicePart {
  readonly account: DeviceAccount;
  /** Over all its sensors, packed. */
  readonly totals: Uint8Array;
}

export interface FleetSum {
  readonly devices: number;
  readonly account: DeviceAccount;
  readonly measures: Totals;
  readonly isCut: boolean;
}

export interface FleetSums {
  /** Puts a device's part in the place of the one before, which is gone where there is none now. One call at a time. */
  replace(
    before: DevicePart | undefined,
    after: DevicePart | undefined,
    all: () => Iterable<DevicePart>,
  ): Promise<void>;
  /** The sums of all that is in here, and of the others; of one measure alone where it is named. */
  with(others: readonly DevicePart[], measure: string | undefined, all: () => Iterable<DevicePart>): Promise<FleetSum>;
}

type Counts = Record<keyof DeviceAccount, bigint>;

export function createFleetSums(turns: Turns): FleetSums {
  let devices = 0;
  let account = noCounts();
  let sums = createMeasureSums();
  let isCut = false;

  const told = (part: DevicePart | undefined) => part && inTurns(tellTotals(part.totals), turns);

  async function addAll(parts: Iterable<DevicePart>, to: MeasureSums): Promise<boolean> {
    let isOneCut = false;
    for (const part of parts) {
      const { measures, isCut: isThisCut } = await inTurns(tellTotals(part.totals), turns);
      to.add(measures);
      isOneCut ||= isThisCut;
    }
    return isOneCut;
  }

  async function sumOf(measure: string, parts: Iterable<DevicePart>, to: MeasureSums): Promise<void> {
    for (const part of parts) to.add((await inTurns(tellTotals(part.totals, measure), turns)).measures);
  }

  return {
    async replace(before, after, all) {
      devices += Number(after !== undefined) - Number(before !== undefined);
      if (before !== undefined) account = plus(account, before.account, -1n);
      if (after !== undefined) account = plus(account, after.account, 1n);
      const [counted, now] = [await told(before), await told(after)];
      isCut ||= now?.isCut ?? false;
      if (sums.replace(counted?.measures, now?.measures ?? new Map())) return;
      sums = createMeasureSums();
      isCut = await addAll(all(), sums);
    },

    async with(others, measure, all) {
      const whole = others.reduce((sum, part) => plus(sum, part.account, 1n), account);
      const rest = { devices: devices + others.length, account: numbersOf(whole) };
      if (measure === undefined) {
        const both = others.length === 0 ? sums : createMeasureSums(undefined, sums);
        const isOneCut = await addAll(others, both);
        return { ...rest, measures: both.inOrder(), isCut: isCut || isOneCut || both.isCut };
      }
      const one = createMeasureSums();
      // What is not among the first measures of all may still be one of a device.
      if (sums.has(measure)) one.add(new Map([[measure, sums.inOrder().get(measure)!]]));
      else if (isCut || sums.isCut) await sumOf(measure, all(), one);
      await sumOf(measure, others, one);
      return { ...rest, measures: one.inOrder(), isCut: false };
    },
  };
}

function noCounts(): Counts {
  return { recorded: 0n, delivered: 0n, queued: 0n, quarantined: 0n, gaps: 0n, missing: 0n, earlier: 0n };
}

function plus(counts: Counts, more: DeviceAccount, sign: bigint): Counts {
  const sum = { ...counts };
  for (const place of Object.keys(sum) as (keyof Counts)[]) sum[place] += sign * BigInt(more[place]);
  return sum;
}

function numbersOf(counts: Counts): DeviceAccount {
  return Object.fromEntries(Object.entries(counts).map(([place, count]) => [place, Number(count)])) as Record<
    keyof Counts,
    number
  >;
}
