/**
 * Examiner: a process that opens damaged data, of a device or a gateway, and says what came of it.
 *
 * Owns one examination. First the damaged side is opened and asked for everything it has: where that is what it was
 * before, to the byte, the damage changed nothing. Else, and now and then all the same, the device is drained into the
 * gateway, and what is there in the end is judged as the oracle judges. Each examination begins and ends with a line,
 * so that who started this process knows what ended it. Promises a verdict for whatever is thrown. Never damages
 * anything.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ownTask } from '../../rig/programs.ts';
import { type Device, openDevice, type QuarantinedEvent } from '../../src/device/index.ts';
import { createGateway } from '../../src/gateway/index.ts';
import { openQueue, type Queue } from '../../src/store/index.ts';
import { askBuckets, askDevice, askEvents, type BucketSays, type StoredEvent } from '../oracle/evidence.ts';
import { readJournal } from '../oracle/journal.ts';
import { type Hearing, judge, type Verdict } from '../oracle/verdict.ts';
import type { Side } from './damage.ts';
import { RESERVE_BYTES, SENSORS_MAX, type Specimen } from './specimen.ts';

export interface ExaminerTask {
  readonly specimen: Specimen;
  /** What undamaged data give. Undefined to find out. */
  readonly undamaged: Contents | undefined;
  readonly cases: readonly Case[];
  /** How many at the same time. */
  readonly abreast: number;
}

export interface Case {
  readonly id: number;
  readonly device: string;
  readonly gateway: string;
  /** Which of them may refuse. */
  readonly damaged: Side | undefined;
  /** To be drained and judged also where nothing has changed. */
  readonly isThorough: boolean;
}

/** Everything there is, as digests. */
export interface Contents {
  /** Of the queue. */
  readonly device: string;
  /** Of what each route of the gateway answers, in the order of `PATHS`; `store-unavailable` as it is. */
  readonly gateway: readonly string[];
}

export interface Examination {
  readonly id: number;
  /**
   * `unchanged`: the damaged side has everything. `drained`: both opened, and everything went over. `refused`: the
   * damaged side said that it cannot, with a code.
   */
  readonly end: 'unchanged' | 'drained' | 'refused' | 'failed';
  readonly code?: string;
  /** Resolved events that are neither counted, nor in quarantine, nor in a gap. */
  readonly lost: number;
  readonly doubled: number;
  /** Events that the device gave up as damaged. */
  readonly gaps: number;
  /** One line for every promise that did not hold. */
  readonly problems: readonly string[];
  readonly contents: Partial<Contents>;
}

/** After the device's id. */
const PATHS = ['', '/events', '/buckets?granularity=minute', '/buckets?granularity=hour', '/buckets?granularity=day'];
const DRAIN_MS = 30_000;
/** So many answers that the store cannot take anything are an answer. */
const REFUSALS_ENOUGH = 3;
const PATIENCE = { retryBaseMs: 5, retryMaxMs: 20, pauseMaxMs: 50, requestTimeoutMs: 5_000, lingerMs: 0 };

/** Not what it should be, in words. */
class Problem extends Error {}

/** The damaged side says that it cannot. */
class Refusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

class Bench {
  readonly #task: ExaminerTask;
  readonly #case: Case;
  readonly #credential: string;
  readonly #problems: string[] = [];
  readonly #open: (() => Promise<void>)[] = [];
  #contents: Partial<Contents> = {};
  #gaps = 0;
  #verdict: Pick<Verdict, 'lost' | 'doubled'> = { lost: [], doubled: [] };
  /** Answers that the store cannot take or give anything. */
  #unavailable = 0;

  constructor(task: ExaminerTask, examined: Case, credential: string) {
    this.#task = task;
    this.#case = examined;
    this.#credential = credential;
  }

  async examine(): Promise<Examination> {
    let end: Pick<Examination, 'end' | 'code'>;
    try {
      end = { end: await this.#examine() };
    } catch (error) {
      if (error instanceof Refusal) end = { end: 'refused', code: error.code };
      else {
        end = { end: 'failed' };
        this.#problems.push(error instanceof Problem ? error.message : `${(error as Error).stack}`);
      }
    }
    for (const close of this.#open.reverse()) {
      await close().catch((error) => this.#problems.push(`closing: ${error}`));
    }
    const { lost, doubled } = this.#verdict;
    const counts = { lost: lost.length, doubled: doubled.length, gaps: this.#gaps };
    return { id: this.#case.id, ...end, ...counts, problems: this.#problems, contents: this.#contents };
  }

  async #examine(): Promise<Examination['end']> {
    const { damaged, isThorough } = this.#case;
    if (damaged !== 'gateway' && (await this.#hasSameQueue()) && !isThorough) return 'unchanged';
    const url = await this.#openGateway();
    if (damaged !== 'device' && (await this.#answersTheSame(url)) && !isThorough) return 'unchanged';
    const device = await this.#openDevice(url);
    await this.#drain(device);
    await this.#judge(url, device);
    if (this.#unavailable > 0) throw new Refusal(UNAVAILABLE, 'the gateway could not take or give something');
    return 'drained';
  }

  /** Whether all that is in the queue is what was in it before it was damaged. */
  async #hasSameQueue(): Promise<boolean> {
    const { specimen, undamaged } = this.#task;
    const path = join(this.#case.device, 'queue');
    const queue = await this.#opened('device', () =>
      openQueue({ path, deviceId: specimen.deviceId, reserveBytes: RESERVE_BYTES }),
    );
    try {
      const device = await digestOfQueue(queue);
      this.#contents = { ...this.#contents, device };
      return device === (undamaged?.device ?? device);
    } finally {
      await queue.close();
    }
  }

  async #openGateway(): Promise<string> {
    const { gateway: data } = this.#case;
    const app = await this.#opened('gateway', () => createGateway({ data, limits: { sensorsMax: SENSORS_MAX } }));
    this.#open.push(() => app.close());
    app.addHook('onResponse', async ({ url }, { statusCode }) => {
      if (statusCode === 503) this.#unavailable += 1;
      if (statusCode === 500) this.#problems.push(`the gateway cannot say what is wrong with ${url}`);
    });
    return await app.listen({ host: '127.0.0.1', port: 0 });
  }

  /** Every route, before anything is sent: it answers as from undamaged data, or says that it cannot. */
  async #answersTheSame(url: string): Promise<boolean> {
    const { specimen, undamaged } = this.#task;
    const gateway: string[] = [];
    for (const path of PATHS) gateway.push(await digestOfAnswer(`${url}/v1/devices/${specimen.deviceId}${path}`));
    this.#contents = { ...this.#contents, gateway };
    const should = undamaged?.gateway ?? gateway;
    for (const [i, answer] of gateway.entries()) {
      if (answer !== should[i] && answer !== UNAVAILABLE) {
        this.#problems.push(`${PATHS[i] || 'the device'} is answered otherwise than from undamaged data`);
      }
    }
    return gateway.every((answer, i) => answer === should[i]);
  }

  async #openDevice(gateway: string): Promise<Device> {
    const { specimen } = this.#task;
    const options = { gateway, id: specimen.deviceId, data: this.#case.device, credential: this.#credential };
    const device = await this.#opened('device', () =>
      openDevice({ ...options, ...PATIENCE, reserveBytes: RESERVE_BYTES }),
    );
    this.#open.push(() => device.close());
    return device;
  }

  async #opened<T>(side: Side, open: () => Promise<T>): Promise<T> {
    try {
      return await open();
    } catch (error) {
      const { name, code, message } = error as { name: string; code?: unknown; message: string };
      const isTyped = (name === 'StoreError' || name === 'KeyFileError') && typeof code === 'string';
      if (isTyped && side === this.#case.damaged) throw new Refusal(`${code}`, message);
      throw new Problem(`the ${side} did not open: ${name} ${code}: ${message}`);
    }
  }

  async #drain(device: Device): Promise<void> {
    const stop = new AbortController();
    const timeout = setTimeout(() => stop.abort(), DRAIN_MS);
    device.on('link', () => {
      if (this.#unavailable >= REFUSALS_ENOUGH) stop.abort();
    });
    try {
      await device.drain({ signal: stop.signal });
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      if (this.#unavailable === 0) throw new Problem(`not drained within ${DRAIN_MS} ms`);
    } finally {
      clearTimeout(timeout);
    }
  }

  async #judge(url: string, device: Device): Promise<void> {
    const { deviceId, journal: path } = this.#task.specimen;
    const isDrained = this.#unavailable === 0;
    const says = await orUnavailable(askDevice(url, deviceId));
    const events = await orUnavailable(askEvents(url, deviceId));
    if (says === UNAVAILABLE || events === UNAVAILABLE || says === undefined) return;
    this.#gaps = says.declaredGaps.damage;
    const times = events.map(({ ts }) => ts);
    const series: BucketSays[][] = [];
    for (const granularity of ['minute', 'hour', 'day'] as const) {
      const buckets = await orUnavailable(askBuckets(url, deviceId, granularity, times));
      if (buckets === UNAVAILABLE) return;
      series.push(buckets);
    }
    const [minute = [], hour = [], day = []] = series;
    const quarantine: QuarantinedEvent[] = [];
    for await (const entry of device.quarantine()) quarantine.push(entry);
    const journal = readJournal(path);
    const verdict = judge({
      // What is still with the device is judged another time.
      journal: isDrained ? journal : { ...journal, resolved: only(journal.resolved, events) },
      device: says,
      events,
      buckets: { minute, hour, day },
      quarantine: quarantine as Hearing['quarantine'],
      account: isDrained ? device.status() : undefined,
    });
    this.#verdict = verdict;
    this.#problems.push(...verdict.problems);
  }
}

const UNAVAILABLE = 'store-unavailable';

async function digestOfQueue(queue: Queue): Promise<string> {
  const digest = createHash('sha256');
  const add = (...parts: readonly (Uint8Array | string)[]) => {
    for (const part of parts) digest.update(part);
  };
  for await (const { first, count, bytes } of queue.blocks())
    add(`${first} ${count}`, queue.streamAt(first).stream, bytes);
  for await (const { first, last, stream, bytes } of queue.quarantine()) add(`${first} ${last}`, stream, bytes);
  for (const { first, last, stream, sums } of await queue.gaps()) add(`${first} ${last}`, stream, sums);
  add(`${queue.head} ${queue.next}`, queue.totals ?? '');
  return digest.digest('hex');
}

/** The digest of an answer; `store-unavailable` where the gateway says so, or breaks off. */
async function digestOfAnswer(url: string): Promise<string> {
  const answer = await fetch(url);
  const text = await answer.text().catch(() => UNAVAILABLE);
  if (text === UNAVAILABLE || (answer.status === 503 && text.includes(UNAVAILABLE))) return UNAVAILABLE;
  return createHash('sha256').update(`${answer.status} ${text}`).digest('hex');
}

async function orUnavailable<T>(asked: Promise<T>): Promise<T | typeof UNAVAILABLE> {
  try {
    return await asked;
  } catch (error) {
    // A long answer that is broken off is an answer, too.
    if (/answered 503|terminated/.test(String(error))) return UNAVAILABLE;
    throw error;
  }
}

function only<T>(entries: ReadonlyMap<number, T>, events: readonly StoredEvent[]): Map<number, T> {
  const serials = new Set(events.map(({ fields }) => Number(fields['serial'])));
  return new Map([...entries].filter(([serial]) => serials.has(serial)));
}

await main(ownTask<ExaminerTask>());

async function main(task: ExaminerTask): Promise<void> {
  const left = [...task.cases];
  const credential = (await readFile(task.specimen.secretFile, 'utf8')).trim();
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      say({ begun: next.id });
      say({ examined: await new Bench(task, next, credential).examine() });
    }
  };
  await Promise.all(Array.from({ length: task.abreast }, work));
  process.exit();
}

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}
