/**
 * Transport: how one request travels and its answer comes back.
 *
 * Owns the interface, and the HTTP one over undici. Promises that an answer is whole and bounded, or that the call
 * rejects. Never follows redirects, retries or judges an answer.
 */
import { Pool } from 'undici';
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
  const pool = new Pool(options.gateway.origin, {
    connections: options.connections,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: options.requestTimeoutMs,
    bodyTimeout: options.requestTimeoutMs,
    maxResponseSize: ANSWER_BYTES_MAX,
    connect: {
      timeout: Math.min(CONNECT_TIMEOUT_MS, options.requestTimeoutMs),
      ...(options.ca !== undefined && { ca: options.ca }),
    },
  });
  return {
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
      } finally {
        deadline.release();
      }
    },
    close: () => pool.destroy(),
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
