/**
 * Disk: databases in memory that keep what was written, and lose what was not.
 *
 * Owns what is durable. A write is durable once it has resolved; one that is under way when the power goes, or that
 * failed, may be on disk or not, in the order in which they were made. Promises that whoever watches hears of each write
 * in the moment in which it becomes durable. Never knows what is written.
 */
import { StoreError } from '../../src/store/index.ts';
import type { KeyRange, Operation, openRocks, Rocks } from '../../src/store/rocks.ts';
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

/** Never settles: what a machine that is down would have heard. */
export function never<T>(): Promise<T> {
  return new Promise(() => {});
}

interface Ticket {
  readonly operations: readonly Operation[];
  hasFailed: boolean;
}

class MemoryDisk implements Disk {
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
      database = new Database(path, this);
      this.#databases.set(path, database);
    }
    if (database.handle !== undefined) throw new StoreError('locked', `${path} is open`);
    database.settle();
    database.handle = new Handle(database, this);
    return database.handle;
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
      const database = new Database(path, this);
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
    const database = new Database(to, this);
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

/** Keys are text of one character a byte, so that their order is that of the bytes. */
const textOf = (key: Buffer): string => key.toString('latin1');

class Database {
  readonly path: string;
  readonly values = new Map<string, Buffer>();
  readonly #disk: MemoryDisk;
  /** Ascending. */
  readonly #keys: string[] = [];
  /** Under way, or failed and not known to be on disk or not; in order. */
  tickets: Ticket[] = [];
  handle: Handle | undefined;

  constructor(path: string, disk: MemoryDisk) {
    this.path = path;
    this.#disk = disk;
  }

  /** What is in doubt is decided: some of the first writes are on disk, and no later one. */
  settle(): void {
    const { tickets } = this;
    this.tickets = [];
    for (const { operations } of tickets) {
      if (this.#disk.options.random() < 0.5) return;
      this.apply(operations);
    }
  }

  apply(operations: readonly Operation[]): void {
    for (const operation of operations) {
      const key = textOf(operation.key);
      if (operation.type === 'put') this.put(key, operation.value);
      else if (this.values.delete(key)) this.#keys.splice(placeOf(this.#keys, key), 1);
    }
    this.#disk.options.onDurable(this.path, operations);
  }

  put(key: string, value: Buffer): void {
    if (!this.values.has(key)) this.#keys.splice(placeOf(this.#keys, key), 0, key);
    this.values.set(key, value);
  }

  /** The keys of a range as of now. */
  keysIn({ gte, gt, lt, lte, reverse = false, limit = -1 }: KeyRange): string[] {
    let from = 0;
    let to = this.#keys.length;
    if (gte !== undefined) from = placeOf(this.#keys, textOf(gte));
    if (gt !== undefined) from = Math.max(from, placeOf(this.#keys, `${textOf(gt)}\0`));
    if (lt !== undefined) to = placeOf(this.#keys, textOf(lt));
    if (lte !== undefined) to = Math.min(to, placeOf(this.#keys, `${textOf(lte)}\0`));
    const keys = this.#keys.slice(from, Math.max(from, to));
    if (reverse) keys.reverse();
    return limit < 0 ? keys : keys.slice(0, limit);
  }
}

/** Where a key is, or would be. */
function placeOf(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

class Handle implements Rocks {
  readonly #database: Database;
  readonly #disk: MemoryDisk;
  readonly #life: number;
  /** When the write before this one ends: writes end in order. */
  #busyUntil = 0;
  #underWay = 0;
  #closed = false;
  #idle: () => void = () => {};
  /** What the first failed write failed with; all behind it fail alike until the database is opened anew. */
  #broken: StoreError | undefined;

  constructor(database: Database, disk: MemoryDisk) {
    this.#database = database;
    this.#disk = disk;
    this.#life = disk.life;
  }

  get #isDead(): boolean {
    return this.#life !== this.#disk.life;
  }

  async write(operations: readonly Operation[]): Promise<void> {
    if (this.#isDead) return never();
    this.#assertOpen();
    const { time, weather } = this.#disk.options;
    const ticket: Ticket = { operations: operations.map(copyOf), hasFailed: false };
    this.#database.tickets.push(ticket);
    if (weather.crashes()) return this.#disk.crashed();
    this.#busyUntil = Math.max(this.#busyUntil, time.now + weather.writeMs());
    this.#underWay += 1;
    await new Promise<void>((resolve) => time.after(this.#busyUntil - time.now, resolve));
    if (this.#isDead) return never();
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#idle();
    this.#broken ??= this.#failure();
    if (this.#broken !== undefined) {
      ticket.hasFailed = true;
      throw this.#broken;
    }
    this.#database.tickets = this.#database.tickets.filter((other) => other !== ticket);
    this.#database.apply(ticket.operations);
    // On disk, and nobody hears of it.
    if (weather.crashes()) return this.#disk.crashed();
  }

  #failure(): StoreError | undefined {
    if (!this.#disk.takeRoom()) return new StoreError('disk-full', 'write: No space left on device');
    return this.#disk.options.weather.writeFails() ? new StoreError('io', 'write: input/output error') : undefined;
  }

  async get(key: Buffer): Promise<Buffer | undefined> {
    const [value] = await this.getMany([key]);
    return value;
  }

  async getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    if (this.#isDead) return never();
    this.#assertOpen();
    const { time, random, weather } = this.#disk.options;
    if (random() < 0.1) await new Promise<void>((resolve) => time.after(random() * 5, resolve));
    if (this.#isDead) return never();
    if (weather.readFails()) throw this.#disk.refused('read');
    return keys.map((key) => {
      const value = this.#database.values.get(textOf(key));
      return value && Buffer.from(value);
    });
  }

  async *entries(range: KeyRange): AsyncGenerator<readonly [Buffer, Buffer], void, void> {
    if (this.#isDead) return await never();
    this.#assertOpen();
    const entries = this.#database.keysIn(range).map((key) => [key, this.#database.values.get(key)!] as const);
    for (const [key, value] of entries) {
      if (this.#isDead) return await never();
      this.#assertOpen();
      yield [Buffer.from(key, 'latin1'), Buffer.from(value)];
    }
  }

  async bytesIn(): Promise<number> {
    return this.#isDead ? never() : 0;
  }

  async compact(): Promise<void> {
    if (this.#isDead) return never();
  }

  get mendedBits(): number {
    return 0;
  }

  get unsortedBytes(): number {
    return 0;
  }

  get failures(): number {
    return this.#disk.options.weather.rots() ? 1 : 0;
  }

  async calm(): Promise<boolean> {
    return this.#isDead ? never() : true;
  }

  async close(): Promise<void> {
    if (this.#isDead) return never();
    this.#closed = true;
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    if (this.#isDead) return never();
    if (this.#database.handle === this) this.#database.handle = undefined;
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreError('closed', 'the database is closed');
  }
}

function copyOf(operation: Operation): Operation {
  const key = Buffer.from(operation.key);
  return operation.type === 'put' ? { type: 'put', key, value: Buffer.from(operation.value) } : { type: 'del', key };
}
