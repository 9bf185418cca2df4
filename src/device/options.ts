/**
 * Options: what a program may set about a device, with the reason for each default.
 *
 * Owns validation: `settle` gives complete, checked settings or throws `options-invalid`. Never reads the environment.
 */
import { randomBytes } from 'node:crypto';
import { certificateProblem, printable } from '../cli/index.ts';
import { BATCH_EVENTS_MAX, BLOCK_EVENTS_MAX, type Credential, ID_PATTERN, parseCredential } from '../codec/index.ts';
import { DeviceError } from './errors.ts';
import { systemTimer, type Timer } from './timer.ts';
import type { Transport } from './transport.ts';

export interface DeviceOptions {
  /** The gateway's base URL, `http:` or `https:`; batches go to `v1/batches` under it. */
  readonly gateway: string | URL;
  /** This device's id: 1 to 64 of `A-Z a-z 0-9 . _ : -`, beginning with a letter or digit. */
  readonly id: string;
  /** `<key id>.<secret>`, as `tidegate-gateway keys add` prints it. */
  readonly credential: string;
  /** Directory for the queue; made where it does not exist, and bound to this device's id. */
  readonly data: string;
  /** PEM certificates to trust instead of the system's. */
  readonly ca?: string | Buffer;

  /** Events in one batch at most. Default 16,384, or fewer where they come to more than some 48 KiB. */
  readonly batchEventsMax?: number;
  /** Bytes of packed columns in one batch at most, before compression. Default 1 MiB. */
  readonly batchBytesMax?: number;
  /** How long an event may wait for company before it is sent, milliseconds. Default 1,000; 0 sends at once. */
  readonly lingerMs?: number;
  /** Batches under way at a time. Default 4: hides the round trip; the protocol allows 6. */
  readonly inFlightMax?: number;
  /** How long one request may take in all, milliseconds. Default 60,000: a full batch over a slow cellular link. */
  readonly requestTimeoutMs?: number;

  /** Bound of the first, random wait after a failure, milliseconds; each further one is twice the last. Default 500. */
  readonly retryBaseMs?: number;
  /** No wait after a failure is longer, milliseconds. Default 60,000: a link that is back is used within a minute. */
  readonly retryMaxMs?: number;
  /** How often a paused device (revoked key, bound of the gateway) asks again, milliseconds. Default 300,000. */
  readonly pauseMaxMs?: number;

  /** Bytes of queued blocks to keep at most. Default: no limit but the disk. */
  readonly queueBytesMax?: number;
  /** At that limit: refuse new events (`queue-full`), or give up the oldest as a declared gap. Default `refuse`. */
  readonly whenFull?: 'refuse' | 'drop-oldest';
  /** Bytes held back so that the queue can be drained on a full disk. Default 16 MiB; 0 for none. */
  readonly reserveBytes?: number;
  /** Events that may wait in memory for their commit. Default 1,048,576. */
  readonly pendingEventsMax?: number;

  /** Carries requests; default: undici with keep-alive. */
  readonly transport?: Transport;
  /** Epoch milliseconds. Default `Date.now`. */
  readonly clock?: () => number;
  /** Monotonic time and waiting. Default: the system's. */
  readonly timer?: Timer;
  /** Uniform in [0, 1), for jitter. Default `Math.random`. */
  readonly random?: () => number;
  /** Random bytes for stream ids. Default: Node's. */
  readonly randomBytes?: (count: number) => Uint8Array;
}

/** Options with nothing left out. */
export type DeviceSettings = Required<Omit<DeviceOptions, 'gateway' | 'credential' | 'ca' | 'transport'>> & {
  readonly gateway: URL;
  readonly credential: Credential;
  readonly ca: string | Buffer | undefined;
  readonly transport: Transport | undefined;
};

/** More than this a gateway need not be able to tell duplicates from collisions (proto-spec/delivery.md). */
const IN_FLIGHT_MAX = 6;

const OPTION_NAMES: Readonly<Record<keyof DeviceOptions, true>> = {
  ...{ gateway: true, id: true, credential: true, data: true, ca: true },
  ...{ batchEventsMax: true, batchBytesMax: true, lingerMs: true, inFlightMax: true, requestTimeoutMs: true },
  ...{ retryBaseMs: true, retryMaxMs: true, pauseMaxMs: true },
  ...{ queueBytesMax: true, whenFull: true, reserveBytes: true, pendingEventsMax: true },
  ...{ transport: true, clock: true, timer: true, random: true, randomBytes: true },
};

/** @throws DeviceError `options-invalid`, naming the option */
export function settle(options: DeviceOptions): DeviceSettings {
  checkNames(options);
  return {
    id: text('id', options.id, `must be 1 to 64 of A-Z a-z 0-9 . _ : -, beginning with a letter or digit`, ID_PATTERN),
    data: text('data', options.data, 'must name a directory', /^[^\0]+$/),
    gateway: gatewayUrl(options.gateway),
    credential: credentialFrom(options.credential),
    ca: certificates(options.ca),
    transport: withMethods('transport', options.transport, 'post', 'close'),
    batchEventsMax: whole('batchEventsMax', options.batchEventsMax ?? BLOCK_EVENTS_MAX, 1, BATCH_EVENTS_MAX),
    batchBytesMax: whole('batchBytesMax', options.batchBytesMax ?? 1 << 20, 1, 16 << 20),
    lingerMs: whole('lingerMs', options.lingerMs ?? 1_000, 0, 86_400_000),
    inFlightMax: whole('inFlightMax', options.inFlightMax ?? 4, 1, IN_FLIGHT_MAX),
    requestTimeoutMs: whole('requestTimeoutMs', options.requestTimeoutMs ?? 60_000, 1, 3_600_000),
    retryBaseMs: whole('retryBaseMs', options.retryBaseMs ?? 500, 1, 3_600_000),
    retryMaxMs: whole('retryMaxMs', options.retryMaxMs ?? 60_000, 1, 86_400_000),
    pauseMaxMs: whole('pauseMaxMs', options.pauseMaxMs ?? 300_000, 1, 86_400_000),
    queueBytesMax: queueBytes(options.queueBytesMax),
    whenFull: policy(options.whenFull ?? 'refuse'),
    reserveBytes: whole('reserveBytes', options.reserveBytes ?? 16 << 20, 0, 2 ** 40),
    pendingEventsMax: whole('pendingEventsMax', options.pendingEventsMax ?? 1 << 20, 1, 1 << 30),
    clock: callable('clock', options.clock ?? Date.now),
    timer: withMethods('timer', options.timer, 'now', 'after') ?? systemTimer,
    random: callable('random', options.random ?? Math.random),
    randomBytes: callable('randomBytes', options.randomBytes ?? randomBytes),
  };
}

/** A name that is misspelt would be an option that is not kept. */
function checkNames(options: DeviceOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw new DeviceError('options-invalid', 'openDevice wants an object with gateway, id, credential and data');
  }
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(OPTION_NAMES, name)) throw invalid(printable(name), 'is not known');
  }
}

function text(name: string, value: unknown, rule: string, pattern: RegExp): string {
  if (typeof value === 'string' && pattern.test(value)) return value;
  throw invalid(name, `${rule}${value === undefined ? '; it is missing' : ''}`);
}

/**
 * Says nothing of what was given: it may be a secret.
 * @throws DeviceError `options-invalid`
 */
export function credentialFrom(value: unknown): Credential {
  const credential = typeof value === 'string' ? parseCredential(value) : undefined;
  if (credential) return credential;
  const missing = value === undefined ? '; it is missing (an environment variable that is not set?)' : '';
  throw invalid('credential', `must be <key id>.<secret>, as \`tidegate-gateway keys add\` printed it${missing}`);
}

function gatewayUrl(gateway: unknown): URL {
  const given = gateway instanceof URL ? gateway.href : gateway;
  const url = typeof given === 'string' && URL.canParse(given) ? new URL(given) : undefined;
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw invalid('gateway', `must be an http:// or https:// URL${gateway === undefined ? '; it is missing' : ''}`);
  }
  if (url.username || url.password) throw invalid('gateway', 'must not hold a user or password');
  if (url.search || url.hash) throw invalid('gateway', 'must not hold a query or fragment');
  return url;
}

function certificates(ca: unknown): string | Buffer | undefined {
  if (ca === undefined) return undefined;
  if (typeof ca !== 'string' && !Buffer.isBuffer(ca))
    throw invalid('ca', 'must be PEM certificates, a text or a Buffer');
  const problem = certificateProblem(ca.toString());
  if (problem !== undefined) throw invalid('ca', problem);
  return ca;
}

function callable<T>(name: string, value: T): T {
  if (typeof value === 'function') return value;
  throw invalid(name, 'must be a function');
}

function withMethods<T extends object>(
  name: string,
  value: T | undefined,
  ...methods: (keyof T & string)[]
): T | undefined {
  if (value === undefined) return undefined;
  const isWhole =
    typeof value === 'object' && value !== null && methods.every((one) => typeof value[one] === 'function');
  if (isWhole) return value;
  throw invalid(name, `must be an object with ${methods.join(' and ')}`);
}

/** As a person knows it: without the slash that URL adds. */
export function addressOf({ origin, pathname }: URL): string {
  return `${origin}${pathname.replace(/\/+$/, '')}`;
}

function queueBytes(bytes = Number.POSITIVE_INFINITY): number {
  return bytes === Number.POSITIVE_INFINITY ? bytes : whole('queueBytesMax', bytes, 1, Number.MAX_SAFE_INTEGER);
}

function policy(whenFull: DeviceSettings['whenFull']): DeviceSettings['whenFull'] {
  if (whenFull === 'refuse' || whenFull === 'drop-oldest') return whenFull;
  throw invalid('whenFull', 'must be refuse or drop-oldest');
}

function whole(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(name, `must be a whole number from ${min} to ${max}`);
}

function invalid(name: string, rule: string): DeviceError {
  return new DeviceError('options-invalid', `option ${name} ${rule}`);
}
