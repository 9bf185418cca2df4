/**
 * World: devices, a gateway, the network between them, and the judges who watch.
 *
 * Owns how they are put together, and what can be done to them: crash and restart, copy a disk, turn a key. Promises
 * that nothing goes on after the first breach. Never decides when anything is done.
 */

import { createRandom } from '../../rig/random.ts';
import { encodeAnswer, formatCredential, HEADER, problemOf } from '../../src/codec/index.ts';
import type { TransportAnswer, TransportRequest } from '../../src/device/index.ts';
import { type Reading, telemetry } from '../telemetry.ts';
import { Books } from './books.ts';
import { type Chance, pick, spread, whole } from './chance.ts';
import { type Claim, judgeAnswer } from './claim.ts';
import { Custody } from './custody.ts';
import { DeviceMachine } from './device-machine.ts';
import type { Image } from './disk.ts';
import { type Fact, factOf } from './facts.ts';
import { createFaults, type Faults } from './faults.ts';
import { GatewayMachine } from './gateway-machine.ts';
import { signed } from './impostors.ts';
import { createNetwork, type Network } from './network.ts';
import { drawHabits, drawScenario, type Scenario } from './scenario.ts';
import { createTime, DAY_MS, type Time } from './time.ts';
import { createTrace, type Trace } from './trace.ts';
import { deviceWeather, gatewayWeather } from './weather.ts';

/** A promise that did not hold. */
export class Breach extends Error {}

/** A round number of days, so that events lie about the beginning of a page of each kind. */
const EPOCH = 600 * 32 * DAY_MS;

/** Serials of one device; more than any records. */
const SERIALS = 1_000_000;

/** A copy of a disk, with what was known to be on it. */
export interface Copy {
  readonly image: Image;
  readonly holdings: ReturnType<Custody['copy']>;
}

export class World {
  readonly scenario: Scenario;
  readonly time: Time = createTime();
  readonly trace: Trace;
  readonly random: Chance;
  readonly faults: Faults;
  readonly books: Books;
  readonly gateway: GatewayMachine;
  readonly network: Network;
  readonly machines: DeviceMachine[] = [];
  readonly facts = new Map<number, Fact>();
  /** Events that went with a disk: nobody has them any more. */
  readonly gone = new Set<Fact>();
  /** What was given up, by device, stream and sequence: of two machines with the same randomness, the last one's. */
  readonly #givenUp = new Map<string, Fact>();
  /** Who gave it up, and whether for damage. */
  readonly #losers = new Map<Fact, { readonly custody: Custody; readonly isDamage: boolean }>();
  readonly #sources = new Map<DeviceMachine, Generator<Reading, never, void>>();
  readonly #seed: number;
  #keys = 0;
  breach: Breach | undefined;

  constructor(seed: number, onLine?: (line: string) => void) {
    this.#seed = seed;
    this.random = createRandom(seed);
    const { random, time } = this;
    this.trace = createTrace(() => time.now, onLine);
    this.scenario = drawScenario(random);
    this.faults = createFaults({
      random,
      rates: this.scenario.rates,
      atStake: () => this.machines.reduce((sum, { custody }) => sum + custody.queuedEvents, 0),
      onStrike: (fault) => this.trace.add(`fault ${fault}`),
    });
    const breach = (what: string): void => this.fail(what);
    this.books = new Books({
      factOf: (serial) => this.facts.get(serial),
      givenUp: (deviceId, stream, sequence) => this.#givenUp.get(`${deviceId}/${stream}/${sequence}`),
      mayCount: (fact) => this.mayCount(fact),
      breach,
    });
    this.gateway = new GatewayMachine({
      ...{ time, random, breach, trace: this.trace, epoch: EPOCH },
      weather: gatewayWeather(this.faults, random),
      onDurable: (operations) => {
        this.judge(() => this.books.durable(operations));
        this.trace.add(`gateway commits ${operations.length}: ${this.books.size} events count`);
      },
      onCrash: () => this.crashGateway(),
    });
    this.network = createNetwork({
      ...{ time, random, breach, trace: this.trace, faults: this.faults },
      answer: (request, claim) => this.#answer(request, claim),
      clock: this.gateway.clock,
      lateMaxMs: this.scenario.lateMaxMs,
    });
    this.configureGateway();
    for (let i = 1; i <= this.scenario.devices; i++) this.addDevice(`pump-${i}`);
  }

  /** Remembers the first; whatever comes of it later says nothing. */
  fail(what: string): void {
    if (this.breach !== undefined) return;
    this.trace.add(`breach: ${what}`);
    this.breach = new Breach(what);
  }

  /** A judge who stumbles has found something, and must not be taken for a fault of a disk. */
  judge(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.fail((error as Error).stack ?? String(error));
    }
  }

  mayCount(fact: Fact): boolean {
    const loser = this.#losers.get(fact);
    return loser === undefined || loser.isDamage || loser.custody.isCopy;
  }

  /** Whether it counts, or is kept, or was given up, or went with a disk. */
  isAccountedFor(fact: Fact): boolean {
    if (this.books.isCounted(fact) || this.gone.has(fact)) return true;
    return this.#losers.has(fact) || this.machines.some(({ custody }) => custody.quarantined.includes(fact));
  }

  addDevice(id: string, name = id): DeviceMachine {
    const { random, time, trace } = this;
    const breach = (what: string): void => this.fail(what);
    const custody = new Custody({
      name,
      breach,
      factOf: (serial) => this.facts.get(serial),
      isCounted: (fact) => this.books.isCounted(fact),
      mayDrop: () => machine.habits.whenFull === 'drop-oldest',
      onGivenUp: ({ stream, first, facts, reason }) => {
        if (reason === 'quota') this.faults.count('quota');
        facts.forEach((fact, i) => {
          this.#givenUp.set(`${id}/${stream}/${first + i}`, fact);
          this.#losers.set(fact, { custody, isDamage: reason === 'damage' });
        });
      },
    });
    const machine: DeviceMachine = new DeviceMachine({
      ...{ name, id, time, random, trace, custody, breach, epoch: EPOCH },
      weather: deviceWeather(this.faults, random),
      transport: (one) => this.network.transport(one),
      attempt: (line) => {
        const fact = factOf(id, line);
        this.facts.set(fact.serial, fact);
        return fact;
      },
      onCrash: () => this.crashDevice(machine),
      onDurable: (path, operations) => {
        this.judge(() => custody.durable(path, operations));
        trace.add(`${name} commits ${operations.length} to ${path}: ${custody.queuedEvents} events are queued`);
      },
    });
    machine.habits = drawHabits(random, this.scenario);
    this.machines.push(machine);
    const serial = this.machines.length * SERIALS;
    this.#sources.set(machine, telemetry({ random, serial, around: EPOCH }));
    machine.credential = this.newKey(machine);
    return machine;
  }

  /** A key for a device, and the credential that goes with it. */
  newKey(machine: DeviceMachine): string {
    const keyId = `k${++this.#keys}`;
    const secret = Buffer.alloc(32, this.#keys);
    this.gateway.setKey(machine.id, keyId, { secret, revoked: false });
    return formatCredential({ keyId, secret });
  }

  revokeKey(machine: DeviceMachine): void {
    const [keyId = ''] = machine.credential.split('.');
    const key = this.gateway.lookup(machine.id, keyId);
    if (key !== undefined) this.gateway.setKey(machine.id, keyId, { ...key, revoked: true });
  }

  hasLiveKey(machine: DeviceMachine): boolean {
    return this.gateway.lookup(machine.id, machine.credential.split('.')[0]!)?.revoked === false;
  }

  startDevice(machine: DeviceMachine, entropy = this.#seed ^ Math.floor(this.random() * 2 ** 32)): void {
    machine.entropy = entropy;
    machine.start();
  }

  /** The process dies, and comes back some time later. */
  crashDevice(machine: DeviceMachine, downMs = this.downMs()): void {
    this.trace.add(`${machine.name} crashes`);
    machine.crash();
    const { life } = machine;
    this.time.after(downMs, () => {
      if (machine.life !== life || machine.isUp) return;
      if (this.random() < 0.8) machine.habits = drawHabits(this.random, this.scenario);
      this.startDevice(machine);
    });
  }

  crashGateway(downMs = this.downMs()): void {
    this.trace.add('gateway crashes');
    this.gateway.crash();
    this.time.after(downMs, () => this.gateway.start());
  }

  downMs(): number {
    return spread(this.random, 100, this.scenario.chaosMs / 4);
  }

  /** The configuration that its operator means it to have. */
  configureGateway(): void {
    this.gateway.limits = { windowMs: this.scenario.windowMs };
    this.gateway.encodings = this.scenario.encodings;
  }

  copyOf(machine: DeviceMachine): Copy {
    return { image: machine.disk.image(), holdings: machine.custody.copy() };
  }

  /** The disk becomes what it was, or what another was. Only while the machine is down. */
  replaceDisk(machine: DeviceMachine, { image, holdings }: Copy): void {
    const before = [...machine.custody.queued, ...machine.custody.quarantined];
    machine.disk.replace(image);
    machine.custody.replace(holdings);
    for (const fact of before) if (!this.machines.some(({ custody }) => custody.holds(fact))) this.gone.add(fact);
  }

  /** The device's program records a burst. */
  record(machine: DeviceMachine): void {
    if (!machine.isUp) return;
    const source = this.#sources.get(machine)!;
    const isTimed = this.random() < 0.8;
    const lines = Array.from({ length: whole(this.random, 1, this.scenario.burstMax) }, () => {
      const reading = source.next().value;
      return isTimed ? reading : { ...reading, ts: machine.clock() };
    });
    machine.record(lines, this.random() < 0.3);
  }

  async #answer(request: TransportRequest, claim: Claim | undefined): Promise<TransportAnswer> {
    const { gateway, books } = this;
    const told = gateway.isUp ? this.#oddAnswer(request) : undefined;
    if (told !== undefined) return told;
    const answer = await gateway.answer(request);
    this.trace.add(`gateway answers ${answer.status} ${Buffer.from(answer.body).toString()}`);
    if (claim !== undefined) judgeAnswer(claim, answer, books, (what) => this.fail(what));
    else if (answer.status === 200) this.fail('the gateway acknowledges a request that came damaged');
    return answer;
  }

  /** What a gateway says that is busy, or of an older version: signed, and true. */
  #oddAnswer(request: TransportRequest): TransportAnswer | undefined {
    const { gateway, random, scenario } = this;
    const { headers } = request;
    const key = gateway.lookup(headers[HEADER.device]!, headers[HEADER.key]!);
    if (key === undefined || key.revoked) return undefined;
    const clock = gateway.clock();
    const problem = this.faults.strikes('busy')
      ? problemOf(pick(random, ['overloaded', 'store-unavailable'] as const), 'not now', {
          retryAfterMs: Math.floor(spread(random, 1, scenario.busyMaxMs)),
        })
      : gateway.encodings.includes(headers['content-encoding']!)
        ? undefined
        : problemOf('encoding-unsupported', 'not in this version', { acceptEncoding: gateway.encodings });
    if (problem === undefined) return undefined;
    return signed(request, key.secret, { status: problem.status, body: encodeAnswer(problem), clock });
  }
}
