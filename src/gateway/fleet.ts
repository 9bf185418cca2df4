/**
 * Fleet: all devices at a glance.
 *
 * Owns a summary of every device, made from its page and holdings when it is first asked for and again once a batch has
 * changed it, and the sums over all of them. Promises that an answer holds everything that this gateway had
 * acknowledged when it was asked, and that what is read and added up for it is what has changed. Never holds anything
 * per sensor, nor the event loop for long.
 */
import { type GatewayStoreView, inTurns, SHARED_TURNS, type Turns } from '../store/index.ts';
import { deviceAccount } from './device-account.ts';
import { bytesOfDevicePage, type DevicePage } from './device-page.ts';
import { KEPT_MAX, packTotals, type Totals, totalsOf } from './device-totals.ts';
import { createFleetSums, type DevicePart, type FleetSum } from './fleet-sums.ts';
import { createMeasureSums } from './measure-sums.ts';
import { bucketPageOf, devicePageKey, devicePageOf, type Page } from './pages.ts';

export interface DeviceSummary extends DevicePart {
  readonly deviceId: string;
  /** Without its totals. */
  readonly page: Omit<DevicePage, 'totals'>;
  readonly sensors: number;
  readonly streams: number;
}

export type FleetTotals = FleetSum;

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
  /** Grows with each batch of the device that is acknowledged. */
  changeOf(deviceId: string): number;
}

/** What summaries that are held may come to: those of 80,000 devices with few measures, or of 6,000 with 512. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;

/** A summary without measures and sums of gaps, bytes. */
const SUMMARY_BYTES = 512;

/** Totals that are held, of measures which somebody asked for by name, until the next change. */
const HELD_TOTALS_MAX = 16;

export interface FleetOptions {
  readonly turns?: Turns;
  /** Bytes of summaries that are held. */
  readonly heldBytesMax?: number;
}

export function createFleet(store: GatewayStoreView<Page>, options: FleetOptions = {}): Fleet {
  return new StoreFleet(store, options);
}

interface Known {
  /** As of the latest read that was taken in; it is in the sums. Undefined where it does not fit. */
  summary: DeviceSummary | undefined;
  /** Undefined before any; both are times of a clock that counts what happens here. */
  readAt: number;
  changedAt: number;
  reading: { readonly at: number; readonly summary: Promise<DeviceSummary | undefined> } | undefined;
}

class StoreFleet implements Fleet {
  readonly #store: GatewayStoreView<Page>;
  readonly #turns: Turns;
  readonly #heldBytesMax: number;
  readonly #known = new Map<string, Known>();
  /** Those of whom there is news, or whose summary does not fit. */
  readonly #open = new Set<string>();
  readonly #sums;
  /** What changes or asks the sums does so one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Whether all devices are known. */
  #isWhole = false;
  #now = 0;
  #heldBytes = 0;
  readonly #duplicates = new Map<string, number>();
  /** For whoever asks until the next change; by the measure that was asked for. */
  readonly #totals = new Map<string | undefined, Promise<FleetTotals>>();

  constructor(store: GatewayStoreView<Page>, { turns = SHARED_TURNS, heldBytesMax = HELD_BYTES_MAX }: FleetOptions) {
    this.#store = store;
    this.#turns = turns;
    this.#heldBytesMax = heldBytesMax;
    this.#sums = createFleetSums(turns);
  }

  changed(deviceId: string, duplicates: number): void {
    this.#now += 1;
    this.#entry(deviceId).changedAt = this.#now;
    this.#open.add(deviceId);
    this.#totals.clear();
    if (duplicates > 0) this.#duplicates.set(deviceId, this.duplicatesOf(deviceId) + duplicates);
  }

  duplicatesOf(deviceId: string): number {
    return this.#duplicates.get(deviceId) ?? 0;
  }

  changeOf(deviceId: string): number {
    return this.#known.get(deviceId)?.changedAt ?? 0;
  }

  device(deviceId: string): Promise<DeviceSummary | undefined> {
    const known = this.#known.get(deviceId);
    if (known?.summary !== undefined && known.readAt > known.changedAt) return Promise.resolve(known.summary);
    if (known?.reading !== undefined && known.reading.at > known.changedAt) return known.reading.summary;
    return this.#readAgain(deviceId);
  }

  async *devices(after: string | undefined, limit: number): AsyncGenerator<DeviceSummary, void, void> {
    for await (const deviceId of this.#store.devices({ ...(after !== undefined && { after }), limit })) {
      const summary = await this.device(deviceId);
      if (summary !== undefined) yield summary;
    }
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

  #entry(deviceId: string): Known {
    const there = this.#known.get(deviceId);
    if (there !== undefined) return there;
    const added: Known = { summary: undefined, readAt: 0, changedAt: 0, reading: undefined };
    this.#known.set(deviceId, added);
    return added;
  }

  /** A device that is not there may be asked for by any name: nothing is kept of it. */
  #readAgain(deviceId: string): Promise<DeviceSummary | undefined> {
    this.#now += 1;
    const at = this.#now;
    const summary = this.#read(deviceId).then(async (found) => {
      if (found !== undefined) await this.#inTurn(() => this.#takeIn(found, at));
      return found;
    });
    const known = this.#known.get(deviceId);
    if (known === undefined) return summary;
    const reading = { at, summary };
    known.reading = reading;
    const forget = () => {
      if (known.reading === reading) known.reading = undefined;
    };
    summary.then(forget, forget);
    return summary;
  }

  /** Takes in what was read at some time, unless something later was. */
  async #takeIn(summary: DeviceSummary, at: number): Promise<void> {
    const { deviceId } = summary;
    const known = this.#entry(deviceId);
    if (at < known.readAt) return;
    const before = known.summary;
    const bytes = this.#heldBytes - (before === undefined ? 0 : bytesOf(before)) + bytesOf(summary);
    const fits = bytes <= this.#heldBytesMax;
    known.readAt = at;
    known.summary = fits ? summary : undefined;
    this.#heldBytes = fits ? bytes : bytes - bytesOf(summary);
    if (fits && known.changedAt < at) this.#open.delete(deviceId);
    else this.#open.add(deviceId);
    if (before !== undefined || fits) await this.#sums.replace(before, known.summary, () => this.#held());
  }

  *#held(): Generator<DeviceSummary, void, void> {
    for (const { summary } of this.#known.values()) if (summary !== undefined) yield summary;
  }

  async #sum(measure: string | undefined): Promise<FleetTotals> {
    /** Of those whose summary does not fit, as of now or later. */
    const read = new Map<string, DeviceSummary | undefined>();
    if (!this.#isWhole) {
      for await (const deviceId of this.#store.devices()) {
        if (!this.#known.has(deviceId)) read.set(deviceId, await this.device(deviceId));
        if (this.#known.get(deviceId)?.summary !== undefined) read.delete(deviceId);
      }
      this.#isWhole = true;
    }
    for (let unread = [...this.#open].filter((deviceId) => !read.has(deviceId)); ; ) {
      for (const deviceId of unread) {
        read.set(deviceId, await this.device(deviceId));
        if (this.#turns.isOver()) await this.#turns.next();
      }
      const totals = await this.#inTurn(async () => {
        // Those that fit are in the sums; what others have found not to fit meanwhile has to be read here, too.
        const apart = [...this.#open].filter((deviceId) => this.#known.get(deviceId)?.summary === undefined);
        unread = apart.filter((deviceId) => !read.has(deviceId));
        if (unread.length > 0) return undefined;
        const others = apart.flatMap((deviceId) => read.get(deviceId) ?? []);
        return await this.#sums.with(others, measure, () => this.#held());
      });
      if (totals !== undefined) return totals;
    }
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(task);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #read(deviceId: string): Promise<DeviceSummary | undefined> {
    const stored = await this.#store.page(devicePageKey(deviceId));
    if (stored === undefined) return undefined;
    const { totals, ...page } = devicePageOf(stored);
    const holdings = await this.#store.holdings(deviceId);
    const account = deviceAccount(holdings, page.report);
    const { sensors, sums } =
      totals === undefined ? await this.#add(deviceId) : { sensors: page.sensors, sums: totals };
    const packed = await inTurns(packTotals(sums), this.#turns);
    // Not a part of what was read, which would be held as a whole.
    return { deviceId, page, account, sensors, streams: holdings.streams, totals: packed.slice() };
  }

  /** For a page of an earlier version. */
  async #add(deviceId: string): Promise<{ readonly sensors: number; readonly sums: Totals }> {
    const sums = createMeasureSums(KEPT_MAX);
    let sensors = 0;
    for await (const { page } of this.#store.pages(deviceId, 'total')) {
      sums.add(totalsOf(bucketPageOf(page)));
      sensors += 1;
    }
    return { sensors, sums: sums.inOrder() };
  }
}

function bytesOf({ page, totals }: DeviceSummary): number {
  return SUMMARY_BYTES + bytesOfDevicePage({ ...page, totals });
}
