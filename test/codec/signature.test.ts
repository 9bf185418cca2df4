import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AnswerHead,
  formatSignatures,
  parseKeyIds,
  parseSignatures,
  type RequestHead,
  signAnswer,
  signRequest,
  verifyAnswer,
  verifyRequest,
} from '../../src/codec/index.ts';
import { holds } from './property.ts';

const secret = Buffer.alloc(32, 1);
const body = Buffer.from('body\nwith lines');
const head: RequestHead = { deviceId: 'd1', keyId: 'k1', timestamp: 1_700_000_000_000, contentEncoding: 'br' };
const answer: AnswerHead = { status: 200, requestSignature: 'ab'.repeat(32), timestamp: 1_700_000_000_001 };

test('a request is signed over prefix and body as sent', () => {
  const canonical = Buffer.concat([Buffer.from('tidegate-request-v1\nd1\nk1\n1700000000000\nbr\n'), body]);
  assert.equal(signRequest(secret, head, body), createHmac('sha256', secret).update(canonical).digest('hex'));
});

test('an answer is signed over status, request signature and clock', () => {
  const prefix = `tidegate-answer-v1\n200\n${'ab'.repeat(32)}\n1700000000001\n`;
  const canonical = Buffer.concat([Buffer.from(prefix), body]);
  assert.equal(signAnswer(secret, answer, body), createHmac('sha256', secret).update(canonical).digest('hex'));
});

test('whatever is changed, a request no longer verifies', () => {
  const signature = signRequest(secret, head, body);
  assert.equal(verifyRequest(secret, head, body, ['00'.repeat(32), signature]), signature);
  for (const changed of [
    { ...head, deviceId: 'd2' },
    { ...head, keyId: 'k2' },
    { ...head, timestamp: head.timestamp + 1 },
    { ...head, contentEncoding: 'gzip' },
  ]) {
    assert.equal(verifyRequest(secret, changed, body, [signature]), undefined);
  }
  assert.equal(verifyRequest(Buffer.alloc(32, 2), head, body, [signature]), undefined);
  assert.equal(verifyRequest(secret, head, body.subarray(1), [signature]), undefined);
  assert.equal(verifyRequest(secret, head, body, []), undefined);
  assert.equal(verifyRequest(secret, head, body, ['', signature.slice(2), 'zz'.repeat(32)]), undefined);
});

test('whatever is changed, an answer no longer verifies', () => {
  const signature = signAnswer(secret, answer, body);
  assert(verifyAnswer(secret, answer, body, [signature]));
  for (const changed of [
    { ...answer, status: 201 },
    { ...answer, requestSignature: 'ac'.repeat(32) },
    { ...answer, timestamp: answer.timestamp - 1 },
  ]) {
    assert(!verifyAnswer(secret, changed, body, [signature]));
  }
  assert(!verifyAnswer(secret, answer, new Uint8Array(0), [signature]));
  assert(!verifyAnswer(Buffer.alloc(32, 2), answer, body, [signature]));
});

test('no part of one message can pass for a part of another', () => {
  const signatures = [
    signRequest(secret, { ...head, contentEncoding: 'identity' }, Buffer.from('x')),
    signRequest(secret, { ...head, contentEncoding: 'identity' }, Buffer.from('\nx')),
    signRequest(secret, { ...head, deviceId: 'd', keyId: '1k1' }, Buffer.from('x')),
    signAnswer(secret, answer, Buffer.from('x')),
  ];
  assert.equal(new Set(signatures).size, signatures.length);
});

test('a header holds up to four signatures, and schemes of the future beside them', () => {
  const [a, b, c, d] = ['aa', 'bb', 'cc', 'dd'].map((pair) => pair.repeat(32)) as [string, string, string, string];
  assert.deepEqual(parseSignatures(formatSignatures([a])), [a]);
  assert.deepEqual(parseSignatures(formatSignatures([a, b, c, d])), [a, b, c, d]);
  assert.deepEqual(parseSignatures(`v2=xyz,v1=${a} ,  v1=${b}`), [a, b]);
  for (const header of [
    undefined,
    '',
    'v1=',
    a,
    `v1=${a.slice(1)}`,
    `v1=${a}0`,
    `v1=${a.toUpperCase()}`,
    `v1=${a}, v1=short`,
    `v2=${a}`,
    formatSignatures([a, b, c, d, a]),
    `v1=${a},${' '.repeat(1_024)}`,
  ]) {
    assert.equal(parseSignatures(header), undefined, header);
  }
});

test('a header names one key, or the two of a rotation', () => {
  assert.deepEqual(parseKeyIds('k1'), ['k1']);
  assert.deepEqual(parseKeyIds('k1, k2'), ['k1', 'k2']);
  for (const header of [undefined, '', ',', 'k1,', 'k1,k2,k3', 'k 1', '-k', 'k'.repeat(65)]) {
    assert.equal(parseKeyIds(header), undefined, header);
  }
});

test('whatever is said is signed and verified, and nothing else is', (t) => {
  const anyId = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/);
  const anyHead = fc.record({
    deviceId: anyId,
    keyId: anyId,
    timestamp: fc.maxSafeInteger(),
    contentEncoding: fc.stringMatching(/^[a-z0-9-]{1,32}$/),
  });
  const anyRequest = fc.tuple(anyHead, fc.uint8Array(), fc.uint8Array({ minLength: 16, maxLength: 64 }));
  holds(t, 300, fc.tuple(anyRequest, anyRequest), ([[one, body, key], [other, otherBody, otherKey]]) => {
    const signature = signRequest(key, one, body);
    assert.equal(verifyRequest(key, one, body, [signature]), signature);
    const isSame =
      Buffer.from(body).equals(otherBody) &&
      Buffer.from(key).equals(otherKey) &&
      JSON.stringify(one) === JSON.stringify(other);
    assert.equal(verifyRequest(otherKey, other, otherBody, [signature]) !== undefined, isSame);
    assert.deepEqual(parseSignatures(formatSignatures([signature])), [signature]);
  });
});

test('a header is a few signatures of the form, or none', (t) => {
  const anyPart = fc.oneof(
    fc.stringMatching(/^v1=[0-9a-f]{64}$/),
    fc.constantFrom('v1=', 'v2=zz', '', ' ', 'v1=00', `v1=${'AB'.repeat(32)}`),
    fc.string({ maxLength: 70 }),
  );
  holds(t, 2_000, fc.array(anyPart, { maxLength: 7 }), (parts) => {
    const signatures = parseSignatures(parts.join(','));
    if (signatures === undefined) return;
    assert(signatures.length >= 1 && signatures.length <= 4);
    for (const signature of signatures) assert.match(signature, /^[0-9a-f]{64}$/);
    const ids = parseKeyIds(parts.join(','));
    if (ids !== undefined) for (const id of ids) assert.match(id, /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/);
  });
});

test('headers of lists are bounded before they are looked at', () => {
  assert.deepEqual(parseKeyIds(`a${' '.repeat(1_000)}`), ['a']);
  assert.equal(parseKeyIds(`a${' '.repeat(1_024)}`), undefined);
});
