/** proto-spec/vectors about signatures, replayed in both directions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatCredential,
  parseCredential,
  signAnswer,
  signHead,
  signRequest,
  verifyAnswer,
} from '../../src/codec/index.ts';
import { matchingHead, matchingKey, type NamedKey, namedKeys } from '../../src/gateway/authentication.ts';
import { type BatchRequestHead, readCaller, readRequestHead } from '../../src/gateway/request-head.ts';
import { bytesOf, readVectors } from './vectors.ts';

const requests = readVectors('requests.json');

/** Judges what a gateway would be told; null where the headers are malformed. */
function judged<T>(said: Record<string, string>, revoked: readonly string[], judge: Judge<T>): T | null {
  const request = { headers: { 'content-length': said['Content-Length'] }, rawHeaders: Object.entries(said).flat() };
  const lookup = (_: string, keyId: string) => {
    const secret = requests.keys[keyId];
    return secret === undefined ? undefined : { secret: bytesOf(secret), revoked: revoked.includes(keyId) };
  };
  try {
    const caller = readCaller(request);
    return judge(namedKeys({ lookup }, caller), readRequestHead(request, caller));
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'headers-invalid');
    return null;
  }
}

type Judge<T> = (keys: readonly NamedKey[], head: BatchRequestHead) => T;

/** The key under which a gateway takes it for authentic; undefined where it does not, null where malformed. */
function matchedKey(said: Record<string, string>, revoked: readonly string[] = []): string | undefined | null {
  return judged(said, revoked, (keys, head) => matchingKey(keys, head, bytesOf(requests.body))?.keyId);
}

/** The same of the head, before there is a body. */
function matchedKeyOfHead(said: Record<string, string>): string | undefined | null {
  return judged(said, [], (keys, head) => matchingHead(keys, head)?.keyId);
}

test('requests and their heads get their signatures', () => {
  for (const { name, secret, body, signature, headSignature, ...head } of requests.requests) {
    assert.equal(signRequest(bytesOf(secret), head, bytesOf(body)), signature, name);
    const signed = { ...head, contentLength: bytesOf(body).length, requestSignature: signature };
    assert.equal(signHead(bytesOf(secret), signed), headSignature, name);
  }
});

test('heads are authentic before there is a body, or are not', () => {
  for (const { name, headers, matched } of requests.heads)
    assert.equal(matchedKeyOfHead(headers) ?? null, matched, name);
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
