/** What a person reads about the link. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PROBLEM_STATUS } from '../../src/codec/answer.ts';
import { linkSentence, reasonOf } from '../../src/device/explanation.ts';
import type { LinkState } from '../../src/device/link.ts';

const NOW = Date.parse('2026-11-30T12:00:00Z');

function sentence(
  code: string | null,
  change: { state?: LinkState; detail?: string; waitMs?: number; gateway?: string } = {},
) {
  const { state = 'offline', detail, waitMs = 8_000, gateway = 'https://telemetry.example.com:8787' } = change;
  const reason = code === null ? null : reasonOf(code, detail, NOW);
  const link = { state, code, reason, detail: detail ?? null, since: NOW, nextAttemptAt: waitMs ? NOW + waitMs : null };
  return linkSentence({ gateway, link, queued: { events: 20_000 } }, NOW);
}

test('it says what, where, what is safe, what to do and when next', () => {
  assert.equal(
    sentence('ECONNREFUSED'),
    'cannot reach https://telemetry.example.com:8787 (connection refused: is the gateway running, ' +
      'and this its port?); ' +
      '20,000 events safe on disk; next try in 8 s',
  );
  assert.match(
    sentence('key-revoked', { state: 'paused', waitMs: 240_000 }),
    /^https:\S+ refuses .*asks again in 4 min$/,
  );
  assert.match(
    sentence('overloaded', { state: 'online' }),
    /^https:\S+ asks to wait \(it is busy\); 20,000 .* in 8 s$/,
  );
  assert.match(sentence(null, { state: 'online' }), /^connected to https:\S+; 20,000 events to deliver$/);
  assert.match(sentence(null, { state: 'connecting' }), /^connecting to https:\S+; 20,000 events safe on disk$/);
});

test('what a person can do is named where there is something', () => {
  const advice: Readonly<Record<string, RegExp>> = {
    'key-revoked': /in the place of its --secret-file/,
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: /--ca FILE/,
    SELF_SIGNED_CERT_IN_CHAIN: /--ca FILE/,
    DEPTH_ZERO_SELF_SIGNED_CERT: /--ca FILE/,
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: /--ca FILE/,
    CERT_HAS_EXPIRED: /this device’s clock, which says 2026-11-30 12:00 UTC/,
    CERT_NOT_YET_VALID: /this device’s clock, which says 2026-11-30 12:00 UTC/,
    ERR_SSL_WRONG_VERSION_NUMBER: /http:\/\//,
    HPE_INVALID_CONSTANT: /port/,
    ENOTFOUND: /address/,
    'unsigned-200': /sign in/,
    'unsigned-302': /sign in/,
    'unsigned-511': /sign in/,
    'unsigned-404': /no gateway is there/,
    'unsigned-502': /proxy/,
  };
  for (const [code, pattern] of Object.entries(advice)) assert.match(sentence(code), pattern, code);
  assert.match(sentence('unsigned-401', { detail: 'key-unknown' }), /without a signature: .*keys list/);
  assert.match(
    sentence('unsigned-401', { detail: 'signature-mismatch' }),
    /secret is not that of the key: .*keys rotate/,
  );
  assert.match(sentence('UND_ERR_SOCKET', { gateway: 'http://h:1' }), /is it https:\/\/ there/);
  assert.doesNotMatch(sentence('UND_ERR_SOCKET'), /https:\/\/ there/);
});

test('every code of a problem has words, and a code that nobody knows still makes a sentence', () => {
  for (const code of [
    'key-unknown',
    'key-revoked',
    'overloaded',
    'store-unavailable',
    'internal',
    'clock-skew',
    'batch-version',
  ]) {
    assert(Object.hasOwn(PROBLEM_STATUS, code));
    assert.notEqual(reasonOf(code, undefined, NOW), code);
  }
  for (const status of [100, 204, 400, 418, 500, 599])
    assert.match(reasonOf(`unsigned-${status}`, undefined, NOW), /\d{3}/);
  assert.equal(reasonOf('E_NEW', undefined, NOW), 'E_NEW');
  assert.equal(reasonOf('unexpected', 'odd', NOW), 'odd (unexpected)');
  for (const code of ['CERT_ODD', 'ERR_SSL_ODD', 'constructor', '__proto__'])
    assert.match(sentence(code), /^cannot reach/, code);
});

test('a wait is told in units that a person has', () => {
  const next = (waitMs: number) => /next try (.*)$/.exec(sentence('EPIPE', { waitMs }))![1];
  assert.deepEqual([0, 999, 1_000, 60_000, 300_000, 86_400_000].map(next), [
    'within a second',
    'within a second',
    'in 1 s',
    'in 60 s',
    'in 5 min',
    'in 24 h',
  ]);
});
