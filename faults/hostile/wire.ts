/**
 * Wire: bytes to a port, and the answers that come back, read by hand.
 *
 * Owns a reader of HTTP answers that believes nothing. Promises to wait until the other side has closed the connection,
 * or answered as often as it was asked to, and no longer than its patience.
 */
import { connect } from 'node:net';
import { Breach } from './kind.ts';
import { codeOf } from './target.ts';

export interface WireAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface WireTalk {
  readonly answers: readonly WireAnswer[];
  /** Whether the other side has ended the connection. */
  readonly isClosed: boolean;
}

const PATIENCE_MS = 20_000;

/** Sends the bytes in the given pieces, and ends; to a port of this machine, or a socket's path. */
export function talk(where: number | string, pieces: readonly Uint8Array[]): Promise<WireTalk> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = typeof where === 'number' ? connect(where, '127.0.0.1') : connect(where);
    const timeout = setTimeout(() => {
      socket.destroy();
      reject(new Breach(`nothing ended the connection within ${PATIENCE_MS} ms`));
    }, PATIENCE_MS);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    // The other side may have heard enough; what it said before counts.
    socket.on('error', () => {});
    socket.once('close', () => {
      clearTimeout(timeout);
      try {
        resolve({ answers: answersIn(Buffer.concat(chunks)), isClosed: true });
      } catch (error) {
        reject(error);
      }
    });
    for (const piece of pieces) socket.write(piece);
    socket.end();
  });
}

/** Throws where these are no answers of HTTP/1.1, or the last of them is cut short. */
export function answersIn(bytes: Buffer): WireAnswer[] {
  const answers: WireAnswer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\r\n\r\n', at);
    const [first = '', ...lines] = bytes.toString('latin1', at, end < 0 ? at + 80 : end).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(`${first} `)?.[1]);
    if (end < 0 || Number.isNaN(status)) throw new Breach(`no answer of HTTP/1.1: ${JSON.stringify(first)}`);
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    at = end + 4;
    if (status < 200) continue;
    const [body, next] =
      headers.get('transfer-encoding') === 'chunked' ? chunked(bytes, at) : counted(bytes, at, headers);
    answers.push({ status, headers, body });
    at = next;
  }
  return answers;
}

/** A problem of the specification with its status, or JSON or a page; never a fault of the gateway's own. */
export function assertKnown({ status, headers, body }: WireAnswer): void {
  const type = headers.get('content-type') ?? '';
  if (status >= 400) {
    if (!type.startsWith('application/problem+json'))
      throw new Breach(`a bare ${status}: ${body.toString().slice(0, 100)}`);
    codeOf(status, JSON.parse(body.toString()) as Record<string, unknown>);
  } else if (status !== 200) throw new Breach(`answered ${status}`);
  if (/node_modules|\.[jt]s:\d+/.test(body.toString('latin1', 0, 2_000)) && !type.startsWith('text/html'))
    throw new Breach('a stack is shown');
}

function counted(bytes: Buffer, at: number, headers: ReadonlyMap<string, string>): [body: Buffer, next: number] {
  // Without a length it is all that comes, as an old client expects it.
  const isUntilEnd = !headers.has('content-length') && headers.get('connection') === 'close';
  const length = isUntilEnd ? bytes.length - at : Number(headers.get('content-length') ?? 0);
  if (at + length > bytes.length) throw new Breach('an answer cut short');
  return [bytes.subarray(at, at + length), at + length];
}

function chunked(bytes: Buffer, from: number): [body: Buffer, next: number] {
  const parts: Buffer[] = [];
  for (let at = from; ; ) {
    const end = bytes.indexOf('\r\n', at);
    const length = Number.parseInt(bytes.toString('latin1', at, end), 16);
    if (end < 0 || Number.isNaN(length)) throw new Breach('a broken chunk');
    parts.push(bytes.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
    if (length === 0) return [Buffer.concat(parts), at];
  }
}
