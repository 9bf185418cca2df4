/** The relay and the certificates behind the TLS faults: each fails a client for a reason of its own. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createAuthority, type Subject } from '../../faults/network/certificates.ts';
import { createTlsRelay, TLS_FAULTS, type TlsFault } from '../../faults/network/tls-relay.ts';
import { createRandom } from '../../rig/random.ts';

const HOUR_MS = 3_600_000;
const authority = createAuthority('right');

function subject(host: string, fromMs: number, toMs: number): Subject {
  return { host, from: Date.now() + fromMs, to: Date.now() + toMs };
}

async function startRelay(t: TestContext, script: readonly TlsFault[]) {
  const gateway = createServer(authority.issue(subject('localhost', -HOUR_MS, HOUR_MS)), (_incoming, answer) => {
    answer.end('counted');
  });
  gateway.listen(0, '127.0.0.1');
  await once(gateway, 'listening');
  t.after(() => {
    gateway.closeAllConnections();
    gateway.close();
  });
  const struck: TlsFault[] = [];
  const relay = await createTlsRelay({
    target: new URL(`https://127.0.0.1:${(gateway.address() as AddressInfo).port}`),
    impostors: {
      'tls-authority': createAuthority('wrong').issue(subject('localhost', -HOUR_MS, HOUR_MS)),
      'tls-expired': authority.issue(subject('localhost', -2 * HOUR_MS, -HOUR_MS)),
      'tls-host': authority.issue(subject('another.invalid', -HOUR_MS, HOUR_MS)),
    },
    script,
    random: createRandom(1),
    onStruck: (fault) => struck.push(fault),
  });
  t.after(() => relay.close());
  return { relay, struck };
}

/** One POST: the status, or the code of the error. */
function post(port: number, trusting = false): Promise<unknown> {
  return new Promise((done) => {
    const trust = trusting ? { rejectUnauthorized: false } : { ca: authority.cert };
    const options = { host: 'localhost', port, path: '/v1/batches', method: 'POST', agent: false, ...trust };
    const sent = request(options, (answer) => {
      answer.resume();
      answer.once('close', () => done(answer.statusCode));
    });
    sent.once('error', (error: NodeJS.ErrnoException) => done(error.code));
    sent.end('x'.repeat(100_000));
  });
}

const ENDS: Record<TlsFault, RegExp> = {
  'tls-authority': /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT_LOCALLY)$/,
  'tls-expired': /^CERT_HAS_EXPIRED$/,
  'tls-host': /^ERR_TLS_CERT_ALTNAME_INVALID$/,
  'tls-plain-text': /^(ERR_SSL_WRONG_VERSION_NUMBER|EPROTO|ERR_SSL_PACKET_LENGTH_TOO_LONG)$/,
  'tls-cut-hello': /^ECONNRESET$/,
  'tls-cut-answer': /^ECONNRESET$/,
  'tls-reset': /^(ECONNRESET|EPIPE)$/,
};

for (const fault of TLS_FAULTS) {
  test(`${fault} fails a client for its own reason, and the next connection is good`, async (t) => {
    const { relay, struck } = await startRelay(t, [fault]);
    assert.match(String(await post(relay.port)), ENDS[fault]);
    assert.equal(await post(relay.port), 200);
    assert.deepEqual([struck, relay.betrayed, relay.connections], [[fault], 0, 2]);
  });
}

test('who verifies nothing tells impostors everything', async (t) => {
  const { relay } = await startRelay(t, ['tls-expired']);
  assert.equal(await post(relay.port, true), 200);
  assert(relay.betrayed > 0);
});

test('a healed relay lets everything pass', async (t) => {
  const { relay, struck } = await startRelay(t, ['tls-plain-text', 'tls-plain-text']);
  relay.heal();
  assert.equal(await post(relay.port), 200);
  assert.deepEqual(struck, []);
});
