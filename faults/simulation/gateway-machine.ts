/**
 * GatewayMachine: a gateway as its operator sees it: a disk, keys, a configuration, and a process that may die.
 *
 * Owns the real ingest over a store on a disk in memory. Promises that a process which has died answers nobody and
 * writes nothing, and that an error which only a bug can cause is a breach. Never decides when anything happens.
 */
import type { TransportAnswer, TransportRequest } from '../../src/device/index.ts';
import { createAdmissions } from '../../src/gateway/admission.ts';
import { acknowledgementAnswer, answerHeaders, problemAnswer } from '../../src/gateway/answers.ts';
import { createArchive } from '../../src/gateway/archive.ts';
import { GatewayError, toGatewayError } from '../../src/gateway/errors.ts';
import { createFleet, type Fleet } from '../../src/gateway/fleet.ts';
import { createFlow } from '../../src/gateway/flow.ts';
import type { GatewayLimits } from '../../src/gateway/index.ts';
import { createIngest, type Ingest } from '../../src/gateway/ingest.ts';
import type { Key, KeyRing } from '../../src/gateway/keyring.ts';
import { flowOptions, limitsFrom } from '../../src/gateway/limits.ts';
import { createPageOperator, type Page } from '../../src/gateway/pages.ts';
import { createSensors } from '../../src/gateway/sensors.ts';
import { type GatewayStore, openRocksGatewayStore, type Turns } from '../../src/store/index.ts';
import type { Operation } from '../../src/store/rocks.ts';
import { createDisk, type Disk, type DiskWeather } from './disk.ts';
import { createGatewayFiles } from './gateway-files.ts';
import { MINUTE_MS, type Time } from './time.ts';
import type { Trace } from './trace.ts';
import { countedTurns } from './turns.ts';

export interface GatewayMachineOptions {
  readonly time: Time;
  readonly random: () => number;
  readonly trace: Trace;
  /** Epoch milliseconds at which the simulation begins. */
  readonly epoch: number;
  readonly weather: DiskWeather;
  readonly onDurable: (operations: readonly Operation[]) => void;
  /** The process died. */
  readonly onCrash: () => void;
  breach(what: string): void;
}

/** The process. */
interface Running {
  readonly store: GatewayStore<Page>;
  readonly ingest: Ingest;
  readonly fleet: Fleet;
}

export class GatewayMachine implements KeyRing {
  readonly disk: Disk;
  readonly #files: ReturnType<typeof createGatewayFiles>;
  readonly #options: GatewayMachineOptions;
  readonly #keys = new Map<string, Key>();
  /** Ends whatever is being answered, when the process dies. */
  readonly #open = new Set<() => void>();
  #running: Running | undefined;
  #life = 0;
  /** Whether somebody wants it to run. */
  #isWanted = false;
  limits: Partial<GatewayLimits> = {};
  /** Content encodings that it takes. */
  encodings: readonly string[] = ['br', 'gzip', 'identity'];
  clockOffsetMs = 0;

  constructor(options: GatewayMachineOptions) {
    this.#options = options;
    const { time, random, weather, onDurable, onCrash } = options;
    this.disk = createDisk({ time, random, weather, onDurable: (_path, operations) => onDurable(operations), onCrash });
    this.#files = createGatewayFiles(this.disk);
  }

  readonly clock = (): number => {
    const { time, epoch } = this.#options;
    return Math.floor(epoch + time.now + this.clockOffsetMs);
  };

  get isUp(): boolean {
    return this.#running !== undefined;
  }

  get running(): Running {
    if (this.#running === undefined) throw new Error('the gateway is down');
    return this.#running;
  }

  lookup(deviceId: string, keyId: string): Key | undefined {
    return this.#keys.get(`${deviceId}/${keyId}`);
  }

  setKey(deviceId: string, keyId: string, key: Key): void {
    this.#keys.set(`${deviceId}/${keyId}`, key);
  }

  /** Opens the store, again and again where the disk does not let it. */
  start(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    void this.#start();
  }

  /** The process dies where it is. */
  crash(): void {
    this.#isWanted = false;
    this.#life += 1;
    this.#running = undefined;
    this.disk.crash();
    for (const end of [...this.#open]) end();
  }

  /** As its operator stops it. */
  async stop(): Promise<void> {
    this.#isWanted = false;
    const running = this.#running;
    this.#running = undefined;
    await running?.store.close();
  }

  /** Rejects where nobody listens, or the process dies before it answers. */
  async answer(request: Pick<TransportRequest, 'headers' | 'body'>): Promise<TransportAnswer> {
    const running = this.#running;
    if (running === undefined) throw networkError('ECONNREFUSED');
    let end = (): void => {};
    const died = new Promise<never>((_resolve, reject) => {
      end = () => reject(networkError('ECONNRESET'));
      this.#open.add(end);
    });
    try {
      return await Promise.race([died, this.#answer(running, request)]);
    } finally {
      this.#open.delete(end);
    }
  }

  async #start(): Promise<void> {
    const { time, random, trace } = this.#options;
    const life = this.#life;
    try {
      const cachedPagesMax = random() < 0.5 ? 1 + Math.floor(random() * 8) : 1_000;
      const cachedLedgersMax = random() < 0.5 ? 1 : 1_000;
      const turns = countedTurns();
      // So little is recorded that pages would never be cut where they usually are.
      const operator = createPageOperator(random() < 0.5 ? 32 : undefined);
      const options = { path: 'gateway', operator, cachedPagesMax, cachedLedgersMax, turns };
      const store = await openRocksGatewayStore<Page>(
        options,
        this.disk.open,
        this.#files(() => life === this.#life),
      );
      if (life !== this.#life) return;
      if (!this.#isWanted) return await store.close();
      this.#running = this.#assemble(store, turns);
      trace.add('gateway up');
    } catch (error) {
      if (life !== this.#life || !this.#isWanted) return;
      trace.add(`gateway does not open: ${String(error)}`);
      time.after(MINUTE_MS, () => {
        if (life === this.#life && this.#isWanted) void this.#start();
      });
    }
  }

  #assemble(store: GatewayStore<Page>, turns: Turns): Running {
    const limits = limitsFrom(this.limits);
    const fleet = createFleet(store, { turns });
    const sensors = createSensors({ store, sensorsMax: limits.sensorsMax });
    const ingest = createIngest({
      keys: this,
      admissions: createAdmissions({ store, sensors, limits, archive: createArchive(store, turns), turns }),
      fleet,
      flow: createFlow(flowOptions(limits)),
      limits,
      metrics: { admitted() {} },
      clock: this.clock,
      turns,
    });
    return { store, ingest, fleet };
  }

  async #answer(
    { ingest }: Running,
    { headers, body }: Pick<TransportRequest, 'headers' | 'body'>,
  ): Promise<TransportAnswer> {
    const all = { ...headers, 'content-length': String(body.length) };
    let accepted: ReturnType<Ingest['accept']> | undefined;
    let answer: ReturnType<typeof problemAnswer>;
    try {
      accepted = ingest.accept({ headers: all, rawHeaders: Object.entries(all).flat() });
      accepted.takeRoom();
      answer = acknowledgementAnswer(await accepted.take(body));
    } catch (thrown) {
      const error = toGatewayError(thrown);
      if (error.code === 'internal') this.#options.breach(`the gateway: ${String((thrown as Error).stack ?? thrown)}`);
      answer = problemAnswer(error);
    }
    return { status: answer.status, headers: answerHeaders(answer, accepted?.seal()), body: answer.body };
  }
}

/** As an older gateway has it. */
export function unsupported(encodings: readonly string[]): GatewayError {
  return new GatewayError('encoding-unsupported', 'not in this version', { acceptEncoding: encodings });
}

export function networkError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
