import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeviceOptions, openDevice } from '../../src/device/index.ts';
import { settle } from '../../src/device/options.ts';
import { DEAD, testDevice } from './device-fixture.ts';
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
  const wrong: Readonly<Record<string, unknown>>[] = [
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
    { id: undefined },
    { id: 7 },
    { id: null },
    { id: 'pump-7\n' },
    { data: undefined },
    { data: 5 },
    { data: 'a\0b' },
    { credential: undefined },
    { credential: Buffer.from(CREDENTIAL) },
    { gateway: undefined },
    { gateway: null },
    { gateway: 8787 },
    { gateway: 'gw.example:8787' },
    { gateway: 'localhost:8787' },
    { gateway: 'https://x/?token=1' },
    { gateway: 'https://x/#1' },
    { gateway: { href: 'https://x' } },
    { ca: '' },
    { ca: 'ca.pem' },
    { ca: Buffer.alloc(0) },
    { ca: true },
    { ca: ['a'] },
    { batchEventsMax: '5' },
    { transport: {} },
    { transport: 'http' },
    { clock: 5 },
    { timer: {} },
    { random: 0.5 },
    { randomBytes: new Uint8Array(16) },
    { lingerMS: 5 },
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

test('an option that is no object, and a secret that is not there, end in a code and not in a TypeError', async () => {
  for (const options of [undefined, null, 'https://gw.example', 5]) {
    assert.throws(() => settle(options as unknown as DeviceOptions), { code: 'options-invalid' });
  }
  const { credential: _, ...rest } = LEAST;
  const opened = openDevice({ ...rest, credential: process.env['NO_SUCH_SECRET'] as string });
  await assert.rejects(opened, { code: 'options-invalid', message: /option credential .* missing/ });
});

test('no message holds what was given for a credential', () => {
  const credential = 'k1.hunter2 hunter2';
  assert.throws(
    () => settle({ ...LEAST, credential }),
    (error: Error) => !error.message.includes('hunter2'),
  );
});

test('whatever is recorded by a program without types ends in a code, and never in an event', async (t) => {
  const device = await testDevice(t, DEAD);
  const record = device.record.bind(device) as (...given: unknown[]) => Promise<unknown>;
  const recordAll = device.recordAll.bind(device) as (...given: unknown[]) => Promise<unknown>;
  const codes: unknown[] = [];
  for (const given of [
    [],
    [null],
    ['abc'],
    [[1, 2]],
    [5],
    [{}],
    [{ volume: 1 }, { at: 'now' }],
    [{ volume: 1 }, { at: new Date('x') }],
    [{ volume: 1 }, { sensor: 5 }],
    [{ volume: 1n }],
  ]) {
    codes.push(
      await record(...given).then(
        () => given,
        (error) => error.code,
      ),
    );
  }
  const field = 'event-field';
  assert.deepEqual(codes, [
    field,
    field,
    field,
    field,
    field,
    field,
    'event-time',
    'event-time',
    'event-sensor',
    field,
  ]);
  for (const given of [
    undefined,
    [],
    'abc',
    {},
    [undefined],
    [null],
    [5],
    [{ ts: 1, sensor: 'a' }],
    [{ ts: 1, sensor: 'a', fields: 'x' }],
  ]) {
    await assert.rejects(recordAll(given), { code: field });
  }
  assert.equal(device.status().recorded.events, 0);
});
