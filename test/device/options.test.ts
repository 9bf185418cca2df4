import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceOptions } from '../../src/device/index.ts';
import { settle } from '../../src/device/options.ts';
import { CREDENTIAL } from './model-gateway.ts';

const LEAST: DeviceOptions = {
  gateway: 'https://gw.example/base/',
  id: 'pump-7',
  credential: CREDENTIAL,
  data: '/tmp/x',
};

test('what is left out has a default', () => {
  const { gateway, credential, queueBytesMax, whenFull, batchEventsMax, lingerMs, clock, random, randomBytes } =
    settle(LEAST);
  assert.equal(gateway.href, 'https://gw.example/base/');
  assert.equal(credential.keyId, 'k1');
  assert.deepEqual(
    [queueBytesMax, whenFull, batchEventsMax, lingerMs],
    [Number.POSITIVE_INFINITY, 'refuse', 16_384, 1_000],
  );
  assert(Math.abs(clock() - Date.now()) < 1_000);
  assert(random() < 1);
  assert.equal(randomBytes(16).length, 16);
});

test('bounds are allowed values', () => {
  for (const options of [
    { batchEventsMax: 1 },
    { batchEventsMax: 65_536 },
    { inFlightMax: 6 },
    { lingerMs: 0 },
    { queueBytesMax: 1 },
    { reserveBytes: 0 },
    { gateway: new URL('http://localhost:1') },
  ] satisfies Partial<DeviceOptions>[]) {
    settle({ ...LEAST, ...options });
  }
});

test('what is out of range or of another form is refused by name', () => {
  const wrong: Partial<Record<keyof DeviceOptions, unknown>>[] = [
    { id: '' },
    { id: '-x' },
    { id: 'a b' },
    { data: '' },
    { credential: 'k1' },
    { credential: 'k1.!' },
    { gateway: 'ftp://x' },
    { gateway: 'nothing' },
    { gateway: 'https://user:pass@x' },
    { batchEventsMax: 0 },
    { batchEventsMax: 65_537 },
    { batchBytesMax: 1.5 },
    { inFlightMax: 7 },
    { lingerMs: -1 },
    { requestTimeoutMs: Number.NaN },
    { retryBaseMs: 0 },
    { retryMaxMs: 0 },
    { pauseMaxMs: '5' },
    { queueBytesMax: 0 },
    { queueBytesMax: Number.NaN },
    { whenFull: 'drop' },
    { reserveBytes: -1 },
    { pendingEventsMax: 0 },
  ];
  for (const options of wrong) {
    const [name] = Object.keys(options);
    assert.throws(
      () => settle({ ...LEAST, ...options } as DeviceOptions),
      (error: Error & { code: string }) =>
        error.code === 'options-invalid' && error.message.includes(`option ${name} `),
      JSON.stringify(options),
    );
  }
});
