/** What `POST /v1/batches` answers to what is right, and to everything that a client can do wrong. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import {
  BATCH_BYTES_MAX,
  BATCH_MEDIA_TYPE,
  BODY_BYTES_MAX,
  CONTENT_ENCODINGS,
  formatSignatures,
  HEADER,
  type ProblemCode,
  signRequest,
} from '../../src/codec/index.ts';
import type { Admissions } from '../../src/gateway/admission.ts';
import { matchingHead, namedKeys } from '../../src/gateway/authentication.ts';
import { createFlow } from '../../src/gateway/flow.ts';
import { createIngest } from '../../src/gateway/ingest.ts';
import { DEFAULT_LIMITS, flowOptions } from '../../src/gateway/limits.ts';
import { readCaller, readRequestHead } from '../../src/gateway/request-head.ts';
import {
  batchBytes,
  DEVICE,
  eventOf,
  judged,
  KEY_ID,
  post,
  type RequestParts,
  read,
  SECRET,
  STREAM_HEX,
  say,
  signedRequest,
  type TestAnswer,
  testGateway,
  testKeys,
} from './gateway-fixture.ts';

const OTHER_SECRET = Buffer.alloc(32, 9);

function refusedAs(answer: TestAnswer, code: ProblemCode, status: number, signed: boolean): void {
  assert.equal(answer.problem?.code, code, answer.body.toString());
  assert.equal(answer.status, status);
  assert.equal(answer.signed, signed, signed ? 'signed' : 'unsigned');
  assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/);
}

test('a batch is counted and acknowledged in every content encoding', async (t) => {
  const gateway = await testGateway(t);
  let first = 1;
  for (const encoding of CONTENT_ENCODINGS) {
    const answer = await post(gateway, { encoding, batch: { first } });
    assert(answer.signed);
    assert.equal(answer.headers[HEADER.key], KEY_ID);
    assert.match(answer.headers['content-type'] ?? '', /^application\/json/);
    assert.deepEqual(answer.acknowledgement, { stream: STREAM_HEX, first, count: 10, inserted: 10, duplicates: 0 });
    first += 10;
  }
  const { events } = await read(gateway, '/v1/totals');
  assert.equal(events, 10 * CONTENT_ENCODINGS.length);
});

test('without a device, a key and a signature of their forms nothing is looked at, and nothing signed', async (t) => {
  const gateway = await testGateway(t);
  const signature = formatSignatures(['0'.repeat(64)]);
  const wrong: Record<string, string | readonly string[] | undefined>[] = [
    { [HEADER.device]: undefined },
    { [HEADER.device]: 'a b' },
    { [HEADER.device]: 'x'.repeat(65) },
    { [HEADER.device]: [DEVICE, DEVICE] },
    { [HEADER.key]: undefined },
    { [HEADER.key]: 'a,b,c' },
    { [HEADER.key]: 'a,,' },
    { [HEADER.key]: [KEY_ID, KEY_ID] },
    { [HEADER.signature]: undefined },
    { [HEADER.signature]: 'v1=12' },
    { [HEADER.signature]: 'v2=12' },
    { [HEADER.signature]: Array(5).fill(signature).join(',') },
    { [HEADER.signature]: [signature, signature] },
  ];
  for (const headers of wrong) {
    const answer = await post(gateway, { headers });
    assert.equal(answer.problem?.code, 'headers-invalid', JSON.stringify(headers));
    assert.equal(answer.status, 400);
    assert(!answer.signed);
  }
  assert.equal((await read(gateway, '/v1/totals')).devices, 0);
});

test('whatever else is wrong with a head is told to a known key in an answer that is signed', async (t) => {
  const gateway = await testGateway(t);
  for (const timestamp of [undefined, 'yesterday', '01', '-0', '1e12', '9007199254740993', ['1', '1']]) {
    refusedAs(await post(gateway, { headers: { [HEADER.timestamp]: timestamp } }), 'headers-invalid', 400, true);
  }
  for (const type of [undefined, '', 'application/json', 'garbage', [BATCH_MEDIA_TYPE, BATCH_MEDIA_TYPE]]) {
    refusedAs(await post(gateway, { headers: { 'content-type': type } }), 'headers-invalid', 400, true);
  }
  // What its signature does not cover is judged behind it.
  const headers = { 'content-type': 'application/json' };
  const changed = Buffer.concat([(await signedRequest()).body, Buffer.from([0])]);
  const request = await signedRequest({ headers });
  const sent = { ...request.headers, 'content-length': changed.length };
  const answer = judged(
    await say(`${gateway.url}/v1/batches`, { method: 'POST', headers: sent, body: changed }),
    request,
  );
  refusedAs(answer, 'signature-mismatch', 401, true);
  refusedAs(await post(gateway, { timestamp: 0, headers }), 'clock-skew', 401, true);
  assert.equal((await read(gateway, '/v1/totals')).devices, 0);
});

test('what is wrong with the head of a stranger is told unsigned', async (t) => {
  const gateway = await testGateway(t);
  for (const headers of [{ [HEADER.timestamp]: 'no' }, { 'content-type': 'no' }, { 'content-encoding': 'NO' }]) {
    refusedAs(await post(gateway, { keyId: 'k9', headers }), 'key-unknown', 401, false);
  }
});

test('a content encoding of another spelling is unknown to the gateway, and it says so signed', async (t) => {
  const gateway = await testGateway(t);
  const body = gzipSync(batchBytes());
  for (const encoding of [
    'GZIP',
    'BR',
    'Identity',
    'gzip, br',
    'gzip,',
    'x-gzip',
    'x_y',
    '"br"',
    '',
    'x'.repeat(900),
  ]) {
    const answer = await post(gateway, { body, encoding, headers: { 'content-encoding': encoding } });
    refusedAs(answer, 'encoding-unsupported', 415, true);
    assert.deepEqual(answer.problem?.acceptEncoding, CONTENT_ENCODINGS);
    assert(answer.body.length < 1_000);
  }
  // Two lines are one list, and so it is signed.
  const twice = await post(gateway, { body, encoding: 'br, gzip', headers: { 'content-encoding': ['br', 'gzip'] } });
  refusedAs(twice, 'encoding-unsupported', 415, true);
  // Bytes beyond ASCII, as Node gives and sends them.
  const latin = await post(gateway, { body, encoding: 'gz\u00edp', headers: { 'content-encoding': 'gz\u00edp' } });
  refusedAs(latin, 'encoding-unsupported', 415, true);
  assert.equal((await post(gateway, { body, encoding: 'gzip' })).status, 200);
});

test('a damaged request of a device with two keys is answered over each of its signatures', async (t) => {
  const gateway = await testGateway(t);
  gateway.keys.set(DEVICE, 'k2', { secret: OTHER_SECRET });
  const other = 'cd'.repeat(32);
  for (const order of [0, 1]) {
    const { signature, ...request } = await signedRequest({ keyId: 'k2', secret: OTHER_SECRET });
    const body = Buffer.concat([request.body, Buffer.from([0])]);
    const signatures = order === 0 ? [signature, other] : [other, signature];
    const headers = {
      ...request.headers,
      [HEADER.key]: 'k0, k2',
      [HEADER.signature]: formatSignatures(signatures),
      'content-length': body.length,
    };
    const answer = await say(`${gateway.url}/v1/batches`, { method: 'POST', headers, body });
    assert.equal(answer.headers[HEADER.key], 'k2');
    refusedAs(judged(answer, { signature, secret: OTHER_SECRET }), 'signature-mismatch', 401, true);
  }
});

test('a media type may have parameters and any case', async (t) => {
  const gateway = await testGateway(t);
  const headers = { 'content-type': 'Application/vnd.tidegate.batch+MSGPACK; v=1' };
  assert.equal((await post(gateway, { headers })).status, 200);
});

test('an unknown device or key is told so, unsigned, without its body being read', async (t) => {
  const gateway = await testGateway(t);
  refusedAs(await post(gateway, { deviceId: 'nobody' }), 'key-unknown', 401, false);
  refusedAs(await post(gateway, { keyId: 'k9' }), 'key-unknown', 401, false);
  const request = await signedRequest({ deviceId: 'nobody' });
  // Only the head is sent: an answer comes all the same.
  const answer = await headOnly(gateway.url, { ...request.headers, 'content-length': 1000 });
  assert.match(answer, /^HTTP\/1\.1 401 .*"code":"key-unknown"/s);
});

test('a wrong signature is told so in an answer that the device can verify', async (t) => {
  const gateway = await testGateway(t);
  const timestamp = Date.now();
  const request = await signedRequest({ timestamp });
  const wrongs: [string, Partial<typeof request>, RequestParts['headers']][] = [
    ['body', { body: Buffer.concat([request.body, Buffer.from([0])]) }, {}],
    ['timestamp', {}, { [HEADER.timestamp]: String(timestamp + 1) }],
    ['content encoding', {}, { 'content-encoding': 'gzip' }],
  ];
  for (const [what, change, headers] of wrongs) {
    const { body } = { ...request, ...change };
    const sent = { ...request.headers, 'content-length': body.length, ...headers } as http.OutgoingHttpHeaders;
    const answer = judged(await say(`${gateway.url}/v1/batches`, { method: 'POST', headers: sent, body }), request);
    assert.equal(answer.problem?.code, 'signature-mismatch', what);
    assert.equal(answer.status, 401);
    assert(answer.signed, what);
  }
  // Signed by somebody else: what the gateway signs with is the key that it knows.
  const forged = await signedRequest({ secret: OTHER_SECRET });
  const headers = { ...forged.headers, 'content-length': forged.body.length };
  const answer = await say(`${gateway.url}/v1/batches`, { method: 'POST', headers, body: forged.body });
  refusedAs(judged(answer, { ...forged, secret: SECRET }), 'signature-mismatch', 401, true);
});

test('a batch for one device is no good for another', async (t) => {
  const gateway = await testGateway(t);
  gateway.keys.set('pump-8', KEY_ID, {});
  const answer = await post(gateway, { headers: { [HEADER.device]: 'pump-8' } });
  refusedAs(answer, 'signature-mismatch', 401, true);
});

test('while a key rotates either of two keys will do, and the answer says which', async (t) => {
  const gateway = await testGateway(t);
  gateway.keys.set(DEVICE, 'k2', { secret: OTHER_SECRET });
  for (const [keyId, secret] of [
    [KEY_ID, SECRET],
    ['k2', OTHER_SECRET],
  ] as const) {
    for (const list of [`${KEY_ID}, k2`, `k2,${KEY_ID}`, `${keyId},k9`]) {
      const answer = await post(gateway, { keyId, secret, headers: { [HEADER.key]: list } });
      assert.equal(answer.status, 200, `${keyId} of ${list}`);
      assert.equal(answer.headers[HEADER.key], keyId);
      assert(answer.signed);
    }
  }
});

test('a device that signs with both keys is answered for the signature that was right', async (t) => {
  const gateway = await testGateway(t);
  const timestamp = Date.now();
  const body = batchBytes();
  const sign = (keyId: string, secret: Uint8Array) =>
    signRequest(secret, { deviceId: DEVICE, keyId, timestamp, contentEncoding: 'identity' }, body);
  const old = sign('k0', OTHER_SECRET);
  const current = sign(KEY_ID, SECRET);
  const request = await signedRequest({ body, timestamp });
  const headers = {
    ...request.headers,
    'content-length': body.length,
    [HEADER.key]: `k0,${KEY_ID}`,
    [HEADER.signature]: formatSignatures([old, current]),
  };
  const answer = await say(`${gateway.url}/v1/batches`, { method: 'POST', headers, body });
  assert(judged(answer, { signature: current, secret: SECRET }).signed);
  assert.equal(answer.status, 200);
});

test('a revoked key is told so, signed, unless the device has a live one besides', async (t) => {
  const gateway = await testGateway(t);
  gateway.keys.set(DEVICE, KEY_ID, { revoked: true });
  refusedAs(await post(gateway), 'key-revoked', 403, true);
  gateway.keys.set(DEVICE, 'k2', { secret: OTHER_SECRET });
  const headers = { [HEADER.key]: `${KEY_ID},k2` };
  assert.equal((await post(gateway, { keyId: 'k2', secret: OTHER_SECRET, headers })).status, 200);
  refusedAs(await post(gateway, { headers }), 'key-revoked', 403, true);
});

test('a key that is revoked while the body is on its way counts nothing any more', async (t) => {
  const gateway = await testGateway(t);
  for (const signsHead of [false, true]) {
    const request = await signedRequest({ signsHead });
    const headers = { ...request.headers, 'content-length': request.body.length };
    const sent = http.request(`${gateway.url}/v1/batches`, { method: 'POST', headers });
    const answered = once(sent, 'response');
    const arrived = once(gateway.app.server, 'request');
    sent.flushHeaders();
    await arrived;
    gateway.keys.set(DEVICE, KEY_ID, { revoked: true });
    sent.end(request.body);
    const [response] = (await answered) as [http.IncomingMessage];
    const body = Buffer.concat(await response.toArray());
    const answer = judged({ status: response.statusCode!, headers: response.headers, body }, request);
    refusedAs(answer, 'key-revoked', 403, true);
    gateway.keys.set(DEVICE, KEY_ID, { revoked: false });
  }
  assert.equal((await read(gateway, '/v1/totals')).events, 0);
});

test('a signed head outside the window is told the time before its body comes, signed', async (t) => {
  const now = 1_700_000_000_000;
  const gateway = await testGateway(t, { clock: () => now, limits: { windowMs: 1_000 } });
  const request = await signedRequest({ signsHead: true, timestamp: now - 1_001 });
  const text = await headOnly(gateway.url, { ...request.headers, 'content-length': request.body.length });
  assert.match(text, /^HTTP\/1\.1 401 .*"code":"clock-skew"/s);
  const [head, body] = text.split('\r\n\r\n') as [string, string];
  const headers = Object.fromEntries(
    head
      .split('\r\n')
      .slice(1)
      .map((line) => line.split(': ') as [string, string]),
  );
  const answer = judged({ status: 401, headers, body: Buffer.from(body) }, request);
  assert.deepEqual([answer.signed, answer.problem?.clock], [true, now]);
});

test('a head is authentic as it was signed, by a live key, and in no other way', async () => {
  const signedHead = async (parts: RequestParts) => {
    const { headers, body } = await signedRequest({ timestamp: 1e12, signsHead: true, ...parts });
    return { ...headers, 'content-length': String(body.length) } as Record<string, string>;
  };
  const own = await signedHead({});
  const other = await signedHead({ body: Buffer.alloc(Number(own['content-length'])) });
  const { headSignature, signature, device, key, timestamp } = HEADER;
  const keyOf = (change: Record<string, string> = {}, revoked = false) => {
    const headers = { ...own, ...change };
    const request = { headers, rawHeaders: Object.entries(headers).flat() };
    const head = readRequestHead(request, readCaller(request));
    const lookup = (_: string, keyId: string) =>
      keyId === 'k2' ? { secret: OTHER_SECRET, revoked: false } : { secret: SECRET, revoked };
    return matchingHead(namedKeys({ lookup }, head), head);
  };
  const requestSignature = own[signature]!.slice('v1='.length);
  assert.deepEqual(keyOf(), { keyId: KEY_ID, secret: SECRET, revoked: false, requestSignatures: [requestSignature] });
  assert.equal(keyOf({ [key]: `k2, ${KEY_ID}` })?.keyId, KEY_ID);
  const both = { [headSignature]: `${other[headSignature]}, ${own[headSignature]}` };
  assert.equal(keyOf({ ...both, [signature]: `${other[signature]}, ${own[signature]}` })?.keyId, KEY_ID);
  assert.equal(keyOf({}, true), undefined, 'revoked');
  for (const change of [
    { [headSignature]: other[headSignature]! },
    { [signature]: other[signature]! },
    { [headSignature]: own[signature]! },
    { [device]: 'pump-8' },
    { [key]: 'k2' },
    { [timestamp]: String(1e12 + 1) },
    { 'content-encoding': 'br' },
    { 'content-length': String(Number(own['content-length']) + 1) },
  ]) {
    assert.equal(keyOf(change), undefined, JSON.stringify(change));
  }
  for (const value of [
    'v1=5',
    'v2=5,\tv1=5',
    `${own[headSignature]}, v1=no`,
    Array(5).fill(own[headSignature]).join(),
  ]) {
    assert.throws(() => keyOf({ [headSignature]: value }), { code: 'headers-invalid' });
  }
  for (const value of ['', 'v2=5', 'v2=v1=5, v3']) {
    assert.equal(keyOf({ [headSignature]: value }), undefined, 'of no scheme that is known');
  }
  assert.equal(keyOf({ [headSignature]: `v2=5, ${own[headSignature]}` })?.keyId, KEY_ID);
});

/** What an ingest is given by hand: a clock, and room or none. */
function handIngest() {
  const at = { now: 1e12, isFull: false, asked: [] as boolean[], admitted: 0 };
  const load = { resize() {}, grow() {}, release() {} };
  const flow = createFlow(flowOptions(DEFAULT_LIMITS));
  const ingest = createIngest({
    keys: testKeys(),
    admissions: {
      async admit({ batch: { first, count } }) {
        at.admitted += 1;
        return { stream: STREAM_HEX, first, count, inserted: count, duplicates: 0, unverified: 0 };
      },
    } as Admissions,
    fleet: { changed() {} },
    flow: {
      bytes: 0,
      take(_bytes, upload) {
        at.asked.push(upload!.isAuthentic);
        return at.isFull ? undefined : load;
      },
      inTurn: (bytes, work) => flow.inTurn(bytes, work),
    },
    limits: DEFAULT_LIMITS,
    metrics: { admitted() {} },
    clock: () => at.now,
  });
  const accept = ({ headers, body }: Awaited<ReturnType<typeof signedRequest>>) => {
    const all = { ...headers, 'content-length': String(body.length) } as Record<string, string>;
    return ingest.accept({ headers: all, rawHeaders: Object.entries(all).flat() });
  };
  return { at, accept };
}

const UPLOAD = { network: 'n', isLate: () => false, drop() {} };

test('a signed head that found no room is as good as new when it comes again; one that had room is not', async () => {
  const { at, accept } = handIngest();
  const request = await signedRequest({ timestamp: 1e12, signsHead: true });
  at.isFull = true;
  for (let i = 0; i < 2; i += 1) assert.throws(() => accept(request).takeRoom(UPLOAD), { code: 'overloaded' });
  at.isFull = false;
  assert.equal(accept(request).takeRoom(UPLOAD), true);
  assert.equal(accept(request).takeRoom(UPLOAD), false);
  assert.deepEqual(at.asked, [true, true, true, false]);
});

test('a signed head was in time when it came, however long its body takes; others wait for it', async () => {
  const { windowMs } = DEFAULT_LIMITS;
  for (const signsHead of [true, false]) {
    const { at, accept } = handIngest();
    const request = await signedRequest({ timestamp: 1e12, signsHead });
    const accepted = accept(request);
    assert.equal(accepted.takeRoom(UPLOAD), signsHead);
    at.now += windowMs + 1;
    if (signsHead) assert.equal((await accepted.take(request.body)).inserted, 10);
    else await assert.rejects(accepted.take(request.body), { code: 'clock-skew', members: { clock: at.now } });
    assert.equal(at.admitted, Number(signsHead));
    if (signsHead) assert.throws(() => accept(request).takeRoom(UPLOAD), { code: 'clock-skew' }, 'as late as it is');
  }
});

test('a signed head is judged by its time, and then by its length', async () => {
  const body = Buffer.alloc(BODY_BYTES_MAX + 1);
  for (const [timestamp, code] of [
    [1e12, 'body-too-large'],
    [1e12 - DEFAULT_LIMITS.windowMs - 1, 'clock-skew'],
  ] as const) {
    const { accept } = handIngest();
    const request = await signedRequest({ timestamp, signsHead: true, body });
    assert.throws(() => accept(request).takeRoom(UPLOAD), { code });
  }
});

test('a clock outside the window is told the time, signed', async (t) => {
  const now = 1_700_000_000_000;
  const gateway = await testGateway(t, { clock: () => now, limits: { windowMs: 1_000 } });
  for (const timestamp of [0, now - 1_001, now + 1_001]) {
    const answer = await post(gateway, { timestamp });
    refusedAs(answer, 'clock-skew', 401, true);
    assert.equal(answer.problem?.clock, now);
    assert.equal(answer.headers[HEADER.timestamp], String(now));
  }
  for (const timestamp of [now - 1_000, now + 1_000]) assert.equal((await post(gateway, { timestamp })).status, 200);
});

test('a body over the configured limit is refused signed, and one over the protocol’s unsigned', async (t) => {
  const gateway = await testGateway(t, { limits: { bodyBytesMax: 100 } });
  const answer = await post(gateway);
  refusedAs(answer, 'body-too-large', 413, true);
  assert.equal(answer.problem?.bodyBytesMax, 100);
  const request = await signedRequest();
  const declared = await headOnly(gateway.url, { ...request.headers, 'content-length': BODY_BYTES_MAX + 1 });
  assert.match(declared, /^HTTP\/1\.1 413 .*connection: close.*"code":"body-too-large"/is);
  assert.doesNotMatch(declared, /x-signature/i);
});

test('a body in chunks is fine, and cut off where it passes the limit', async (t) => {
  const gateway = await testGateway(t);
  const request = await signedRequest();
  const headers = { ...request.headers, 'transfer-encoding': 'chunked' };
  const answer = await say(`${gateway.url}/v1/batches`, { method: 'POST', headers, body: request.body });
  assert.equal(judged(answer, request).acknowledgement?.inserted, 10);
  const body = Buffer.alloc(BODY_BYTES_MAX + 1);
  const refused = await say(`${gateway.url}/v1/batches`, { method: 'POST', headers, body }).catch(() => undefined);
  // The connection is closed behind the answer, which may overtake it.
  if (refused !== undefined) assert.equal(refused.status, 413);
  assert.equal((await post(gateway)).status, 200);
});

test('a body that does not inflate, or to too much, is refused signed', async (t) => {
  const gateway = await testGateway(t);
  const noise = Buffer.from('this is not compressed at all');
  for (const encoding of ['br', 'gzip']) {
    refusedAs(await post(gateway, { encoding, body: noise }), 'body-corrupt', 400, true);
  }
  const bomb = brotliCompressSync(Buffer.alloc(BATCH_BYTES_MAX + 1));
  assert(bomb.length < 1_000);
  refusedAs(await post(gateway, { encoding: 'br', body: bomb }), 'body-too-large', 413, true);
});

test('a batch that inflates to much more than usual is still counted', async (t) => {
  const gateway = await testGateway(t);
  const long = 'x'.repeat(4_000);
  const events = Array.from({ length: 600 }, (_, i) => eventOf(i + 1, { fields: { volume: 1, note: `${long}${i}` } }));
  const body = brotliCompressSync(batchBytes({ events }));
  assert(body.length * 64 < 600 * 4_000);
  assert.equal((await post(gateway, { encoding: 'br', body })).acknowledgement?.inserted, 600);
});

test('an encoding that this runtime lacks is refused signed, with what it has', async (t) => {
  const gateway = await testGateway(t);
  const answer = await post(gateway, { encoding: 'compress' });
  refusedAs(answer, 'encoding-unsupported', 415, true);
  assert.deepEqual(answer.problem?.acceptEncoding, CONTENT_ENCODINGS);
  assert.equal(answer.headers['accept-encoding'], CONTENT_ENCODINGS.join(', '));
});

test('bytes that are no batch are refused signed', async (t) => {
  const gateway = await testGateway(t);
  refusedAs(await post(gateway, { body: Buffer.alloc(0) }), 'batch-malformed', 400, true);
  refusedAs(await post(gateway, { body: Buffer.from('hello') }), 'batch-malformed', 400, true);
  const cut = batchBytes().subarray(0, 60);
  refusedAs(await post(gateway, { body: cut }), 'batch-malformed', 400, true);
  const version = Buffer.from(batchBytes());
  version[version.indexOf('v') + 1] = 9;
  refusedAs(await post(gateway, { body: version }), 'batch-version', 415, true);
  const column = Buffer.from(batchBytes());
  // The last column holds texts: a place beyond its dictionary.
  column[column.length - 1] = 0x7f;
  assert.equal((await post(gateway, { body: column })).status, 400);
  assert.equal((await read(gateway, '/v1/totals')).devices, 0);
});

test('more events than this gateway takes are refused signed, with how many it takes', async (t) => {
  const gateway = await testGateway(t, { limits: { eventsMax: 9 } });
  const answer = await post(gateway);
  refusedAs(answer, 'batch-limit', 413, true);
  assert.equal(answer.problem?.eventsMax, 9);
  assert.equal((await post(gateway, { batch: { count: 9 } })).status, 200);
});

test('a batch that would touch too many pages is refused, and its halves are not', async (t) => {
  const gateway = await testGateway(t);
  const hours = 4 * 24 * 32;
  const events = Array.from({ length: 10_000 }, (_, i) => ({
    ts: i * hours * 3_600_000,
    sensor: 's',
    fields: { volume: 1 },
  }));
  refusedAs(await post(gateway, { encoding: 'br', batch: { events } }), 'batch-limit', 413, true);
  assert.equal((await post(gateway, { encoding: 'br', batch: { events: events.slice(0, 5_000) } })).status, 200);
});

test('sensors and measures beyond the limits are refused signed, and leave no trace', async (t) => {
  const gateway = await testGateway(t, { limits: { sensorsMax: 3 } });
  const named = (...sensors: string[]) => sensors.map((sensor, i) => eventOf(i + 1, { sensor }));
  assert.equal((await post(gateway, { batch: { first: 1, events: named('a', 'b') } })).status, 200);
  refusedAs(await post(gateway, { batch: { first: 3, events: named('c', 'd') } }), 'sensor-limit', 422, true);
  assert.equal((await post(gateway, { batch: { first: 3, events: named('a', 'c') } })).status, 200);
  refusedAs(await post(gateway, { batch: { first: 5, events: named('d') } }), 'sensor-limit', 422, true);
  const fields = (from: number) => Object.fromEntries(Array.from({ length: 128 }, (_, i) => [`m${from + i}`, 1]));
  for (const [i, from] of [0, 128, 256].entries()) {
    const events = [eventOf(1, { sensor: 'a', fields: fields(from) })];
    assert.equal((await post(gateway, { batch: { first: 5 + i, events } })).status, 200);
  }
  const events = [eventOf(1, { sensor: 'a', fields: fields(384) })];
  refusedAs(await post(gateway, { batch: { first: 8, events } }), 'measure-limit', 422, true);
  assert.equal((await read(gateway, '/v1/totals')).events, 7);
});

test('an event without any measure is an event', async (t) => {
  const gateway = await testGateway(t);
  const events = [eventOf(1, { fields: { state: 'on' } }), eventOf(2, { fields: { open: true } })];
  assert.equal((await post(gateway, { batch: { events } })).acknowledgement?.inserted, 2);
  const { events: counted, measures } = await read(gateway, '/v1/totals');
  assert.equal(counted, 2);
  assert.deepEqual(measures, {});
});

/** Sends a head and no body; resolves with the raw answer. */
function headOnly(url: string, headers: Record<string, unknown>): Promise<string> {
  const { hostname, port } = new URL(url);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let text = '';
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\r\n\r\n') && text.endsWith('}')) {
        socket.destroy();
        resolve(text);
      }
    });
    socket.write(`POST /v1/batches HTTP/1.1\r\nhost: ${hostname}\r\n${lines.join('\r\n')}\r\n\r\n`);
  });
}
