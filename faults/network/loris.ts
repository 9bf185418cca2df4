/**
 * Loris: clients that are slow on purpose, many at a time.
 *
 * Owns what they send: heads a byte at a time, and bodies of which the most part never comes. Promises that a connection
 * which the gateway ends is told and not replaced. Never needs a key: whatever it names can be read off any device.
 */
import { connect, type Socket } from 'node:net';

export const LORIS_KINDS = [
  /** A head that grows by a byte now and then. */
  'slow-head',
  /** The head of the largest batch there may be, and a body that grows by a byte now and then. */
  'slow-body',
  /** The same in the name of a device that the gateway knows. */
  'slow-body-of-device',
] as const;

export type LorisKind = (typeof LORIS_KINDS)[number];

export interface LorisOptions {
  /** The gateway. */
  readonly target: URL;
  readonly kind: LorisKind;
  readonly connections: number;
  /** For `slow-body-of-device`. */
  readonly deviceId: string;
  readonly keyId: string;
}

export interface Loris {
  /** Resolves once all are connected and have sent the most part of what they ever will. */
  readonly settled: Promise<void>;
  /** Connections that the gateway has ended. */
  readonly ended: number;
  close(): void;
}

const DRIP_EVERY_MS = 40;

/** The largest body that a gateway takes. */
const BODY_BYTES = 4 * 1024 * 1024;

export function startLoris(options: LorisOptions): Loris {
  const { target, connections } = options;
  const sockets = new Set<Socket>();
  let ended = 0;
  const head = headOf(options);
  const begun = Array.from({ length: connections }, (_, i) => {
    const socket = connect(Number(target.port), target.hostname);
    sockets.add(socket);
    socket.on('error', () => {});
    socket.resume();
    socket.once('close', () => {
      if (sockets.delete(socket)) ended++;
    });
    // Each is at another place.
    const bytes = options.kind === 'slow-head' ? head.subarray(0, 1 + (i % (head.length - 4))) : head;
    return new Promise<void>((done) => {
      socket.once('close', () => done());
      socket.write(bytes, () => done());
    });
  });
  const drip = setInterval(() => {
    for (const socket of sockets) if (socket.writable) socket.write('x');
  }, DRIP_EVERY_MS);
  return {
    settled: Promise.all(begun).then(() => {}),
    get ended() {
      return ended;
    },
    close() {
      clearInterval(drip);
      for (const socket of [...sockets]) {
        sockets.delete(socket);
        socket.destroy();
      }
    },
  };
}

function headOf({ target, kind, deviceId, keyId }: LorisOptions): Buffer {
  const lines = [
    'POST /v1/batches HTTP/1.1',
    `Host: ${target.host}`,
    'Content-Type: application/vnd.tidegate.batch+msgpack',
    'Content-Encoding: identity',
    `X-Device-Id: ${kind === 'slow-body-of-device' ? deviceId : 'stranger'}`,
    `X-Key-Id: ${keyId}`,
    `X-Timestamp: ${Date.now()}`,
    `X-Signature: v1=${'5a'.repeat(32)}`,
    `Content-Length: ${BODY_BYTES}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}
