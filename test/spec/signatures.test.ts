/** proto-spec/vectors about signatures, replayed in both directions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCredential, parseCredential, signAnswer, signRequest, verifyAnswer } from '../../src/codec/index.ts';
import { matchingKey, namedKeys } from '../../src/gateway/authentication.ts';
import { readCaller, readRequestHead } from '../../src/gateway/request-head.ts';
import { bytesOf, readVectors } from './vectors.ts';

const requests = readVectors('requests.json');

/** The key under which a gateway takes it for authentic; undefined where it does not, null where malformed. */
function matchedKey(said: Record<string, string>, revoked: readonly string[] = []): string | undefined | null {
  const stated = Object.entries(said).map(([name, value]) => [name.toLowerCase(), [value]] as [string, string[]]);
  const request = { headers: {}, headersDistinct: Object.fromEntries(stated) };
  const lookup = (_: string, keyId: string) => {
    const secret = requests.keys[keyId];
    return secret === undefined ? undefined : { secret: bytesOf(secret), revoked: revoked.includes(keyId) };
  };
  try {
    const caller = readCaller(request);
    const keys = namedKeys({ lookup }, caller);
    return matchingKey(keys, readRequestHead(request, caller), bytesOf(requests.body))?.keyId;
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'headers-invalid');
    return null;
  }
}

test('requests get their signatures', () => {
  for (const { name, secret, body, signature, ...head } of requests.requests) {
    assert.equal(signRequest(bytesOf(secret), head, bytesOf(body)), signature, name);
  }
});

test('headers are authentic, are not, or are not headers', () => {
  for (const { name, headers, matched, revoked } of requests.checked) {
    assert.equal(matchedKey(headers, revoked), matched ?? undefined, name);
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
