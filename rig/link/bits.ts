/**
 * Bits: one of them turned, as noise on a line does it, and heads of messages as the bytes that noise would meet.
 *
 * Owns what a damaged message looks like. Promises that exactly one bit differs. Never knows who said it.
 */
import { type IncomingMessage, STATUS_CODES } from 'node:http';

/** @param random uniform in [0, 1), for the place */
export function withBitTurned(bytes: Buffer, random: () => number): Buffer {
  const turned = Buffer.from(bytes);
  const bit = Math.floor(random() * bytes.length * 8);
  if (turned.length > 0) turned[bit >> 3]! ^= 1 << (bit & 7);
  return turned;
}

export function requestHead({ method, url, rawHeaders }: IncomingMessage): Buffer {
  return headOf(`${method} ${url} HTTP/1.1`, rawHeaders);
}

export function answerHead(status: number, headers: readonly string[]): Buffer {
  return headOf(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, headers);
}

/** The connection is not kept: after such a head nobody knows where the next message would begin. */
function headOf(line: string, headers: readonly string[]): Buffer {
  const lines = [line];
  for (let at = 0; at < headers.length; at += 2) {
    if (!/^connection$/i.test(headers[at]!)) lines.push(`${headers[at]}: ${headers[at + 1]}`);
  }
  return Buffer.from(`${[...lines, 'connection: close'].join('\r\n')}\r\n\r\n`, 'latin1');
}
