/**
 * Damage: messages that are not what was sent.
 *
 * Owns the flipping of bits. Promises that what it gives differs from what it was given in at least one bit that
 * matters.
 */
import { HEADER } from '../../src/codec/index.ts';
import type { TransportAnswer, TransportRequest } from '../../src/device/index.ts';

export function damagedRequest(request: TransportRequest, random: () => number): TransportRequest {
  const { headers } = request;
  if (random() < 0.7 && request.body.length > 0) return { ...request, body: flipped(request.body, random) };
  const choices = [
    { [HEADER.timestamp]: String(Number(headers[HEADER.timestamp]) + 1) },
    { [HEADER.signature]: turned(headers[HEADER.signature]!, random) },
    { [HEADER.device]: `${headers[HEADER.device]}0` },
    { 'content-encoding': headers['content-encoding'] === 'gzip' ? 'br' : 'gzip' },
  ];
  return { ...request, headers: { ...headers, ...choices[Math.floor(random() * choices.length)]! } };
}

export function damagedAnswer(answer: TransportAnswer, random: () => number): TransportAnswer {
  const { status, headers, body } = answer;
  const timestamp = headers[HEADER.timestamp];
  switch (Math.floor(random() * 4)) {
    case 0:
      return { ...answer, status: status === 200 ? 400 : 200 };
    case 1:
      return { ...answer, headers: { ...headers, [HEADER.timestamp]: `1${String(timestamp)}` } };
    case 2:
      return { ...answer, body: body.subarray(0, Math.floor(random() * body.length)) };
    default:
      return { ...answer, body: flipped(body, random) };
  }
}

function flipped(bytes: Uint8Array, random: () => number): Uint8Array {
  const damaged = Uint8Array.from(bytes);
  const at = Math.floor(random() * damaged.length);
  damaged[at]! ^= 1 << Math.floor(random() * 8);
  return damaged;
}

/** One hexadecimal digit of a signature is another. */
function turned(signatures: string, random: () => number): string {
  const at = signatures.length - 1 - Math.floor(random() * 64);
  const digit = (Number.parseInt(signatures[at]!, 16) ^ 1).toString(16);
  return `${signatures.slice(0, at)}${digit}${signatures.slice(at + 1)}`;
}
