/**
 * TlsRelay: a bad way to a gateway that speaks TLS, and those who answer in its place.
 *
 * Owns what each connection meets: the gateway, or a peer with a certificate that should convince nobody, or none at
 * all. Promises that the choice is the script's, and to tell how much an impostor was given to read. Never ends the
 * gateway's TLS itself: what passes, passes as bytes.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { Certified } from './certificates.ts';

export const TLS_FAULTS = [
  /** The certificate is by an authority that the device does not trust. */
  'tls-authority',
  /** By the right one, for the right host, and its time is over. */
  'tls-expired',
  /** By the right one, for another host. */
  'tls-host',
  /** No TLS at all. */
  'tls-plain-text',
  /** The connection ends when the device has begun the handshake, … */
  'tls-cut-hello',
  /** … or in the middle of what the gateway answers it. */
  'tls-cut-answer',
  /** A good connection is reset somewhere in the middle of a message. */
  'tls-reset',
] as const;

export type TlsFault = (typeof TLS_FAULTS)[number];

type Impostor = 'tls-authority' | 'tls-expired' | 'tls-host';

export interface TlsRelayOptions {
  /** The gateway. */
  readonly target: URL;
  readonly impostors: Readonly<Record<Impostor, Certified>>;
  /** What the connections meet, in their order; all later ones are good. */
  readonly script: readonly TlsFault[];
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly onStruck: (fault: TlsFault) => void;
}

export interface TlsRelay {
  readonly port: number;
  readonly connections: number;
  /** Bytes that the device has told those who are not the gateway. */
  readonly betrayed: number;
  /** From now on all connections are good. */
  heal(): void;
  close(): Promise<void>;
}

export async function createTlsRelay(options: TlsRelayOptions): Promise<TlsRelay> {
  const relay = new Relay(options);
  await relay.listen();
  return relay;
}

/** A good connection is reset when it has carried so much from the device, at most, … */
const RESET_BYTES = 24_000;
/** … or when it has been there so long: the device may have others that it likes better. */
const RESET_AFTER_MS = 1_000;

const PLAIN = 'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 7\r\n\r\nwelcome';

class Relay implements TlsRelay {
  port = 0;
  connections = 0;
  betrayed = 0;
  readonly #options: TlsRelayOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #left: TlsFault[];

  constructor(options: TlsRelayOptions) {
    this.#options = options;
    this.#left = [...options.script];
    this.#server = createServer((socket) => this.#meet(socket));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
  }

  heal(): void {
    this.#left = [];
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #meet(socket: Socket): void {
    this.connections++;
    this.#keep(socket);
    const fault = this.#left.shift();
    if (fault !== undefined) socket.once('close', () => this.#options.onStruck(fault));
    switch (fault) {
      case 'tls-authority':
      case 'tls-expired':
      case 'tls-host':
        this.#impersonate(socket, this.#options.impostors[fault]);
        break;
      case 'tls-plain-text':
        socket.once('data', () => socket.end(PLAIN));
        break;
      case 'tls-cut-hello':
        socket.once('data', () => socket.destroy());
        break;
      case 'tls-cut-answer':
        this.#cutAnswer(socket);
        break;
      case 'tls-reset':
        this.#pass(socket, 1 + Math.floor(this.#options.random() * RESET_BYTES));
        break;
      default:
        this.#pass(socket, Number.POSITIVE_INFINITY);
    }
  }

  /** Says what a gateway says to everything, to whoever believes the certificate. */
  #impersonate(socket: Socket, certified: Certified): void {
    const secure = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(certified) });
    secure.on('error', () => socket.destroy());
    secure.on('data', ({ length }: Buffer) => {
      this.betrayed += length;
      secure.end(PLAIN);
    });
  }

  #pass(socket: Socket, bytesMax: number): void {
    const gateway = this.#toGateway(socket);
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      gateway.write(chunk.subarray(0, bytesMax - bytes));
      bytes += chunk.length;
      if (bytes >= bytesMax) socket.resetAndDestroy();
    });
    gateway.pipe(socket);
    if (bytesMax === Number.POSITIVE_INFINITY) return;
    const timeout = setTimeout(() => socket.resetAndDestroy(), RESET_AFTER_MS);
    socket.once('close', () => clearTimeout(timeout));
  }

  #cutAnswer(socket: Socket): void {
    const gateway = this.#toGateway(socket);
    socket.pipe(gateway);
    gateway.once('data', (chunk: Buffer) => {
      socket.write(chunk.subarray(0, chunk.length / 2));
      socket.destroySoon();
    });
  }

  #toGateway(socket: Socket): Socket {
    const gateway = this.#keep(connect(Number(this.#options.target.port), this.#options.target.hostname));
    socket.once('close', () => gateway.destroy());
    gateway.once('close', () => socket.destroy());
    return gateway;
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }
}
