/** Gateways on temporary folders and free ports, and a client that says exactly what a test wants said. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { FastifyInstance } from 'fastify';
import {
  type Acknowledgement,
  BATCH_MEDIA_TYPE,
  type BatchHeader,
  type ContentEncoding,
  compressBody,
  createTableBuilder,
  encodeBatch,
  encodeColumns,
  formatSignatures,
  HEADER,
  isContentEncoding,
  type Problem,
  parseAcknowledgement,
  parseProblem,
  parseSignatures,
  signHead,
  signRequest,
  type TelemetryEvent,
  verifyAnswer,
} from '../../src/codec/index.ts';
import { openStore } from '../../src/gateway/data.ts';
import type { Page } from '../../src/gateway/index.ts';
import { createGateway, type GatewayOptions, type Key, type KeyRing } from '../../src/gateway/index.ts';
import type { GatewayStore } from '../../src/store/index.ts';

export const DEVICE = 'pump-7';
export const KEY_ID = 'k1';
export const SECRET = Buffer.alloc(32, 7);

/** Keys that a test may change while the gateway runs. */
export interface TestKeys extends KeyRing {
  set(deviceId: string, keyId: string, key: Partial<Key>): void;
}

export function testKeys(): TestKeys {
  const keys = new Map<string, Key>();
  const set: TestKeys['set'] = (deviceId, keyId, key) => {
    keys.set(`${deviceId} ${keyId}`, { secret: SECRET, revoked: false, ...key });
  };
  set(DEVICE, KEY_ID, {});
  return { set, lookup: (deviceId, keyId) => keys.get(`${deviceId} ${keyId}`) };
}

export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-gateway-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface TestGateway {
  readonly app: FastifyInstance;
  readonly url: string;
  readonly keys: TestKeys;
  readonly store: GatewayStore<Page>;
  readonly folder: string;
  close(): Promise<void>;
}

export type TestGatewayOptions = Partial<Pick<GatewayOptions, 'adminToken' | 'tls' | 'limits' | 'clock' | 'logger'>> & {
  readonly folder?: string;
  readonly host?: string;
  readonly keys?: TestKeys;
  /** Puts something between gateway and store. */
  readonly wrap?: (store: GatewayStore<Page>) => GatewayStore<Page>;
};

/** A listening gateway on a real store. */
export async function testGateway(t: TestContext, options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { folder = await temporaryFolder(t), host = '127.0.0.1', ...others } = options;
  const { keys = testKeys(), wrap = (store) => store, ...settings } = others;
  const store = await openStore(folder);
  const app = await createGateway({ ...settings, store: wrap(store), keys });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= app.close().then(() => store.close());
    return closed;
  };
  t.after(close);
  await app.listen({ host, port: 0 });
  const [{ port }] = app.addresses() as [AddressInfo];
  const url = `${settings.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  return { app, url, keys, store, folder, close };
}

export const STREAM = Buffer.alloc(16, 0xab);
export const STREAM_HEX = STREAM.toString('hex');

/** An hour that begins a page of minutes, hours and days alike: 32 days times 600 since 1970. */
export const EPOCH_MS = 600 * 32 * 86_400_000;

/** One event a second from `EPOCH_MS` on, the same for the same sequence every time. */
export function eventOf(sequence: number, change: Partial<TelemetryEvent> = {}): TelemetryEvent {
  return {
    ts: EPOCH_MS + sequence * 1_000,
    sensor: sequence % 3 === 0 ? 'outlet' : 'inlet',
    fields: {
      volume: ((sequence * 37) % 1000) / 8,
      temperature: 20 + (sequence % 7) / 10,
      state: sequence % 2 === 0 ? 'on' : 'off',
    },
    ...change,
  };
}

export function eventsFrom(first: number, count: number): TelemetryEvent[] {
  return Array.from({ length: count }, (_, i) => eventOf(first + i));
}

export type BatchParts = Partial<BatchHeader> & { readonly events?: readonly TelemetryEvent[] };

export function batchBytes({ events, ...header }: BatchParts = {}): Uint8Array {
  const first = header.first ?? 1;
  const builder = createTableBuilder();
  const rows = events ?? eventsFrom(first, header.count ?? 10);
  for (const event of rows) assert(builder.add(event));
  const queue = { recorded: first + rows.length - 1, queued: rows.length, quarantined: 0, gaps: 0 };
  return encodeBatch(
    { stream: STREAM, sentAt: Date.now(), queue, gaps: [], ...header, first, count: rows.length },
    encodeColumns(builder.build()),
  );
}

export interface RequestParts {
  readonly body?: Uint8Array;
  readonly batch?: BatchParts;
  readonly deviceId?: string;
  readonly keyId?: string;
  readonly secret?: Uint8Array;
  readonly timestamp?: number;
  readonly encoding?: ContentEncoding | (string & {});
  /** Whether the head is signed, too, as devices do; those of before do not. */
  readonly signsHead?: boolean;
  /** Put over the usual headers; undefined leaves one out, an array says it more than once. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly ca?: string;
  readonly agent?: http.Agent;
  /** One that was made before, as it is. */
  readonly request?: SignedRequest;
}

export interface SignedRequest {
  readonly headers: http.OutgoingHttpHeaders;
  readonly body: Uint8Array;
  readonly signature: string;
  readonly secret: Uint8Array;
}

export async function signedRequest(parts: RequestParts = {}): Promise<SignedRequest> {
  const { deviceId = DEVICE, keyId = KEY_ID, secret = SECRET, encoding = 'identity' } = parts;
  const timestamp = parts.timestamp ?? Date.now();
  const bytes = parts.body ?? batchBytes(parts.batch);
  const compressed = parts.body === undefined && isContentEncoding(encoding);
  const body = compressed ? await compressBody(encoding, bytes) : bytes;
  const head = { deviceId, keyId, timestamp, contentEncoding: encoding };
  const signature = signRequest(secret, head, body);
  const headSignature = signHead(secret, { ...head, contentLength: body.length, requestSignature: signature });
  const headers: Record<string, string | readonly string[] | undefined> = {
    [HEADER.device]: deviceId,
    [HEADER.key]: keyId,
    [HEADER.timestamp]: String(timestamp),
    [HEADER.signature]: formatSignatures([signature]),
    [HEADER.headSignature]: parts.signsHead ? formatSignatures([headSignature]) : undefined,
    'content-type': BATCH_MEDIA_TYPE,
    'content-encoding': encoding === 'identity' ? undefined : encoding,
    ...parts.headers,
  };
  const stated = Object.entries(headers).filter(([, value]) => value !== undefined);
  return { headers: Object.fromEntries(stated) as http.OutgoingHttpHeaders, body, signature, secret };
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether it is signed for the very request. */
  readonly signed: boolean;
  readonly acknowledgement: Acknowledgement | undefined;
  readonly problem: Problem | undefined;
}

/** Says one thing over a connection of its own, or of the agent's. */
export function say(
  url: string,
  {
    method = 'GET',
    headers = {},
    body,
    ca,
    agent,
  }: {
    method?: string;
    headers?: http.OutgoingHttpHeaders;
    body?: Uint8Array | undefined;
    ca?: string | undefined;
    agent?: http.Agent | undefined;
  } = {},
): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const { request } = url.startsWith('https:') ? https : http;
    const sent = request(url, { method, headers, agent: agent ?? false, ...(ca !== undefined && { ca }) }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () =>
        resolve({ status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(chunks) }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Sends one batch and checks the signature of the answer. */
export async function post(gateway: { readonly url: string }, parts: RequestParts = {}): Promise<TestAnswer> {
  const request = parts.request ?? (await signedRequest(parts));
  const answer = await say(`${gateway.url}/v1/batches`, {
    method: 'POST',
    headers: { 'content-length': request.body.length, ...request.headers },
    body: request.body,
    ca: parts.ca,
    agent: parts.agent,
  });
  return judged(answer, request);
}

export function judged(
  answer: { status: number; headers: http.IncomingHttpHeaders; body: Buffer },
  request: Pick<SignedRequest, 'signature' | 'secret'>,
): TestAnswer {
  const signatures = parseSignatures(answer.headers[HEADER.signature] as string | undefined);
  const head = {
    status: answer.status,
    requestSignature: request.signature,
    timestamp: Number(answer.headers[HEADER.timestamp]),
  };
  const signed = signatures !== undefined && verifyAnswer(request.secret, head, answer.body, signatures);
  assert(signed || signatures === undefined, 'a signature on an answer verifies');
  return {
    ...answer,
    signed,
    acknowledgement: answer.status === 200 ? parseAcknowledgement(answer.body) : undefined,
    problem: answer.status === 200 ? undefined : parseProblem(answer.body),
  };
}

/** The JSON of a read route. */
export async function read(
  gateway: { readonly url: string },
  path: string,
  headers: http.OutgoingHttpHeaders = {},
  // biome-ignore lint/suspicious/noExplicitAny: tests say which members they expect
): Promise<any> {
  const answer = await say(`${gateway.url}${path}`, { headers });
  assert.equal(answer.status, 200, answer.body.toString());
  return JSON.parse(answer.body.toString());
}

export function freshStream(): Buffer {
  return randomBytes(16);
}
