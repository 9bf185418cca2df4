/**
 * Ingest: the order of work on one batch (promises 4, 5 and 9).
 *
 * Owns what is checked before what: head, key, the head's signature, time, room, then the body; its signature, size,
 * then inflating and decoding. Promises that nothing is done for a stranger but look at a head and hold a small part of
 * the room, and that it is known what to sign an answer with as soon as a signed head or the body is there. Never
 * decides what counts: that is `admission.ts`. Never sees HTTP but its headers.
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
import { SHARED_TURNS, type Turns } from '../store/index.ts';
import type { Admissions } from './admission.ts';
import type { Seal } from './answers.ts';
import {
  type AnswerSigner,
  matchingHead,
  matchingKey,
  type NamedKey,
  namedKeys,
  signerForDamaged,
} from './authentication.ts';
import { GatewayError } from './errors.ts';
import type { Fleet } from './fleet.ts';
import type { Flow, Load } from './flow.ts';
import { withBatch } from './inflation.ts';
import type { KeyRing } from './keyring.ts';
import { ARENA_BYTES, ARENAS, type GatewayLimits, OVERLOADED_RETRY_AFTER_MS } from './limits.ts';
import type { Metrics } from './metrics.ts';
import {
  type BatchRequestHead,
  type Caller,
  checkContentType,
  type RequestHeaders,
  readCaller,
  readRequestHead,
} from './request-head.ts';
import type { ConnectionUpload } from './upload.ts';
import { createUsedHeads, type UsedHeads } from './used-heads.ts';

export interface IngestOptions {
  readonly keys: KeyRing;
  readonly admissions: Admissions;
  readonly fleet: Pick<Fleet, 'changed'>;
  readonly flow: Flow;
  readonly limits: GatewayLimits;
  readonly metrics: Pick<Metrics, 'admitted'>;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly turns?: Turns;
}

export interface Ingest {
  /**
   * Reads the head: it is fine, and the key is there.
   * @throws GatewayError, a SealedRefusal where the answer is to be signed all the same
   */
  accept(request: RequestHeaders): AcceptedRequest;
}

export interface AcceptedRequest {
  /** One that has a key here, whether it has sent this or not. */
  readonly deviceId: string;
  /**
   * The rest of what needs no body: the time of a signed head is right, and there is room, which it has until it is
   * released. True where the head proves that its device sends it, now.
   * @throws GatewayError
   */
  takeRoom(upload?: ConnectionUpload): boolean;
  /**
   * From the raw body to what the acknowledgement says, and releases it.
   * @throws whatever `toGatewayError` makes a problem of
   */
  take(body: Uint8Array): Promise<Acknowledgement>;
  /** What to sign an answer with now; undefined while there is neither a signed head nor a body to tell the key by. */
  seal(): Seal | undefined;
  /** Gives the room back where no body comes; harmless while one is worked on. */
  release(): void;
}

export function createIngest(options: IngestOptions): Ingest {
  const shared: Shared = { ...options, arenas: createArenas(ARENAS, ARENA_BYTES), usedHeads: createUsedHeads() };
  return {
    accept(request) {
      const caller = readCaller(request);
      const keys = namedKeys(options.keys, caller);
      const head = readHead(request, caller, keys);
      return new Request(shared, head, matchingHead(keys, head));
    },
  };

  function readHead(request: RequestHeaders, caller: Caller, keys: readonly NamedKey[]): BatchRequestHead {
    try {
      return readRequestHead(request, caller);
    } catch (error) {
      const seal = { ...signerForDamaged(keys, caller), timestamp: options.clock() };
      throw new SealedRefusal(error as GatewayError, seal);
    }
  }
}

/**
 * The head is wrong, and names a key that is known. Its answer is signed although nobody can tell whether the request
 * is authentic: it says no more than that, and a device that hears it believed can say so instead of trying for ever.
 */
export class SealedRefusal extends GatewayError {
  readonly seal: Seal;

  constructor(refusal: GatewayError, seal: Seal) {
    super(refusal.code, refusal.message, refusal.members);
    this.seal = seal;
  }
}

interface Shared extends IngestOptions {
  readonly arenas: Arenas;
  readonly usedHeads: UsedHeads;
}

class Request implements AcceptedRequest {
  readonly #shared: Shared;
  readonly #head: BatchRequestHead;
  /** Of the head; undefined where the device does not sign heads, or somebody else has sent it. */
  readonly #headSigner: AnswerSigner | undefined;
  readonly #clockOffsetMs: number;
  #load: Load | undefined;
  #signer: AnswerSigner | undefined;
  #working = false;

  get deviceId(): string {
    return this.#head.deviceId;
  }

  constructor(shared: Shared, head: BatchRequestHead, headSigner: AnswerSigner | undefined) {
    this.#shared = shared;
    this.#head = head;
    this.#headSigner = headSigner;
    this.#signer = headSigner;
    this.#clockOffsetMs = shared.clock() - head.timestamp;
  }

  takeRoom(upload?: ConnectionUpload): boolean {
    const { flow, usedHeads } = this.#shared;
    const { deviceId, contentLength } = this.#head;
    // Without a length it may come to the most that is read.
    const bytes = contentLength ?? BODY_BYTES_MAX;
    if (this.#headSigner !== undefined) this.#checkTime();
    if (bytes > BODY_BYTES_MAX) throw bodyTooLarge(bytes, BODY_BYTES_MAX);
    const once = this.#headSigner?.requestSignatures[0];
    const isAuthentic = once !== undefined && !usedHeads.has(once);
    this.#load = flow.take(bytes, upload && { ...upload, deviceId, isAuthentic });
    if (this.#load === undefined) {
      throw new GatewayError('overloaded', 'too much is being worked on', { retryAfterMs: OVERLOADED_RETRY_AFTER_MS });
    }
    if (isAuthentic) usedHeads.add(once);
    return isAuthentic;
  }

  async take(body: Uint8Array): Promise<Acknowledgement> {
    this.#working = true;
    try {
      return await this.#take(body);
    } finally {
      this.#load?.release();
    }
  }

  seal(): Seal | undefined {
    return this.#signer && { ...this.#signer, timestamp: this.#shared.clock() };
  }

  release(): void {
    if (!this.#working) this.#load?.release();
  }

  async #take(body: Uint8Array): Promise<Acknowledgement> {
    const { keys: ring, arenas, admissions, fleet, flow, limits, metrics, clock, turns = SHARED_TURNS } = this.#shared;
    const { deviceId, contentEncoding } = this.#head;
    // Not those that were there with the head: one may have been revoked since.
    const keys = namedKeys(ring, this.#head);
    const key = matchingKey(keys, this.#head, body);
    this.#signer = key ?? this.#headSigner ?? signerForDamaged(keys, this.#head);
    if (key === undefined) throw new GatewayError('signature-mismatch', 'no signature is right for this body');
    if (key.revoked) throw new GatewayError('key-revoked', `key ${key.keyId} was revoked`);
    this.#load?.resize(body.length);
    // failpoint: signature-verified
    // A signed head was in time when it came, however long its body took.
    if (this.#headSigner === undefined) this.#checkTime();
    checkContentType(this.#head);
    const receivedAt = clock();
    if (body.length > limits.bodyBytesMax) throw bodyTooLarge(body.length, limits.bodyBytesMax);
    const lease = arenas.lease();
    try {
      const own: Pick<Flow, 'inTurn'> = { inTurn: (bytes, work) => flow.inTurn(bytes, work, { deviceId }) };
      const inflated = { contentEncoding, body };
      const batch = await withBatch(own, inflated, lease.memory, turns, async (decoded) => {
        // Before its turn is over: what comes next is not to find the room that this one takes.
        this.#load?.grow(bytesOf(decoded.table));
        return decoded;
      });
      checkCount(batch, limits.eventsMax);
      const arrival = { deviceId, batch, lease, body, contentEncoding, clockOffsetMs: this.#clockOffsetMs, receivedAt };
      const admitted = await admissions.admit(arrival);
      metrics.admitted(admitted, body.length);
      fleet.changed(deviceId, admitted.duplicates);
      const { unverified: _, ...acknowledgement } = admitted;
      return acknowledgement;
    } finally {
      lease.release();
    }
  }

  #checkTime(): void {
    const { clock, limits } = this.#shared;
    const now = clock();
    if (Math.abs(now - this.#head.timestamp) <= limits.windowMs) return;
    throw new GatewayError('clock-skew', 'the timestamp is too far from the clock', { clock: now });
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
