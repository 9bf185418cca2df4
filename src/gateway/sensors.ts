/**
 * Sensors: which sensors and measures devices have, as far as batches bring them.
 *
 * Owns the limits on both. Promises that a batch which would pass them is refused before it is stored, that what is
 * looked up for a batch is its own sensors and not all that its device has, and memory by the names of the devices seen
 * last. How many a device has in all lies in its page. Never counts a sensor of a batch that was not stored.
 */
import type { GatewayStore } from '../store/index.ts';
import { firstOf, KEPT_MAX, type Totals, totalsOf } from './device-totals.ts';
import { GatewayError } from './errors.ts';
import { MEASURES_PER_SENSOR, SENSOR_MEASURES_MAX } from './limits.ts';
import { createMeasureSums } from './measure-sums.ts';
import { bucketPageOf, devicePageKey, devicePageOf, type Page } from './pages.ts';
import type { PageDelta } from './tally.ts';

/** What a device has with everything that was admitted, for its page. */
export interface SensorCount {
  readonly sensors: number;
  /** Sensors, and measures of them. */
  readonly names: number;
  /** Where the page does not know: what its sensors came to before any of that. */
  readonly before: Totals | undefined;
}

export interface KnownSensors {
  /**
   * Takes in the sensors and measures of the `total` pages among these, or none of them. They are of the sensors that
   * were asked for.
   * @throws GatewayError `sensor-limit` or `measure-limit`
   */
  admit(deltas: readonly PageDelta[]): SensorCount;
  /** Says that what was admitted is stored. */
  stored(): void;
  /** To be asked for again, since what was admitted may not have been stored. */
  readonly isForgotten: boolean;
  /** Nobody admits anything here any more. */
  release(): void;
}

export interface Sensors {
  /** Of a device, as far as these sensors go. To be released. */
  of(deviceId: string, sensors: readonly string[]): Promise<KnownSensors>;
  /** To be read again: what was admitted may not have been stored. */
  forget(deviceId: string): void;
}

export interface SensorsOptions {
  readonly store: Pick<GatewayStore<Page>, 'page' | 'pages' | 'renewed'>;
  readonly sensorsMax: number;
  /** Names held in memory over all devices. */
  readonly namesMax?: number;
}

/** About 100 MB of names at their longest, and far less as they are. */
const NAMES_MAX = 500_000;

/** Sensors whose pages are read at a time. */
const READ_AT_ONCE = 16;

export function createSensors(options: SensorsOptions): Sensors {
  return new SensorCache(options);
}

class SensorCache implements Sensors {
  readonly #options: SensorsOptions;
  /** Least recently used first. */
  readonly #devices = new Map<string, DeviceSensors>();
  readonly #loading = new Map<string, Promise<DeviceSensors>>();
  /** Of each device what was admitted and is not committed yet. */
  readonly #unsettled = new Map<string, Set<Promise<void>>>();
  #names = 0;

  constructor(options: SensorsOptions) {
    this.#options = options;
  }

  async of(deviceId: string, sensors: readonly string[]): Promise<KnownSensors> {
    let device = await this.#device(deviceId);
    // It may have had to make room in between.
    while (this.#devices.get(deviceId) !== device) device = await this.#device(deviceId);
    device.users += 1;
    try {
      await this.#look(device, sensors);
    } catch (error) {
      device.users -= 1;
      throw error;
    }
    let isReleased = false;
    let settle: (() => void) | undefined;
    return {
      admit: (deltas) => {
        settle ??= this.#unsettle(deviceId);
        const before = device.held;
        const count = device.admit(deltas);
        this.#grown(device, device.held - before);
        return count;
      },
      stored: () => device.stored(),
      get isForgotten() {
        return device.isForgotten;
      },
      release: () => {
        if (!isReleased) {
          device.users -= 1;
          const before = device.held;
          device.unlearn(sensors);
          this.#grown(device, device.held - before);
        }
        isReleased = true;
        settle?.();
        this.#trim();
      },
    };
  }

  forget(deviceId: string): void {
    const device = this.#devices.get(deviceId);
    if (device === undefined) return;
    this.#grown(device, -device.held);
    device.isForgotten = true;
    this.#devices.delete(deviceId);
  }

  /** Gives what says that it is settled, one way or the other. */
  #unsettle(deviceId: string): () => void {
    const ofDevice = this.#unsettled.get(deviceId) ?? new Set();
    this.#unsettled.set(deviceId, ofDevice);
    let settle = (): void => {};
    const settled = new Promise<void>((resolve) => {
      settle = resolve;
    });
    ofDevice.add(settled);
    return () => {
      ofDevice.delete(settled);
      if (ofDevice.size === 0) this.#unsettled.delete(deviceId);
      settle();
    };
  }

  async #device(deviceId: string): Promise<DeviceSensors> {
    const device = this.#devices.get(deviceId);
    if (device === undefined) return this.#loading.get(deviceId) ?? this.#load(deviceId);
    this.#devices.delete(deviceId);
    this.#devices.set(deviceId, device);
    return device;
  }

  #load(deviceId: string): Promise<DeviceSensors> {
    const loading = this.#read(deviceId).finally(() => this.#loading.delete(deviceId));
    this.#loading.set(deviceId, loading);
    return loading;
  }

  async #read(deviceId: string): Promise<DeviceSensors> {
    const { store, sensorsMax } = this.#options;
    // What was admitted before the device was forgotten may be on its way to disk: without it the count would fall
    // behind.
    await Promise.all(this.#unsettled.get(deviceId) ?? []);
    // And what a failed commit has left on disk is seen once the database was opened again.
    await store.renewed();
    const page = await store.page(devicePageKey(deviceId));
    const own = page === undefined ? { sensors: 0, names: 0, totals: [] } : devicePageOf(page);
    const count = own.totals === undefined ? await this.#count(deviceId) : { ...own, before: undefined };
    const device = new DeviceSensors(deviceId, count, sensorsMax);
    this.#devices.set(deviceId, device);
    this.#grown(device, device.held);
    return device;
  }

  /** For a page of an earlier version, once. */
  async #count(deviceId: string): Promise<SensorCount> {
    const sums = createMeasureSums(KEPT_MAX);
    let [sensors, names] = [0, 0];
    for await (const { page } of this.#options.store.pages(deviceId, 'total')) {
      const total = bucketPageOf(page);
      sums.add(totalsOf(total));
      sensors += 1;
      names += 1 + total.names.length;
    }
    return { sensors, names, before: firstOf(sums.inOrder()) };
  }

  /** Reads what is not known of these sensors, a few at a time: their pages may be large. */
  async #look(device: DeviceSensors, sensors: readonly string[]): Promise<void> {
    const unknown = sensors.filter((sensor) => !device.knows(sensor));
    for (let at = 0; at < unknown.length; at += READ_AT_ONCE) {
      const piece = unknown.slice(at, at + READ_AT_ONCE);
      const { deviceId } = device;
      const pages = await Promise.all(
        piece.map((sensor) => this.#options.store.page({ deviceId, kind: 'total', sensor, start: 0 })),
      );
      const before = device.held;
      for (const [i, page] of pages.entries()) device.learn(piece[i]!, page && bucketPageOf(page).names);
      this.#grown(device, device.held - before);
    }
    this.#trim();
  }

  /** Those whom nobody has forgotten count. */
  #grown(device: DeviceSensors, names: number): void {
    if (!device.isForgotten) this.#names += names;
  }

  #trim(): void {
    const namesMax = this.#options.namesMax ?? NAMES_MAX;
    for (const [deviceId, device] of this.#devices) {
      if (this.#names <= namesMax) return;
      if (device.users > 0) continue;
      this.#grown(device, -device.held);
      this.#devices.delete(deviceId);
    }
  }
}

class DeviceSensors {
  readonly deviceId: string;
  readonly #sensorsMax: number;
  /** Measures of those that were looked for; undefined of one that the device does not have. */
  readonly #known = new Map<string, Set<string> | undefined>();
  #count: SensorCount;
  /** Names in memory, and one for itself. */
  held = 1;
  users = 0;
  isForgotten = false;

  constructor(deviceId: string, count: SensorCount, sensorsMax: number) {
    this.deviceId = deviceId;
    this.#count = count;
    this.#sensorsMax = sensorsMax;
  }

  knows(sensor: string): boolean {
    return this.#known.has(sensor);
  }

  /** What another batch has admitted meanwhile is further than what was read. */
  learn(sensor: string, names: readonly string[] | undefined): void {
    if (this.#known.has(sensor)) return;
    this.#known.set(sensor, names && new Set(names));
    this.held += 1 + (names?.length ?? 0);
  }

  /** Those of them that the device does not have: a batch that is refused may name ever others. */
  unlearn(sensors: readonly string[]): void {
    for (const sensor of sensors) {
      if (this.#known.get(sensor) === undefined && this.#known.delete(sensor)) this.held -= 1;
    }
  }

  stored(): void {
    if (this.#count.before !== undefined) this.#count = { ...this.#count, before: undefined };
  }

  admit(deltas: readonly PageDelta[]): SensorCount {
    const fresh: [sensor: string, measures: string[]][] = [];
    let newSensors = 0;
    for (const { key, delta } of deltas) {
      if (key.kind !== 'total') continue;
      const known = this.#known.get(key.sensor);
      const measures = bucketPageOf(delta).names.filter((name) => !known?.has(name));
      if (known === undefined) newSensors++;
      if ((known?.size ?? 0) + measures.length > SENSOR_MEASURES_MAX) {
        throw new GatewayError('measure-limit', `a sensor has at most ${SENSOR_MEASURES_MAX} measures`);
      }
      if (known === undefined || measures.length > 0) fresh.push([key.sensor, measures]);
    }
    const { sensors, names, before } = this.#count;
    if (newSensors > 0 && sensors + newSensors > this.#sensorsMax) {
      throw new GatewayError('sensor-limit', `a device has at most ${this.#sensorsMax} sensors`);
    }
    // One sensor may have as many as any, however few there may be.
    const namesMax = SENSOR_MEASURES_MAX + this.#sensorsMax * (1 + MEASURES_PER_SENSOR);
    const newNames = fresh.reduce((sum, [, measures]) => sum + measures.length, newSensors);
    if (newNames > 0 && names + newNames > namesMax) {
      throw new GatewayError('measure-limit', `a device has at most ${namesMax} sensors and measures of them`);
    }
    for (const [sensor, measures] of fresh) this.#add(sensor, measures);
    this.#count = { sensors: sensors + newSensors, names: names + newNames, before };
    return this.#count;
  }

  #add(sensor: string, measures: readonly string[]): void {
    const known = this.#known.get(sensor) ?? new Set();
    if (!this.#known.has(sensor)) this.held += 1;
    this.#known.set(sensor, known);
    for (const name of measures) known.add(name);
    this.held += measures.length;
  }
}
