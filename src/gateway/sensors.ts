/**
 * Sensors: which sensors and measures every device has, as far as they are in use.
 *
 * Owns the limits on both. Promises that a batch which would pass them is refused before it is stored, and memory by the
 * sensors of the devices seen last. Never counts a sensor of a batch that was not stored.
 */
import type { GatewayStore } from '../store/index.ts';
import { GatewayError } from './errors.ts';
import { MEASURES_PER_SENSOR, SENSOR_MEASURES_MAX } from './limits.ts';
import { bucketPageOf, type Page } from './pages.ts';
import type { PageDelta } from './tally.ts';

export interface KnownSensors {
  /**
   * Takes in the sensors and measures of the `total` pages among these, or none of them.
   * @throws GatewayError `sensor-limit` or `measure-limit`
   */
  admit(deltas: readonly PageDelta[]): void;
}

export interface Sensors {
  of(deviceId: string): Promise<KnownSensors>;
  /** To be read again: what was admitted may not have been stored. */
  forget(deviceId: string): void;
}

export interface SensorsOptions {
  readonly store: Pick<GatewayStore<Page>, 'pages'>;
  readonly sensorsMax: number;
  /** Names held in memory over all devices. */
  readonly namesMax?: number;
}

/** About 100 MB of names at their longest, and far less as they are. */
const NAMES_MAX = 500_000;

export function createSensors(options: SensorsOptions): Sensors {
  return new SensorCache(options);
}

/** Names held, by all who share it. */
interface Account {
  names: number;
}

class SensorCache implements Sensors {
  readonly #options: SensorsOptions;
  /** Least recently used first. */
  readonly #devices = new Map<string, DeviceSensors>();
  readonly #loading = new Map<string, Promise<KnownSensors>>();
  readonly #account: Account = { names: 0 };

  constructor(options: SensorsOptions) {
    this.#options = options;
  }

  async of(deviceId: string): Promise<KnownSensors> {
    const device = this.#devices.get(deviceId);
    if (device === undefined) return this.#loading.get(deviceId) ?? this.#load(deviceId);
    this.#devices.delete(deviceId);
    this.#devices.set(deviceId, device);
    return device;
  }

  forget(deviceId: string): void {
    this.#devices.get(deviceId)?.leave();
    this.#devices.delete(deviceId);
  }

  #load(deviceId: string): Promise<KnownSensors> {
    const loading = this.#read(deviceId).finally(() => this.#loading.delete(deviceId));
    this.#loading.set(deviceId, loading);
    return loading;
  }

  async #read(deviceId: string): Promise<KnownSensors> {
    const sensors = new Map<string, Set<string>>();
    for await (const { key, page } of this.#options.store.pages(deviceId, 'total')) {
      sensors.set(key.sensor, new Set(bucketPageOf(page).names));
    }
    const device = new DeviceSensors(sensors, this.#options.sensorsMax, this.#account);
    this.#devices.set(deviceId, device);
    this.#trim(deviceId);
    return device;
  }

  #trim(inUse: string): void {
    const namesMax = this.#options.namesMax ?? NAMES_MAX;
    for (const deviceId of this.#devices.keys()) {
      if (this.#account.names <= namesMax) return;
      if (deviceId !== inUse) this.forget(deviceId);
    }
  }
}

class DeviceSensors implements KnownSensors {
  readonly #sensors: Map<string, Set<string>>;
  readonly #sensorsMax: number;
  #account: Account;
  #names = 0;

  constructor(sensors: Map<string, Set<string>>, sensorsMax: number, account: Account) {
    this.#sensors = sensors;
    this.#sensorsMax = sensorsMax;
    this.#account = account;
    let names = 1;
    for (const measures of sensors.values()) names += 1 + measures.size;
    this.#grow(names);
  }

  leave(): void {
    this.#account.names -= this.#names;
    this.#account = { names: 0 };
  }

  admit(deltas: readonly PageDelta[]): void {
    const fresh: [sensor: string, measures: string[]][] = [];
    let newSensors = 0;
    for (const { key, delta } of deltas) {
      if (key.kind !== 'total') continue;
      const known = this.#sensors.get(key.sensor);
      const measures = bucketPageOf(delta).names.filter((name) => !known?.has(name));
      if (known === undefined) newSensors++;
      if ((known?.size ?? 0) + measures.length > SENSOR_MEASURES_MAX) {
        throw new GatewayError('measure-limit', `a sensor has at most ${SENSOR_MEASURES_MAX} measures`);
      }
      if (known === undefined || measures.length > 0) fresh.push([key.sensor, measures]);
    }
    if (newSensors > 0 && this.#sensors.size + newSensors > this.#sensorsMax) {
      throw new GatewayError('sensor-limit', `a device has at most ${this.#sensorsMax} sensors`);
    }
    // One sensor may have as many as any, however few there may be.
    const namesMax = SENSOR_MEASURES_MAX + this.#sensorsMax * (1 + MEASURES_PER_SENSOR);
    const newNames = fresh.reduce((sum, [, measures]) => sum + measures.length, newSensors);
    if (newNames > 0 && this.#names + newNames > namesMax) {
      throw new GatewayError('measure-limit', `a device has at most ${namesMax} sensors and measures of them`);
    }
    for (const [sensor, measures] of fresh) this.#add(sensor, measures);
  }

  #add(sensor: string, measures: readonly string[]): void {
    let known = this.#sensors.get(sensor);
    let added = measures.length;
    if (known === undefined) {
      known = new Set();
      this.#sensors.set(sensor, known);
      added++;
    }
    for (const name of measures) known.add(name);
    this.#grow(added);
  }

  #grow(names: number): void {
    this.#names += names;
    this.#account.names += names;
  }
}
