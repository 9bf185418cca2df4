/**
 * Simulation: one seed, from the first event to the last account.
 *
 * Owns the course: things go wrong for some hours or weeks, then faults stop, everything must drain in a bounded time,
 * and every account is settled. Promises the same course for the same seed, and to say what the first breach was.
 */
import { auditDevice } from './audit.ts';
import { pick } from './chance.ts';
import { scheduleEpisodes } from './episodes.ts';
import type { EventLoop } from './event-loop.ts';
import type { Fault, Strikes } from './faults.ts';
import { MINUTE_MS } from './time.ts';
import { World } from './world.ts';

export interface Outcome {
  readonly seed: number;
  /** What did not hold; undefined where everything did. */
  readonly breach: string | undefined;
  /** Tells one course of events from another. */
  readonly digest: string;
  readonly simulatedMs: number;
  /** Events recorded, and of those how many are nowhere, or count twice. */
  readonly events: number;
  readonly lost: number;
  readonly doubled: number;
  readonly requests: number;
  readonly strikes: ReadonlyMap<Fault, Strikes>;
  /** From the end of the faults to the last event's acknowledgement, simulated milliseconds. */
  readonly drainedMs: number;
}

export interface SimulationOptions {
  readonly loop: EventLoop;
  /** Called with each line of the trace. */
  readonly onLine?: (line: string) => void;
}

/** What one event may take once nothing goes wrong any more, milliseconds: several requests, one at a time. */
const EVENT_MS = 20_000;

export async function simulate(seed: number, { loop, onLine }: SimulationOptions): Promise<Outcome> {
  const world = new World(seed, onLine);
  const course = new Course(world, loop);
  const { stackTraceLimit } = Error;
  // Most errors are part of the play, and their stacks cost more than all the rest of them.
  if (onLine === undefined) Error.stackTraceLimit = 0;
  try {
    await course.run();
  } catch (error) {
    world.fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  const { facts, books, faults, network, breach, trace, time } = world;
  const recorded = [...facts.values()].filter(({ standing }) => standing === 'resolved');
  return {
    ...{ seed, breach: breach?.message, digest: trace.digest(), simulatedMs: time.now, requests: network.posts },
    events: recorded.length,
    lost: course.isOver ? recorded.filter((fact) => !world.isAccountedFor(fact)).length : 0,
    doubled: books.doubled,
    strikes: faults.tally,
    drainedMs: course.drainedMs,
  };
}

class Course {
  readonly #world: World;
  readonly #loop: EventLoop;
  drainedMs = 0;
  isOver = false;

  constructor(world: World, loop: EventLoop) {
    this.#world = world;
    this.#loop = loop;
  }

  async run(): Promise<void> {
    await this.#chaos();
    if (this.#isBroken) return;
    await this.#heal();
    await this.#drain();
    this.isOver = true;
    if (this.#isBroken) return;
    await this.#settle();
  }

  get #isBroken(): boolean {
    return this.#world.breach !== undefined;
  }

  /** Everything that can go wrong does, while devices record. */
  async #chaos(): Promise<void> {
    const { gateway, machines, scenario, random, time } = this.#world;
    gateway.start();
    for (const machine of machines) this.#world.startDevice(machine);
    scheduleEpisodes(this.#world);
    for (let left = scenario.bursts * scenario.devices; left > 0; left--) {
      time.after(random() * scenario.chaosMs, () => this.#live());
    }
    await this.#pass(time.now + scenario.chaosMs, () => false);
  }

  /** What a program does with its device. */
  #live(): void {
    const { machines, random, network } = this.#world;
    const machine = machines[Math.floor(random() * machines.length)]!;
    this.#world.record(machine);
    if (!machine.isUp || random() > 0.1) return;
    if (random() < 0.5) {
      network.probed(machine);
      machine.device.probe();
    } else machine.device.drain().catch(() => {});
  }

  async #heal(): Promise<void> {
    const { faults, gateway, machines, network, time, trace } = this.#world;
    trace.add('faults stop');
    faults.stop();
    gateway.disk.hasRoom();
    const stopped = gateway.stop();
    for (const machine of machines) {
      network.route(machine, 'gateway');
      machine.disk.hasRoom();
    }
    await this.#until(stopped, 5 * MINUTE_MS, 'the gateway stops');
    this.#world.configureGateway();
    gateway.start();
    for (const machine of machines) {
      if (!this.#world.hasLiveKey(machine)) {
        await this.#until(machine.stop(), 5 * MINUTE_MS, `${machine.name} stops`);
        machine.credential = this.#world.newKey(machine);
      }
      this.#world.startDevice(machine);
    }
    const areUp = (): boolean => gateway.isUp && machines.every(({ isUp }) => isUp);
    await this.#pass(time.now + 5 * MINUTE_MS, areUp);
    if (!areUp()) this.#world.fail('not everything starts once faults have stopped');
  }

  /** Everything that is queued is counted, or refused, in a bounded time. */
  async #drain(): Promise<void> {
    if (this.#isBroken) return;
    const { machines, time, scenario, faults } = this.#world;
    const begun = time.now;
    const queued = machines.reduce((sum, { custody }) => sum + custody.queuedEvents, 0);
    const waits = machines.map(({ habits }) => {
      const { retryMaxMs = 0, pauseMaxMs = 0, requestTimeoutMs = 0, lingerMs = 0 } = habits;
      return Math.max(retryMaxMs, pauseMaxMs, scenario.busyMaxMs) + 2 * requestTimeoutMs + lingerMs;
    });
    // A collision is not believed at once, and with the same randomness the next stream collides, too.
    const times = faults.isPossible('entropyRepeated') ? 8 : 1;
    const boundMs = times * Math.max(...waits) + 15 * MINUTE_MS + queued * EVENT_MS;
    const drained = Promise.all(machines.map(({ device }) => device.drain()));
    await this.#until(drained, boundMs, 'everything drains');
    this.drainedMs = time.now - begun;
    for (const { name, custody } of machines) {
      // What a failed write has left on disk is not known to the device before it looks again.
      const left = custody.queued.filter(({ standing }) => standing === 'resolved').length;
      if (left > 0) this.#world.fail(`${name} has drained, and ${left} events are queued`);
    }
  }

  /** Every account, on either side. */
  async #settle(): Promise<void> {
    const { machines, gateway, facts, books, scenario, faults, time, random } = this.#world;
    const counted = (): boolean => machines.every(({ device }) => !device.status().counting);
    await this.#pass(time.now + 15 * MINUTE_MS, counted);
    if (!counted()) return this.#world.fail('a device does not come to the end of counting');
    for (const machine of machines) machine.settle();
    for (const fact of facts.values()) {
      if (fact.standing !== 'resolved' || this.#world.isAccountedFor(fact)) continue;
      return this.#world.fail(`event ${fact.serial} was recorded, and is nowhere`);
    }
    const copies = machines.some(({ custody }) => custody.isCopy);
    const evidence = {
      ...gateway.running,
      books,
      granularity: pick(random, ['minute', 'hour', 'day'] as const),
      isWhole: !scenario.forgets && random() < 0.25,
      hasExactGaps: !copies && !faults.isPossible('blockSpoiled'),
      breach: (what: string) => this.#world.fail(what),
    };
    const ids = [...new Set(machines.map(({ id }) => id))];
    await this.#until(Promise.all(ids.map((id) => auditDevice(evidence, id))), MINUTE_MS, 'the gateway answers');
    const closed = Promise.all([...machines.map((machine) => machine.stop()), gateway.stop()]);
    await this.#until(closed, 5 * MINUTE_MS, 'everything closes');
  }

  /** Until a promise settles; within so long. */
  async #until(promise: Promise<unknown>, withinMs: number, what: string): Promise<void> {
    let isSettled = false;
    promise.then(
      () => {
        isSettled = true;
      },
      (error: unknown) => {
        isSettled = true;
        this.#world.fail(`${what}: ${(error as Error).stack}`);
      },
    );
    const { time } = this.#world;
    await this.#pass(time.now + withinMs, () => isSettled);
    if (!isSettled) this.#world.fail(`not so within ${Math.round(withinMs / MINUTE_MS)} simulated minutes: ${what}`);
  }

  /** Has time pass, until something is so or the time is over. */
  async #pass(untilMs: number, isSo: () => boolean): Promise<void> {
    const { time, machines } = this.#world;
    let steps = 0;
    await this.#loop.rest();
    while (!this.#isBroken && !isSo() && time.step(untilMs)) {
      await this.#loop.rest();
      // A look costs as much as several steps.
      if (++steps % 16 === 0) for (const machine of machines) machine.check(steps % 128 === 0);
    }
  }
}
