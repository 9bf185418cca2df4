/**
 * A gateway in memory, behind the device's transport: what the device must reach agreement with.
 *
 * It shares the codec with the device but keeps its own books: a map from event id to the event's text, and sums over
 * BigInt. Every answer can be bent by a test.
 */
import assert from 'node:assert/strict';
import {
  type Batch,
  decodeBatch,
  encodeAnswer,
  eventsOf,
  formatSignatures,
  HEADER,
  inflateBody,
  parseCredential,
  parseSignatures,
  type Problem,
  problemOf,
  type ProblemCode,
  signAnswer,
  verifyRequest,
} from '../../src/codec/index.ts';
import type { Transport, TransportAnswer, TransportRequest } from '../../src/device/index.ts';

export const CREDENTIAL = `k1.${Buffer.alloc(32, 7).toString('base64url')}`;
const SECRET = parseCredential(CREDENTIAL)!.secret;

export interface ModelGateway extends Transport {
  /** `stream/sequence` → the event as JSON. */
  readonly events: Map<string, string>;
  readonly batches: Batch[];
  readonly requests: TransportRequest[];
  /** The exact sum of `volume`, times 10^6. */
  volume(): bigint;
  /** Asked before a request is looked at; an answer, or an error, stands for the gateway's. */
  before: (request: TransportRequest, attempt: number) => TransportAnswer | Error | undefined | Promise<undefined>;
  /** Asked once a batch is decoded and before it is stored: a problem refuses it. */
  judge: (batch: Batch) => Problem | undefined;
  /** Bends the answer on its way back. */
  after: (answer: TransportAnswer, attempt: number) => TransportAnswer | Error;
  clock: () => number;
  encodings: readonly string[];
}

export function createModelGateway(): ModelGateway {
  const gateway: ModelGateway = {
    events: new Map(),
    batches: [],
    requests: [],
    volume: () => {
      let sum = 0n;
      for (const text of gateway.events.values()) {
        const { volume = 0 } = (JSON.parse(text) as { fields: { volume?: number } }).fields;
        sum += BigInt(Math.round(volume * 1e6));
      }
      return sum;
    },
    before: () => undefined,
    judge: () => undefined,
    after: (answer) => answer,
    clock: Date.now,
    encodings: ['br', 'gzip', 'identity'],
    async post(request) {
      request.signal.throwIfAborted();
      const attempt = gateway.requests.push(request);
      const early = await gateway.before(request, attempt);
      if (early instanceof Error) throw early;
      const answer = gateway.after(early ?? (await answerTo(gateway, request)), attempt);
      if (answer instanceof Error) throw answer;
      return answer;
    },
    close: async () => {},
  };
  return gateway;
}

export function signed(gateway: ModelGateway, request: TransportRequest, status: number, body: Uint8Array): TransportAnswer {
  const [requestSignature] = parseSignatures(request.headers[HEADER.signature])!;
  const timestamp = gateway.clock();
  const signature = signAnswer(SECRET, { status, requestSignature: requestSignature!, timestamp }, body);
  const headers = { [HEADER.signature]: formatSignatures([signature]), [HEADER.timestamp]: String(timestamp) };
  return { status, headers, body };
}

export function refusal(gateway: ModelGateway, request: TransportRequest, problem: Problem): TransportAnswer {
  return signed(gateway, request, problem.status, encodeAnswer(problem));
}

async function answerTo(gateway: ModelGateway, request: TransportRequest): Promise<TransportAnswer> {
  const { headers, body } = request;
  const timestamp = Number(headers[HEADER.timestamp]);
  const contentEncoding = headers['content-encoding']!;
  const head = { deviceId: headers[HEADER.device]!, keyId: headers[HEADER.key]!, timestamp, contentEncoding };
  assert(verifyRequest(SECRET, head, body, parseSignatures(headers[HEADER.signature])!), 'the request is authentic');
  const refuse = (code: ProblemCode, members: Parameters<typeof problemOf>[2] = {}): TransportAnswer =>
    refusal(gateway, request, problemOf(code, 'as the test wants it', members));
  if (Math.abs(timestamp - gateway.clock()) > 300_000) return refuse('clock-skew', { clock: gateway.clock() });
  if (!gateway.encodings.includes(contentEncoding)) {
    return refuse('encoding-unsupported', { acceptEncoding: gateway.encodings });
  }
  const batch = decodeBatch(await inflateBody(contentEncoding, body));
  const problem = gateway.judge(batch);
  if (problem) return refusal(gateway, request, problem);
  const stream = Buffer.from(batch.stream).toString('hex');
  const texts = [...eventsOf(batch.table)].map((event, i) => [`${stream}/${batch.first + i}`, JSON.stringify(event)] as const);
  const collided = texts.flatMap(([id, text], i) => {
    const known = gateway.events.get(id);
    return known === undefined || known === text ? [] : [[batch.first + i, batch.first + i] as const];
  });
  if (collided.length > 0) return refuse('sequence-collision', { collisions: collided });
  const fresh = texts.filter(([id]) => !gateway.events.has(id));
  for (const [id, text] of fresh) gateway.events.set(id, text);
  gateway.batches.push(batch);
  const { first, count } = batch;
  const said = { stream, first, count, inserted: fresh.length, duplicates: count - fresh.length };
  return signed(gateway, request, 200, encodeAnswer(said));
}
