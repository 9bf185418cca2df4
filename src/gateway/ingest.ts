/**
 * Ingest: the order of work on one batch (promises 4, 5 and 9).
 *
 * Owns what is checked before what: head, key, room, then the body; signature, time, size, then inflating and decoding.
 * Promises that nothing is done for a stranger but look at a head, and that it is known what to sign an answer with as soon
 * as the body is there. Never decides what counts: that is `admission.ts`. Never sees HTTP but its headers.
 */
import {
  type Acknowledgement,
  type Arenas,
  type Batch,
  BODY_BYTES_MAX,
  createArenas,
  type EventTable,
  valueCount,
} from '../codec/index.ts';
import type { Admissions } from './admission.ts';
import type { Seal } from './answers.ts';
import { type AnswerSigner, matchingKey, type NamedKey, namedKeys, signerForDamaged } from './authentication.ts';
import { GatewayError } from './errors.ts';
import type { Fleet } from './fleet.ts';
import type { Flow, Load, Upload } from './flow.ts';
import { inflateBatch } from './inflation.ts';
import type { KeyRing } from './keyring.ts';
import { ARENA_BYTES, ARENAS, type GatewayLimits, OVERLOADED_RETRY_AFTER_MS } from './limits.ts';
import type { Metrics } from './metrics.ts';
import {
  type BatchRequestHead,
  checkContentType,
  type RequestHeaders,
  readCaller,
  readRequestHead,
} from './request-head.ts';

export interface IngestOptions {
  readonly keys: KeyRing;
  readonly admissions: Admissions;
  readonly fleet: Pick<Fleet, 'changed'>;
  readonly flow: Flow;
  readonly limits: GatewayLimits;
  readonly metrics: Pick<Metrics, 'admitted'>;
  /** Epoch milliseconds. */
  readonly clock: () => number;
}

export interface Ingest {
  /**
   * Everything that needs no body: the head is fine, the key is there, and there is room.
   * @throws GatewayError, a SealedRefusal where the answer is to be signed all the same
   */
  accept(request: RequestHeaders, upload?: Upload): AcceptedRequest;
}

/** A request that has room until it is released. */
export interface AcceptedRequest {
  /**
   * From the raw body to what the acknowledgement says, and releases it.
   * @throws whatever `toGatewayError` makes a problem of
   */
  take(body: Uint8Array): Promise<Acknowledgement>;
  /** What to sign an answer with that is sent now; undefined while there is no body to tell the key by. */
  seal(): Seal | undefined;
  /** Gives the room back where no body comes; harmless while one is worked on. */
  release(): void;
}

export function createIngest(options: IngestOptions): Ingest {
  const arenas = createArenas(ARENAS, ARENA_BYTES);
  return {
    accept(request, upload) {
      const { keys: ring, flow } = options;
      const caller = readCaller(request);
      const keys = namedKeys(ring, caller);
      let head: BatchRequestHead;
      try {
        head = readRequestHead(request, caller);
      } catch (error) {
        const seal = { ...signerForDamaged(keys, caller), timestamp: options.clock() };
        throw new SealedRefusal(error as GatewayError, seal);
      }
      // Without a length it may come to the most that is read.
      const bytes = head.contentLength ?? BODY_BYTES_MAX;
      if (bytes > BODY_BYTES_MAX) throw bodyTooLarge(bytes, BODY_BYTES_MAX);
      const load = flow.take(bytes, upload);
      if (load !== undefined) return new Request(options, arenas, head, keys, load);
      throw new GatewayError('overloaded', 'too much is being worked on', { retryAfterMs: OVERLOADED_RETRY_AFTER_MS });
    },
  };
}

/**
 * The head is wrong, and names a key that is known. Its answer is signed although nobody can tell whether the request is
 * authentic: it says no more than that, and a device that hears it believed can say so instead of trying for ever.
 */
export class SealedRefusal extends GatewayError {
  readonly seal: Seal;

  constructor(refusal: GatewayError, seal: Seal) {
    super(refusal.code, refusal.message, refusal.members);
    this.seal = seal;
  }
}

class Request implements AcceptedRequest {
  readonly #options: IngestOptions;
  readonly #arenas: Arenas;
  readonly #head: BatchRequestHead;
  readonly #keys: readonly NamedKey[];
  readonly #load: Load;
  #signer: AnswerSigner | undefined;
  #working = false;

  constructor(options: IngestOptions, arenas: Arenas, head: BatchRequestHead, keys: readonly NamedKey[], load: Load) {
    this.#options = options;
    this.#arenas = arenas;
    this.#head = head;
    this.#keys = keys;
    this.#load = load;
  }

  async take(body: Uint8Array): Promise<Acknowledgement> {
    this.#working = true;
    try {
      return await this.#take(body);
    } finally {
      this.#load.release();
    }
  }

  seal(): Seal | undefined {
    return this.#signer && { ...this.#signer, timestamp: this.#options.clock() };
  }

  release(): void {
    if (!this.#working) this.#load.release();
  }

  async #take(body: Uint8Array): Promise<Acknowledgement> {
    const { admissions, fleet, flow, limits, metrics } = this.#options;
    const { timestamp, deviceId, contentEncoding } = this.#head;
    this.#load.resize(body.length);
    const key = matchingKey(this.#keys, this.#head, body);
    this.#signer = key ?? signerForDamaged(this.#keys, this.#head);
    if (key === undefined) throw new GatewayError('signature-mismatch', 'no signature is right for this body');
    if (key.revoked) throw new GatewayError('key-revoked', `key ${key.keyId} was revoked`);
    // failpoint: signature-verified
    const receivedAt = this.#options.clock();
    if (Math.abs(receivedAt - timestamp) > limits.windowMs) {
      throw new GatewayError('clock-skew', 'the timestamp is too far from the clock', { clock: receivedAt });
    }
    checkContentType(this.#head);
    if (body.length > limits.bodyBytesMax) throw bodyTooLarge(body.length, limits.bodyBytesMax);
    const lease = this.#arenas.lease();
    try {
      const batch = await inflateBatch(flow, contentEncoding, body, lease.memory);
      this.#load.resize(body.length + bytesOf(batch.table));
      checkCount(batch, limits.eventsMax);
      const admitted = await admissions.admit({ deviceId, batch, lease, body, contentEncoding, timestamp, receivedAt });
      metrics.admitted(admitted, body.length);
      fleet.changed(deviceId, admitted.duplicates);
      const { unverified: _, ...acknowledgement } = admitted;
      return acknowledgement;
    } finally {
      lease.release();
    }
  }
}

function checkCount(batch: Batch, eventsMax: number): void {
  if (batch.count <= eventsMax) return;
  throw new GatewayError('batch-limit', `${batch.count} events; ${eventsMax} are the most`, { eventsMax });
}

function bodyTooLarge(bytes: number, bodyBytesMax: number): GatewayError {
  return new GatewayError('body-too-large', `a body of ${bytes} bytes; ${bodyBytesMax} are the most`, { bodyBytesMax });
}

/** What a decoded table takes in memory: its values, and as much again while they are counted. */
function bytesOf(table: EventTable): number {
  return 16 * table.columns.reduce((cells, column) => cells + valueCount(column), 2 * table.count);
}
