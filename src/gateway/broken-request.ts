/**
 * BrokenRequest: what comes in and is no HTTP, or not in time.
 *
 * Owns the answer to what never becomes a request. Promises a problem like any other and an end to the connection, since
 * nobody knows where the next request would begin. Never waits for the client.
 */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { problemAnswer } from './answers.ts';
import { GatewayError, toGatewayError } from './errors.ts';

export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const known = toGatewayError(error);
  const refusal = known.code === 'internal' ? new GatewayError('headers-invalid', 'this is no HTTP request') : known;
  const { status, mediaType, body } = problemAnswer(refusal);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Content-Type: ${mediaType}`,
    `Content-Length: ${body.length}`,
    'Connection: close',
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  socket.write(body);
  socket.destroySoon();
}
