/**
 * Loris: clients that are slow on purpose, many at a time.
 *
 * Owns what they send: heads a byte at a time, and bodies of which the most part never comes. Promises that a
 * connection which the gateway ends is told, and not replaced but in a crowd. Never needs a key: whatever it names can
 * be read off any device.
 */
import { randomBytes } from 'node:crypto';
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

/** Each body of a crowd is whole after so many drips, half of a request's time: none is late. */
const CROWD_DRIPS = 1_500;

/** How many of each size of body: enough small ones to fill what is left beside one that is here for a moment. */
const CROWD = [20, 40, 40, 40, 20] as const;
const CROWD_RETURN_MS = 100;
const CROWD_SETTLES_MS = 5_000;

/** What the heads announce: the largest bodies that a gateway takes, then ever smaller ones for the room left. */
const BODY_BYTES = [4 << 20, 256 << 10, 8 << 10, 256, 16] as const;

/** Of smaller bodies not a byte comes: they would soon be whole. */
const DRIPPING_BYTES = 8 << 10;

export function startLoris(options: LorisOptions): Loris {
  return options.kind === 'crowd-of-device' ? startCrowd(options) : startSlow(options);
}

function startSlow(options: LorisOptions): Loris {
  const { target, connections } = options;
  const sockets = new Set<Socket>();
  let ended = 0;
  const dripping = new Set<Socket>();
  const begun = Array.from({ length: connections }, (_, i) => {
    const bodyBytes = BODY_BYTES[Math.floor((i * BODY_BYTES.length) / connections)]!;
    const head = headOf(options, bodyBytes);
    const socket = connect(Number(target.port), target.hostname);
    sockets.add(socket);
    if (options.kind === 'slow-head' || bodyBytes >= DRIPPING_BYTES) dripping.add(socket);
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
    for (const socket of dripping) if (socket.writable) socket.write('x');
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

/**
 * Every other one claims a signed head. Each request is another one, so that none counts as sent before. It has settled
 * once there is no room for the smallest body any more.
 */
function startCrowd(options: LorisOptions): Loris {
  const { target } = options;
  const sockets = new Map<Socket, Buffer>();
  let ended = 0;
  let isOver = false;
  let onFull = (): void => {};
  const settled = new Promise<void>((done) => {
    onFull = done;
    setTimeout(done, CROWD_SETTLES_MS).unref();
  });
  const come = (bodyBytes: number, claimsSignedHead: boolean): void => {
    const socket = connect(Number(target.port), target.hostname);
    const drop = Buffer.alloc(Math.ceil(bodyBytes / CROWD_DRIPS));
    sockets.set(socket, drop);
    socket.on('error', () => {});
    // Whatever is said is a refusal.
    socket.on('data', (said) => {
      if (bodyBytes === BODY_BYTES.at(-1) && said.includes('503')) onFull();
      socket.destroy();
    });
    socket.once('close', () => {
      sockets.delete(socket);
      if (isOver) return;
      ended++;
      setTimeout(() => {
        if (!isOver) come(bodyBytes, claimsSignedHead);
      }, CROWD_RETURN_MS).unref();
    });
    socket.write(Buffer.concat([headOf(options, bodyBytes, claimsSignedHead), drop]));
  };
  for (const [size, count] of CROWD.entries()) {
    for (let i = 0; i < count; i++) come(BODY_BYTES[size]!, i % 2 === 1);
  }
  const drip = setInterval(() => {
    for (const [socket, drop] of sockets) if (socket.writable) socket.write(drop);
  }, DRIP_EVERY_MS);
  return {
    settled,
    get ended() {
      return ended;
    },
    close() {
      isOver = true;
      clearInterval(drip);
      for (const socket of sockets.keys()) socket.destroy();
    },
  };
}

function headOf({ target, kind, deviceId, keyId }: LorisOptions, bodyBytes: number, claimsSignedHead = false): Buffer {
  const lines = [
    'POST /v1/batches HTTP/1.1',
    `Host: ${target.host}`,
    'Content-Type: application/vnd.tidegate.batch+msgpack',
    'Content-Encoding: identity',
    `X-Device-Id: ${kind.endsWith('-of-device') ? deviceId : 'stranger'}`,
    `X-Key-Id: ${keyId}`,
    `X-Timestamp: ${Date.now()}`,
    `X-Signature: v1=${randomBytes(32).toString('hex')}`,
    ...(claimsSignedHead ? [`X-Head-Signature: v1=${'a5'.repeat(32)}`] : []),
    `Content-Length: ${bodyBytes}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}
