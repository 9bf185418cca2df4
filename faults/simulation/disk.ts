/**
 * Disk: databases in memory that keep what was written, and lose what was not.
 *
 * Owns what is durable. A write is durable once it has resolved; one that is under way when the power goes, or that
 * failed, may be on disk or not, in the order in which they were made. Promises that whoever watches hears of each
 * write in the moment in which it becomes durable. Never knows what is written.
 */
import { StoreError } from '../../src/store/index.ts';
import type { Operation, openRocks, Rocks } from '../../src/store/rocks.ts';
import { Database, textOf } from './database.ts';
import { type Bearer, Handle, never } from './handle.ts';
import type { Time } from './time.ts';

/** What may go wrong; each is asked at every opportunity. */
export interface DiskWeather {
  /** The power goes now. */
  crashes(): boolean;
  writeFails(): boolean;
  readFails(): boolean;
  openFails(): boolean;
  /** RocksDB fails at its work behind the scenes. */
  rots(): boolean;
  /** How long a write takes, milliseconds. */
  writeMs(): number;
}

export interface DiskOptions {
  readonly time: Time;
  readonly random: () => number;
  readonly weather: DiskWeather;
  /** A write is durable. */
  readonly onDurable: (path: string, operations: readonly Operation[]) => void;
  /** `crashes` has said so: the machine must go down before this returns. */
  readonly onCrash: () => void;
}

/** What a disk held at some moment. */
export type Image = ReadonlyMap<string, ReadonlyMap<string, Buffer>>;

export interface Disk {
  /** As `openRocks`, for the machine that runs now. */
  readonly open: typeof openRocks;
  /** No room for another write, but for so many. */
  fullBut(writes: number): void;
  isFull(): boolean;
  hasRoom(): void;
  /** Whether a write has failed of which nobody knows whether it is on disk. */
  readonly isInDoubt: boolean;
  /** Reads and openings that have failed: whoever wanted to know what is on disk does not. */
  readonly refusals: number;
  /** The machine goes down: what it holds open is gone, and never answers again. */
  crash(): void;
  image(): Image;
  /** The disk becomes what it was, or what another was. Only while the machine is down. */
  replace(image: Image): void;
  paths(): string[];
  remove(path: string): void;
  rename(from: string, to: string): void;
  /** A value is not what was written any more, from one of its bytes on. Only while the machine is down. */
  spoil(path: string, key: Buffer, from: number): void;
}

export function createDisk(options: DiskOptions): Disk {
  return new MemoryDisk(options);
}

class MemoryDisk implements Disk, Bearer {
  readonly options: DiskOptions;
  #databases = new Map<string, Database>();
  /** How many writes there is room for; the machine's life. */
  #room = Number.POSITIVE_INFINITY;
  life = 0;
  refusals = 0;

  constructor(options: DiskOptions) {
    this.options = options;
  }

  readonly open: typeof openRocks = async (path, { create = true } = {}): Promise<Rocks> => {
    const { life } = this;
    const { time, weather } = this.options;
    await new Promise<void>((resolve) => time.after(weather.writeMs(), resolve));
    if (life !== this.life) return never();
    if (weather.crashes()) return this.crashed();
    if (weather.openFails()) throw this.refused(`open ${path}`);
    let database = this.#databases.get(path);
    if (database === undefined) {
      if (!create) throw new StoreError('not-found', `there is no ${path}`);
      database = new Database(path, this.options);
      this.#databases.set(path, database);
    }
    if (database.handle !== undefined) throw new StoreError('locked', `${path} is open`);
    database.settle();
    const handle = new Handle(database, this);
    database.handle = handle;
    return handle;
  };

  crashed<T>(): Promise<T> {
    this.options.onCrash();
    return never();
  }

  refused(doing: string): StoreError {
    this.refusals += 1;
    return new StoreError('io', `${doing}: input/output error`);
  }

  takeRoom(): boolean {
    this.#room -= 1;
    return this.#room >= 0;
  }

  fullBut(writes: number): void {
    this.#room = writes;
  }

  isFull(): boolean {
    return this.#room <= 0;
  }

  hasRoom(): void {
    this.#room = Number.POSITIVE_INFINITY;
  }

  get isInDoubt(): boolean {
    return [...this.#databases.values()].some(({ tickets }) => tickets.some(({ hasFailed }) => hasFailed));
  }

  crash(): void {
    this.life += 1;
    for (const database of this.#databases.values()) {
      database.handle = undefined;
      database.settle();
    }
  }

  image(): Image {
    return new Map([...this.#databases].map(([path, { values }]) => [path, new Map(values)]));
  }

  replace(image: Image): void {
    this.#databases = new Map();
    for (const [path, values] of image) {
      const database = new Database(path, this.options);
      for (const [key, value] of values) database.put(key, value);
      this.#databases.set(path, database);
    }
  }

  paths(): string[] {
    return [...this.#databases.keys()];
  }

  remove(path: string): void {
    this.#databases.delete(path);
  }

  rename(from: string, to: string): void {
    const values = this.#databases.get(from)!.values;
    this.#databases.delete(from);
    const database = new Database(to, this.options);
    for (const [key, value] of values) database.put(key, value);
    this.#databases.set(to, database);
  }

  spoil(path: string, key: Buffer, from: number): void {
    const database = this.#databases.get(path)!;
    const value = Buffer.from(database.values.get(textOf(key))!);
    const at = from + Math.floor(this.options.random() * (value.length - from));
    value[at]! ^= 1 << Math.floor(this.options.random() * 8);
    database.put(textOf(key), value);
  }
}
