/**
 * Answers: how the gateway puts what it says into HTTP.
 *
 * Owns headers and signatures of answers, and the one place where what was thrown becomes a problem. Promises that an
 * answer is signed whenever it is known with which key, over exactly the bytes that are sent. Never decides what to
 * say.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  type Acknowledgement,
  encodeAnswer,
  formatSignatures,
  HEADER,
  PROBLEM_MEDIA_TYPE,
  signAnswer,
} from '../codec/index.ts';
import type { AnswerSigner } from './authentication.ts';
import { type GatewayError, toGatewayError } from './errors.ts';

export interface Answer {
  readonly status: number;
  readonly mediaType: string;
  readonly body: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What to sign an answer with, and when: the gateway's clock, epoch milliseconds. */
export interface Seal extends AnswerSigner {
  readonly timestamp: number;
}

export function sendAnswer(reply: FastifyReply, answer: Answer, seal: Seal | undefined): FastifyReply {
  reply.code(answer.status).headers(answerHeaders(answer, seal));
  // failpoint: answer-signed
  return reply.send(answer.body);
}

export function answerHeaders(answer: Answer, seal: Seal | undefined): Record<string, string> {
  const { status, mediaType, body } = answer;
  const headers = { ...answer.headers, 'content-type': mediaType, 'cache-control': 'no-store' };
  if (seal === undefined) return headers;
  const { keyId, secret, requestSignatures, timestamp } = seal;
  const signatures = requestSignatures.map((requestSignature) =>
    signAnswer(secret, { status, requestSignature, timestamp }, body),
  );
  return {
    ...headers,
    [HEADER.key]: keyId,
    [HEADER.timestamp]: String(timestamp),
    [HEADER.signature]: formatSignatures(signatures),
  };
}

export function acknowledgementAnswer(acknowledgement: Acknowledgement): Answer {
  return { status: 200, mediaType: 'application/json', body: encodeAnswer(acknowledgement) };
}

export function problemAnswer(error: GatewayError): Answer {
  const { problem } = error;
  return {
    status: problem.status,
    mediaType: PROBLEM_MEDIA_TYPE,
    body: encodeAnswer(problem),
    headers: {
      ...(problem.retryAfterMs !== undefined && { 'retry-after': String(Math.ceil(problem.retryAfterMs / 1_000)) }),
      ...(problem.acceptEncoding && { 'accept-encoding': problem.acceptEncoding.join(', ') }),
      ...(problem.code === 'token-invalid' && { 'www-authenticate': 'Bearer realm="tidegate"' }),
    },
  };
}

/** Answers a request with what was thrown while it was served. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, thrown: unknown, seal?: Seal): GatewayError {
  const error = toGatewayError(thrown);
  const { status } = error.problem;
  const said = { code: error.code, method: request.method, path: request.routeOptions.url };
  if (status >= 500 && error.cause !== undefined) request.log.error({ ...said, err: error.cause }, error.message);
  else request.log.debug({ ...said, detail: error.message }, 'refused');
  sendAnswer(reply, problemAnswer(error), seal);
  return error;
}
