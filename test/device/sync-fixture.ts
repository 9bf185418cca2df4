/** A sync loop on a real queue, with deliveries that the test settles one by one and time that it moves. */
import type { TestContext } from 'node:test';
import type { DeclaredGap } from '../../src/codec/index.ts';
import { type Account, createAccount } from '../../src/device/account.ts';
import type { Cut, Parcel } from '../../src/device/cutter.ts';
import { createCutter } from '../../src/device/cutter.ts';
import type { Delivered } from '../../src/device/delivery.ts';
import { createGaps, type Gaps } from '../../src/device/gaps.ts';
import { createSync, type Sync, type SyncOptions } from '../../src/device/sync.ts';
import type { Queue } from '../../src/store/index.ts';
import type { openRocks } from '../../src/store/rocks.ts';
import { cleanUp, queueOf, temporaryDirectory } from './device-fixture.ts';
import { createManualTimer, type ManualTimer } from './manual-timer.ts';

/** One delivery under way. */
export interface Flight {
  readonly first: number;
  readonly last: number;
  settle(delivered?: Delivered): void;
  fail(error: Error): void;
}

export interface Declaration {
  readonly stream: Uint8Array;
  readonly gaps: readonly DeclaredGap[];
  settle(accepted: boolean): void;
}

export interface TestSync {
  readonly sync: Sync;
  readonly queue: Queue;
  readonly account: Account;
  readonly gaps: Gaps;
  readonly timer: ManualTimer;
  readonly flights: Flight[];
  readonly declarations: Declaration[];
  readonly faults: unknown[];
  readonly quarantined: number[];
  readonly data: string;
  /** Lets everything happen that happens without time passing, as long as the disk does not refuse anything. */
  calm(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestSyncOptions extends Partial<SyncOptions> {
  readonly data?: string;
  /** Members to put in the place of the queue's. */
  readonly bend?: (queue: Queue) => Partial<Queue>;
  readonly open?: typeof openRocks;
}

/** The same object with other members in the place of some. */
export function bent<T extends object>(object: T, members: Partial<T>): T {
  return new Proxy(object, {
    get(target, name) {
      const member: unknown = Reflect.get(Object.hasOwn(members, name) ? members : target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

export async function testSync(
  t: TestContext,
  { data: given, bend, open, ...options }: TestSyncOptions = {},
): Promise<TestSync> {
  const data = given ?? (await temporaryDirectory(t));
  const disk = await queueOf(t, data, { onDamage: (gap) => gaps.add(gap) }, open);
  const queue = bend ? bent(disk, bend(disk)) : disk;
  const timer = createManualTimer();
  const account = createAccount(queue.totals, queue.witnessedTotals);
  const gaps = createGaps();
  const stop = new AbortController();
  const flights: Flight[] = [];
  const declarations: Declaration[] = [];
  const faults: unknown[] = [];
  const quarantined: number[] = [];
  const calm = async (): Promise<void> => {
    for (let i = 0; i < 4; i++) {
      await timer.advance(0);
      // Behind every release that is under way, and every cut.
      await sync.standing(async () => {});
    }
    await timer.advance(0);
  };
  const sync = createSync({
    queue,
    cutter: createCutter({ queue, batchEventsMax: 10, batchBytesMax: 1 << 20 }),
    delivery: {
      deliver: (parcel: Parcel) =>
        new Promise((resolve, reject) => {
          const flight: Flight = {
            first: parcel.first,
            last: (parcel as Cut).last,
            settle(delivered = { quarantine: [] }) {
              flights.splice(flights.indexOf(flight), 1);
              resolve(delivered);
            },
            fail(error) {
              flights.splice(flights.indexOf(flight), 1);
              reject(error);
            },
          };
          flights.push(flight);
        }),
      declare: (stream, declared) =>
        new Promise((resolve) => {
          const declaration: Declaration = {
            stream,
            gaps: declared,
            settle(accepted) {
              declarations.splice(declarations.indexOf(declaration), 1);
              resolve(accepted);
            },
          };
          declarations.push(declaration);
        }),
    },
    account,
    census: { cut: () => {}, leaving: (cut) => cut.tally },
    gaps,
    retries: { due: false, inFlight: 0, request: async () => 0, resume: () => {}, send: async () => false },
    timer,
    inFlightMax: 3,
    batchEventsMax: 10,
    lingerMs: 0,
    signal: stop.signal,
    onQuarantine: (entries) => quarantined.push(...entries.map(({ first }) => first)),
    onRelease: () => {},
    onFault: (error) => faults.push(error),
    ...options,
  });
  const loop = sync.run();
  const end = async (): Promise<void> => {
    stop.abort();
    await loop;
  };
  cleanUp(t, end);
  await calm();
  return { sync, queue, account, gaps, timer, flights, declarations, faults, quarantined, data, calm, stop: end };
}
