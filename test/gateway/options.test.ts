/** What a program without a compiler may give to `createGateway`. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createGateway, type GatewayOptions } from '../../src/gateway/index.ts';

const CERT = readFileSync(new URL('tls-cert.pem', import.meta.url), 'utf8');

test('every option of a wrong kind is refused by name, before anything is opened', async () => {
  const wrong: [name: string, options: unknown][] = [
    ['createGateway', undefined],
    ['createGateway', null],
    ['createGateway', '/var/lib/tidegate'],
    ['data', {}],
    ['data', { data: undefined }],
    ['data', { data: 5 }],
    ['data', { data: '' }],
    ['data', { data: 'a\0b' }],
    ['keys', { store: { page() {}, devices() {} } }],
    ['adminToken', { data: '/nowhere', adminToken: 5 }],
    ['adminTokn', { data: '/nowhere', adminTokn: 'sesame, open the gate' }],
    ['clock', { data: '/nowhere', clock: 1 }],
    ['logger', { data: '/nowhere', logger: true }],
    ['limits', { data: '/nowhere', limits: 5 }],
    ['windowMs', { data: '/nowhere', limits: { windowMs: '5m' } }],
    ['tls', { data: '/nowhere', tls: true }],
    ['tls', { data: '/nowhere', tls: { cert: 'cert.pem', key: 'key.pem' } }],
    ['tls', { data: '/nowhere', tls: { cert: CERT, key: CERT } }],
  ];
  for (const [name, options] of wrong) {
    await assert.rejects(
      createGateway(options as GatewayOptions),
      (error: Error & { code?: string }) => error.code === 'options-invalid' && error.message.includes(name),
      JSON.stringify(options),
    );
  }
});
