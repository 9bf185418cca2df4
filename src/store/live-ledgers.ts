/**
 * The ledgers in use, and their devices' holdings, as they will be once everything decided so far is committed.
 *
 * Owns which of them are in memory. Promises that all callers of one stream share one ledger and get it in the order in
 * which they asked, and so do all ledgers of one device its holdings; that what has uncommitted changes is never
 * forgotten, and that ledgers wanted together are read together. Never writes.
 */
import { holdingsKey, ledgerKey } from './gateway-keys.ts';
import type { StreamKey } from './gateway-store.ts';
import { decodeHoldings, type Holdings } from './holdings.ts';
import type { Ledger } from './ledger.ts';
import { decodeLedger } from './ledger-bytes.ts';
import { isCut, readLedger } from './ledger-chunks.ts';
import { createLru, type Lru } from './lru.ts';
import type { Entry } from './rocks-handle.ts';
import { unsealOrThrow } from './seal.ts';
import { createLedger } from './segment-ledger.ts';
import type { Turns } from './time-slicing.ts';

/** What a range in memory takes, about: two doubles, a digest, and where they lie. */
const RANGE_BYTES = 64;
/** Of the ledgers between commits, hundreds of thousands of usual ones, or the largest of ten devices. */
const LEDGERS_BYTES_MAX = 64 << 20;
/** A ledger is weighed again when it has grown by this much. */
const WEIGHED_RANGES = 256;

export interface LiveDevice {
  readonly deviceId: string;
  readonly key: Buffer;
  holdings: Holdings;
  /** Of its ledgers, how many are in memory. */
  ledgers: number;
}

export interface LiveLedger {
  readonly id: string;
  readonly key: Buffer;
  readonly ledger: Ledger;
  readonly device: LiveDevice;
  /** Whether anything of it is stored, or decided to be. */
  isStored: boolean;
  /** Its ranges when it was weighed. */
  weighedRanges: number;
  /** The group that holds its latest change; 0 before any. */
  changedIn: number;
}

/** Takes the ledger, at once or when it has been read; or the error of reading it. */
export interface LedgerTaker {
  take(live: LiveLedger): void;
  fail(error: unknown): void;
}

export interface LiveLedgers {
  /** Hands over the stream's ledger: at once where it is in memory, else behind those who asked before. */
  give(key: StreamKey, taker: LedgerTaker): void;
  /** Says that a ledger has changed, which may have made it larger. */
  changed(live: LiveLedger): void;
  /** Forgets everything; those who wait for a read still get what it reads. */
  clear(): void;
  /** Resolves once nobody waits for a read. */
  idle(): Promise<void>;
}

export interface LiveLedgersOptions {
  readonly ledgersMax: number;
  readonly read: (keys: readonly Buffer[]) => Promise<(Buffer | undefined)[]>;
  /** The chunks of the ledger that is stored in such under a key. */
  readonly chunks: (key: Buffer) => AsyncIterable<Entry>;
  readonly isCommitted: (group: number) => boolean;
  readonly turns: Turns;
}

export function createLiveLedgers(options: LiveLedgersOptions): LiveLedgers {
  return new LedgerDesk(options);
}

interface Wanted {
  readonly id: string;
  readonly deviceId: string;
  readonly key: Buffer;
  readonly takers: LedgerTaker[];
}

/** A device's holdings as they were on disk after so many departures. */
interface HoldingsRead {
  readonly departures: number;
  readonly value: Buffer | undefined;
}

class LedgerDesk implements LiveLedgers {
  readonly #options: LiveLedgersOptions;
  readonly #live: Lru<LiveLedger>;
  /** Those of which a ledger is in memory. */
  readonly #devices = new Map<string, LiveDevice>();
  /** Counts the times that a device left them: what was read of it before may be behind the disk. */
  #departures = 0;
  /** Streams that are being read or are to be read next. */
  readonly #wanted = new Map<string, Wanted>();
  /** Those of them that the next read takes along. */
  #next: Wanted[] = [];
  #reading: Promise<void> | undefined;

  constructor(options: LiveLedgersOptions) {
    this.#options = options;
    this.#live = createLru(options.ledgersMax, LEDGERS_BYTES_MAX, ({ device }) => this.#leave(device));
  }

  give(key: StreamKey, taker: LedgerTaker): void {
    const id = `${key.deviceId}/${key.stream}`;
    const live = this.#live.get(id);
    if (live !== undefined) {
      taker.take(live);
      return;
    }
    const wanted = this.#wanted.get(id);
    if (wanted !== undefined) {
      wanted.takers.push(taker);
      return;
    }
    const first = { id, deviceId: key.deviceId, key: ledgerKey(key), takers: [taker] };
    this.#wanted.set(id, first);
    this.#next.push(first);
    this.#reading ??= this.#readAll();
  }

  changed(live: LiveLedger): void {
    if (Math.abs(live.ledger.ranges - live.weighedRanges) < WEIGHED_RANGES) return;
    this.#weigh(live);
    this.#trim();
  }

  clear(): void {
    this.#live.clear();
    this.#devices.clear();
    this.#departures += 1;
  }

  async idle(): Promise<void> {
    await this.#reading;
  }

  async #readAll(): Promise<void> {
    // Whoever asks in the same turn of the event loop is read together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#next.length > 0) {
      const batch = this.#next;
      this.#next = [];
      const devices = [...new Set(batch.map(({ deviceId }) => deviceId))];
      const deviceKeys = devices.map(holdingsKey);
      const departures = this.#departures;
      try {
        const values = await this.#options.read([...batch.map(({ key }) => key), ...deviceKeys]);
        const holdings = new Map(devices.map((deviceId, i) => [deviceId, values[batch.length + i]]));
        for (const [i, wanted] of batch.entries()) {
          await this.#hand(wanted, values[i], { departures, value: holdings.get(wanted.deviceId) });
        }
        this.#trim();
      } catch (error) {
        for (const wanted of batch) this.#refuse(wanted, error);
      }
    }
    this.#reading = undefined;
  }

  async #hand(wanted: Wanted, value: Buffer | undefined, holdings: HoldingsRead): Promise<void> {
    const { id, key, deviceId } = wanted;
    let ledger: Ledger;
    let device: LiveDevice;
    try {
      const body = value === undefined ? undefined : unsealOrThrow(key, value);
      if (body === undefined) ledger = createLedger();
      else if (isCut(body)) ledger = await readLedger(body, () => this.#options.chunks(key), this.#options.turns);
      else ledger = decodeLedger(body);
      device = this.#devices.get(deviceId) ?? (await this.#newDevice(deviceId, holdings));
    } catch (error) {
      this.#refuse(wanted, error);
      return;
    }
    this.#devices.set(deviceId, device);
    device.ledgers += 1;
    this.#wanted.delete(id);
    const live = { id, key, ledger, device, isStored: value !== undefined, weighedRanges: 0, changedIn: 0 };
    this.#weigh(live);
    for (const taker of wanted.takers) taker.take(live);
  }

  async #newDevice(deviceId: string, read: HoldingsRead): Promise<LiveDevice> {
    const key = holdingsKey(deviceId);
    for (let { departures, value } = read; ; ) {
      if (departures === this.#departures) return { deviceId, key, holdings: decodeHoldings(key, value), ledgers: 0 };
      departures = this.#departures;
      [value] = await this.#options.read([key]);
    }
  }

  #weigh(live: LiveLedger): void {
    live.weighedRanges = live.ledger.ranges;
    this.#live.set(live.id, live, live.weighedRanges * RANGE_BYTES);
  }

  #trim(): void {
    this.#live.trim((live) => !this.#options.isCommitted(live.changedIn));
  }

  #leave(device: LiveDevice): void {
    device.ledgers -= 1;
    if (device.ledgers > 0 || this.#devices.get(device.deviceId) !== device) return;
    this.#devices.delete(device.deviceId);
    this.#departures += 1;
  }

  #refuse(wanted: Wanted, error: unknown): void {
    this.#wanted.delete(wanted.id);
    for (const taker of wanted.takers) taker.fail(error);
  }
}
