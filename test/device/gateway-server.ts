/** The model gateway behind real HTTP on loopback. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { cleanUp } from './device-fixture.ts';
import type { ModelGateway } from './model-gateway.ts';

export interface GatewayServer {
  readonly url: string;
  readonly server: Server;
  /** Connections that were made. */
  readonly connections: number;
}

export async function serveModel(t: TestContext, gateway: ModelGateway): Promise<GatewayServer> {
  let connections = 0;
  const server = createServer((incoming, answer) => {
    const stop = new AbortController();
    answer.once('close', () => stop.abort());
    bodyOf(incoming)
      .then(async (body) => {
        const {
          status,
          headers,
          body: said,
        } = await gateway.post({ headers: textsIn(incoming), body, signal: stop.signal });
        answer.writeHead(status, { ...headers, 'content-length': said.length }).end(said);
      })
      .catch(() => answer.destroy());
  });
  server.on('connection', () => connections++);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  cleanUp(t, () => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    get connections() {
      return connections;
    },
  };
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  if (incoming.method !== 'POST' || incoming.url !== '/v1/batches') throw new Error('another route');
  return await buffer(incoming);
}

function textsIn({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
