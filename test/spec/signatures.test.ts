/** proto-spec/vectors about signatures, replayed in both directions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatCredential,
  parseCredential,
  parseKeyIds,
  parseSignatures,
  signAnswer,
  signRequest,
  verifyAnswer,
  verifyRequest,
} from '../../src/codec/index.ts';
import { bytesOf, readVectors } from './vectors.ts';

const requests = readVectors('requests.json');

/** The key under which the headers make the body authentic; undefined where they do not, null where malformed. */
function matchedKey(headers: Record<string, string>): string | undefined | null {
  const keyIds = parseKeyIds(headers['X-Key-Id']);
  const signatures = parseSignatures(headers['X-Signature']);
  if (!keyIds || !signatures) return null;
  return keyIds.find((keyId) => {
    const secret = requests.keys[keyId];
    const head = {
      deviceId: headers['X-Device-Id']!,
      keyId,
      timestamp: Number(headers['X-Timestamp']),
      contentEncoding: headers['Content-Encoding'] ?? 'identity',
    };
    return secret !== undefined && verifyRequest(bytesOf(secret), head, bytesOf(requests.body), signatures);
  });
}

test('requests get their signatures', () => {
  for (const { name, secret, body, signature, ...head } of requests.requests) {
    assert.equal(signRequest(bytesOf(secret), head, bytesOf(body)), signature, name);
  }
});

test('headers are authentic, are not, or are not headers', () => {
  for (const { name, headers, matched } of requests.checked) assert.equal(matchedKey(headers) ?? null, matched, name);
  for (const { name, headers, matched } of requests.checked) {
    if (matched === null) assert.equal(matchedKey(headers), undefined, name);
  }
  for (const { name, headers } of requests.malformed) assert.equal(matchedKey(headers), null, name);
});

test('answers get their signatures, and only those of ours are taken', () => {
  const { secret, request, answers } = readVectors('answers.json');
  for (const { name, status, timestamp, body, signature, authentic } of answers) {
    const head = { status, requestSignature: request, timestamp };
    assert.equal(verifyAnswer(bytesOf(secret), head, bytesOf(body), [signature]), authentic, name);
    assert.equal(signAnswer(bytesOf(secret), head, bytesOf(body)) === signature, authentic, name);
  }
});

test('credentials are read and written', () => {
  const { valid, invalid } = readVectors('credentials.json');
  for (const { text, keyId, secret } of valid) {
    const credential = parseCredential(text);
    assert.equal(credential?.keyId, keyId);
    assert.equal(Buffer.from(credential.secret).toString('hex'), secret);
    assert.equal(formatCredential(credential), text);
  }
  for (const text of invalid) assert.equal(parseCredential(text), undefined, text);
});
