/**
 * Fleet: all devices at a glance.
 *
 * Owns a summary of every device, made from its pages and holdings when it is first asked for and again once a batch has
 * changed it. Promises that an answer holds everything that this gateway had acknowledged when it was asked. Never holds
 * anything per sensor, nor the event loop for long.
 */
import { type GatewayStoreView, SHARED_TURNS, type Turns } from '../store/index.ts';
import { type Aggregate, combine } from './aggregate.ts';
import { bucketsOf } from './bucket-page.ts';
import { type DeviceAccount, deviceAccount } from './device-account.ts';
import type { DevicePage } from './device-page.ts';
import { createFirstNames } from './first-names.ts';
import { bucketPageOf, devicePageKey, devicePageOf, type Page } from './pages.ts';

export interface DeviceSummary {
  readonly deviceId: string;
  readonly page: DevicePage;
  readonly account: DeviceAccount;
  readonly sensors: number;
  readonly streams: number;
  /** Over all sensors, by measure. */
  readonly measures: ReadonlyMap<string, Aggregate>;
  /** Whether there are more measures than these. */
  readonly isCut: boolean;
}

export interface FleetTotals {
  readonly devices: number;
  readonly account: DeviceAccount;
  readonly measures: ReadonlyMap<string, Aggregate>;
  /** Whether there are more measures than these. */
  readonly isCut: boolean;
}

export interface Fleet {
  /** Says that a batch of this device was acknowledged. */
  changed(deviceId: string, duplicates: number): void;
  /** Undefined where nothing was ever counted for the device. */
  device(deviceId: string): Promise<DeviceSummary | undefined>;
  /** Ascending by id, behind `after`. */
  devices(after: string | undefined, limit: number): AsyncIterable<DeviceSummary>;
  /** Of one measure alone where it is named, which no names of other devices crowd out. */
  totals(measure?: string): Promise<FleetTotals>;
  /** Duplicates refused since the start. */
  duplicatesOf(deviceId: string): number;
}

/** Measures of all devices that are held in memory: some 60 MB of them, and the summaries of 65,000 devices with three. */
const HELD_MEASURES_MAX = 200_000;

/** Totals that are held, of measures which somebody asked for by name, until the next change. */
const HELD_TOTALS_MAX = 16;

export interface FleetOptions {
  readonly turns?: Turns;
  /** Measures of all devices that are held in memory. */
  readonly heldMax?: number;
}

export function createFleet(store: GatewayStoreView<Page>, options: FleetOptions = {}): Fleet {
  return new StoreFleet(store, options);
}

interface Held {
  readonly summary: Promise<DeviceSummary | undefined>;
  /** Its measures, once it is there, and one for itself. */
  weight: number;
}

class StoreFleet implements Fleet {
  readonly #store: GatewayStoreView<Page>;
  readonly #turns: Turns;
  /** Least recently asked for first. */
  readonly #held = new Map<string, Held>();
  #weight = 0;
  readonly #duplicates = new Map<string, number>();
  readonly #heldMax: number;
  /** For whoever asks until the next change; by the measure that was asked for. */
  readonly #totals = new Map<string | undefined, Promise<FleetTotals>>();

  constructor(store: GatewayStoreView<Page>, { turns = SHARED_TURNS, heldMax = HELD_MEASURES_MAX }: FleetOptions) {
    this.#store = store;
    this.#turns = turns;
    this.#heldMax = heldMax;
  }

  changed(deviceId: string, duplicates: number): void {
    this.#forget(deviceId);
    this.#totals.clear();
    if (duplicates > 0) this.#duplicates.set(deviceId, this.duplicatesOf(deviceId) + duplicates);
  }

  duplicatesOf(deviceId: string): number {
    return this.#duplicates.get(deviceId) ?? 0;
  }

  device(deviceId: string): Promise<DeviceSummary | undefined> {
    return this.#summary(deviceId, false);
  }

  /** @param isPassing whether it is one of all: those come in order, and must not push each other out before they come again */
  #summary(deviceId: string, isPassing: boolean): Promise<DeviceSummary | undefined> {
    const there = this.#held.get(deviceId);
    if (there !== undefined) {
      this.#held.delete(deviceId);
      this.#held.set(deviceId, there);
      return there.summary;
    }
    const held: Held = { summary: this.#read(deviceId), weight: 1 };
    this.#held.set(deviceId, held);
    this.#weight += 1;
    const isHeld = () => this.#held.get(deviceId) === held;
    // A device that is not there may be asked for by any name, and one that could not be read may be asked for again.
    const forget = () => void (isHeld() && this.#forget(deviceId));
    held.summary.then((found) => {
      if (found === undefined) forget();
      else if (isHeld()) {
        this.#weigh(held, 1 + found.measures.size + found.page.gapSums.size);
        if (isPassing && this.#weight > this.#heldMax) forget();
        this.#trim();
      }
    }, forget);
    return held.summary;
  }

  devices(after: string | undefined, limit: number): AsyncIterable<DeviceSummary> {
    return this.#each({ ...(after !== undefined && { after }), limit });
  }

  totals(measure?: string): Promise<FleetTotals> {
    const held = this.#totals.get(measure);
    if (held !== undefined) return held;
    const totals = this.#sum(measure);
    if (this.#totals.size >= HELD_TOTALS_MAX) this.#totals.clear();
    this.#totals.set(measure, totals);
    totals.catch(() => {
      if (this.#totals.get(measure) === totals) this.#totals.delete(measure);
    });
    return totals;
  }

  #forget(deviceId: string): void {
    this.#weight -= this.#held.get(deviceId)?.weight ?? 0;
    this.#held.delete(deviceId);
  }

  #weigh(held: Held, weight: number): void {
    this.#weight += weight - held.weight;
    held.weight = weight;
  }

  #trim(): void {
    for (const deviceId of this.#held.keys()) {
      if (this.#weight <= this.#heldMax) return;
      this.#forget(deviceId);
    }
  }

  async *#each(range: { after?: string; limit?: number }): AsyncGenerator<DeviceSummary, void, void> {
    for await (const deviceId of this.#store.devices(range)) {
      const summary = await this.#summary(deviceId, true);
      if (summary !== undefined) yield summary;
    }
  }

  async #sum(measure: string | undefined): Promise<FleetTotals> {
    const account = { recorded: 0, delivered: 0, queued: 0, quarantined: 0, gaps: 0, missing: 0, earlier: 0 };
    const sums = createMeasureSums();
    let devices = 0;
    let isCut = false;
    for await (const summary of this.#each({})) {
      for (const place of Object.keys(account) as (keyof DeviceAccount)[]) account[place] += summary.account[place];
      const one = measure === undefined ? undefined : summary.measures.get(measure);
      if (measure === undefined) sums.add(summary.measures);
      else if (one !== undefined) sums.add(new Map([[measure, one]]));
      isCut ||= measure === undefined && summary.isCut;
      devices += 1;
      if (this.#turns.isOver()) await this.#turns.next();
    }
    return { devices, account, measures: sums.inOrder(), isCut: isCut || sums.isCut };
  }

  async #read(deviceId: string): Promise<DeviceSummary | undefined> {
    const page = await this.#store.page(devicePageKey(deviceId));
    if (page === undefined) return undefined;
    const holdings = await this.#store.holdings(deviceId);
    const sums = createMeasureSums();
    let sensors = 0;
    for await (const total of this.#store.pages(deviceId, 'total')) {
      sums.add(totalsOf(total.page));
      sensors += 1;
    }
    const own = devicePageOf(page);
    const account = deviceAccount(holdings, own.report);
    const { streams } = holdings;
    return { deviceId, page: own, account, sensors, streams, measures: sums.inOrder(), isCut: sums.isCut };
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

interface MeasureSums {
  add(more: ReadonlyMap<string, Aggregate>): void;
  /** The first of them by name (see `FirstNames`). */
  inOrder(): ReadonlyMap<string, Aggregate>;
  /** Whether there were others. */
  readonly isCut: boolean;
}

function createMeasureSums(): MeasureSums {
  const sums = new Map<string, Aggregate>();
  let isCut = false;
  const names = createFirstNames((name) => {
    sums.delete(name);
    isCut = true;
  });
  return {
    get isCut() {
      return isCut;
    },
    add(more) {
      for (const [name, aggregate] of more) {
        if (!names.take(name)) isCut = true;
        else sums.set(name, combine(sums.get(name), aggregate)!);
      }
    },
    inOrder: () => new Map(names.inOrder().map((name) => [name, sums.get(name)!])),
  };
}
