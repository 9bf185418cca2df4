/**
 * DeviceMachine: a device as its owner sees it: a disk, a credential, a program that records, and a process that may
 * die.
 *
 * Owns the real device on a disk in memory, and what its program does. Promises that a process which has died records
 * nothing and sends nothing; that an error without a code is a breach; and that what the device says of itself is held
 * against what is on its disk. Never decides when anything happens.
 */

import { createRandom } from '../../rig/random.ts';
import { type Device, type DeviceOptions, openDevice, type Transport } from '../../src/device/index.ts';
import { openQueue } from '../../src/store/index.ts';
import { numberKey, QUEUE } from '../../src/store/keys.ts';
import type { Reading } from '../telemetry.ts';
import { pick } from './chance.ts';
import type { Custody } from './custody.ts';
import { createDisk, type Disk, type DiskOptions, type DiskWeather } from './disk.ts';
import { createDiskFiles } from './disk-files.ts';
import { difference, type Fact, sumsOf, unitsOf } from './facts.ts';
import { MINUTE_MS, type Time } from './time.ts';
import type { Trace } from './trace.ts';

export type Habits = Omit<
  DeviceOptions,
  'id' | 'gateway' | 'credential' | 'data' | 'transport' | 'clock' | 'timer' | 'random' | 'randomBytes' | 'ca'
>;

export interface DeviceMachineOptions {
  readonly name: string;
  readonly id: string;
  readonly time: Time;
  readonly random: () => number;
  readonly trace: Trace;
  readonly epoch: number;
  readonly weather: DiskWeather;
  readonly custody: Custody;
  readonly transport: (machine: DeviceMachine) => Transport;
  readonly attempt: (line: Reading) => Fact;
  readonly onCrash: () => void;
  readonly onDurable: DiskOptions['onDurable'];
  breach(what: string): void;
}

export class DeviceMachine {
  readonly name: string;
  readonly id: string;
  readonly disk: Disk;
  readonly custody: Custody;
  readonly #options: DeviceMachineOptions;
  #device: Device | undefined;
  #isWanted = false;
  #stopping: Promise<void> = Promise.resolve();
  /** Appends that have not come to an end, and whether one of them ended without anyone knowing how. */
  #recording = 0;
  #isInDoubt = false;
  life = 0;
  credential = '';
  habits: Habits = {};
  clockOffsetMs = 0;
  /** Where its clock stands still; undefined where it goes. */
  frozenAt: number | undefined;
  /** Seed of what its system has for randomness when it starts. */
  entropy = 0;

  constructor(options: DeviceMachineOptions) {
    this.#options = options;
    const { time, random, weather, onCrash } = options;
    this.name = options.name;
    this.id = options.id;
    this.custody = options.custody;
    this.disk = createDisk({
      ...{ time, random, weather, onCrash, onDurable: options.onDurable },
    });
  }

  readonly clock = (): number => {
    const { time, epoch } = this.#options;
    return this.frozenAt ?? Math.floor(epoch + time.now + this.clockOffsetMs);
  };

  get isUp(): boolean {
    return this.#device !== undefined;
  }

  get device(): Device {
    if (this.#device === undefined) throw new Error(`${this.name} is down`);
    return this.#device;
  }

  /** Opens the device, again and again where the disk does not let it. */
  start(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    void this.#begin();
  }

  crash(): void {
    this.#isWanted = false;
    this.life += 1;
    this.#device = undefined;
    this.#recording = 0;
    this.#isInDoubt = false;
    this.#stopping = Promise.resolve();
    this.disk.crash();
  }

  /** As its owner stops it: resolves once it has let go of its disk. */
  stop(): Promise<void> {
    this.#isWanted = false;
    const device = this.#device;
    this.#device = undefined;
    if (device !== undefined) this.#stopping = this.#stop(device);
    return this.#stopping;
  }

  /** Has the program record these, each by itself or all in one. */
  record(lines: readonly Reading[], together: boolean): void {
    const device = this.#device;
    if (device === undefined) return;
    const facts = lines.map((line) => this.#options.attempt(line));
    if (together) {
      const rows = lines.map((line) => ({ ts: line.ts, sensor: line.sensor, fields: fieldsOf(line) }));
      this.#await(facts, device.recordAll(rows, [{ name: 'input', value: Buffer.from(String(lines.at(-1)!.serial)) }]));
      return;
    }
    lines.forEach((line, i) => {
      const { ts, sensor } = line;
      // Without a time it gets what the clock says, which is what this one has.
      const options = ts === this.clock() ? { sensor } : { at: ts, sensor };
      this.#await([facts[i]!], device.record(fieldsOf(line), options));
    });
  }

  /** As a person does who has put right what was wrong at the gateway, or believes so. */
  retryRefusals(): void {
    const { life } = this;
    this.device.retryQuarantine().catch((error: unknown) => {
      if (life === this.life) this.#codeOf(error);
    });
  }

  /** A stored block rots; false where there is none. Only while the machine is down. */
  spoilBlock(): boolean {
    const { path, blockFirsts } = this.custody;
    if (path === undefined || blockFirsts.length === 0) return false;
    const first = pick(this.#options.random, blockFirsts);
    // Behind the seal and the count: where that has rotted, how far damage reaches is a guess.
    this.disk.spoil(path, numberKey(QUEUE.block, first), 8);
    this.custody.spoiled(first);
    return true;
  }

  /** Holds what the device says of itself against its disk; the sums, which take longer, only where asked to. */
  check(withSums = true): void {
    const device = this.#device;
    if (device === undefined || this.#recording > 0 || this.#isInDoubt) return;
    const { recorded, delivered, queued, quarantined, gaps, counting } = device.status();
    if (counting) return;
    const sum = delivered.events + queued.events + quarantined.events + gaps.events;
    if (sum !== recorded.events) this.#breach(`recorded ${recorded.events}, and the parts come to ${sum}`);
    if (recorded.events !== this.custody.recorded.size) {
      this.#breach(`says it recorded ${recorded.events} events, and ${this.custody.recorded.size} came to its disk`);
    }
    if (!withSums) return;
    const said = new Map(Object.entries(recorded.sums).map(([name, text]) => [name, unitsOf(text)]));
    const wrong = difference(said, this.custody.recordedSums());
    if (wrong !== undefined) this.#breach(`says a wrong sum of what it recorded: ${wrong}`);
  }

  /** The same to the last event, once nothing is under way. */
  settle(): void {
    this.check();
    if (this.#isInDoubt) return;
    const { delivered, queued, quarantined, gaps } = this.device.status();
    const expect = (what: string, is: number, should: number): void => {
      if (is !== should) this.#breach(`says ${is} events are ${what}, and ${should} are`);
    };
    const { custody } = this;
    expect('delivered', delivered.events, custody.delivered.size);
    expect('queued', queued.events, 0);
    expect('in quarantine', quarantined.events, custody.quarantined.length);
    expect('given up', gaps.events, [...custody.gaps].flatMap(({ facts }) => facts).length);
    const said = new Map(Object.entries(delivered.sums).map(([name, text]) => [name, unitsOf(text)]));
    const wrong = difference(said, sumsOf(custody.delivered));
    if (wrong !== undefined) this.#breach(`says a wrong sum of what it delivered: ${wrong}`);
  }

  async #stop(device: Device): Promise<void> {
    const { life } = this;
    await device.close();
    if (life !== this.life) return;
    this.life += 1;
    this.#recording = 0;
    this.#isInDoubt = false;
  }

  async #begin(): Promise<void> {
    const stopping = this.#stopping;
    await stopping;
    // Another may have begun it meanwhile, behind a crash or another stop.
    if (!this.#isWanted || stopping !== this.#stopping) return;
    this.custody.begin();
    await this.#start();
  }

  async #start(): Promise<void> {
    const { random, trace, time, transport } = this.#options;
    const life = this.life;
    const isAlive = (): boolean => life === this.life;
    const entropy = createRandom(this.entropy);
    const files = createDiskFiles({
      disk: this.disk,
      isAlive,
      onPublished: (path) => this.custody.published(path),
    });
    try {
      const device = await openDevice(
        {
          ...this.habits,
          ...{ id: this.id, credential: this.credential, gateway: 'http://gateway.invalid', data: '/data' },
          transport: transport(this),
          clock: this.clock,
          timer: {
            now: () => time.now,
            after: (delayMs, callback) => time.after(delayMs, () => isAlive() && callback()),
          },
          random,
          randomBytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(entropy() * 256)),
        },
        (options) => openQueue(options, this.disk.open, files),
      );
      if (!isAlive()) return;
      if (!this.#isWanted) return await device.close();
      device.on('fault', (error) => {
        if (isAlive()) this.#codeOf(error);
      });
      this.#device = device;
      trace.add(`${this.name} up`);
    } catch (error) {
      if (!isAlive() || !this.#isWanted) return;
      trace.add(`${this.name} does not open: ${this.#codeOf(error)}`);
      time.after(MINUTE_MS, () => {
        if (isAlive() && this.#isWanted) void this.#start();
      });
    }
  }

  #await(facts: readonly Fact[], receipt: Promise<{ stream: string; sequence: number }>): void {
    const { life } = this;
    const { refusals } = this.disk;
    this.#recording += 1;
    receipt.then(
      ({ sequence }) => {
        if (life !== this.life) return;
        this.#recording -= 1;
        this.#isInDoubt = false;
        facts.forEach((fact, i) => {
          fact.standing = 'resolved';
          if (!this.custody.recorded.has(fact)) {
            this.#breach(`event ${fact.serial} (${sequence + i}) is recorded, and not on disk`);
          }
        });
      },
      (error: unknown) => {
        if (life !== this.life) return;
        this.#recording -= 1;
        const code = this.#codeOf(error);
        this.#options.trace.add(`${this.name} refuses ${facts.length} events: ${code}`);
        // Nobody could look whether they are on disk after all.
        if (this.disk.isInDoubt || this.disk.refusals > refusals) this.#isInDoubt = true;
        else for (const fact of facts) fact.standing = 'refused';
      },
    );
  }

  /** Every failure has one that tells the program what to do. */
  #codeOf(error: unknown): string {
    const { code } = error as { code?: unknown };
    if (typeof code === 'string' && code !== 'ERR_ASSERTION') return code;
    this.#breach(`fails without a code: ${String((error as Error).stack ?? error)}`);
    return 'none';
  }

  #breach(what: string): void {
    this.#options.breach(`${this.name}: ${what}`);
  }
}

function fieldsOf({ measures, notes }: Reading): Record<string, number | string | boolean> {
  const numbers = Object.entries(measures).map(([name, text]) => [name, Number(text)] as const);
  return { ...Object.fromEntries(numbers), ...notes };
}
