/**
 * Handle: an open database of a simulated disk, as a machine has it.
 *
 * Owns the time that reading and writing take, and how they fail. Promises that a machine which is down never hears
 * from it again, and that a write is durable before it resolves. Never decides what is durable of a write that failed.
 */
import { StoreError } from '../../src/store/index.ts';
import type { KeyRange, Operation, Rocks } from '../../src/store/rocks.ts';
import { type Database, type Ticket, textOf } from './database.ts';
import type { DiskOptions } from './disk.ts';

/** The disk that a handle is on. */
export interface Bearer {
  readonly options: DiskOptions;
  /** Counts the times that the machine went down. */
  readonly life: number;
  /** The power goes: never settles. */
  crashed<T>(): Promise<T>;
  refused(doing: string): StoreError;
  /** Takes room for one more write; false where there is none. */
  takeRoom(): boolean;
}

/** Never settles: what a machine that is down would have heard. */
export function never<T>(): Promise<T> {
  return new Promise(() => {});
}

export class Handle implements Rocks {
  readonly #database: Database;
  readonly #disk: Bearer;
  readonly #life: number;
  /** When the write before this one ends: writes end in order. */
  #busyUntil = 0;
  #underWay = 0;
  #closed = false;
  #idle: () => void = () => {};
  /** What the first failed write failed with; all behind it fail alike until the database is opened anew. */
  #broken: StoreError | undefined;

  constructor(database: Database, disk: Bearer) {
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

  async check(): Promise<void> {
    if (this.#isDead) return never();
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

  readonly leftOut: readonly string[] = [];

  get damage(): undefined {
    return undefined;
  }

  get unmergedFiles(): number {
    return 0;
  }

  async lookThrough(): Promise<void> {
    if (this.#isDead) return never();
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
