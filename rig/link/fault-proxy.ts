/**
 * FaultProxy: a bad link on purpose, between a device and a gateway on this machine.
 *
 * Owns the listening socket, the outages and the counts. Promises that every fault is chosen by the seed and counted by
 * its name, and that after `heal()` it is a plain proxy. Never listens but on loopback.
 */
import assert from 'node:assert/strict';
import { once, setMaxListeners } from 'node:events';
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRandom } from '../random.ts';
import { commit, type FaultName, type OutageKind } from './faults.ts';
import { createLine, type Line, type LineOptions } from './line.ts';
import { type Answer, createPassage, LinkDown } from './passage.ts';
import { createSchedule, type FaultRates, type FaultScript, isScript, type Schedule } from './schedule.ts';

export interface FaultProxyOptions {
  /** The gateway, `http://host:port`. */
  readonly target: string | URL;
  /** What happens to how many requests, or to which. Default: nothing. */
  readonly faults?: FaultRates | FaultScript;
  /** Decides which request meets which fault. */
  readonly seed: number;
  /** How slow the link is. Default: not at all. */
  readonly line?: LineOptions;
  /** Every request is held for a random time up to this, milliseconds. Default 0. */
  readonly latencyMaxMs?: number;
  /** The fault `delay` holds a request for a random time up to this, milliseconds. Default 1,000. */
  readonly delayMaxMs?: number;
  /** How long an outage lasts, milliseconds. Default 2,000. */
  readonly outageMs?: number;
  /** Another gateway with other keys for the same devices, `http://host:port`; the fault `stranger` needs it. */
  readonly stranger?: string | URL;
  /** A request has its answer, or its connection is gone. */
  readonly onOver?: (over: RequestOver) => void;
}

/** How a request ended for the device. */
export interface RequestOver {
  readonly fault: FaultName | 'none';
  readonly headers: IncomingHttpHeaders;
  /** Undefined where no whole answer was given. */
  readonly status: number | undefined;
}

export interface FaultProxyStats {
  readonly requests: number;
  /** Requests, or connections during an outage, that met a fault. */
  readonly faultsInjected: number;
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  /** Requests whose connection broke on either side by itself: the gateway was gone, or the device gave up. */
  readonly broken: number;
}

export interface FaultProxy {
  /** For the device: `http://127.0.0.1:port`. */
  readonly url: string;
  stats(): FaultProxyStats;
  /** Ends all faults, at once and for good. */
  heal(): void;
  close(): Promise<void>;
}

export async function createFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const proxy = new BadLink(options);
  await proxy.listen();
  return proxy;
}

const DEFAULTS = { faults: {}, latencyMaxMs: 0, delayMaxMs: 1_000, outageMs: 2_000 };

/** How many later requests a request that turns up late lets pass, at most. */
const LATER_MAX = 12;

/** Longer than any client keeps a connection that it does not use, so that only faults break connections. */
const KEEP_ALIVE_MS = 120_000;

class BadLink implements FaultProxy {
  url = '';
  readonly #options: Required<Omit<FaultProxyOptions, 'line' | 'stranger' | 'onOver'>> & FaultProxyOptions;
  readonly #target: URL;
  readonly #stranger: URL | undefined;
  readonly #schedule: Schedule;
  /** Apart from the schedule's, so that a length of time never shifts the choice of faults. */
  readonly #random: () => number;
  readonly #line: Line | undefined;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #counts = new Map<FaultName, number>();
  readonly #closed = new AbortController();
  readonly #healing = new AbortController();
  readonly #late = new Set<{ left: number; readonly turnUp: () => void }>();
  #earlier: Answer | undefined;
  #outage: { readonly kind: OutageKind; readonly timer: NodeJS.Timeout } | undefined;
  #requests = 0;
  #broken = 0;

  constructor(options: FaultProxyOptions) {
    this.#options = { ...DEFAULTS, ...options };
    const { target, stranger, faults, seed } = this.#options;
    this.#target = plainUrl(target);
    this.#stranger = stranger === undefined ? undefined : plainUrl(stranger);
    const hasStranger = isScript(faults) ? faults.includes('stranger') : (faults.stranger ?? 0) > 0;
    assert(this.#stranger !== undefined || !hasStranger, 'a stranger who answers must be there');
    this.#schedule = createSchedule(faults, createRandom(seed));
    this.#random = createRandom(~seed);
    this.#line = options.line && createLine(options.line);
    // Every connection that is held listens.
    setMaxListeners(0, this.#closed.signal, this.#healing.signal);
    const limits = { keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 };
    this.#server = createServer(limits, (incoming, outgoing) => void this.#pass(incoming, outgoing));
    this.#server.on('connection', (socket) => this.#connected(socket));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stats(): FaultProxyStats {
    const faultsInjected = [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
    const faults = Object.fromEntries(this.#counts);
    return { requests: this.#requests, faultsInjected, faults, broken: this.#broken };
  }

  heal(): void {
    this.#schedule.heal();
    this.#endOutage();
    this.#line?.release();
    this.#healing.abort();
    for (const { turnUp } of this.#late) turnUp();
  }

  async close(): Promise<void> {
    this.heal();
    this.#closed.abort();
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    for (const socket of this.#sockets) socket.destroy();
    this.#agent.destroy();
    await closed;
  }

  #connected(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    if (this.#outage?.kind !== 'reset') return;
    this.#count('outage-reset');
    socket.resetAndDestroy();
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    this.#requests++;
    const isDown = () => this.#outage !== undefined;
    const onSuccess = (answer: Answer) => {
      this.#earlier = answer;
    };
    const parts = { incoming, outgoing, target: this.#target, agent: this.#agent, line: this.#line };
    const passage = createPassage({ ...parts, isDown, onSuccess });
    // The end of the outage will find the connection, and reset it.
    const fault = this.#outage ? (`outage-${this.#outage.kind}` as const) : this.#schedule.next();
    if (fault !== 'none') this.#count(fault);
    void passage.over().then(() => this.#over({ fault, headers: incoming.headers, status: passage.status }));
    if (this.#outage) return;
    try {
      await this.#hold(this.#options.latencyMaxMs);
      await commit(fault, {
        passage,
        stranger: this.#stranger,
        random: this.#random,
        pause: () => this.#hold(this.#options.delayMaxMs),
        outage: (kind) => this.#beginOutage(kind),
        later: () => this.#later(),
        healed: () => this.#healed(),
        earlier: () => this.#earlier,
      });
    } catch (error) {
      if (error instanceof LinkDown) return;
      this.#broken++;
      passage.reset();
    }
  }

  #over(over: RequestOver): void {
    this.#options.onOver?.(over);
    if (over.status === undefined) return;
    for (const late of this.#late) if (--late.left === 0) late.turnUp();
  }

  #later(): Promise<void> {
    if (this.#healing.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const late = {
        left: 1 + Math.floor(this.#random() * LATER_MAX),
        turnUp: () => {
          this.#late.delete(late);
          resolve();
        },
      };
      this.#late.add(late);
    });
  }

  async #healed(): Promise<void> {
    const { signal } = this.#healing;
    if (!signal.aborted) await once(signal, 'abort');
  }

  async #hold(maxMs: number): Promise<void> {
    if (maxMs > 0) await sleep(this.#random() * maxMs, undefined, { signal: this.#closed.signal });
  }

  #beginOutage(kind: OutageKind): void {
    this.#endOutage();
    const timer = setTimeout(() => this.#endOutage(), this.#options.outageMs);
    this.#outage = { kind, timer };
    if (kind === 'reset') this.#resetAll();
  }

  /** After silence the connections are dead too: what forwarded them has forgotten them. */
  #endOutage(): void {
    if (!this.#outage) return;
    clearTimeout(this.#outage.timer);
    if (this.#outage.kind === 'silence') this.#resetAll();
    this.#outage = undefined;
  }

  #resetAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  #count(fault: FaultName): void {
    this.#counts.set(fault, (this.#counts.get(fault) ?? 0) + 1);
  }
}

function plainUrl(target: string | URL): URL {
  const url = new URL(target);
  assert.equal(url.protocol, 'http:', 'the proxy speaks plain HTTP');
  return url;
}
