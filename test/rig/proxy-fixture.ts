/** A gateway that keeps what it took, and a device's end of the link, for the tests of the fault proxy. */
import { once } from 'node:events';
import { type Agent, createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { createFaultProxy, type FaultProxyOptions } from '../../rig/link/fault-proxy.ts';

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
  /** False where the request ended before its body did. */
  readonly whole: boolean;
}

export const ANSWER = JSON.stringify({ counted: true, padding: 'x'.repeat(400) });
export const BODY = 'abcdefghij'.repeat(1_000);

/** A gateway that takes everything, keeps what it took, and answers once it may. */
export async function startGateway(t: TestContext, mayAnswer: Promise<void> = Promise.resolve()) {
  const received: Received[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    let whole = true;
    try {
      for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      whole = false;
    }
    const { headers, rawHeaders } = incoming;
    received.push({ headers, rawHeaders, body: Buffer.concat(chunks).toString('latin1'), whole });
    server.emit('received');
    await mayAnswer;
    outgoing.setHeader('x-signature', 'v1=00').setHeader('x-number', received.length);
    outgoing.end(ANSWER, () => server.emit('answered'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received, server };
}

/** One POST: what came back, or the code of the error where nothing whole did. */
export async function post(url: string, agent?: Agent, body = BODY) {
  return new Promise<{ status?: number; headers?: IncomingHttpHeaders; body?: string; error?: string }>((done) => {
    const failed = (error: NodeJS.ErrnoException) => done({ error: error.code ?? error.message });
    const headers = { 'X-Device-Id': 'pump-7', 'content-length': body.length };
    const sent = request(`${url}/v1/batches`, { method: 'POST', headers, agent: agent ?? false }, async (answer) => {
      const chunks: Buffer[] = [];
      try {
        for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
      } catch (error) {
        return failed(error as NodeJS.ErrnoException);
      }
      const { statusCode: status, headers } = answer;
      done({ ...(status !== undefined && { status }), headers, body: Buffer.concat(chunks).toString('latin1') });
    });
    sent.once('error', failed);
    sent.end(body);
  });
}

export async function startBoth(t: TestContext, options: Partial<FaultProxyOptions> = {}, mayAnswer?: Promise<void>) {
  const gateway = await startGateway(t, mayAnswer);
  const proxy = await createFaultProxy({ target: gateway.url, seed: 1, ...options });
  t.after(() => proxy.close());
  return { gateway, proxy };
}

/** In how many bits two texts of bytes differ. */
export function turnedBits(a: string, b: string): number {
  return [...a].reduce((sum, char, at) => sum + ones(char.charCodeAt(0) ^ b.charCodeAt(at)), 0);
}

function ones(bits: number): number {
  return bits === 0 ? 0 : (bits & 1) + ones(bits >>> 1);
}
