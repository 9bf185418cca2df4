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
  /** The head of a batch, mostly a large one, and a body that grows by a byte now and then. */
  'slow-body',
  /** The same in the name of a device that the gateway knows. */
  'slow-body-of-device',
  /** The largest bodies in its name, at a pace at which they would just be whole in time; some claim a signed head. */
  'crowd-of-device',
] as const;

export type LorisKind = (typeof LORIS_KINDS)[number];

export interface LorisOptions {
  /** The gateway. */
  readonly target: URL;
  readonly kind: LorisKind;
  readonly connections: number;
  /** For those in a device's name. */
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

/** 40 kB/s: at a little less a body of the largest size is late. */
const CROWD_DRIP = Buffer.alloc((40_000 * DRIP_EVERY_MS) / 1_000);

/** What the heads announce: the largest bodies that a gateway takes, and then ever smaller ones, for whatever room is left. */
const BODY_BYTES = [4 << 20, 256 << 10, 8 << 10, 256, 16] as const;

/** Of smaller bodies not a byte comes: they would soon be whole. */
const DRIPPING_BYTES = 8 << 10;

export function startLoris(options: LorisOptions): Loris {
  const { target, connections } = options;
  const sockets = new Set<Socket>();
  let ended = 0;
  const dripping = new Set<Socket>();
  const begun = Array.from({ length: connections }, (_, i) => {
    const isCrowd = options.kind === 'crowd-of-device';
    const bodyBytes = BODY_BYTES[isCrowd ? 0 : Math.floor((i * BODY_BYTES.length) / connections)]!;
    const head = headOf(options, bodyBytes, isCrowd && i % 2 === 1);
    const socket = connect(Number(target.port), target.hostname);
    sockets.add(socket);
    if (options.kind === 'slow-head' || bodyBytes >= DRIPPING_BYTES) dripping.add(socket);
    socket.on('error', () => {});
    socket.resume();
    socket.once('close', () => {
      if (sockets.delete(socket)) ended++;
    });
    // Each is at another place.
    const part = options.kind === 'slow-head' ? head.subarray(0, 1 + (i % (head.length - 4))) : head;
    const bytes = isCrowd ? Buffer.concat([head, CROWD_DRIP]) : part;
    return new Promise<void>((done) => {
      socket.once('close', () => done());
      socket.write(bytes, () => done());
    });
  });
  const drip = setInterval(() => {
    const bytes = options.kind === 'crowd-of-device' ? CROWD_DRIP : 'x';
    for (const socket of dripping) if (socket.writable) socket.write(bytes);
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

function headOf({ target, kind, deviceId, keyId }: LorisOptions, bodyBytes: number, claimsSignedHead: boolean): Buffer {
  const lines = [
    'POST /v1/batches HTTP/1.1',
    `Host: ${target.host}`,
    'Content-Type: application/vnd.tidegate.batch+msgpack',
    'Content-Encoding: identity',
    `X-Device-Id: ${kind.endsWith('-of-device') ? deviceId : 'stranger'}`,
    `X-Key-Id: ${keyId}`,
    `X-Timestamp: ${Date.now()}`,
    `X-Signature: v1=${'5a'.repeat(32)}`,
    ...(claimsSignedHead ? [`X-Head-Signature: v1=${'a5'.repeat(32)}`] : []),
    `Content-Length: ${bodyBytes}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}
