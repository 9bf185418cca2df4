/**
 * What the counters of sockets say is what a relay in between has seen, whichever client opened them.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { request } from 'undici';
import { countWireBytes, wireBytesSince } from '../../bench/wire-bytes.ts';
import { until } from '../until.ts';

const BODY = Buffer.alloc(100_000, 7);
const ANSWER = Buffer.alloc(30_000, 8);
const wireBytes = countWireBytes();

test('a plain socket', async (t) => {
  const server = createServer((socket) => void socket.once('data', () => socket.end(ANSWER)));
  await agrees(t, server, async (port) => {
    const socket = connect(port, '127.0.0.1');
    socket.write(BODY);
    assert.deepEqual(await buffer(socket), ANSWER);
  });
});

test('undici', async (t) => {
  const server = createHttpServer(async (incoming, outgoing) => {
    await buffer(incoming);
    outgoing.setHeader('connection', 'close').end(ANSWER);
  });
  await agrees(t, server, async (port) => {
    const { body } = await request(`http://127.0.0.1:${port}`, { method: 'POST', body: BODY });
    assert.equal((await body.arrayBuffer()).byteLength, ANSWER.length);
  });
});

test('HTTP/2, which writes past the socket', async (t) => {
  const server = createHttp2Server((incoming, outgoing) => void buffer(incoming).then(() => outgoing.end(ANSWER)));
  await agrees(t, server, async (port) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const stream = session.request({ ':method': 'POST' });
    stream.end(BODY);
    assert.deepEqual(await buffer(stream), ANSWER);
    session.close();
    await once(session, 'close');
  });
});

/** Talks through a relay that counts, until both of its sides are closed. */
async function agrees(t: TestContext, server: Server, talk: (port: number) => Promise<void>): Promise<void> {
  const seen = { sent: 0, received: 0 };
  const onward: Socket[] = [];
  const relay = createServer((socket) => {
    const other = connect(portOf(server), '127.0.0.1');
    onward.push(other);
    socket.on('data', (bytes) => {
      seen.sent += bytes.length;
      other.write(bytes);
    });
    other.on('data', (bytes) => {
      seen.received += bytes.length;
      socket.write(bytes);
    });
    for (const [side, opposite] of [
      [socket, other],
      [other, socket],
    ] as const) {
      side.on('error', () => {});
      side.on('end', () => opposite.end());
      side.on('close', () => opposite.destroy());
    }
  });
  for (const listener of [server, relay]) {
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    t.after(() => void listener.close());
  }
  const before = wireBytes();
  await talk(portOf(relay));
  await until(() => onward.every((socket) => socket.closed));
  const counted = { ...wireBytesSince(before, wireBytes()) };
  // The relay's own connections are this process's, too.
  for (const { bytesWritten, bytesRead } of onward) {
    counted.sent -= bytesWritten;
    counted.received -= bytesRead;
  }
  assert.deepEqual(counted, seen);
  assert(seen.sent >= BODY.length && seen.received >= ANSWER.length);
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
