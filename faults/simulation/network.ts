/**
 * Network: what lies between devices and their gateway.
 *
 * Owns the way of each request and its answer: delays, losses, copies, damage, boxes that answer for the gateway.
 * Promises that the judges learn of each answer of the gateway's that reaches a device unchanged, and of no other.
 * Never signs anything with a device's key.
 */
import { HEADER } from '../../src/codec/index.ts';
import type { Transport, TransportAnswer, TransportRequest } from '../../src/device/index.ts';
import { type Claim, claimOf, hear } from './claim.ts';
import { damagedAnswer, damagedRequest } from './damage.ts';
import type { DeviceMachine } from './device-machine.ts';
import type { Faults } from './faults.ts';
import { networkError } from './gateway-machine.ts';
import { never } from './handle.ts';
import { impostorAnswer, strangerAnswer } from './impostors.ts';
import { createPatience, type Patience } from './patience.ts';
import type { Time } from './time.ts';
import type { Trace } from './trace.ts';

/** Where a device's requests go. */
export type Route = 'gateway' | 'refused' | 'nowhere' | 'portal' | 'stranger';

export interface NetworkOptions {
  readonly time: Time;
  readonly random: () => number;
  readonly faults: Faults;
  readonly trace: Trace;
  /** The gateway's answer to a request as it arrives; `claim` is undefined where it arrives damaged. */
  readonly answer: (request: TransportRequest, claim: Claim | undefined) => Promise<TransportAnswer>;
  /** The gateway's clock, epoch milliseconds. */
  readonly clock: () => number;
  /** The longest that a copy is late, milliseconds. */
  readonly lateMaxMs: number;
  breach(what: string): void;
}

export interface Network {
  transport(machine: DeviceMachine): Transport;
  route(machine: DeviceMachine, route: Route): void;
  /** The program has called `probe()`. */
  probed(machine: DeviceMachine): void;
  /** Requests that devices have sent. */
  readonly posts: number;
}

export function createNetwork(options: NetworkOptions): Network {
  return new UnreliableNetwork(options);
}

/** Genuine answers that may be played again. */
const KEPT_ANSWERS = 8;

/** How long a request takes, one way. */
const LATENCY_MS = 200;

const REQUEST_TIMEOUT_MS = 60_000;

class UnreliableNetwork implements Network {
  readonly #options: NetworkOptions;
  readonly #routes = new Map<DeviceMachine, Route>();
  readonly #patience = new Map<DeviceMachine, Patience>();
  readonly #kept: TransportAnswer[] = [];
  posts = 0;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  route(machine: DeviceMachine, route: Route): void {
    this.#routes.set(machine, route);
  }

  probed(machine: DeviceMachine): void {
    this.#patience.get(machine)?.probed();
  }

  transport(machine: DeviceMachine): Transport {
    const { life, name } = machine;
    const { time, breach } = this.#options;
    const { retryBaseMs = 500, retryMaxMs = 60_000, inFlightMax = 4, requestTimeoutMs } = machine.habits;
    const patience = createPatience({
      ...{ time, retryBaseMs, retryMaxMs, inFlightMax },
      breach: (what) => breach(`${name}: ${what}`),
    });
    this.#patience.set(machine, patience);
    const signatures = new Set<string>();
    return {
      reach: () =>
        new Promise((resolve, reject) => {
          if (life !== machine.life) return;
          const isThere = this.#routes.get(machine) !== 'refused';
          if (isThere) return resolve();
          patience.asked();
          time.after(LATENCY_MS * this.#options.random(), () => {
            if (life === machine.life) reject(networkError('ENETUNREACH'));
          });
        }),
      post: (request) =>
        new Promise((resolve, reject) => {
          if (life !== machine.life) return;
          const { signal, headers } = request;
          if (signal.aborted) return reject(signal.reason);
          this.posts += 1;
          patience.asked();
          const signature = headers[HEADER.signature]!;
          if (signatures.has(signature)) breach(`${name}: two requests carry the same signature`);
          signatures.add(signature);
          const passage = new Passage(this.#options, this.#kept, () => this.#routes.get(machine) ?? 'gateway', {
            ...{ machine, request },
            answered(answer, claim, isGenuine = false) {
              if (life !== machine.life || !end()) return;
              if (isGenuine) patience.heard(answer);
              if (claim !== undefined) hear(claim, answer, machine.custody);
              resolve(answer);
            },
            failed(code) {
              if (life === machine.life && end()) reject(networkError(code));
            },
          });
          let isOver = false;
          const end = (): boolean => {
            if (isOver) return false;
            isOver = true;
            cancel();
            signal.removeEventListener('abort', aborted);
            return true;
          };
          const aborted = (): void => {
            if (life === machine.life && end()) reject(signal.reason);
          };
          const cancel = time.after(requestTimeoutMs ?? REQUEST_TIMEOUT_MS, () => {
            if (life === machine.life && end()) reject(networkError('ETIMEDOUT'));
          });
          signal.addEventListener('abort', aborted, { once: true });
          passage.begin();
        }),
      close: async () => (life === machine.life ? undefined : never()),
    };
  }
}

interface Sender {
  readonly machine: DeviceMachine;
  readonly request: TransportRequest;
  /** Genuine where it is the gateway's own, unchanged; with a claim where the request had arrived unchanged as well. */
  answered(answer: TransportAnswer, claim?: Claim, isGenuine?: boolean): void;
  failed(code: string): void;
}

/** One request on its way, and whatever comes back. */
class Passage {
  readonly #options: NetworkOptions;
  readonly #kept: TransportAnswer[];
  readonly #route: () => Route;
  readonly #sender: Sender;

  constructor(options: NetworkOptions, kept: TransportAnswer[], route: () => Route, sender: Sender) {
    this.#options = options;
    this.#kept = kept;
    this.#route = route;
    this.#sender = sender;
  }

  begin() {
    const { random, faults, trace, clock, breach } = this.#options;
    const { machine, request, answered, failed } = this.#sender;
    const route = this.#route();
    trace.add(`${machine.name} sends ${request.body.length} bytes at ${request.headers[HEADER.timestamp]} to ${route}`);
    if (route === 'refused') return this.#after(1, () => failed('ENETUNREACH'));
    if (route === 'nowhere') return;
    const claim = claimOf(request, machine.custody, (what) => breach(`${machine.name}: ${what}`));
    if (route === 'portal' || faults.strikes('impostor')) {
      return this.#after(1, () => answered(impostorAnswer(claim, random)));
    }
    if (route === 'stranger' || faults.strikes('stranger')) {
      return this.#after(1, () => answered(strangerAnswer(claim, request, clock())));
    }
    const { lateMaxMs } = this.#options;
    const late = (): number => lateMaxMs * random() ** 3;
    if (faults.strikes('requestDoubled')) {
      for (let copies = 1 + Math.floor(random() * 2); copies > 0; copies--) {
        this.#after(1 + (random() < 0.5 ? late() / LATENCY_MS : 0), () => void this.#arrive(request, claim, false));
      }
    }
    if (faults.strikes('requestLost')) return this.#lose();
    if (faults.strikes('requestDamaged')) {
      const damaged = damagedRequest(request, random);
      return this.#after(1, () => void this.#arrive(damaged, undefined, true));
    }
    const delay = faults.strikes('requestLate') ? late() / LATENCY_MS : 1;
    this.#after(delay, () => void this.#arrive(request, claim, true));
  }

  async #arrive(request: TransportRequest, claim: Claim | undefined, isAwaited: boolean): Promise<void> {
    const { random, faults, answer } = this.#options;
    const { answered, failed } = this.#sender;
    if (this.#route() !== 'gateway') return;
    let genuine: TransportAnswer;
    try {
      genuine = await answer(request, claim);
    } catch (error) {
      if (isAwaited && random() < 0.5) failed((error as NodeJS.ErrnoException).code ?? 'ECONNRESET');
      return;
    }
    if (!isAwaited || this.#route() !== 'gateway') return;
    this.#kept.push(genuine);
    if (this.#kept.length > KEPT_ANSWERS) this.#kept.shift();
    if (faults.strikes('answerLost')) return this.#lose();
    if (faults.strikes('answerDamaged')) return this.#after(1, () => answered(damagedAnswer(genuine, random)));
    const replayed = this.#kept[Math.floor(random() * this.#kept.length)]!;
    if (replayed !== genuine && faults.strikes('answerReplayed')) return this.#after(1, () => answered(replayed));
    this.#after(1, () => answered(genuine, claim, true));
  }

  /** In silence, or with a reset. */
  #lose(): void {
    if (this.#options.random() < 0.5) this.#after(1, () => this.#sender.failed('ECONNRESET'));
  }

  #after(latencies: number, callback: () => void): void {
    const { time, random } = this.#options;
    time.after(latencies * LATENCY_MS * (0.1 + random()), callback);
  }
}
