/**
 * Target: a real gateway in this process, on a real store and port, and the account of what it must have counted.
 *
 * Owns signing and the checking of signatures by arithmetic of its own, and sums by the oracle's. Promises that every
 * answer which is let through is one of the specification. Never counts what was refused.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Pool } from 'undici';
import {
  BATCH_MEDIA_TYPE,
  type Batch,
  eventsOf,
  HEADER,
  PROBLEM_STATUS,
  type ProblemCode,
} from '../../src/codec/index.ts';
import { openStore } from '../../src/gateway/data.ts';
import { createGateway } from '../../src/gateway/index.ts';
import { type Exact, exactOf, plus, textOf, ZERO } from '../oracle/decimal.ts';
import { Breach } from './kind.ts';

export const SECRET = Buffer.alloc(32, 7);
export const KEY_ID = 'k1';
/** Of a device that has no other. */
export const REVOKED_KEY_ID = 'k0';

/** What the gateway knows: devices by this name. */
const DEVICE = /^d\d+$/;

/** Batches that one device brings before it is looked at and another one begins. */
const BATCHES_OF_DEVICE = 250;

export interface Said {
  readonly body: Uint8Array;
  readonly encoding: string;
  readonly deviceId?: string;
  readonly keyId?: string;
  readonly timestamp?: number;
  readonly secret?: Uint8Array;
  /** The header that names keys, where it is more than the one that signs. */
  readonly named?: string;
  /** The header with signatures, given the right one in hex. */
  readonly offer?: (right: string) => string;
}

export interface Heard {
  readonly status: number;
  readonly isSigned: boolean;
  /** Undefined for an acknowledgement. */
  readonly code: ProblemCode | undefined;
  readonly inserted: number;
  readonly duplicates: number;
}

export interface Target {
  readonly port: number;
  /** Whose turn it is. */
  readonly deviceId: string;
  /** Sends one body, signed. Throws where the answer is none of the specification. */
  send(said: Said): Promise<Heard>;
  /** Says that these events must be counted now. */
  count(batch: Batch): void;
  /** Checks a device that has brought enough, and begins another. Throws where its totals are not the account's. */
  turn(): Promise<void>;
  /** The JSON of a read route; undefined for 404. */
  read(path: string): Promise<Record<string, unknown> | undefined>;
  /** Holds every total against the account, and so many events that came by other ways. Throws where they differ. */
  audit(others: number): Promise<void>;
  readonly events: number;
  close(): Promise<void>;
}

export async function openTarget(folder: string): Promise<Target> {
  const store = await openStore(join(folder, 'target'));
  const lookup = (deviceId: string, keyId: string) =>
    DEVICE.test(deviceId) && [KEY_ID, REVOKED_KEY_ID].includes(keyId)
      ? { secret: SECRET, revoked: keyId === REVOKED_KEY_ID }
      : undefined;
  const app = await createGateway({ store, keys: { lookup } });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const [{ port }] = app.addresses() as [AddressInfo];
  return new GatewayTarget(port, async () => {
    await app.close();
    await store.close();
  });
}

interface Sum {
  count: number;
  sum: Exact;
  min: number;
  max: number;
}

class GatewayTarget implements Target {
  readonly port: number;
  readonly #close: () => Promise<void>;
  readonly #pool: Pool;
  #device = 1;
  #batches = 0;
  #ofDevice = 0;
  #sums = new Map<string, Sum>();
  events = 0;

  constructor(port: number, close: () => Promise<void>) {
    this.port = port;
    this.#close = close;
    this.#pool = new Pool(`http://127.0.0.1:${port}`, { connections: 8, pipelining: 1 });
  }

  get deviceId(): string {
    return `d${this.#device}`;
  }

  async send({
    body,
    encoding,
    deviceId = this.deviceId,
    keyId = KEY_ID,
    timestamp = Date.now(),
    secret = SECRET,
    named = keyId,
    offer = (right) => `v1=${right}`,
  }: Said) {
    const head = `tidegate-request-v1\n${deviceId}\n${keyId}\n${timestamp}\n${encoding}\n`;
    const right = hmac(secret, head, body).toString('hex');
    const offered = offer(right);
    // Where none is right, the first stands for them all (proto-spec/signing.md, "When a gateway signs").
    const signature = offered.includes(`v1=${right}`) ? right : /v1=([0-9a-f]{64})/.exec(offered)?.[1];
    const answer = await this.#pool.request({
      method: 'POST',
      path: '/v1/batches',
      body,
      headers: {
        'content-type': BATCH_MEDIA_TYPE,
        'content-encoding': encoding,
        [HEADER.device]: deviceId,
        [HEADER.key]: named,
        [HEADER.timestamp]: String(timestamp),
        [HEADER.signature]: offered,
      },
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    const isSigned = isSignedFor(signature ?? '', answer.statusCode, answer.headers, bytes);
    const said = saidIn(answer.statusCode, bytes);
    // Of devices that have no account here only the number of their events is known.
    if (deviceId !== this.deviceId) this.events += said.inserted;
    return { ...said, isSigned };
  }

  count({ table }: Batch): void {
    this.#batches++;
    this.events += table.count;
    this.#ofDevice += table.count;
    for (const { fields } of eventsOf(table)) {
      for (const [name, value] of Object.entries(fields)) if (typeof value === 'number') this.#add(name, value);
    }
  }

  async turn(): Promise<void> {
    if (this.#batches < BATCHES_OF_DEVICE) return;
    await this.#auditDevice();
    this.#device++;
    this.#batches = 0;
    this.#ofDevice = 0;
    this.#sums = new Map();
  }

  async read(path: string): Promise<Record<string, unknown> | undefined> {
    const answer = await this.#pool.request({ method: 'GET', path });
    const text = await answer.body.text();
    if (answer.statusCode === 404) return undefined;
    if (answer.statusCode !== 200) throw new Breach(`${path} is answered ${answer.statusCode}: ${text.slice(0, 200)}`);
    return JSON.parse(text) as Record<string, unknown>;
  }

  async audit(others: number): Promise<void> {
    await this.#auditDevice();
    const totals = await this.read('/v1/totals');
    const due = this.events + others;
    if (totals?.['events'] !== due) throw new Breach(`${totals?.['events']} events in all, not ${due}`);
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
    await this.#close();
  }

  #add(name: string, value: number): void {
    const before = this.#sums.get(name) ?? { count: 0, sum: ZERO, min: Infinity, max: -Infinity };
    before.count++;
    before.sum = plus(before.sum, exactOf(String(value)));
    before.min = Math.min(before.min, value + 0);
    before.max = Math.max(before.max, value + 0);
    this.#sums.set(name, before);
  }

  async #auditDevice(): Promise<void> {
    const device = await this.read(`/v1/devices/${this.deviceId}`);
    const delivered = device?.['delivered'] ?? 0;
    if (delivered !== this.#ofDevice)
      throw new Breach(`${this.deviceId} has ${delivered} events, not ${this.#ofDevice}`);
    const measures = (device?.['measures'] ?? {}) as Record<
      string,
      { count: number; sum: string; min: number; max: number }
    >;
    const said = Object.entries(measures).map(([name, { count, sum, min, max }]) =>
      lineOf(name, count, exactOf(sum), min, max),
    );
    const due = Array.from(this.#sums, ([name, { count, sum, min, max }]) => lineOf(name, count, sum, min, max));
    const wrong = due.find((line) => !said.includes(line)) ?? said.find((line) => !due.includes(line));
    if (wrong !== undefined) throw new Breach(`totals of ${this.deviceId} differ in ${wrong}`);
  }
}

function lineOf(name: string, count: number, sum: Exact, min: number, max: number): string {
  return `${name}: ${count} values, sum ${textOf(sum)}, from ${min + 0} to ${max + 0}`;
}

function saidIn(status: number, body: Buffer): Omit<Heard, 'isSigned'> {
  const said = JSON.parse(body.toString()) as Record<string, unknown>;
  if (status === 200) {
    const { inserted, duplicates, count } = said as Record<string, number>;
    if (inserted! + duplicates! !== count)
      throw new Breach(`an acknowledgement that does not add up: ${body.toString()}`);
    return { status, code: undefined, inserted: inserted!, duplicates: duplicates! };
  }
  return { status, code: codeOf(status, said), inserted: 0, duplicates: 0 };
}

/** Throws where this is no problem of the specification, or is one of the gateway's own making. */
export function codeOf(status: number, said: Record<string, unknown>): ProblemCode {
  const code = said['code'] as ProblemCode;
  if (!Object.hasOwn(PROBLEM_STATUS, code) || PROBLEM_STATUS[code] !== status || said['status'] !== status) {
    throw new Breach(`answered ${status} ${JSON.stringify(said).slice(0, 200)}`);
  }
  if (code === 'internal') throw new Breach('a fault of the gateway');
  return code;
}

export function isSignedFor(
  requestSignature: string,
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: Uint8Array,
): boolean {
  const said = headers[HEADER.signature];
  if (said === undefined) return false;
  const due = hmac(SECRET, `tidegate-answer-v1\n${status}\n${requestSignature}\n${headers[HEADER.timestamp]}\n`, body);
  const offered = Buffer.from(String(said).replace(/^v1=/, ''), 'hex');
  if (offered.length === due.length && timingSafeEqual(due, offered)) return true;
  throw new Breach('an answer with a wrong signature');
}

function hmac(secret: Uint8Array, head: string, body: Uint8Array): Buffer {
  return createHmac('sha256', secret).update(head).update(body).digest();
}
