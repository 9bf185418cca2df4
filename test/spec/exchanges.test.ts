/** proto-spec/vectors/exchanges.json: a real gateway answers so, and a device makes of it what the vectors say. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  BODY_BYTES_MAX,
  HEADER,
  PROBLEM_STATUS,
  parseSignatures,
  signHead,
  verifyAnswer,
} from '../../src/codec/index.ts';
import { outcomeOf } from '../../src/device/outcome.ts';
import type { Page } from '../../src/gateway/index.ts';
import { type GatewayStore, StoreError } from '../../src/store/index.ts';
import { until } from '../device/device-fixture.ts';
import { read, say, type TestGateway, testGateway, testKeys } from '../gateway/gateway-fixture.ts';
import { codesIn, isDoneBy } from './codes.ts';
import { bytesOf, type ExchangeVector, readVectors } from './vectors.ts';

const { clock, deviceId, adminToken, keys, exchanges } = readVectors('exchanges.json');

const bySomebodyElse = ({ given }: ExchangeVector): boolean => given?.proxy === true;

/** A gateway as the vector has it, which has counted nothing yet. */
async function gatewayFor(t: TestContext, { given = {} }: ExchangeVector): Promise<TestGateway> {
  const ring = testKeys();
  for (const [keyId, { secret, revoked }] of Object.entries(keys)) {
    ring.set(deviceId, keyId, { secret: bytesOf(secret), revoked });
  }
  const limits = { ...given.limits, ...(given.busy && { bytesInFlightMax: 2 * BODY_BYTES_MAX }) };
  const failure =
    given.disk === 'full' ? new StoreError('disk-full', 'full') : given.disk && new TypeError('as the test wants it');
  const wrap = (store: GatewayStore<Page>): GatewayStore<Page> => {
    if (failure === undefined) return store;
    return new Proxy(store, {
      get(target, name) {
        if (name === 'ingest') return () => Promise.reject(failure);
        const value = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  return testGateway(t, { keys: ring, clock: () => clock, adminToken, limits, wrap });
}

interface Heard {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

function talk(gateway: TestGateway, head: string, body: Uint8Array): { socket: Socket; heard: Promise<Heard> } {
  const [{ port }] = gateway.app.addresses() as [AddressInfo];
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  // What a gateway does not read to its end it cuts off.
  socket.on('error', () => {});
  socket.write(head.replace('\r\n', '\r\nConnection: close\r\n'));
  socket.write(body);
  const heard = new Promise((closed) => socket.once('close', closed)).then(() => {
    const all = Buffer.concat(chunks);
    const end = all.indexOf('\r\n\r\n');
    assert(end > 0, `an answer: ${all.toString()}`);
    const [first, ...lines] = all.subarray(0, end).toString('latin1').split('\r\n');
    const headers = lines.map((line) => [line.split(':', 1)[0]!.toLowerCase(), line.replace(/^[^:]*: */, '')]);
    return { status: Number(first!.split(' ')[1]), headers: Object.fromEntries(headers), body: all.subarray(end + 4) };
  });
  return { socket, heard };
}

/** What the gateway answers to the request of a vector. */
async function answerTo(gateway: TestGateway, { given, request }: ExchangeVector): Promise<Heard> {
  if (given?.busy) {
    const sockets = [true, false].map((isSigned) => hold(gateway, largeHead(isSigned)));
    await until(async () => (await bytesInFlight(gateway)) === 2 * BODY_BYTES_MAX, 'the room is taken');
    try {
      return await talk(gateway, request.head, bytesOf(request.body)).heard;
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  }
  if (!given?.slow) return talk(gateway, request.head, bytesOf(request.body)).heard;
  const { socket, heard } = talk(gateway, request.head, bytesOf(request.body));
  const [peer] = (await once(gateway.app.server, 'connection')) as [Socket];
  await until(() => peer.bytesRead >= socket.bytesWritten, 'what there is of it is there');
  // As Node does it once the time is up.
  const late = Object.assign(new Error('slow'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
  gateway.app.server.emit('clientError', late, peer);
  return heard;
}

/** A body that never comes to its end. */
function hold(gateway: TestGateway, head: string): Socket {
  const [{ port }] = gateway.app.addresses() as [AddressInfo];
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(head);
  socket.write(Buffer.alloc(BODY_BYTES_MAX - 1));
  return socket;
}

/** The head of one of the largest bodies: what may come unsigned has room of its own. */
function largeHead(isSigned: boolean): string {
  const requestSignature = '1'.repeat(64);
  const head = { deviceId, keyId: 'k1', timestamp: clock - 100, contentEncoding: 'identity' };
  const signed = { ...head, contentLength: BODY_BYTES_MAX, requestSignature };
  const line = `X-Head-Signature: v1=${signHead(bytesOf(keys['k1']!.secret), signed)}\r\n`;
  return exchanges[0]!.request.head
    .replace(/Content-Length: \d+\r\n/, `Content-Length: ${BODY_BYTES_MAX}\r\n${isSigned ? line : ''}`)
    .replace(/X-Signature: v1=\w+/, `X-Signature: v1=${requestSignature}`);
}

async function bytesInFlight(gateway: TestGateway): Promise<number> {
  const metrics = await say(`${gateway.url}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } });
  return Number(/bytes_in_flight (\d+)$/m.exec(metrics.body.toString())?.[1]);
}

/** What programs go by: texts for people may be others, and a gateway may know more encodings. */
function membersOf(body: string): Record<string, unknown> {
  const { title: _, detail: __, acceptEncoding, ...members } = JSON.parse(body) as Record<string, unknown>;
  if (!Array.isArray(acceptEncoding)) return members;
  return { ...members, acceptEncoding: acceptEncoding.filter((encoding) => encoding !== 'zstd') };
}

for (const vector of exchanges.filter((each) => !bySomebodyElse(each))) {
  test(`a gateway, asked for: ${vector.name}`, async (t) => {
    const gateway = await gatewayFor(t, vector);
    for (const name of vector.before ?? []) {
      const earlier = exchanges.find((each) => each.name === name)!;
      assert.equal((await answerTo(gateway, earlier)).status, earlier.answer.status, name);
    }
    const { status, headers, body } = await answerTo(gateway, vector);
    const { answer, device, signed } = vector;
    assert.equal(status, answer.status, body.toString());
    assert.deepEqual(membersOf(body.toString()), membersOf(answer.body));
    for (const [name, value] of Object.entries(answer.headers)) {
      if (name === 'X-Signature') continue;
      const said = headers[name.toLowerCase()]?.replace(', zstd', '');
      assert.equal(name === 'Content-Type' ? said?.split(';')[0] : said, value, name);
    }
    const signatures = parseSignatures(headers[HEADER.signature]);
    assert.equal(signatures !== undefined, signed);
    if (signatures === undefined) return;
    assert.equal(signatures.length, answer.headers['X-Signature']!.split(',').length);
    const head = { status, requestSignature: device?.signature ?? '', timestamp: clock };
    const verified = verifyAnswer(bytesOf(keys[headers[HEADER.key]!]!.secret), head, body, signatures);
    assert.equal(verified, true);
  });
}

test('a device makes of each answer what the vectors say', () => {
  for (const { name, request, answer, device } of exchanges) {
    if (!device) continue;
    const headers = Object.entries(answer.headers).map(([key, value]) => [key.toLowerCase(), value] as const);
    const sent = { ...batchIn(bytesOf(request.body)), secret: bytesOf(device.secret), signature: device.signature };
    const outcome = outcomeOf(sent, {
      status: answer.status,
      headers: Object.fromEntries(headers),
      body: Buffer.from(answer.body),
    });
    assert(isDoneBy(device.does, outcome), `${name}: ${outcome.kind}`);
  }
});

/** Stream, first and count of a batch as the vectors write it; anything where it is none. */
function batchIn(body: Buffer): { stream: string; first: number; count: number } {
  const at = (key: string): number => body.indexOf(Buffer.from(key)) + key.length;
  return {
    stream: body.subarray(at('stream') + 2).toString('hex', 0, 16),
    first: body[at('first')]!,
    count: body[at('count')]!,
  };
}

test('there is an exchange for each code, signed or not as the table has it', () => {
  for (const { code, signed } of codesIn('README.md')) {
    const found = new Set(exchanges.filter((each) => each.code === code).map((each) => each.signed));
    assert.deepEqual([...found].sort(), signed === 'both' ? [false, true] : [signed === 'yes'], code);
  }
  assert.equal(codesIn('README.md').length, Object.keys(PROBLEM_STATUS).length);
});

test('what a device does stands in the table as in the exchanges', () => {
  for (const { code, device, signed } of codesIn('README.md')) {
    const those = exchanges.filter((each) => each.code === code && each.signed === (signed !== 'no'));
    for (const each of those) assert.equal(each.device?.does ?? 'never', device, each.name);
  }
});

test('a gateway that has counted the vectors counts what they say', async (t) => {
  const gateway = await gatewayFor(t, exchanges[0]!);
  for (const vector of exchanges.filter(({ answer, given }) => answer.status === 200 && !given)) {
    await answerTo(gateway, vector);
  }
  const authorization = `Bearer ${adminToken}`;
  const { events } = await read(gateway, '/v1/totals', { authorization });
  assert(events >= 4);
});
