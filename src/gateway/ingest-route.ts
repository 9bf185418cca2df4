/**
 * `POST /v1/batches`: the order of work on one request (promises 4, 5 and 9).
 *
 * Owns what is checked before what: head, key, room, then the body; signature, time, size, then inflating and decoding.
 * Promises that nothing is done for a stranger but look at a head, and that every answer to a known key is signed. Never
 * decides what counts: that is `admission.ts`.
 */
import { performance } from 'node:perf_hooks';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  type Acknowledgement,
  BATCH_MEDIA_TYPE,
  type Batch,
  BODY_BYTES_MAX,
  type EventTable,
  encodeAnswer,
  valueCount,
} from '../codec/index.ts';
import type { Admissions } from './admission.ts';
import { sendAnswer, sendProblem } from './answers.ts';
import { type AnswerSigner, matchingKey, type NamedKey, namedKeys } from './authentication.ts';
import { GatewayError } from './errors.ts';
import type { Fleet } from './fleet.ts';
import type { Flow, Load } from './flow.ts';
import { inflateBatch } from './inflation.ts';
import type { KeyRing } from './keyring.ts';
import { type GatewayLimits, OVERLOADED_RETRY_AFTER_MS } from './limits.ts';
import type { Metrics } from './metrics.ts';
import { type BatchRequestHead, readRequestHead } from './request-head.ts';

export interface IngestOptions {
  readonly keys: KeyRing;
  readonly admissions: Admissions;
  readonly fleet: Pick<Fleet, 'changed'>;
  readonly flow: Flow;
  readonly limits: GatewayLimits;
  readonly metrics: Metrics;
  readonly clock: () => number;
}

/** What is known of a request so far. */
interface Exchange {
  readonly startedAt: number;
  /** Set once the head is fine, the key is there, and there is room. */
  accepted?: { readonly head: BatchRequestHead; readonly keys: readonly NamedKey[]; readonly load: Load };
  /** Set once it is known what to sign answers with. */
  signer?: AnswerSigner;
  /** Whether the body is there and being worked on. */
  working: boolean;
}

export function addIngestRoute(app: FastifyInstance, options: IngestOptions): void {
  const { clock, metrics } = options;
  const exchanges = new WeakMap<FastifyRequest, Exchange>();
  const secondsOf = ({ startedAt }: Exchange) => (performance.now() - startedAt) / 1_000;
  const sealOf = ({ signer }: Exchange) => signer && { ...signer, timestamp: clock() };

  app.addContentTypeParser(BATCH_MEDIA_TYPE, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.route({
    method: 'POST',
    url: '/v1/batches',
    bodyLimit: BODY_BYTES_MAX,
    onRequest(request, reply, done) {
      const exchange: Exchange = { startedAt: performance.now(), working: false };
      exchanges.set(request, exchange);
      try {
        exchange.accepted = accept(request, options);
        // failpoint: head-accepted
        const { load } = exchange.accepted;
        // Where the client goes away before its body is here, nobody else gives the room back.
        reply.raw.once('close', () => {
          if (!exchange.working) load.release();
        });
        done();
      } catch (error) {
        // A body without a length, or of too great a one, is not worth reading to its end for the next request's sake.
        const length = Number(request.headers['content-length'] ?? Infinity);
        if (length > BODY_BYTES_MAX) reply.header('connection', 'close');
        done(error as Error);
      }
    },
    async handler(request, reply) {
      const exchange = exchanges.get(request)!;
      exchange.working = true;
      // failpoint: body-received
      try {
        const acknowledgement = await take(exchange, request.body as Buffer, options);
        const answer = { status: 200, mediaType: 'application/json', body: encodeAnswer(acknowledgement) };
        sendAnswer(reply, answer, sealOf(exchange));
        // failpoint: answer-sent
        metrics.answered('accepted', secondsOf(exchange));
      } finally {
        exchange.accepted!.load.release();
      }
      return reply;
    },
    errorHandler(error, request, reply) {
      const exchange = exchanges.get(request)!;
      const { code } = sendProblem(request, reply, error, sealOf(exchange));
      metrics.answered(code, secondsOf(exchange));
    },
  });
}

/** Everything that needs no body. */
function accept(request: FastifyRequest, { keys: ring, flow }: IngestOptions): NonNullable<Exchange['accepted']> {
  const head = readRequestHead(request.raw);
  const keys = namedKeys(ring, head);
  // Without a length it may come to the most that is read.
  const bytes = head.contentLength ?? BODY_BYTES_MAX;
  if (bytes > BODY_BYTES_MAX) throw bodyTooLarge(bytes, BODY_BYTES_MAX);
  const load = flow.take(bytes);
  if (load !== undefined) return { head, keys, load };
  throw new GatewayError('overloaded', 'too much is being worked on', { retryAfterMs: OVERLOADED_RETRY_AFTER_MS });
}

/** From the raw body to what the acknowledgement says. */
async function take(exchange: Exchange, body: Buffer, options: IngestOptions): Promise<Acknowledgement> {
  const { admissions, fleet, flow, limits, metrics } = options;
  const { head, keys, load } = exchange.accepted!;
  load.resize(body.length);
  const key = matchingKey(keys, head, body);
  exchange.signer = key ?? { ...keys[0]!, requestSignature: head.signatures[0]! };
  if (key === undefined) throw new GatewayError('signature-mismatch', 'no signature is right for this body');
  if (key.revoked) throw new GatewayError('key-revoked', `key ${key.keyId} was revoked`);
  // failpoint: signature-verified
  const receivedAt = options.clock();
  const { timestamp, deviceId, contentEncoding } = head;
  if (Math.abs(receivedAt - timestamp) > limits.windowMs) {
    throw new GatewayError('clock-skew', 'the timestamp is too far from the clock', { clock: receivedAt });
  }
  if (body.length > limits.bodyBytesMax) throw bodyTooLarge(body.length, limits.bodyBytesMax);
  const batch = await inflateBatch(flow, contentEncoding, body);
  load.resize(body.length + bytesOf(batch.table));
  checkCount(batch, limits.eventsMax);
  const admitted = await admissions.admit({ deviceId, batch, body, contentEncoding, timestamp, receivedAt });
  metrics.admitted(admitted, body.length);
  fleet.changed(deviceId, admitted.duplicates);
  const { unverified: _, ...acknowledgement } = admitted;
  return acknowledgement;
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
