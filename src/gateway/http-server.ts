/**
 * HttpServer: the servers that Fastify listens with.
 *
 * Owns their patience, their certificate, and what they make of connections. Promises the same of each: for `localhost`
 * Fastify opens a second one, to which it passes none of this on. Never answers a request.
 */
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { FastifyServerFactory } from 'fastify';
import { type BrokenRequests, createBrokenRequests } from './broken-request.ts';
import { type Connections, createConnections } from './connections.ts';
import type { GatewayError } from './errors.ts';
import { HTTP } from './limits.ts';

/** PEM texts. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

export interface HttpServers extends Pick<BrokenRequests, 'breakOff'>, Pick<Connections, 'prove'> {
  /** For Fastify. */
  readonly factory: FastifyServerFactory;
  /** New connections are shown this certificate from now on. Throws, changing nothing, if it does not fit its key. */
  showCertificate(identity: TlsIdentity): void;
  closeAllConnections(): void;
  readonly connections: Pick<Connections, 'open' | 'refused'>;
}

export interface HttpServerOptions {
  readonly tls: TlsIdentity | undefined;
  readonly connectionsMax: number;
  /** Told of connections that were ended because what came was no request, or did not come on. */
  readonly onRefusal: (refusal: GatewayError, socket: Socket) => void;
}

export function createHttpServers({ tls, connectionsMax, onRefusal }: HttpServerOptions): HttpServers {
  const servers: (http.Server | https.Server)[] = [];
  const brokenRequests = createBrokenRequests(onRefusal);
  const connections = createConnections(connectionsMax);
  let identity = tls;
  const settings = {
    headersTimeout: HTTP.headersTimeoutMs,
    requestTimeout: HTTP.requestTimeoutMs,
    keepAliveTimeout: HTTP.keepAliveTimeoutMs,
    connectionsCheckingInterval: HTTP.checkIntervalMs,
    maxHeaderSize: HTTP.headersBytesMax,
    // Node would answer with a bare 400; it is refused like any other (see `gateway.ts`).
    requireHostHeader: false,
  };
  return {
    connections,
    breakOff: brokenRequests.breakOff,
    prove: connections.prove,
    factory(handler) {
      const whole: http.RequestListener = (request, reply) => {
        if (brokenRequests.mayAsk(request)) handler(request, reply);
      };
      const server =
        identity === undefined
          ? http.createServer(settings, whole)
          : https.createServer({ ...settings, ...identity, handshakeTimeout: HTTP.handshakeTimeoutMs }, whole);
      server.setTimeout(HTTP.connectionTimeoutMs);
      // Node would leave out what comes behind the first 1,000, which may be what a proxy adds.
      server.maxHeadersCount = 0;
      connections.follow(server);
      // Node would answer with a bare 417 to whatever it does not know; it is a request like any other.
      server.on('checkExpectation', (request, reply) => server.emit('request', request, reply));
      // Nothing can be answered before the handshake is over: what is written then waits for it, and holds the
      // connection.
      server.prependListener('tlsClientError', (_error: Error, socket: Socket) => socket.destroy());
      brokenRequests.follow(server);
      servers.push(server);
      // Its server has every method of a plain one that is used here.
      return server as http.Server;
    },
    showCertificate(next) {
      // Setting it would leave a server without any where it does not fit.
      createSecureContext(next);
      identity = next;
      for (const server of servers) if (server instanceof https.Server) server.setSecureContext(next);
    },
    closeAllConnections() {
      for (const server of servers) server.closeAllConnections();
    },
  };
}
