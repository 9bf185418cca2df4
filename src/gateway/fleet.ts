/**
 * Fleet: all devices at a glance.
 *
 * Owns a summary of every device, made from its pages and holdings when it is first asked for and again once a batch has
 * changed it. Promises that an answer holds everything that this gateway had acknowledged when it was asked. Never holds
 * anything per sensor, nor the event loop for long.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { COLUMNS_MAX, HEADLINE } from '../codec/index.ts';
import type { GatewayStore } from '../store/index.ts';
import { type Aggregate, combine } from './aggregate.ts';
import { bucketsOf } from './bucket-page.ts';
import { type DeviceAccount, deviceAccount } from './device-account.ts';
import type { DevicePage } from './device-page.ts';
import { bucketPageOf, devicePageKey, devicePageOf, type Page } from './pages.ts';

export interface DeviceSummary {
  readonly deviceId: string;
  readonly page: DevicePage;
  readonly account: DeviceAccount;
  readonly sensors: number;
  readonly streams: number;
  /** Over all sensors, by measure. */
  readonly measures: ReadonlyMap<string, Aggregate>;
}

export interface FleetTotals {
  readonly devices: number;
  readonly account: DeviceAccount;
  readonly measures: ReadonlyMap<string, Aggregate>;
}

export interface Fleet {
  /** Says that a batch of this device was acknowledged. */
  changed(deviceId: string, duplicates: number): void;
  /** Undefined where nothing was ever counted for the device. */
  device(deviceId: string): Promise<DeviceSummary | undefined>;
  /** Ascending by id, behind `after`. */
  devices(after: string | undefined, limit: number): Promise<DeviceSummary[]>;
  totals(): Promise<FleetTotals>;
  /** Duplicates refused since the start. */
  duplicatesOf(deviceId: string): number;
}

/** Summaries put together before others get a turn. */
const PIECE = 500;

export function createFleet(store: GatewayStore<Page>): Fleet {
  return new StoreFleet(store);
}

class StoreFleet implements Fleet {
  readonly #store: GatewayStore<Page>;
  readonly #summaries = new Map<string, Promise<DeviceSummary | undefined>>();
  readonly #duplicates = new Map<string, number>();
  /** For whoever asks until the next change. */
  #totals: Promise<FleetTotals> | undefined;

  constructor(store: GatewayStore<Page>) {
    this.#store = store;
  }

  changed(deviceId: string, duplicates: number): void {
    this.#summaries.delete(deviceId);
    this.#totals = undefined;
    if (duplicates > 0) this.#duplicates.set(deviceId, this.duplicatesOf(deviceId) + duplicates);
  }

  duplicatesOf(deviceId: string): number {
    return this.#duplicates.get(deviceId) ?? 0;
  }

  device(deviceId: string): Promise<DeviceSummary | undefined> {
    let summary = this.#summaries.get(deviceId);
    if (summary === undefined) {
      summary = this.#read(deviceId);
      this.#summaries.set(deviceId, summary);
      // A device that is not there may be asked for by any name, and one that could not be read may be asked for again.
      const forget = () => {
        if (this.#summaries.get(deviceId) === summary) this.#summaries.delete(deviceId);
      };
      summary.then((found) => found ?? forget(), forget);
    }
    return summary;
  }

  async devices(after: string | undefined, limit: number): Promise<DeviceSummary[]> {
    const summaries: DeviceSummary[] = [];
    for await (const summary of this.#each({ ...(after !== undefined && { after }), limit })) summaries.push(summary);
    return summaries;
  }

  totals(): Promise<FleetTotals> {
    if (this.#totals === undefined) {
      const totals = this.#sum();
      this.#totals = totals;
      totals.catch(() => {
        if (this.#totals === totals) this.#totals = undefined;
      });
    }
    return this.#totals;
  }

  async *#each(range: { after?: string; limit?: number }): AsyncGenerator<DeviceSummary, void, void> {
    for await (const deviceId of this.#store.devices(range)) {
      const summary = await this.device(deviceId);
      if (summary !== undefined) yield summary;
    }
  }

  async #sum(): Promise<FleetTotals> {
    const account = { recorded: 0, delivered: 0, queued: 0, quarantined: 0, gaps: 0, missing: 0, earlier: 0 };
    const measures = new Map<string, Aggregate>();
    let devices = 0;
    for await (const summary of this.#each({})) {
      for (const place of Object.keys(account) as (keyof DeviceAccount)[]) account[place] += summary.account[place];
      addMeasures(measures, summary.measures);
      devices += 1;
      if (devices % PIECE === 0) await nextTurn();
    }
    return { devices, account, measures: inOrder(measures) };
  }

  async #read(deviceId: string): Promise<DeviceSummary | undefined> {
    const page = await this.#store.page(devicePageKey(deviceId));
    if (page === undefined) return undefined;
    const holdings = await this.#store.holdings(deviceId);
    const measures = new Map<string, Aggregate>();
    let sensors = 0;
    for await (const total of this.#store.pages(deviceId, 'total')) {
      addMeasures(measures, totalsOf(total.page));
      sensors += 1;
    }
    const own = devicePageOf(page);
    const account = deviceAccount(holdings, own.report);
    return { deviceId, page: own, account, sensors, streams: holdings.streams, measures: inOrder(measures) };
  }
}

/** What a `total` page holds, by measure. */
export function totalsOf(page: Page): ReadonlyMap<string, Aggregate> {
  const { names } = bucketPageOf(page);
  const [total] = bucketsOf(bucketPageOf(page));
  const totals = new Map<string, Aggregate>();
  names.forEach((name, place) => {
    const aggregate = total?.aggregates[place];
    if (aggregate !== undefined) totals.set(name, aggregate);
  });
  return totals;
}

function addMeasures(to: Map<string, Aggregate>, more: ReadonlyMap<string, Aggregate>): void {
  for (const [name, aggregate] of more) to.set(name, combine(to.get(name), aggregate)!);
}

/** The headline first, then by name; no more of them than one batch can have, since devices name them. */
function inOrder(measures: ReadonlyMap<string, Aggregate>): ReadonlyMap<string, Aggregate> {
  const rank = (name: string) => (name === HEADLINE ? 0 : 1);
  const names = [...measures.keys()].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return new Map(names.slice(0, COLUMNS_MAX).map((name) => [name, measures.get(name)!]));
}
