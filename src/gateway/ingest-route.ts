/**
 * `POST /v1/batches`: ingest over HTTP.
 *
 * Owns the two moments at which a request is looked at, when its head is there and when its body is, and how long it
 * took. Promises that every answer to a known key is signed, and that a client which goes away leaves no room taken.
 * Never decides anything: that is `ingest.ts`.
 */
import { performance } from 'node:perf_hooks';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { BODY_BYTES_MAX } from '../codec/index.ts';
import { acknowledgementAnswer, type Seal, sendAnswer, sendProblem } from './answers.ts';
import { GatewayError } from './errors.ts';
import type { HttpServers } from './http-server.ts';
import { type AcceptedRequest, type Ingest, SealedRefusal } from './ingest.ts';
import { OVERLOADED_RETRY_AFTER_MS } from './limits.ts';
import type { Metrics } from './metrics.ts';
import { paceOf } from './upload.ts';
import type { VisitorLog } from './visitor-log.ts';

const ANY_BODY = 'application/x-tidegate-body';

export interface IngestRouteOptions {
  readonly ingest: Ingest;
  readonly metrics: Pick<Metrics, 'answered'>;
  readonly servers: Pick<HttpServers, 'breakOff' | 'prove'>;
  readonly visitors: VisitorLog;
}

/** What is known of a request so far. */
interface Exchange {
  readonly startedAt: number;
  accepted?: AcceptedRequest;
  /** Why its connection was ended while its body was on its way. */
  brokenOffFor?: GatewayError;
}

export function addIngestRoute(app: FastifyInstance, { ingest, metrics, servers, visitors }: IngestRouteOptions): void {
  const exchanges = new WeakMap<FastifyRequest, Exchange>();
  const secondsOf = ({ startedAt }: Exchange) => (performance.now() - startedAt) / 1_000;

  // A name of our own for every body: what the header says is judged once the signature is right, so that the refusal
  // is signed. The parsers of whoever mounts this gateway stay as they are.
  app.addContentTypeParser(ANY_BODY, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.route({
    method: 'POST',
    url: '/v1/batches',
    bodyLimit: BODY_BYTES_MAX,
    // One for each request takes time and memory, and has nothing to say most of the time.
    childLoggerFactory: (logger) => logger,
    onRequest(request, reply, done) {
      const exchange: Exchange = { startedAt: performance.now() };
      exchanges.set(request, exchange);
      try {
        const accepted = ingest.accept(request.raw);
        exchange.accepted = accepted;
        const { socket } = request.raw;
        const drop = () => {
          exchange.brokenOffFor = new GatewayError('overloaded', 'it came too slowly, and its room was wanted', {
            retryAfterMs: OVERLOADED_RETRY_AFTER_MS,
          });
          servers.breakOff(exchange.brokenOffFor, socket);
        };
        if (accepted.takeRoom({ ...paceOf(socket), drop })) servers.prove(socket);
        request.raw.headers['content-type'] = ANY_BODY;
        // failpoint: head-accepted
        // Where the client goes away before its body is here, nobody else gives the room back.
        reply.raw.once('close', () => accepted.release());
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
      const accepted = exchange.accepted!;
      // failpoint: body-received
      const acknowledgement = await accepted.take(request.body as Buffer);
      servers.prove(request.raw.socket);
      sendAnswer(reply, acknowledgementAnswer(acknowledgement), accepted.seal());
      // failpoint: answer-sent
      metrics.answered('accepted', secondsOf(exchange));
      visitors.accepted({ deviceId: accepted.deviceId, address: request.raw.socket.remoteAddress });
      return reply;
    },
    errorHandler(error, request, reply) {
      // Without one, the request was refused before anything was looked at.
      const exchange: Exchange = exchanges.get(request) ?? { startedAt: performance.now() };
      const seal = exchange.accepted?.seal() ?? sealOf(error);
      const refusal = sendProblem(request, reply, exchange.brokenOffFor ?? error, seal);
      metrics.answered(refusal.code, secondsOf(exchange));
      // Who has gone was not refused; a bad link is no news.
      if (request.raw.socket.destroyed && exchange.brokenOffFor === undefined) return;
      visitors.refused({ deviceId: exchange.accepted?.deviceId, address: request.raw.socket.remoteAddress }, refusal);
    },
  });
}

function sealOf(error: unknown): Seal | undefined {
  return error instanceof SealedRefusal ? error.seal : undefined;
}
