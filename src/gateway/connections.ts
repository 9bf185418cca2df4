/**
 * Connections: who may stay when there are too many.
 *
 * Owns the bound on open connections, of all servers of a gateway together. Promises that strangers shut nobody out: a
 * new connection takes the place of the oldest that has not shown a key or the admin token yet, and is turned away only
 * where all have.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

export interface Connections {
  /** Counts what comes in on this server. */
  follow(server: Server): void;
  /** What came over this connection was rightly signed, or had the right token: it stays. */
  prove(socket: Socket): void;
  /** Now. */
  readonly open: number;
  /** Turned away, or cut off for another, because there were too many; since the start. */
  readonly refused: number;
}

export function createConnections(max: number): Connections {
  /** Oldest first. With TLS a request comes over another socket than was counted, of the same address and port. */
  const unproven = new Map<string, Socket>();
  let open = 0;
  let refused = 0;

  function take(socket: Socket): void {
    const name = nameOf(socket);
    open += 1;
    unproven.set(name, socket);
    socket.once('close', () => {
      open -= 1;
      if (unproven.get(name) === socket) unproven.delete(name);
    });
    if (open <= max) return;
    refused += 1;
    const [oldest] = unproven.values();
    oldest?.destroy();
  }

  return {
    follow(server) {
      server.prependListener('connection', take);
    },
    prove(socket) {
      unproven.delete(nameOf(socket));
    },
    get open() {
      return open;
    },
    get refused() {
      return refused;
    },
  };
}

function nameOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
