/**
 * Siege: as many connections as there may be, which say nothing, while a real device goes on delivering to a real
 * gateway.
 *
 * Owns the connections and both processes. Promises to have them all open at once as far as this machine allows, and
 * that the gateway itself lets go of each. Never closes one before that.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Program, peakMemoryBytes } from '../../rig/programs.ts';
import type { Ground } from '../campaign.ts';
import {
  askOracle,
  createDeviceSide,
  createGatewaySide,
  type DeviceRun,
  type DeviceSide,
  type GatewaySide,
} from '../sides.ts';
import { megabytes } from './gauge.ts';
import { Breach } from './kind.ts';

export const SILENCE = 'connections that say nothing';

const CONNECTIONS = 10_000;

/** What a process has open besides. */
const FILES = 400;

/** At a time, as a backlog of connections to accept is not endless. */
const OPENING = 250;

/** Of the gateway, at its most: its caches are far from full, and each connection costs it some 20 KiB. */
const MEMORY_MAX_BYTES = 768 * 2 ** 20;

/** A head may take 15 s, and is looked for every 5 s; and the machine may have other things to do. */
const LET_GO_MS = 60_000;
const DELIVERIES = 20;
const PATIENCE_MS = 60_000;

export interface Siege {
  /** Resolves once the gateway has let go of every connection, the device has drained, and the oracle has judged. */
  end(): Promise<SiegeResult>;
}

export interface SiegeResult {
  readonly connections: number;
  readonly events: number;
  readonly lost: number;
  readonly doubled: number;
  /** From the last connection's opening to the last one's end. */
  readonly letGoMs: number;
  readonly note: string;
}

/** Resolves once all connections are open and the device has delivered behind them. */
export async function besiege({ programs, folder, seed }: Ground): Promise<Siege> {
  const own = join(folder, 'siege');
  const wanted = Math.min(CONNECTIONS, filesMax() - FILES);
  const gateway = await createGatewaySide({
    programs,
    folder: own,
    flags: ['--connections-max', `${CONNECTIONS + FILES}`],
  });
  const device = createDeviceSide({ programs, folder: own, id: 'pump-1', secretFile: await gateway.addKey('pump-1') });
  const { pid } = await gateway.start();
  const run = { gateway: gateway.url, seed, events: null, pauseMaxMs: 80, burstMax: 16 };
  const deliveries = watch(await device.start(run));
  await deliveries.more(1);
  const silence = new Silence(Number(new URL(gateway.url).port));
  await silence.open(wanted);
  await deliveries.more(DELIVERIES);
  const held = silence.openNow;
  const bytes = peakMemoryBytes(pid);
  if (bytes !== undefined && bytes > MEMORY_MAX_BYTES) throw new Breach(`the gateway holds ${megabytes(bytes)}`);
  return {
    async end() {
      const letGoMs = await silence.end();
      await deliveries.more(DELIVERIES);
      const verdict = await judge(gateway, device, run, programs);
      const memory = bytes === undefined ? '' : `, the gateway at ${megabytes(bytes)}`;
      return {
        connections: silence.opened,
        events: verdict.resolved,
        lost: verdict.lost.length,
        doubled: verdict.doubled.length,
        letGoMs,
        note: `${held.toLocaleString('en')} open at once${wanted < CONNECTIONS ? ' (ulimit -n)' : ''}${memory}`,
      };
    },
  };
}

async function judge(gateway: GatewaySide, device: DeviceSide, run: DeviceRun, programs: Ground['programs']) {
  const account = await device.drain(run, PATIENCE_MS);
  const { id: deviceId, journal } = device;
  const verdict = await askOracle(programs, { gateway: gateway.url, deviceId, journal, account, idsStay: true });
  const status = await gateway.stop();
  if (status !== 0) throw new Breach(`the gateway ended with status ${status}`);
  if (verdict.problems.length > 0) throw new Breach(verdict.problems.join('; '));
  return verdict;
}

interface Deliveries {
  /** Resolves once the device has been acknowledged so often from now on. */
  more(count: number): Promise<void>;
}

function watch(program: Program): Deliveries {
  let delivered = 0;
  let look = (): void => {};
  program.onLine((line) => {
    if (!line.startsWith('{"acknowledged"')) return;
    delivered++;
    look();
  });
  return {
    more(count) {
      const enough = delivered + count;
      return new Promise((resolve, reject) => {
        const timeout = setTimeout(
          () => reject(new Breach(`${enough - delivered} deliveries did not come`)),
          PATIENCE_MS,
        );
        look = () => {
          if (delivered < enough) return;
          clearTimeout(timeout);
          resolve();
        };
        program.ended.then(({ status }) => reject(new Breach(`the device ended with status ${status}`)), reject);
      });
    },
  };
}

class Silence {
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #onGone = (): void => {};
  #openedAt = 0;
  #goneAt = 0;
  opened = 0;

  constructor(port: number) {
    this.#port = port;
  }

  get openNow(): number {
    return this.#sockets.size;
  }

  async open(count: number): Promise<void> {
    for (let left = count; left > 0; left -= OPENING) {
      await Promise.all(Array.from({ length: Math.min(left, OPENING) }, () => this.#openOne()));
    }
    this.#openedAt = performance.now();
  }

  /** Resolves once the other side has closed the last of them, with how long that took. */
  async end(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      const timeout = setTimeout(() => reject(new Breach(`${this.openNow} connections are still open`)), LET_GO_MS);
      this.#onGone = () => {
        if (this.#sockets.size > 0) return;
        clearTimeout(timeout);
        resolve();
      };
      this.#onGone();
    });
    return this.#goneAt - this.#openedAt;
  }

  #openOne(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect(this.#port, '127.0.0.1');
      socket.resume();
      socket.on('error', () => {});
      socket.once('connect', () => {
        this.opened++;
        this.#sockets.add(socket);
        resolve();
      });
      socket.once('close', () => {
        this.#sockets.delete(socket);
        this.#goneAt = performance.now();
        this.#onGone();
        resolve();
      });
    });
  }
}

/** Files that a process may have open; both sides have the same. */
function filesMax(): number {
  try {
    const limit = /^Max open files +\d+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return Number(limit ?? Number.POSITIVE_INFINITY);
  } catch {
    // Elsewhere the hard limit is seldom less.
    return Number.POSITIVE_INFINITY;
  }
}
