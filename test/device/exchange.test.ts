import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BATCH_MEDIA_TYPE,
  createTableBuilder,
  decodeBatch,
  encodeColumns,
  eventsOf,
  HEADER,
  inflateBody,
  parseCredential,
} from '../../src/codec/index.ts';
import { createGatewayClock } from '../../src/device/clock.ts';
import { createExchange } from '../../src/device/exchange.ts';
import type { Transport, TransportRequest } from '../../src/device/index.ts';
import { Withdrawn } from '../../src/device/link.ts';
import { readings } from './device-fixture.ts';
import { CREDENTIAL, createModelGateway } from './model-gateway.ts';

const STREAM = Buffer.alloc(16, 3);
const QUEUE_STATE = { recorded: 9, queued: 5, quarantined: 1, gaps: 2 };
const never = new AbortController().signal;

function testExchange(transport: Transport, clock = () => Date.now()) {
  const sent: number[] = [];
  const exchange = createExchange({
    deviceId: 'pump-7',
    credential: () => parseCredential(CREDENTIAL)!,
    transport,
    clock: createGatewayClock(clock),
    queueState: () => QUEUE_STATE,
    onSent: (bytes) => sent.push(bytes),
  });
  const builder = createTableBuilder();
  for (const event of readings(3)) builder.add(event);
  const gaps = [{ first: 2, last: 3, reason: 'quota', sums: { volume: '7' } }] as const;
  const message = { stream: STREAM, first: 41, count: 3, gaps, columns: encodeColumns(builder.build()) };
  return { exchange, message, sent };
}

test('a request carries the batch, the account and the gaps, compressed and signed', async () => {
  const gateway = createModelGateway();
  const { exchange, message, sent } = testExchange(gateway);
  for (const encoding of ['br', 'gzip', 'identity'] as const) {
    const outcome = await exchange.attempt(message, encoding, never);
    assert.equal(outcome.kind, 'delivered');
    const { headers, body } = gateway.requests.at(-1)!;
    assert.equal(headers['content-type'], BATCH_MEDIA_TYPE);
    assert.equal(headers['content-encoding'], encoding);
    assert.equal(headers[HEADER.device], 'pump-7');
    assert.equal(headers[HEADER.key], 'k1');
    assert.equal(body.length, sent.at(-1));
    const batch = decodeBatch(await inflateBody(encoding, body));
    assert.deepEqual(batch.queue, QUEUE_STATE);
    assert.deepEqual(batch.gaps, message.gaps);
    assert.deepEqual([...eventsOf(batch.table)], readings(3));
  }
});

test('no two attempts have the same timestamp or signature, also where the clock stands still', async () => {
  const gateway = createModelGateway();
  gateway.clock = () => 1_000_000;
  const { exchange, message } = testExchange(gateway, () => 1_000_000);
  for (let i = 0; i < 20; i++) await exchange.attempt(message, 'identity', never);
  const of = (name: string) => new Set(gateway.requests.map(({ headers }) => headers[name])).size;
  assert.equal(of(HEADER.timestamp), 20);
  assert.equal(of(HEADER.signature), 20);
});

test('nothing is posted before it may leave, nor where the gateway cannot be reached', async () => {
  const gateway = createModelGateway();
  const { exchange, message, sent } = testExchange(gateway);
  let grant!: () => void;
  const granted = new Promise<void>((resolve) => (grant = resolve));
  const attempt = exchange.attempt(message, 'identity', never, () => granted);
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([gateway.requests.length, sent.length], [0, 0]);
  grant();
  assert.equal((await attempt).kind, 'delivered');
  const withdrawn = () => {
    throw new Withdrawn();
  };
  assert.deepEqual(await exchange.attempt(message, 'identity', never, withdrawn), { kind: 'unsent' });
  let asked = 0;
  const reach = () => Promise.reject(Object.assign(new Error('no'), { code: 'ENETUNREACH' }));
  const away = testExchange({ ...gateway, reach });
  const leave = () => {
    asked++;
    return undefined;
  };
  const outcome = await away.exchange.attempt(message, 'identity', never, leave);
  assert.deepEqual([outcome, asked, gateway.requests.length], [{ kind: 'failed', code: 'ENETUNREACH' }, 0, 1]);
});

test('whatever the network does becomes an outcome with a code', async () => {
  for (const [thrown, expected] of [
    [Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' }), { code: 'ECONNREFUSED' }],
    [new Error('odd'), { code: 'unexpected', detail: 'odd' }],
    [new DOMException('took too long', 'TimeoutError'), { code: 'unexpected', detail: 'took too long' }],
    ['a text', { code: 'unexpected', detail: 'a text' }],
  ] as const) {
    const transport = { post: (_: TransportRequest) => Promise.reject(thrown), close: async () => {} };
    const { exchange, message } = testExchange(transport);
    assert.deepEqual(await exchange.attempt(message, 'br', never), { kind: 'failed', ...expected });
  }
});
