import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatCredential, parseCredential, SECRET_BYTES } from '../../src/codec/index.ts';
import { holds } from './property.ts';

const secret = (length: number): string => Buffer.alloc(length, 0xfb).toString('base64url');

test('a credential comes back', (t) => {
  const anyId = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/);
  holds(t, 300, fc.tuple(anyId, fc.uint8Array({ minLength: 16, maxLength: 128 })), ([keyId, bytes]) => {
    const back = parseCredential(formatCredential({ keyId, secret: bytes }));
    assert.equal(back?.keyId, keyId);
    assert.deepEqual([...back.secret], [...bytes]);
  });
});

test('the key id may hold dots, the secret none', () => {
  assert.equal(parseCredential(`pump.7.2024.${secret(SECRET_BYTES)}`)?.keyId, 'pump.7.2024');
});

test('anything else is no credential', () => {
  for (const text of [
    '',
    '.',
    'k1',
    'k1.',
    secret(32),
    `.${secret(32)}`,
    `-k.${secret(32)}`,
    `k 1.${secret(32)}`,
    `${'k'.repeat(65)}.${secret(32)}`,
    `k1.${secret(15)}`,
    `k1.${secret(129)}`,
    `k1.${secret(32)}=`,
    `k1.${secret(32)}\n`,
    ` k1.${secret(32)}`,
    `k1.${Buffer.alloc(32, 0xfb).toString('base64')}`,
    `k1.${secret(32).slice(0, -1)}_`,
  ]) {
    assert.equal(parseCredential(text), undefined, JSON.stringify(text));
  }
});
