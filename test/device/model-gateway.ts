/**
 * A gateway in memory, behind the device's transport: what the device must reach agreement with.
 *
 * It shares the codec with the device but keeps its own books: a map from event id to the event's text, and sums over
 * BigInt. Every answer can be bent by a test.
 */
import assert from 'node:assert/strict';
import {
  type Batch,
  type DeclaredGap,
  decodeBatch,
  encodeAnswer,
  eventsOf,
  formatSignatures,
  HEADER,
  inflateBody,
  type Problem,
  type ProblemCode,
  parseCredential,
  parseSignatures,
  problemOf,
  signAnswer,
  type TelemetryEvent,
  verifyRequest,
} from '../../src/codec/index.ts';
import type { Transport, TransportAnswer, TransportRequest } from '../../src/device/index.ts';

export const CREDENTIAL = `k1.${Buffer.alloc(32, 7).toString('base64url')}`;
export const SECRET = parseCredential(CREDENTIAL)!.secret;

export interface ModelGateway extends Transport {
  /** `stream/sequence` → the event as JSON. */
  readonly events: Map<string, string>;
  /** `stream/first-last` → the gap. */
  readonly gaps: Map<string, DeclaredGap>;
  /** Accepted ones, gap declarations among them. */
  readonly batches: Batch[];
  readonly requests: TransportRequest[];
  /** Requests under way at the same time, at most. */
  readonly busiest: number;
  /** The exact sum of `volume`, times 10^6. */
  volume(): bigint;
  /** Asked before a request is looked at; an answer, or an error, stands for the gateway's. */
  before: (request: TransportRequest, attempt: number) => Early | Promise<Early>;
  /** Asked once a batch is decoded and before it is stored: a problem refuses it. */
  judge: (batch: Batch) => Problem | undefined;
  /** Bends the answer on its way back. */
  after: (answer: TransportAnswer, attempt: number) => TransportAnswer | Error;
  clock: () => number;
  encodings: readonly string[];
}

/** Ranges that one answer names. */
const COLLISIONS_MAX = 64;

type Early = TransportAnswer | Error | undefined;

export function createModelGateway(): ModelGateway {
  let busy = 0;
  let busiest = 0;
  const gateway: ModelGateway = {
    events: new Map(),
    gaps: new Map(),
    batches: [],
    requests: [],
    get busiest() {
      return busiest;
    },
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
      busiest = Math.max(busiest, ++busy);
      try {
        const early = await gateway.before(request, attempt);
        if (early instanceof Error) throw early;
        const answer = gateway.after(early ?? (await answerTo(gateway, request)), attempt);
        if (answer instanceof Error) throw answer;
        return answer;
      } finally {
        busy--;
      }
    },
    close: async () => {},
  };
  return gateway;
}

/** An answer with these bytes, signed for the request. */
export function signed(
  gateway: Pick<ModelGateway, 'clock'>,
  request: Pick<TransportRequest, 'headers'>,
  status: number,
  body: Uint8Array,
  secret: Uint8Array = SECRET,
): TransportAnswer {
  const [requestSignature] = parseSignatures(request.headers[HEADER.signature])!;
  const timestamp = gateway.clock();
  const signature = signAnswer(secret, { status, requestSignature: requestSignature!, timestamp }, body);
  const headers = { [HEADER.signature]: formatSignatures([signature]), [HEADER.timestamp]: String(timestamp) };
  return { status, headers, body };
}

export function refusal(gateway: ModelGateway, request: TransportRequest, problem: Problem): TransportAnswer {
  return signed(gateway, request, problem.status, encodeAnswer(problem));
}

/** What stands between: a page for people, signed by nobody. */
export function page(status: number, headers: TransportAnswer['headers'] = {}): TransportAnswer {
  return { status, headers: { 'content-type': 'text/html', ...headers }, body: Buffer.from('<h1>Welcome</h1>') };
}

/** Refuses batches for the events that are not to the gateway's taste. */
export function refusing(isGuilty: (event: TelemetryEvent) => boolean, code: ProblemCode = 'batch-column') {
  return ({ table }: Batch): Problem | undefined =>
    [...eventsOf(table)].some(isGuilty) ? problemOf(code, 'as the test wants it') : undefined;
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
  const texts = [...eventsOf(batch.table)].map(
    (event, i) => [`${stream}/${batch.first + i}`, JSON.stringify(event)] as const,
  );
  const collisions: [number, number][] = [];
  texts.forEach(([id, text], i) => {
    if ((gateway.events.get(id) ?? text) === text) return;
    const sequence = batch.first + i;
    const range = collisions.at(-1);
    if (range?.[1] === sequence - 1) range[1] = sequence;
    else collisions.push([sequence, sequence]);
  });
  if (collisions.length > 0) return refuse('sequence-collision', { collisions: collisions.slice(0, COLLISIONS_MAX) });
  const fresh = texts.filter(([id]) => !gateway.events.has(id));
  for (const [id, text] of fresh) gateway.events.set(id, text);
  for (const gap of batch.gaps) {
    const name = `${stream}/${gap.first}-${gap.last}`;
    assert.deepEqual(gateway.gaps.get(name) ?? gap, gap, 'a gap that is declared again is the same');
    gateway.gaps.set(name, gap);
  }
  gateway.batches.push(batch);
  const { first, count } = batch;
  const said = { stream, first, count, inserted: fresh.length, duplicates: count - fresh.length };
  return signed(gateway, request, 200, encodeAnswer(said));
}
