/**
 * Transport: how one request travels and its answer comes back.
 *
 * Owns the interface, and the HTTP one over undici. Promises that an answer is whole and bounded, or that the call
 * rejects. Never follows redirects, retries or judges an answer.
 */
import type { Socket } from 'node:net';
import { buildConnector, Pool } from 'undici';
import { ANSWER_BYTES_MAX } from '../codec/index.ts';

export interface TransportRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

export interface TransportAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
}

export interface Transport {
  /**
   * Resolves once a connection stands that the next request may use, and sends nothing of any request. Rejects where
   * there is none: then nothing has left. Without it, every request that is posted counts as sent.
   */
  reach?(): Promise<void>;
  /** POSTs to the gateway's batch endpoint. Rejects with any error where no whole answer came. */
  post(request: TransportRequest): Promise<TransportAnswer>;
  close(): Promise<void>;
}

export interface HttpTransportOptions {
  readonly gateway: URL;
  readonly ca: string | Buffer | undefined;
  readonly connections: number;
  readonly requestTimeoutMs: number;
}

const CONNECT_TIMEOUT_MS = 30_000;

/** Shorter than most proxies' and NATs' patience, so that we close first and seldom meet a dead connection. */
const KEEP_ALIVE_MS = 20_000;

export function createHttpTransport(options: HttpTransportOptions): Transport {
  const path = `${options.gateway.pathname.replace(/\/+$/, '')}/v1/batches`;
  const connections = createConnections(options);
  const pool = new Pool(options.gateway.origin, {
    connections: options.connections,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: options.requestTimeoutMs,
    bodyTimeout: options.requestTimeoutMs,
    maxResponseSize: ANSWER_BYTES_MAX,
    connect: connections.connect,
  });
  return {
    async reach() {
      if (pool.stats.connected === 0) await connections.reach();
    },
    async post({ headers, body, signal }) {
      const deadline = deadlineOf(signal, options.requestTimeoutMs);
      try {
        // failpoint: before-post
        const answer = await pool.request({ path, method: 'POST', headers, body, signal: deadline.signal });
        return {
          status: answer.statusCode,
          headers: answer.headers,
          body: new Uint8Array(await answer.body.arrayBuffer()),
        };
      } catch (error) {
        throw noHttp(error);
      } finally {
        deadline.release();
      }
    },
    close() {
      connections.close();
      return pool.destroy();
    },
  };
}

/** undici asserts that a status is one. */
function noHttp(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== 'ERR_ASSERTION') return error;
  return Object.assign(new Error(`the answer is no HTTP: ${message}`, { cause: error }), {
    code: 'HPE_INVALID_STATUS',
  });
}

interface Connections {
  /** How the pool gets a connection. */
  readonly connect: buildConnector.connector;
  /** Makes one ahead of its request, which the pool then gets. */
  reach(): Promise<void>;
  close(): void;
}

/** The one that was made ahead is for a request that follows at once; an older one may be dead. */
const MADE_AHEAD_MAX_MS = 5_000;

function createConnections({ gateway, ca, requestTimeoutMs }: HttpTransportOptions): Connections {
  const connector = buildConnector({
    timeout: Math.min(CONNECT_TIMEOUT_MS, requestTimeoutMs),
    ...(ca !== undefined && { ca }),
  });
  const { host, hostname, protocol, port } = gateway;
  const origin = { host, hostname: hostname.replace(/^\[|\]$/g, ''), protocol, port };
  let isClosed = false;
  let reaching: Promise<void> | undefined;
  let giveUp: (error: Error) => void = () => {};
  let ready: { readonly socket: Socket; readonly since: number } | undefined;

  function take(): Socket | undefined {
    const taken = ready;
    ready = undefined;
    if (taken && !taken.socket.destroyed && performance.now() - taken.since < MADE_AHEAD_MAX_MS) return taken.socket;
    taken?.socket.destroy();
    return undefined;
  }

  return {
    connect(to, callback) {
      const socket = take();
      if (socket) callback(null, socket);
      else connector(to, callback);
    },
    reach() {
      reaching ??= new Promise<void>((resolve, reject) => {
        giveUp = reject;
        const kept = take();
        if (kept) {
          ready = { socket: kept, since: performance.now() };
          return resolve();
        }
        connector(origin, (error, socket) => {
          if (error) return reject(error);
          if (isClosed) {
            socket.destroy();
            return;
          }
          ready = { socket, since: performance.now() };
          resolve();
        });
      }).finally(() => {
        reaching = undefined;
      });
      return reaching;
    },
    close() {
      isClosed = true;
      take()?.destroy();
      giveUp(Object.assign(new Error('the transport is closed'), { code: 'closed' }));
    },
  };
}

/** `AbortSignal.any` would do, but leaves some bytes behind at every request for as long as the device lives. */
function deadlineOf(signal: AbortSignal, timeoutMs: number): { readonly signal: AbortSignal; release(): void } {
  const deadline = new AbortController();
  const abort = (): void => deadline.abort(signal.reason);
  const timeout = setTimeout(() => {
    deadline.abort(Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }));
  }, timeoutMs);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  return {
    signal: deadline.signal,
    release() {
      clearTimeout(timeout);
      signal.removeEventListener('abort', abort);
    },
  };
}
