/**
 * Cable: the link between a device and a gateway, that can be pulled out at an exact instant.
 *
 * Owns the sockets on both sides. Promises that no byte passes after `pull()` has returned, not even one that had
 * arrived before; and that pulled out, every attempt to connect is reset. Never looks at what passes.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface Cable {
  /** For the device: `http://127.0.0.1:port`. */
  readonly url: string;
  pull(): void;
  plug(): void;
  close(): Promise<void>;
}

/** @param target the gateway, `http://host:port` */
export async function createCable(target: string): Promise<Cable> {
  const cable = new TcpCable(new URL(target));
  await cable.listen();
  return cable;
}

class TcpCable implements Cable {
  url = '';
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server = createServer((socket) => this.#join(socket));
  #isPlugged = true;

  constructor(target: URL) {
    this.#target = target;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  pull(): void {
    this.#isPlugged = false;
    // A reset of one that is still connecting would be put off, behind what waits to be sent.
    for (const socket of this.#sockets) socket.connecting ? socket.destroy() : socket.resetAndDestroy();
  }

  plug(): void {
    this.#isPlugged = true;
  }

  async close(): Promise<void> {
    this.pull();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #join(near: Socket): void {
    if (!this.#isPlugged) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(Number(this.#target.port), this.#target.hostname);
    near.pipe(far).pipe(near);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.setNoDelay();
      this.#sockets.add(socket);
      // A gateway that is down, or a program that was killed: the other side is told by its own connection.
      socket.on('error', () => other.destroy());
      socket.once('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
