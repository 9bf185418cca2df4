import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeAnswer, HEADER, PROBLEM_STATUS, type ProblemCode, problemOf } from '../../src/codec/index.ts';
import { type Outcome, outcomeOf, type Sent } from '../../src/device/outcome.ts';
import type { TransportAnswer } from '../../src/device/transport.ts';
import { page, SECRET, signed } from './model-gateway.ts';

const SIGNATURE = 'ab'.repeat(32);
const STREAM = '00112233445566778899aabbccddeeff';
const SENT: Sent = { secret: SECRET, signature: SIGNATURE, stream: STREAM, first: 11, count: 4 };
const REQUEST = { headers: { [HEADER.signature]: `v1=${SIGNATURE}` } };
const GATEWAY = { clock: () => 1_700_000_000_000 };
const SAID = { stream: STREAM, first: 11, count: 4, inserted: 3, duplicates: 1 };

const answered = (status: number, body: object, secret = SECRET, request = REQUEST): TransportAnswer =>
  signed(GATEWAY, request, status, Buffer.from(JSON.stringify(body)), secret);

function problem(code: ProblemCode, members: object = {}): Outcome {
  const whole = { ...problemOf(code, 'why'), ...members };
  return outcomeOf(SENT, signed(GATEWAY, REQUEST, whole.status, encodeAnswer(whole)));
}

const unsigned = ({ status, body }: TransportAnswer): TransportAnswer => ({ status, headers: {}, body });

test('a signed acknowledgement of this batch delivers it', () => {
  assert.deepEqual(outcomeOf(SENT, answered(200, SAID)), { kind: 'delivered', inserted: 3, duplicates: 1 });
});

test('an acknowledgement of anything else delivers nothing', () => {
  for (const said of [
    { ...SAID, stream: STREAM.replace('0', '1') },
    { ...SAID, first: 12 },
    { ...SAID, count: 3 },
    { ...SAID, inserted: -1 },
    { first: 11, count: 4 },
    {},
  ]) {
    assert.equal(outcomeOf(SENT, answered(200, said)).kind, 'failed', JSON.stringify(said));
  }
});

test('a signature that is not for this answer to this request signs nothing', () => {
  const good = answered(200, SAID);
  const other = { headers: { [HEADER.signature]: `v1=${'cd'.repeat(32)}` } };
  for (const [what, answer] of Object.entries({
    'none at all': unsigned(good),
    'of another request': answered(200, SAID, SECRET, other),
    'with another secret': answered(200, SAID, Buffer.alloc(32, 8)),
    'over another body': { ...good, body: encodeAnswer({ ...SAID, inserted: 4 }) },
    'over another status': { ...good, status: 201 },
    'over another time': { ...good, headers: { ...good.headers, [HEADER.timestamp]: '1700000000001' } },
    'without a time': { ...good, headers: { [HEADER.signature]: good.headers[HEADER.signature] } },
    'with a time that is none': { ...good, headers: { ...good.headers, [HEADER.timestamp]: 'now' } },
    'of another scheme': { ...good, headers: { ...good.headers, [HEADER.signature]: 'v2=00' } },
    'that stands twice': {
      ...good,
      headers: { ...good.headers, [HEADER.signature]: [String(good.headers[HEADER.signature]), 'v1=0'] },
    },
  })) {
    assert.equal(outcomeOf(SENT, answer).kind, 'failed', what);
  }
});

test('every problem, signed', () => {
  const expected: Record<ProblemCode, Outcome['kind']> = {
    'headers-invalid': 'barred',
    'query-invalid': 'barred',
    'body-corrupt': 'refused',
    'batch-malformed': 'refused',
    'batch-column': 'refused',
    'key-unknown': 'barred',
    'signature-mismatch': 'failed',
    'clock-skew': 'failed',
    'token-invalid': 'barred',
    'key-revoked': 'barred',
    'interval-limit': 'barred',
    'stream-limit': 'barred',
    'storage-limit': 'barred',
    'not-found': 'failed',
    'method-not-allowed': 'failed',
    'request-timeout': 'failed',
    'sequence-collision': 'failed',
    'body-too-large': 'split',
    'batch-limit': 'split',
    'encoding-unsupported': 'encoding',
    'batch-version': 'barred',
    'sensor-limit': 'refused',
    'measure-limit': 'refused',
    'headers-too-large': 'failed',
    internal: 'failed',
    overloaded: 'wait',
    'store-unavailable': 'wait',
  };
  const found = Object.fromEntries(
    Object.keys(PROBLEM_STATUS).map((code) => [code, problem(code as ProblemCode).kind] as const),
  );
  assert.deepEqual(found, expected);
});

test('every problem, unsigned: it splits at most, and judges nothing', () => {
  for (const code of Object.keys(PROBLEM_STATUS) as ProblemCode[]) {
    const whole = problemOf(code, 'why', { clock: 1, retryAfterMs: 1, collisions: [[11, 11]], eventsMax: 1 });
    const outcome = outcomeOf(SENT, unsigned(answered(whole.status, whole)));
    if (whole.status === 413) assert.deepEqual(outcome, { kind: 'split' }, code);
    else assert.deepEqual(outcome, { kind: 'failed', code: `unsigned-${whole.status}`, detail: code }, code);
  }
});

test('what a problem says reaches whoever acts on it', () => {
  assert.deepEqual(problem('clock-skew', { clock: 42.5 }), { kind: 'skew', clock: 42.5 });
  assert.deepEqual(problem('sequence-collision', { collisions: [[12, 13]] }), {
    kind: 'collision',
    ranges: [[12, 13]],
  });
  assert.deepEqual(problem('overloaded', { retryAfterMs: 70 }), { kind: 'wait', waitMs: 70, code: 'overloaded' });
  assert.deepEqual(problem('overloaded'), { kind: 'wait', waitMs: 1_000, code: 'overloaded' });
  assert.deepEqual(problem('overloaded', { retryAfterMs: Number.MAX_SAFE_INTEGER }), {
    kind: 'wait',
    waitMs: 86_400_000,
    code: 'overloaded',
  });
  const limit = problem('batch-limit', { eventsMax: 2 });
  assert(limit.kind === 'split' && limit.problem?.eventsMax === 2);
  const refused = problem('sensor-limit');
  assert(refused.kind === 'refused' && refused.problem.detail === 'why');
  const encoding = problem('encoding-unsupported', { acceptEncoding: ['gzip'] });
  assert(encoding.kind === 'encoding' && encoding.problem.acceptEncoding?.[0] === 'gzip');
});

test('a problem that lacks what it needs is like no answer', () => {
  assert.equal(problem('clock-skew', { clock: 'noon' }).kind, 'failed');
  assert.equal(problem('clock-skew', { clock: 1e300 }).kind, 'failed');
  assert.equal(problem('sequence-collision', { collisions: [] }).kind, 'failed');
  assert.equal(problem('sequence-collision', { collisions: [[3, 2]] }).kind, 'failed');
});

test('a signed problem of an unknown code, or with another status than the answer, is like no answer', () => {
  assert.equal(outcomeOf(SENT, answered(422, { code: 'too-blue', status: 422 })).kind, 'failed');
  assert.equal(outcomeOf(SENT, answered(400, problemOf('sensor-limit', ''))).kind, 'failed');
  assert.equal(outcomeOf(SENT, signed(GATEWAY, REQUEST, 422, Buffer.from('<html>'))).kind, 'failed');
});

test('a captive portal and a proxy release, condemn and pause nothing', () => {
  for (const status of [200, 201, 204, 301, 302, 400, 401, 403, 404, 409, 415, 422, 500, 502, 511]) {
    assert.deepEqual(outcomeOf(SENT, page(status)), { kind: 'failed', code: `unsigned-${status}` });
  }
  assert.deepEqual(outcomeOf(SENT, page(413)), { kind: 'split' });
});

test('an unsigned Retry-After is a courtesy within bounds', () => {
  const waitMs = (status: number, after: string | string[]): number | undefined => {
    const outcome = outcomeOf(SENT, page(status, { 'retry-after': after }));
    assert.equal(outcome.kind, 'failed');
    return outcome.kind === 'failed' ? outcome.waitMs : undefined;
  };
  assert.equal(waitMs(503, '0'), 0);
  assert.equal(waitMs(503, '7'), 7_000);
  assert.equal(waitMs(429, '300'), 300_000);
  assert.equal(waitMs(429, '301'), 300_000);
  assert.equal(waitMs(503, '999999999'), 300_000);
  for (const after of ['-1', '1.5', 'soon', 'Wed, 21 Oct 2015 07:28:00 GMT', '1e3', '9999999999', '']) {
    assert.equal(waitMs(503, after), undefined, after);
  }
  assert.equal(waitMs(503, ['1', '2']), undefined);
  assert.equal(waitMs(500, '7'), undefined, 'only of 429 and 503');
});
