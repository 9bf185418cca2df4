/** What stands in vectors/exchanges.json: each way in which a gateway answers a batch, in the words of the pages. */
import type { ProblemCode } from '../../src/codec/index.ts';
import { bytesOf, EXAMPLE, HEADER, type Header } from './example.ts';
import { plainBatch, volume } from './foreign.ts';
import { array, bin, doubles, nil, packIntegers, str, uint } from './plain.ts';
import { OTHER, requestSignature, SECRET } from './signatures.ts';

export const CLOCK = 1_700_000_000_600;
export const DEVICE = 'pump-7';
export const MEDIA_TYPE = 'application/vnd.tidegate.batch+msgpack';

export const KEYS: Readonly<Record<string, { readonly secret: Buffer; readonly revoked: boolean }>> = {
  k0: { secret: Buffer.alloc(32, 0x10), revoked: true },
  k1: { secret: SECRET, revoked: false },
  k2: { secret: OTHER, revoked: false },
};

/** What the device does, in the words of README.md, or `releases`. */
type Action =
  | 'releases'
  | 'pauses'
  | 'bisects'
  | 'splits'
  | 'falls back'
  | 'corrects its clock'
  | 'makes a new stream'
  | 'retries'
  | 'waits';

/** What is not as always: at the gateway, or between. */
interface Given {
  readonly limits?: Readonly<Record<string, number>>;
  /** `full` takes no writes; `broken` fails as it never should. */
  readonly disk?: 'full' | 'broken';
  /** All of its room is taken. */
  readonly busy?: true;
  /** The request does not come to its end in time. */
  readonly slow?: true;
  /** Somebody else answers. */
  readonly proxy?: true;
}

export interface Case {
  readonly name: string;
  readonly code?: ProblemCode;
  readonly given?: Given;
  /** The names of exchanges that went before, at the same gateway. */
  readonly before?: readonly string[];
  readonly request?: Said;
  readonly answer: {
    readonly status: number;
    /** Of the answer, beside those that follow from the rest. */
    readonly headers?: Readonly<Record<string, string>>;
    readonly body: object | string;
    /** The key that it is signed with, over these signatures of the request; by default the one that matched. */
    readonly key?: string;
    readonly over?: readonly string[];
  };
  /** Undefined where no device asks so. */
  readonly device?: Action;
}

export interface Said {
  readonly method?: string;
  readonly path?: string;
  readonly body?: Buffer;
  /** What was signed, where that is another body. */
  readonly signed?: Buffer;
  /** Only so many bytes of the body come. */
  readonly sent?: number;
  readonly encoding?: string;
  /** The key that the device has. */
  readonly key?: string;
  /** Signs the head, too. */
  readonly signsHead?: true;
  readonly timestamp?: number;
  /** Over the usual ones; undefined leaves one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

export const example = bytesOf({ header: HEADER, events: EXAMPLE });

const batchOf = (header: Partial<Header>, events = EXAMPLE): Buffer =>
  bytesOf({ header: { ...HEADER, ...header }, events });

export const secretOf = (key: string): Buffer => KEYS[key]?.secret ?? Buffer.alloc(32, 9);

export function signatureOf(said: Said = {}): string {
  const { body = example, signed = body, key = 'k1', encoding = 'identity', timestamp = CLOCK - 100 } = said;
  return requestSignature(secretOf(key), DEVICE, key, timestamp, encoding, signed);
}

const integers = (...values: readonly number[]): Buffer => bin(packIntegers(values.map(BigInt), 0, 15));

const problem = (code: ProblemCode, status: number, members: object = {}): { status: number; body: object } => ({
  status,
  body: { type: `urn:tidegate:problem:${code}`, status, code, ...members },
});

const acknowledged = (
  first: number,
  count: number,
  inserted: number,
  stream: Uint8Array = HEADER.stream,
): { status: number; body: object; key: string } => ({
  status: 200,
  body: { stream: Buffer.from(stream).toString('hex'), first, count, inserted, duplicates: count - inserted },
  key: 'k1',
});

/** As many measures as a sensor may have, in as many events as that takes. */
const allMeasures = Array.from({ length: 4 }, (_, event) => ({
  ts: CLOCK,
  sensor: 'inlet',
  fields: Object.fromEntries(Array.from({ length: 128 }, (_, i) => [`m${128 * event + i}`, 1])),
}));

const other = EXAMPLE.map((event, i) => (i === 1 ? { ...event, fields: { volume: 0.75 } } : event));
const damaged = Buffer.concat([example.subarray(0, -1), Buffer.from([0xc2])]);
const NOT_GZIP = Buffer.from('this is not gzip');
/** Brotli of one zero more than a batch may have bytes. */
const BOMB = Buffer.from(
  'cbffff3ff82700e2b14020f7fe8fffff7ff04f00c4611180eefd1fffffffe09f0088c30200ddfb3ffeffffc13f0110870500baf77f0000080003',
  'hex',
);
export const TOKEN = 'Bearer a-token-of-the-admin';

export const CASES: readonly Case[] = [
  { name: 'a batch is acknowledged', answer: acknowledged(1, 3, 3), device: 'releases' },
  {
    name: 'the same again, made anew: `sent` and `queue` are others',
    before: ['a batch is acknowledged'],
    request: {
      body: batchOf({ sentAt: CLOCK + 5_000, queue: { recorded: 9, queued: 9, quarantined: 0, gaps: 0 } }),
      timestamp: CLOCK + 5_000,
    },
    answer: acknowledged(1, 3, 0),
    device: 'releases',
  },
  {
    name: 'a batch that overlaps',
    before: ['a batch is acknowledged'],
    request: { body: batchOf({ first: 3 }, [EXAMPLE[2]!, { ...EXAMPLE[2]!, ts: CLOCK }]) },
    answer: acknowledged(3, 2, 1),
    device: 'releases',
  },
  {
    name: 'a report without events',
    request: { body: batchOf({ first: 4, queue: { recorded: 3, queued: 0, quarantined: 3, gaps: 0 } }, []) },
    answer: acknowledged(4, 0, 0),
    device: 'releases',
  },
  {
    name: 'a gap of an older stream, and a second one that overlaps it',
    before: ['a batch is acknowledged'],
    request: {
      body: batchOf(
        {
          stream: Buffer.alloc(16, 1),
          first: 4,
          gaps: [
            { first: 1, last: 2, reason: 'quota', sums: { volume: '1.5' } },
            { first: 2, last: 3, reason: 'damage', sums: null },
          ],
        },
        [],
      ),
    },
    answer: acknowledged(4, 0, 0, Buffer.alloc(16, 1)),
    device: 'releases',
  },
  {
    name: 'a batch with a signed head',
    request: { signsHead: true },
    answer: acknowledged(1, 3, 3),
    device: 'releases',
  },
  {
    name: 'a media type in another case and with a parameter',
    request: { headers: { 'Content-Type': 'Application/vnd.Tidegate.Batch+MsgPack; v=1' } },
    answer: acknowledged(1, 3, 3),
    device: 'releases',
  },
  {
    name: 'a device with two keys, of which the gateway has the second',
    request: {
      key: 'k2',
      headers: {
        'X-Key-Id': 'k9, k2',
        'X-Signature': `v1=${signatureOf({ key: 'k9' })}, v1=${signatureOf({ key: 'k2' })}`,
      },
    },
    answer: { ...acknowledged(1, 3, 3), key: 'k2' },
    device: 'releases',
  },
  {
    name: 'a device with two keys, the first of them revoked',
    request: {
      headers: {
        'X-Key-Id': 'k0,k1',
        'X-Signature': `v1=${signatureOf({ key: 'k0' })},v1=${signatureOf()}`,
      },
    },
    answer: acknowledged(1, 3, 3),
    device: 'releases',
  },
  {
    name: 'one key that is named twice',
    request: { headers: { 'X-Key-Id': 'k1,k1' } },
    answer: acknowledged(1, 3, 3),
    device: 'releases',
  },
  {
    name: 'a head whose signature is of a scheme that nobody knows',
    request: { headers: { 'X-Head-Signature': 'v9=0123' } },
    answer: acknowledged(1, 3, 3),
    device: 'releases',
  },
  {
    name: 'a head whose signature is not of its form',
    code: 'headers-invalid',
    request: { headers: { 'X-Head-Signature': 'v1=0123' } },
    answer: { ...problem('headers-invalid', 400), key: 'k1' },
    device: 'pauses',
  },
  {
    name: 'signatures of schemes that nobody knows, and no other',
    code: 'headers-invalid',
    request: { headers: { 'X-Signature': `v8=${signatureOf()}, v9=0123` } },
    answer: problem('headers-invalid', 400),
    device: 'retries',
  },
  {
    name: 'no signature',
    code: 'headers-invalid',
    request: { headers: { 'X-Signature': undefined } },
    answer: problem('headers-invalid', 400),
    device: 'retries',
  },
  {
    name: 'a timestamp that is not of its form',
    code: 'headers-invalid',
    request: { headers: { 'X-Timestamp': '01700000000500' } },
    answer: { ...problem('headers-invalid', 400), key: 'k1' },
    device: 'pauses',
  },
  {
    name: 'another content type',
    code: 'headers-invalid',
    request: { headers: { 'Content-Type': 'application/octet-stream' } },
    answer: { ...problem('headers-invalid', 400), key: 'k1' },
    device: 'pauses',
  },
  {
    name: 'a body that does not inflate',
    code: 'body-corrupt',
    request: { body: NOT_GZIP, encoding: 'gzip' },
    answer: { ...problem('body-corrupt', 400), key: 'k1' },
    device: 'bisects',
  },
  {
    name: 'no batch',
    code: 'batch-malformed',
    request: { body: nil },
    answer: { ...problem('batch-malformed', 400), key: 'k1' },
    device: 'bisects',
  },
  {
    name: 'a column that does not unpack',
    code: 'batch-column',
    request: { body: plainBatch({}, { times: bin(0x0f, 0x02) }) },
    answer: { ...problem('batch-column', 400), key: 'k1' },
    device: 'bisects',
  },
  {
    name: 'a nudge out of the finite numbers where an odd value stands',
    code: 'batch-column',
    request: { body: plainBatch({}, volume(0, integers(0, 0), integers(0, -1), integers(1), bin(doubles(2)))) },
    answer: { ...problem('batch-column', 400), key: 'k1' },
    device: 'bisects',
  },
  {
    name: 'a gap with a sum of more digits than one has',
    code: 'batch-malformed',
    request: {
      body: batchOf({ gaps: [{ first: 9, last: 9, reason: 'quota', sums: { volume: '9'.repeat(401) } }] }),
    },
    answer: { ...problem('batch-malformed', 400), key: 'k1' },
    device: 'bisects',
  },
  {
    name: 'a batch of the future',
    code: 'batch-version',
    request: { body: plainBatch({ v: uint(2) }) },
    answer: { ...problem('batch-version', 415), key: 'k1' },
    device: 'pauses',
  },
  {
    name: 'more gaps than a batch may have',
    code: 'batch-limit',
    request: {
      body: plainBatch({
        gaps: array(...Array.from({ length: 17 }, () => array(uint(1), uint(1), str('quota'), nil))),
      }),
    },
    answer: { ...problem('batch-limit', 413), key: 'k1' },
    device: 'splits',
  },
  {
    name: 'more events than this gateway takes',
    code: 'batch-limit',
    given: { limits: { eventsMax: 2 } },
    answer: { ...problem('batch-limit', 413, { eventsMax: 2 }), key: 'k1' },
    device: 'splits',
  },
  {
    name: 'a key that the gateway does not have',
    code: 'key-unknown',
    request: { key: 'k9' },
    answer: problem('key-unknown', 401),
    device: 'retries',
  },
  {
    name: 'a body that was damaged on its way',
    code: 'signature-mismatch',
    request: { body: damaged, signed: example },
    answer: { ...problem('signature-mismatch', 401), key: 'k1' },
    device: 'retries',
  },
  {
    name: 'a damaged body of a device with two keys, of which the gateway has the second',
    code: 'signature-mismatch',
    request: {
      body: damaged,
      signed: example,
      key: 'k2',
      headers: {
        'X-Key-Id': 'k9,k2',
        'X-Signature': `v1=${signatureOf({ key: 'k9' })},v1=${signatureOf({ key: 'k2' })}`,
      },
    },
    answer: {
      ...problem('signature-mismatch', 401),
      key: 'k2',
      over: [signatureOf({ key: 'k9' }), signatureOf({ key: 'k2' })],
    },
    device: 'retries',
  },
  {
    name: 'a clock that is ten minutes behind',
    code: 'clock-skew',
    request: { timestamp: CLOCK - 600_000 },
    answer: { ...problem('clock-skew', 401, { clock: CLOCK }), key: 'k1' },
    device: 'corrects its clock',
  },
  {
    name: 'a key that was revoked',
    code: 'key-revoked',
    request: { key: 'k0' },
    answer: { ...problem('key-revoked', 403), key: 'k0' },
    device: 'pauses',
  },
  {
    name: 'ids that stand for other events',
    code: 'sequence-collision',
    before: ['a batch is acknowledged'],
    request: { body: batchOf({}, other) },
    answer: { ...problem('sequence-collision', 409, { collisions: [[2, 2]] }), key: 'k1' },
    device: 'makes a new stream',
  },
  {
    name: 'a body longer than any may be, which is not read',
    code: 'body-too-large',
    request: { headers: { 'Content-Length': '4194305' }, sent: 0 },
    answer: problem('body-too-large', 413, { bodyBytesMax: 4_194_304 }),
    device: 'splits',
  },
  {
    name: 'a body longer than any may be, with a signed head',
    code: 'body-too-large',
    request: { headers: { 'Content-Length': '4194305' }, sent: 0, signsHead: true },
    answer: { ...problem('body-too-large', 413, { bodyBytesMax: 4_194_304 }), key: 'k1' },
    device: 'splits',
  },
  {
    name: 'a body longer than this gateway takes',
    code: 'body-too-large',
    given: { limits: { bodyBytesMax: 100 } },
    answer: { ...problem('body-too-large', 413, { bodyBytesMax: 100 }), key: 'k1' },
    device: 'splits',
  },
  {
    name: 'a body that inflates to more than a batch may be',
    code: 'body-too-large',
    request: { body: BOMB, encoding: 'br' },
    answer: { ...problem('body-too-large', 413), key: 'k1' },
    device: 'splits',
  },
  ...['GZIP', 'gzip, br', 'deflate'].map(
    (encoding): Case => ({
      name: `the content encoding ${encoding}`,
      code: 'encoding-unsupported',
      request: { encoding },
      answer: {
        ...problem('encoding-unsupported', 415, { acceptEncoding: ['br', 'gzip', 'identity'] }),
        headers: { 'Accept-Encoding': 'br, gzip, identity' },
        key: 'k1',
      },
      device: 'falls back',
    }),
  ),
  {
    name: 'more sensors than a device may have',
    code: 'sensor-limit',
    given: { limits: { sensorsMax: 1 } },
    answer: { ...problem('sensor-limit', 422), key: 'k1' },
    device: 'bisects',
  },
  {
    name: 'all measures that a sensor may have',
    request: { body: batchOf({}, allMeasures) },
    answer: acknowledged(1, 4, 4),
    device: 'releases',
  },
  {
    name: 'one measure more than a sensor may have',
    code: 'measure-limit',
    before: ['all measures that a sensor may have'],
    request: { body: batchOf({ first: 5 }, [{ ts: CLOCK, sensor: 'inlet', fields: { volume: 1 } }]) },
    answer: { ...problem('measure-limit', 422), key: 'k1' },
    device: 'bisects',
  },
  {
    name: 'more separate ranges than a device may have',
    code: 'interval-limit',
    given: { limits: { rangesMax: 1 } },
    before: ['a batch is acknowledged'],
    request: { body: batchOf({ first: 9 }) },
    answer: { ...problem('interval-limit', 403), key: 'k1' },
    device: 'pauses',
  },
  {
    name: 'more streams than a device may have',
    code: 'stream-limit',
    given: { limits: { streamsMax: 1, streamsPerDay: 0 } },
    before: ['a batch is acknowledged'],
    request: { body: batchOf({ stream: Buffer.alloc(16, 1) }) },
    answer: { ...problem('stream-limit', 403), key: 'k1' },
    device: 'pauses',
  },
  {
    name: 'more sums than a device may have',
    code: 'storage-limit',
    given: { limits: { pageBytesMax: 1, pageBytesPerDay: 0 } },
    before: ['a batch is acknowledged'],
    request: { body: batchOf({ first: 4 }) },
    answer: { ...problem('storage-limit', 403), key: 'k1' },
    device: 'pauses',
  },
  {
    name: 'headers without end',
    code: 'headers-too-large',
    request: { headers: { 'X-Filler': 'x'.repeat(17_000) } },
    answer: problem('headers-too-large', 431),
    device: 'retries',
  },
  {
    name: 'another path',
    code: 'not-found',
    request: { path: '/v2/batches' },
    answer: problem('not-found', 404),
    device: 'retries',
  },
  {
    name: 'another method',
    code: 'method-not-allowed',
    request: { method: 'PUT' },
    answer: { ...problem('method-not-allowed', 405), headers: { Allow: 'POST' } },
    device: 'retries',
  },
  {
    name: 'a request that stops in its middle',
    code: 'request-timeout',
    given: { slow: true },
    request: { sent: 20 },
    answer: problem('request-timeout', 408),
    device: 'retries',
  },
  {
    name: 'a gateway that has enough to do',
    code: 'overloaded',
    given: { busy: true },
    answer: { ...problem('overloaded', 503, { retryAfterMs: 1_000 }), headers: { 'Retry-After': '1' } },
    device: 'waits',
  },
  {
    name: 'a gateway that has enough to do, asked with a signed head',
    code: 'overloaded',
    given: { busy: true },
    request: { signsHead: true },
    answer: { ...problem('overloaded', 503, { retryAfterMs: 1_000 }), headers: { 'Retry-After': '1' }, key: 'k1' },
    device: 'waits',
  },
  {
    name: 'a gateway whose disk is full',
    code: 'store-unavailable',
    given: { disk: 'full' },
    answer: {
      ...problem('store-unavailable', 503, { retryAfterMs: 5_000 }),
      headers: { 'Retry-After': '5' },
      key: 'k1',
    },
    device: 'waits',
  },
  {
    name: 'a fault of the gateway',
    code: 'internal',
    given: { disk: 'broken' },
    answer: { ...problem('internal', 500), key: 'k1' },
    device: 'retries',
  },
  {
    name: 'a read route without the right token',
    code: 'token-invalid',
    request: { method: 'GET', path: '/v1/totals', headers: { Authorization: `${TOKEN}-not` } },
    answer: { ...problem('token-invalid', 401), headers: { 'WWW-Authenticate': 'Bearer realm="tidegate"' } },
  },
  {
    name: 'a read route that is asked for what it does not have',
    code: 'query-invalid',
    request: { method: 'GET', path: '/v1/devices?limit=many', headers: { Authorization: TOKEN } },
    answer: problem('query-invalid', 400),
  },
  ...[
    { status: 200, body: { status: 'ok' }, device: 'retries' },
    { status: 302, body: '', headers: { Location: 'http://login.example/' }, device: 'retries' },
    { ...problem('batch-malformed', 400), device: 'retries' },
    { ...problem('key-revoked', 403), device: 'retries' },
    { status: 413, body: '<html>too large</html>', device: 'splits' },
    { status: 429, body: '<html>later</html>', headers: { 'Retry-After': '7' }, device: 'waits' },
    { status: 503, body: '<html>later</html>', headers: { 'Retry-After': '7' }, device: 'waits' },
  ].map(
    ({ device, ...answer }): Case => ({
      name: `${answer.status} from somebody else, unsigned`,
      given: { proxy: true },
      answer,
      device: device as Action,
    }),
  ),
  ...[
    { name: 'a collision that names nothing', answer: problem('sequence-collision', 409) },
    { name: 'a collision of what is no range', answer: problem('sequence-collision', 409, { collisions: [[3, 1]] }) },
    { name: 'a clock that is not told', answer: problem('clock-skew', 401) },
    { name: 'a code that nobody knows', answer: problem('out-of-patience' as ProblemCode, 403) },
    { name: 'a code with the status of another', answer: problem('batch-malformed', 403) },
  ].map(
    ({ name, answer }): Case => ({
      name: `${name}, signed`,
      given: { proxy: true },
      answer: { ...answer, key: 'k1' },
      device: 'retries',
    }),
  ),
];
